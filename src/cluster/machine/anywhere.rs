//! Takes back what earlier runs did to machines of any kind, as their records say: containers on this computer, and hosts by pods in
//! the namespace where the records lie. It breaks nothing.

use super::host::Hosts;
use super::{Act, Limit, Machine, Machines, TakenBack, container};
use crate::cluster::request::RequestError;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

/// Machines of records.
#[derive(Clone, Debug)]
pub struct Anywhere {
    /// By which hosts are reached; none where the run had no namespace of its own, and so broke none.
    pub hosts: Option<Hosts>,
}

impl Machines for Anywhere {
    fn of<'a>(&'a self, node: &'a Value) -> BoxFuture<'a, Result<Machine, RequestError>> {
        let name = node.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let refused = RequestError::of(&format!("looking for the machine of node {name}"), "a clean-up breaks nothing");
        async move { Err(refused) }.boxed()
    }

    fn carry_out<'a>(
        &'a self,
        machine: &'a Machine,
        _act: &'a Act,
        _limit: &'a Limit,
    ) -> BoxFuture<'a, Result<(), RequestError>> {
        async move { Err(RequestError::of(&format!("breaking {machine}"), "a clean-up breaks nothing")) }.boxed()
    }

    fn take_back<'a>(
        &'a self,
        machine: &'a Machine,
        act: &'a Act,
        limit: &'a Limit,
    ) -> BoxFuture<'a, Result<TakenBack, RequestError>> {
        match (machine, &self.hosts) {
            (Machine::Host { .. }, Some(hosts)) => hosts.take_back(machine, act, limit),
            (Machine::Host { .. }, None) => {
                let refused = RequestError::of(&format!("mending {machine}"), "its record lies in a namespace of others");
                async move { Err(refused) }.boxed()
            }
            _ => container::take_back(machine, act).boxed(),
        }
    }

    fn carry_the_control_plane(&self) -> bool {
        true
    }
}
