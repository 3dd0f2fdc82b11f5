//! The embedded cluster served to real clients: a simulation in paced time behind TLS on loopback.
//! What the command line makes of it (files, signals, texts) lives there.
//!
//! Two threads: `listener` and its connections live in real time; `simulation` lives in simulated time, which advances `speed`
//! times as fast, never faster. Time-outs that a client asks for (`timeoutSeconds`) are the client's time; everything that the
//! cluster does by itself, expiry of tokens included, is simulated time.

mod certificates;
mod gateway;
pub mod kubeconfig;
mod listener;
mod pace;
mod simulation;

use super::api::{Credentials, User};
use super::limits::Limit;
use super::profile::Profile;
use certificates::Authority;
use gateway::Gateway;
use simulation::{Message, Setting};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore};

/// A cluster could not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServeError(String);

/// What the user of a served cluster should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Simulated time begins to fall behind: it was not fast enough for the speed asked for. Told once per stretch.
    Late {
        /// The simulated time that was reached.
        reached: Duration,
        /// The simulated time that was given up so far.
        lost: Duration,
    },
    /// Something that the simulation could not do faithfully.
    Limit(Limit),
}

/// What is served.
pub struct ServeOptions {
    /// The seed of every random choice of the simulation. Keys and tokens do not come from it.
    pub seed: u64,
    /// What the simulated clock shows at the beginning: usually the present.
    pub epoch: jiff::Timestamp,
    /// The cluster.
    pub profile: Profile,
    /// Simulated seconds per real second: more than zero.
    pub speed: f64,
    /// The port on loopback; 0: a free one.
    pub port: u16,
    /// The present, for the certificates.
    pub now: jiff::Timestamp,
    /// Who is told what the user should know. Called from the simulation's thread: must not wait.
    pub notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

/// A cluster that is being served. Ends when it is dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    kubeconfig: String,
    inbox: mpsc::Sender<Message>,
    simulating: Option<JoinHandle<Result<(), ServeError>>>,
    // Its connections end with it.
    _connections: tokio::task::JoinSet<()>,
}

impl Served {
    /// Starts to serve, on the present tokio runtime (with I/O and real time) and a thread of its own. Returns when the cluster
    /// answers.
    ///
    /// # Errors
    /// When the port is taken, or the system gives no thread.
    pub async fn start(options: ServeOptions) -> Result<Self, ServeError> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
        let listener = listener.map_err(|error| {
            ServeError(format!("127.0.0.1:{} cannot be listened on: {error}; with port 0 a free one is taken", options.port))
        })?;
        let address = listener.local_addr().map_err(|error| ServeError(format!("the port is unknown: {error}")))?;

        let no_certificate = |error: rcgen::Error| ServeError(format!("no certificates: {error}"));
        let authority = Authority::new(options.now).map_err(no_certificate)?;
        let (admin_user, admin_group) = ("kubernetes-admin", "system:masters");
        let server = authority.server().map_err(no_certificate)?;
        let admin = authority.client(admin_user, admin_group).map_err(no_certificate)?;
        let user = User::new(admin_user, &[admin_group]);
        let hexadecimal = |bytes: [u8; 24]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let token = hexadecimal(secret()?);
        // As `oc login` leaves one.
        let developer = if options.profile.openshift { Some(format!("sha256~{}", hexadecimal(secret()?))) } else { None };
        let contents = kubeconfig::Contents {
            address,
            authority: &authority.pem(),
            certificate: &admin.certificate_pem,
            key: &admin.key_pem,
            token: &token,
            developer: developer.as_deref(),
        };
        let kubeconfig = contents.render();
        let tls = acceptor(&authority, &server)?;

        let (inbox, received) = mpsc::channel();
        let (tell_ready, ready) = tokio::sync::oneshot::channel();
        let setting = Setting {
            seed: options.seed,
            epoch: options.epoch,
            profile: options.profile,
            speed: options.speed,
            credentials: Credentials::new(
                std::iter::once((token, user.clone()))
                    .chain(developer.map(|token| (token, User::new("developer", &["system:authenticated:oauth"])))),
            ),
            secret: secret()?,
            notify: options.notify,
        };
        let simulating = std::thread::Builder::new()
            .name("simulation".to_owned())
            .spawn(move || {
                simulation::run(setting, &received, || {
                    // Without a receiver there is nobody to serve.
                    let _ = tell_ready.send(());
                })
            })
            .map_err(|error| ServeError(format!("no thread for the simulation: {error}")))?;
        if ready.await.is_err() {
            return Err(ended(simulating).err().unwrap_or_else(|| ServeError("the simulation did not start".to_owned())));
        }
        let mut connections = tokio::task::JoinSet::new();
        let holders = Arc::new(vec![(admin.certificate, user)]);
        connections.spawn(listener::listen(listener, tls, holders, Gateway::new(inbox.clone())));
        Ok(Self { address, kubeconfig, inbox, simulating: Some(simulating), _connections: connections })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's kubeconfig: a secret.
    #[must_use]
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Ends the simulation and waits for its thread.
    ///
    /// # Errors
    /// When the simulation had ended by itself: a bug.
    pub fn stop(mut self) -> Result<(), ServeError> {
        let _ = self.inbox.send(Message::Stop);
        self.simulating.take().map_or(Ok(()), ended)
    }

    /// Whether the simulation has ended by itself: a bug.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.simulating.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.inbox.send(Message::Stop);
    }
}

fn ended(simulating: JoinHandle<Result<(), ServeError>>) -> Result<(), ServeError> {
    simulating.join().unwrap_or_else(|_| Err(ServeError("the simulation ended by a bug".to_owned())))
}

/// Bytes that nobody can guess.
fn secret<const N: usize>() -> Result<[u8; N], ServeError> {
    let mut bytes = [0; N];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| ServeError("the system gives no random bytes".to_owned()))?;
    Ok(bytes)
}

fn acceptor(authority: &Authority, server: &certificates::Pair) -> Result<TlsAcceptor, ServeError> {
    let refused = |error: String| ServeError(format!("TLS cannot be set up: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).map_err(|error| refused(error.to_string()))?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![server.certificate.clone()], server.private_key())
        .map_err(|error| refused(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
