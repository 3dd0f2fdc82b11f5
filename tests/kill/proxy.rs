//! A relay between the harness and the server that counts what the harness sends, and tells when it has sent so much.
//! It reads nothing of it: the connection is TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A running relay.
pub struct Relay {
    pub address: SocketAddr,
    sent: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Relay {
    /// Relays to `server`; calls `reached` once, when `point` bytes were sent on.
    pub fn start(server: SocketAddr, point: Option<u64>, reached: impl Fn() + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let counter = Counter { sent: Arc::clone(&sent), point, reached: Arc::new(reached), told: Arc::default() };
        let ended = Arc::clone(&over);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (to_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let counter = counter.clone();
                std::thread::spawn(move || pump(client, server, Some(&counter)));
                std::thread::spawn(move || pump(from_server, to_client, None));
            }
        });
        Self { address, sent, over }
    }

    /// How many bytes were sent to the server.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

#[derive(Clone)]
struct Counter {
    sent: Arc<AtomicU64>,
    point: Option<u64>,
    reached: Arc<dyn Fn() + Send + Sync>,
    told: Arc<AtomicBool>,
}

fn pump(mut from: TcpStream, mut to: TcpStream, counter: Option<&Counter>) {
    let mut buffer = [0; 4096];
    while let Ok(n) = from.read(&mut buffer) {
        let Some(counter) = counter else {
            if n == 0 || to.write_all(&buffer[..n]).is_err() {
                break;
            }
            continue;
        };
        let before = counter.sent.fetch_add(n as u64, Ordering::Relaxed);
        // What goes beyond the point never arrives: the last request may be half a request.
        let room = counter.point.map_or(n as u64, |point| point.saturating_sub(before).min(n as u64));
        let part = &buffer[..usize::try_from(room).unwrap()];
        if n == 0 || to.write_all(part).is_err() {
            break;
        }
        if counter.point.is_some_and(|point| before + n as u64 >= point) && !counter.told.swap(true, Ordering::Relaxed) {
            (counter.reached)();
        }
    }
    let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
}
