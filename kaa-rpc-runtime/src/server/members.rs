//! Which secrets a server accepts, and which channels are open by them.
//!
//! Both stand under one lock, so that a channel is let in only by a secret that is accepted at that
//! moment, and whoever takes a secret away sees all channels that came in by it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kaa_rpc_proto::handshake::server::{AwaitPreamble, Refusal, VersionAgreed};
use kaa_rpc_proto::handshake::{KeyId, Keyring, Step};

use super::{AddSecretError, BindError};
use crate::channel::Channel;
use crate::close::CloseReason;
use crate::connection::Shared;
use crate::open::ConnectError;
use crate::secret::{Secret, random};

/// The secrets and the channels of a server.
pub(super) struct Members {
    state: Mutex<State>,
    /// How many channels may be open.
    most: usize,
}

struct State {
    keyring: Keyring,
    /// The secret that each id stands for now, as the number of its addition: an id may come again with
    /// another secret.
    secrets: HashMap<KeyId, SecretNumber>,
    channels: HashMap<u64, Member>,
    next: u64,
}

/// Tells a secret from another one that had its id before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SecretNumber(u64);

struct Member {
    channel: Channel,
    /// By what it came in; `None` for a child process.
    key_id: Option<KeyId>,
}

/// A channel that is on the list until this is dropped.
pub(super) struct Membership {
    members: Arc<Members>,
    number: u64,
    shared: Arc<Shared>,
}

impl Members {
    pub(super) fn new(secrets: &[(String, Secret)], most: usize) -> Result<Arc<Self>, BindError> {
        let decoy = random().map_err(|error| BindError::Side(ConnectError::Random(error)))?;
        let members = Arc::new(Self {
            state: Mutex::new(State {
                keyring: Keyring::new(decoy),
                secrets: HashMap::new(),
                channels: HashMap::new(),
                next: 0,
            }),
            most,
        });
        for (id, secret) in secrets {
            members
                .add(id, secret)
                .map_err(|error| BindError::Side(ConnectError::Settings(error.to_string())))?;
        }
        Ok(members)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts one more secret.
    pub(super) fn add(&self, id: &str, secret: &Secret) -> Result<(), AddSecretError> {
        let key_id = KeyId::new(id).map_err(|error| AddSecretError::Id {
            id: id.to_owned(),
            problem: error.to_string(),
        })?;
        let mut state = self.lock();
        if state.secrets.contains_key(&key_id) {
            return Err(AddSecretError::Taken { id: id.to_owned() });
        }
        state.keyring.insert(key_id, secret.key());
        let number = SecretNumber(state.number());
        state.secrets.insert(key_id, number);
        Ok(())
    }

    /// Accepts a secret no more, and closes the channels that came in by it. Whether there was one.
    pub(super) fn revoke(&self, id: &str) -> bool {
        let Ok(key_id) = KeyId::new(id) else {
            return false;
        };
        let mut state = self.lock();
        if state.secrets.remove(&key_id).is_none() {
            return false;
        }
        state.keyring.remove(&key_id);
        // Those that are about to open are among them.
        let theirs = state.channels.values();
        let theirs: Vec<Channel> = theirs
            .filter(|member| member.key_id == Some(key_id))
            .map(|member| member.channel.clone())
            .collect();
        drop(state);
        for channel in theirs {
            channel.shared().close(CloseReason::Revoked {
                key_id: id.to_owned(),
            });
        }
        true
    }

    /// Judges a preamble, and notes which secret its client has to prove.
    pub(super) fn judge(
        &self,
        preamble: AwaitPreamble,
        bytes: &[u8; AwaitPreamble::NEEDS],
    ) -> Result<(Step<VersionAgreed>, Option<SecretNumber>), Refusal> {
        let state = self.lock();
        let step = preamble.receive(bytes, &state.keyring)?;
        let secret = state.secrets.get(&step.next.claimed_key_id()).copied();
        Ok((step, secret))
    }

    /// Puts a channel on the list whose client has proved `secret`.
    pub(super) fn admit(
        self: &Arc<Self>,
        shared: Arc<Shared>,
        key_id: KeyId,
        secret: Option<SecretNumber>,
    ) -> Result<Membership, ConnectError> {
        let state = self.lock();
        if secret.is_none() || state.secrets.get(&key_id).copied() != secret {
            let key_id = key_id.as_str().to_owned();
            return Err(ConnectError::Revoked { key_id });
        }
        self.enter(state, shared, Some(key_id))
    }

    /// Puts the channel of a child process on the list.
    #[cfg(feature = "process")]
    pub(super) fn admit_child(
        self: &Arc<Self>,
        shared: Arc<Shared>,
    ) -> Result<Membership, ConnectError> {
        self.enter(self.lock(), shared, None)
    }

    fn enter(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        shared: Arc<Shared>,
        key_id: Option<KeyId>,
    ) -> Result<Membership, ConnectError> {
        if state.channels.len() >= self.most {
            return Err(ConnectError::TooManyChannels { limit: self.most });
        }
        let channel = Channel::from_shared(Arc::clone(&shared));
        let number = state.number();
        state.channels.insert(number, Member { channel, key_id });
        Ok(Membership {
            members: Arc::clone(self),
            number,
            shared,
        })
    }

    /// All channels, also those that are about to open.
    pub(super) fn all(&self) -> Vec<Channel> {
        let state = self.lock();
        let members = state.channels.values();
        members.map(|member| member.channel.clone()).collect()
    }

    /// The channels that are open.
    pub(super) fn open(&self) -> Vec<Channel> {
        let mut channels = self.all();
        channels.retain(|channel| channel.peer().is_some() && !channel.is_closed());
        channels
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Membership {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Nothing but the end of the server, or of the client, keeps a channel on the list from opening.
        self.shared.close(CloseReason::Closed);
        // Not under the lock: it is a handle, and the last one closes the channel.
        let gone = self.members.lock().channels.remove(&self.number);
        drop(gone);
    }
}
