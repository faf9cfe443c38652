use std::sync::Arc;

use kaa_rpc_proto::msgpack::Arguments;

use crate::call::Call;
use crate::channel::Channel;
use crate::connection::Name;

/// What a generated proxy consists of: a channel and the prefix under which its interface is exposed.
#[derive(Clone, Debug)]
pub struct Proxy {
    channel: Channel,
    prefix: Option<Arc<str>>,
}

impl Proxy {
    /// For an interface without a prefix.
    #[must_use]
    pub fn new(channel: &Channel) -> Self {
        Self {
            channel: channel.clone(),
            prefix: None,
        }
    }

    /// For an interface that was registered under `prefix`.
    #[must_use]
    pub fn at(channel: &Channel, prefix: impl Into<String>) -> Self {
        Self {
            channel: channel.clone(),
            prefix: Some(prefix.into().into()),
        }
    }

    /// The channel that it calls through.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// A call of one of the interface's functions.
    pub fn call<A: Arguments, T, F>(&self, name: &'static str, arguments: A) -> Call<'_, A, T, F> {
        Call::new(
            &self.channel,
            self.prefix.as_deref().unwrap_or_default(),
            Name::Static(name),
            arguments,
        )
    }
}
