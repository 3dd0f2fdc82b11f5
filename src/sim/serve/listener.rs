//! The listening socket on loopback: TLS, HTTP/1.1 and HTTP/2, one task per connection.
//! Who a client is and what it may do is decided behind the gateway.

use super::gateway::Gateway;
use crate::sim::api::User;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Connections at once; a further one waits.
const CONNECTIONS: usize = 1_000;
/// How long a client may take for the TLS handshake, or for the head of a request. Real time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many streams one HTTP/2 connection may have, as kube-apiserver does it.
const STREAMS: u32 = 250;

/// Who holds which certificate.
pub(super) type Holders = Arc<Vec<(CertificateDer<'static>, User)>>;

/// Accepts connections until it is dropped.
pub(super) async fn listen(listener: TcpListener, tls: TlsAcceptor, holders: Holders, gateway: Gateway) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, mostly: others must go first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (tls, holders, gateway) = (tls.clone(), Arc::clone(&holders), gateway.clone());
        tokio::spawn(async move {
            serve(stream, tls, &holders, gateway).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, holders: &Holders, gateway: Gateway) {
    // Without it small answers wait for more to come.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await else { return };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let user = shown.and_then(|shown| holders.iter().find(|(held, _)| held == shown)).map(|(_, user)| user.clone());
    let service = hyper::service::service_fn(move |request| {
        let (gateway, user) = (gateway.clone(), user.clone());
        async move { Ok::<_, Infallible>(gateway.serve(request, user).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).keep_alive_interval(Duration::from_secs(30));
    // A connection that breaks is its client's business.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}
