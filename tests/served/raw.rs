//! HTTP/1.1 byte by byte over TLS, for what no well-behaved client sends.

use crate::server::{Cluster, PATIENCE};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// A way to a served cluster, as its administrator (by token).
pub struct Raw {
    address: SocketAddr,
    connector: TlsConnector,
    pub token: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Raw {
    pub fn new(cluster: &Cluster) -> Self {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(cluster.served.kubeconfig()).unwrap();
        let authority = kubeconfig.clusters[0].cluster.as_ref().unwrap().certificate_authority_data.clone().unwrap();
        let authority: k8s_openapi::ByteString = serde_json::from_value(json!(authority)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority.0).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let user = serde_json::to_value(kubeconfig.auth_infos[0].auth_info.as_ref().unwrap()).unwrap();
        let token = user["token"].as_str().unwrap().to_owned();
        Self { address: cluster.served.address(), connector: TlsConnector::from(Arc::new(config)), token }
    }

    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(self.address.ip().to_string()).unwrap();
        self.connector.connect(name, stream).await.unwrap()
    }

    /// One request over a connection of its own, with the administrator's token unless the headers say who sends it.
    pub async fn ask(&self, request: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{request} HTTP/1.1\r\nHost: cluster\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|header| header.starts_with("Authorization")) {
            head += &format!("Authorization: Bearer {}\r\n", self.token);
        }
        for header in headers.iter().filter(|header| !header.ends_with(": ")) {
            head += &format!("{header}\r\n");
        }
        let mut stream = self.connect().await;
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        // The answer may come, and the connection end, before all was sent.
        let sending = async {
            let _ = writer.write_all(body).await;
            std::future::pending::<()>().await;
        };
        let mut text = Vec::new();
        let receiving = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut text));
        tokio::select! {
            () = sending => {}
            // How it ends does not matter when there is an answer.
            ended = receiving => drop(ended.expect("no answer")),
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: no answer: {text:?}"));
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { code, head: head.to_owned(), body: body.to_owned() }
    }

    /// An upgraded connection.
    pub async fn upgrade(&self, path: &str, protocol: &str) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: cluster\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        stream
    }
}
