//! What an end brings to a handshake.

use std::fmt;
use std::ops::{BitAnd, BitOr};

use super::error::HandshakeError;
use super::name::ServiceName;
use crate::limits::Limits;

/// What an end says of itself in every handshake. Make one for a server or client, and use it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What carries the connection. Both ends must use the same.
    pub transport: Transport,
    /// The service that this end belongs to. By default the empty name, which matches all.
    pub service: ServiceName,
    /// The features that this end can use; those that both ends offer exist on the connection.
    pub offered: Features,
    /// The features without which this end does not open a connection; it must offer them too.
    pub required: Features,
    /// What this end accepts.
    pub limits: Limits,
    /// The name of this end.
    pub instance: InstanceId,
}

impl Settings {
    /// Settings without a service name and features, and with the default limits.
    #[must_use]
    pub fn new(transport: Transport, instance: InstanceId) -> Self {
        Self {
            transport,
            service: ServiceName::EMPTY,
            offered: Features::NONE,
            required: Features::NONE,
            limits: Limits::default(),
            instance,
        }
    }

    /// Checks that the limits are in their ranges and the required features offered. Starting a
    /// handshake does so too.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::OwnLimit`] or [`HandshakeError::OwnFeatures`].
    pub fn validate(&self) -> Result<(), HandshakeError> {
        self.limits.validate().map_err(HandshakeError::OwnLimit)?;
        let missing = self.required.without(self.offered);
        if missing != Features::NONE {
            return Err(HandshakeError::OwnFeatures { missing });
        }
        Ok(())
    }
}

/// What carries a connection. Its number and binding data are part of what the proofs cover, so a
/// handshake cannot be relayed from one kind of channel to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A Unix socket. No binding data.
    Unix,
    /// TCP under Noise. The binding data is the hash of the Noise handshake.
    Tcp,
    /// TCP without encryption. No binding data.
    PlainTcp,
    /// A socket pair whose one end a child process inherits. No binding data.
    Inherited,
    /// Any other stream. Its user gives the binding data.
    Other,
}

impl Transport {
    pub(crate) const ALL: [Self; 5] = [
        Self::Unix,
        Self::Tcp,
        Self::PlainTcp,
        Self::Inherited,
        Self::Other,
    ];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unix => "a Unix socket",
            Self::Tcp => "encrypted TCP",
            Self::PlainTcp => "plain TCP",
            Self::Inherited => "an inherited socket",
            Self::Other => "another stream",
        })
    }
}

/// The name of one end: 16 random bytes, made when a server or client is set up. An end refuses
/// another one with its own name, which shows that its messages came back to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub [u8; 16]);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({self})")
    }
}

/// Which end of a connection it is. Both may call; only the opening differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that connected.
    Client,
    /// The end that was connected to.
    Server,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// A set of optional parts of the protocol, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(pub u64);

impl Features {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Whether all of `other` are in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        other.without(self) == Self::NONE
    }

    /// Those of this set that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Those in either set.
impl BitOr for Features {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Those in both sets.
impl BitAnd for Features {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bits = (0..u64::BITS).filter(|bit| self.0 >> bit & 1 == 1);
        match bits.next() {
            Some(first) => write!(f, "feature bit {first}")?,
            None => return f.write_str("no feature"),
        }
        bits.try_for_each(|bit| write!(f, ", {bit}"))
    }
}

/// The major versions of the protocol that an end supports. There are no minor ones: what is new and
/// optional is a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Versions {
    /// The lowest.
    pub lowest: u8,
    /// The highest.
    pub highest: u8,
}

impl Versions {
    /// What this implementation supports.
    pub const SUPPORTED: Self = Self {
        lowest: 1,
        highest: 1,
    };

    /// Whether they are at least one version, and none is 0.
    pub(crate) fn is_range(self) -> bool {
        0 < self.lowest && self.lowest <= self.highest
    }

    /// The highest version that both ends support.
    pub(crate) fn choose(self, other: Self) -> Option<u8> {
        let highest = self.highest.min(other.highest);
        (self.lowest.max(other.lowest) <= highest).then_some(highest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lowest == self.highest {
            write!(f, "{}", self.lowest)
        } else {
            write!(f, "{} to {}", self.lowest, self.highest)
        }
    }
}
