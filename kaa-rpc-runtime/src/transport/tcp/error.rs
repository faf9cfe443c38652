//! Why a TCP address could not be bound or connected to.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::address::{Address, TcpAddress};

/// A client cannot connect to a TCP address. It names each address that was tried, and why it failed.
#[derive(Debug)]
pub struct TcpConnectError(Failure);

/// A server cannot listen at a TCP address. It names each address that was tried, and why it failed.
#[derive(Debug)]
pub struct TcpBindError(Failure);

#[derive(Debug)]
struct Failure {
    address: TcpAddress,
    problem: Problem,
}

#[derive(Debug)]
pub(super) enum Problem {
    /// The name could not be resolved.
    Name(io::Error),
    /// All that it stands for failed.
    Attempts(Vec<(SocketAddr, io::Error)>),
}

impl TcpConnectError {
    pub(super) fn new(address: TcpAddress, problem: Problem) -> Self {
        Self(Failure { address, problem })
    }

    /// The addresses that were tried, and why each failed; none if the name could not be resolved.
    pub fn attempts(&self) -> impl Iterator<Item = (SocketAddr, &io::Error)> {
        self.0.attempts()
    }

    /// Whether nobody listens there: all that was tried was refused.
    #[must_use]
    pub fn is_not_running(&self) -> bool {
        self.0.are_all(io::ErrorKind::ConnectionRefused)
    }
}

impl TcpBindError {
    pub(super) fn new(address: TcpAddress, problem: Problem) -> Self {
        Self(Failure { address, problem })
    }

    /// The addresses that were tried, and why each failed; none if the name could not be resolved.
    pub fn attempts(&self) -> impl Iterator<Item = (SocketAddr, &io::Error)> {
        self.0.attempts()
    }

    /// Whether something listens there already.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.0.are_all(io::ErrorKind::AddrInUse)
    }
}

impl Failure {
    fn attempts(&self) -> impl Iterator<Item = (SocketAddr, &io::Error)> {
        let attempts = match &self.problem {
            Problem::Name(_) => [].as_slice(),
            Problem::Attempts(attempts) => attempts,
        };
        attempts.iter().map(|(address, error)| (*address, error))
    }

    fn are_all(&self, kind: io::ErrorKind) -> bool {
        let mut attempts = self.attempts().peekable();
        attempts.peek().is_some() && attempts.all(|(_, error)| error.kind() == kind)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, doing: &str) -> fmt::Result {
        let address = Address::Tcp(self.address.clone());
        write!(f, "cannot {doing} {address}: ")?;
        match &self.problem {
            Problem::Name(error) => {
                write!(
                    f,
                    "the host `{}` has no address: {error}",
                    self.address.host()
                )
            }
            Problem::Attempts(attempts) if attempts.is_empty() => {
                write!(f, "the host `{}` has no address", self.address.host())
            }
            Problem::Attempts(attempts) => {
                for (at, (address, error)) in attempts.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "; " };
                    write!(f, "{comma}{address}: {error}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for TcpConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "connect to")?;
        if self.is_not_running() {
            f.write_str(": is the server running?")?;
        }
        Ok(())
    }
}

impl fmt::Display for TcpBindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "listen at")
    }
}

impl std::error::Error for TcpConnectError {}

impl std::error::Error for TcpBindError {}
