//! Why a connection failed, in the words of the C library and of Go.
//! No behaviour lives here.

use std::fmt;

/// What the kernel answers to a program that uses the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// ECONNREFUSED: nobody listens there, or a Service has no endpoint.
    Refused,
    /// ETIMEDOUT: no answer in all the kernel's attempts.
    TimedOut,
    /// ECONNRESET: the other end is gone.
    Reset,
    /// EPIPE: writing to a connection that the other end has left.
    BrokenPipe,
    /// EADDRINUSE: somebody in this network namespace listens there already.
    AddressInUse,
    /// EHOSTUNREACH: the address belongs to nobody.
    HostUnreachable,
    /// EADDRNOTAVAIL: listening at an address that is not one's own.
    NotAvailable,
}

impl fmt::Display for NetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "Connection refused",
            Self::TimedOut => "Connection timed out",
            Self::Reset => "Connection reset by peer",
            Self::BrokenPipe => "Broken pipe",
            Self::AddressInUse => "Address already in use",
            Self::HostUnreachable => "No route to host",
            Self::NotAvailable => "Cannot assign requested address",
        })
    }
}

impl NetError {
    /// As Go's standard library prints it.
    #[must_use]
    pub fn go(self) -> String {
        self.to_string().to_lowercase()
    }
}
