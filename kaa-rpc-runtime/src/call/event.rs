//! Calls whose outcome nobody waits for, and that may not pile up.

use kaa_rpc_proto::msgpack::{Arguments, Encoded, Shape};

use super::{InProgress, Request, Started};
use crate::buffers;
use crate::channel::Channel;
use crate::connection::Name;
use crate::error::Error;
use crate::items::NoItems;
use crate::server::WhenBehind;

/// What a closure gives that tells an event to one client: a call that it has started, or `None`.
pub trait Event {
    #[doc(hidden)]
    fn announce(self, most: (usize, WhenBehind)) -> Option<Result<Announced, Error>>;
}

/// What became of an event for one client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Announced {
    /// So many events wait, this one among them; 0 if it was sent.
    pub(crate) waiting: usize,
    /// So many older ones were dropped for it.
    pub(crate) dropped: usize,
    /// There was no room, and the channel was closed.
    pub(crate) closed: bool,
}

impl<T, F, Y> Event for InProgress<T, F, Y> {
    fn announce(self, most: (usize, WhenBehind)) -> Option<Result<Announced, Error>> {
        Some(self.let_go_as_event(most))
    }
}

impl<E: Event> Event for Option<E> {
    fn announce(self, most: (usize, WhenBehind)) -> Option<Result<Announced, Error>> {
        self?.announce(most)
    }
}

/// A oneway call that is encoded and can be made on any channel.
pub(crate) struct EncodedCall<'a> {
    name: &'a str,
    arguments: Encoded,
    shape: Shape,
    metadata: Vec<u8>,
}

impl<'a> EncodedCall<'a> {
    pub(crate) fn new(name: &'a str, arguments: &impl Arguments) -> Result<Self, Error> {
        let mut encoded = Encoded::default();
        let shape = encoded
            .arguments(arguments)
            .map_err(|error| Error::Unencodable(error.to_string()))?;
        Ok(Self {
            name,
            arguments: encoded,
            shape,
            // That of the trace around, which is never too large.
            metadata: super::along(None)
                .ok()
                .flatten()
                .map_or_else(Vec::new, |metadata| metadata.encoded()),
        })
    }

    pub(crate) fn start(&self, channel: &Channel) -> InProgress<(), Error, NoItems> {
        let shared = channel.shared();
        let mut request = Request {
            name: Name::Any(self.name),
            arguments: self.arguments.cloned_in(buffers::take()),
            shape: self.shape,
            metadata: self.metadata.clone(),
            timeout: shared.default_timeout(),
            deadline: None,
            depth: 0,
            oneway: true,
            nested: false,
            greets: false,
            waits: None,
            resends: 0,
            idempotent: false,
            streams: 0,
            wants_items: false,
        };
        match shared.start(&mut request) {
            Ok(Started::Waiting(slot)) => {
                InProgress::waiting(std::sync::Arc::clone(shared), slot, false)
            }
            Ok(Started::Sent) => InProgress::sent(),
            Err(error) => InProgress::failed(error),
        }
    }
}
