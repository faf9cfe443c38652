//! Why a server cannot be bound, and why a secret cannot be added to it.

use std::fmt;

use crate::address::AddressError;
use crate::open::ConnectError;
#[cfg(feature = "tcp")]
use crate::transport::TcpBindError;
use crate::transport::UnixBindError;

/// Why a server cannot be bound.
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be read.
    Address(AddressError),
    /// This build has no transport of this kind.
    Unsupported(String),
    /// The socket cannot be made: another server listens, or the folder is not safe.
    Unix(UnixBindError),
    /// No socket can be made there: another server listens, or it is no address of this machine.
    #[cfg(feature = "tcp")]
    Tcp(TcpBindError),
    /// The socket that was given is not one that can be listened at.
    Given(std::io::Error),
    /// What the server exposes or announces does not go together.
    Side(ConnectError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Unsupported(what) => write!(f, "cannot listen: {what}"),
            Self::Unix(error) => error.fmt(f),
            #[cfg(feature = "tcp")]
            Self::Tcp(error) => error.fmt(f),
            Self::Given(error) => {
                write!(f, "cannot listen at the socket that was given: {error}")
            }
            Self::Side(error) => error.fmt(f),
        }
    }
}

/// As its text, which tells what to do: a `main` that gives it on prints this.
impl fmt::Debug for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BindError {}

/// Why a server does not accept one more secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddSecretError {
    /// Nothing can have this id.
    Id {
        /// The id.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another secret has this id: revoke that, or use another id.
    Taken {
        /// The id.
        id: String,
    },
}

impl fmt::Display for AddSecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id { id, problem } => write!(f, "the key id `{id}`: {problem}"),
            Self::Taken { id } if id.is_empty() => {
                f.write_str("the default secret was given twice")
            }
            Self::Taken { id } => write!(f, "the secret `{id}` was given twice"),
        }
    }
}

impl std::error::Error for AddSecretError {}
