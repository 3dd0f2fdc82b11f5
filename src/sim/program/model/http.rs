//! HTTP servers of the models: one listener, requests with their peer.
//! The protocol itself is the network's.

use crate::sim::network::NetError;
use crate::sim::network::http::{self, Request, Response};
use crate::sim::program::command::Invocation;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Serves a port of all addresses, for ever; returns only if it cannot listen. The handler gets the client's address.
pub async fn serve<F, Fut>(call: &Invocation, port: u16, handle: F) -> NetError
where
    F: Fn(SocketAddrV4, Request) -> Fut,
    Fut: Future<Output = Response>,
{
    let listener = match call.process.machine.spec.network.listen(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)) {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    let handle = &handle;
    http::serve(&listener, |stream| async move {
        let peer = stream.peer();
        http::answer(stream, |request| handle(peer, request)).await;
    })
    .await;
    NetError::Refused
}

/// A value of the request's query.
pub fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let (_, query) = request.target.split_once('?')?;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value))
}

/// The port of an address like `:8080` or `0.0.0.0:8080`.
pub fn port(address: &str) -> Option<u16> {
    address.rsplit(':').next()?.parse().ok()
}
