//! The part of the observer that counts items.

use std::collections::BTreeMap;

use kaa_rpc_proto::frame::StreamNumber;
use kaa_rpc_runtime::Limits;

use crate::observer::{Objection, ensure, name};

/// The end that made the call, the number of the call, and which of its streams; `None`: what it yields.
pub(crate) type Key = (usize, usize, Option<StreamNumber>);

/// Items or calls, and the bytes of their frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount(pub(crate) u32, pub(crate) u64);

impl Amount {
    pub(crate) fn one(cost: u32) -> Self {
        Self(1, cost.into())
    }

    pub(crate) fn add(&mut self, other: Self) {
        *self = Self(self.0 + other.0, self.1 + other.1);
    }

    pub(crate) fn sub(&mut self, other: Self) -> Result<(), Objection> {
        let items = self.0.checked_sub(other.0);
        let bytes = self.1.checked_sub(other.1);
        let (Some(items), Some(bytes)) = (items, bytes) else {
            return Err(format!("{other:?} of {self:?}"));
        };
        *self = Self(items, bytes);
        Ok(())
    }

    fn fits(&self, receiver: &Limits) -> bool {
        self.0 <= receiver.max_stream_items && self.1 <= receiver.max_stream_bytes.into()
    }
}

#[derive(Debug, Default)]
struct Stream {
    /// Written, and not given back by a frame that may have been read.
    out: Amount,
    /// Came, and not given back by a frame that was written.
    held: Amount,
    /// How many were ever given back.
    returned: usize,
    /// The end was written.
    ended: bool,
    /// The stop was written.
    stopped: bool,
}

pub(crate) struct Streams {
    limits: [Limits; 2],
    all: BTreeMap<Key, Stream>,
}

impl Streams {
    pub(crate) fn new(limits: [Limits; 2]) -> Self {
        let all = BTreeMap::new();
        Self { limits, all }
    }

    fn receiver(&self, (caller, _, stream): Key) -> Limits {
        self.limits[if stream.is_none() { caller } else { 1 - caller }]
    }

    fn of(&mut self, key: Key) -> Result<&mut Stream, Objection> {
        let stream = self.all.get_mut(&key);
        stream.ok_or_else(|| format!("there is no {}", name(key)))
    }

    /// A call was written that has so many streams.
    pub(crate) fn open(&mut self, caller: usize, call: usize, streams: u8) {
        let numbers = (0..streams).map(Some).chain([None]);
        let keys = numbers.map(|stream| ((caller, call, stream), Stream::default()));
        self.all.extend(keys);
    }

    /// An item was written.
    pub(crate) fn sent(&mut self, key: Key, cost: u32) -> Result<(), Objection> {
        let receiver = self.receiver(key);
        let stream = self.of(key)?;
        ensure!(!stream.ended, "an item of {} after its end", name(key));
        let largest = (receiver.max_stream_bytes / 2).min(receiver.max_frame);
        ensure!(cost <= largest, "an item of {cost} bytes");
        stream.out.add(Amount::one(cost));
        let out = stream.out;
        ensure!(
            out.fits(&receiver),
            "{out:?} of {} exceeds its room",
            name(key)
        );
        Ok(())
    }

    /// An item comes.
    pub(crate) fn arrived(&mut self, key: Key, cost: u32) -> Result<(), Objection> {
        let receiver = self.receiver(key);
        let stream = self.of(key)?;
        stream.held.add(Amount::one(cost));
        let held = stream.held;
        ensure!(held.fits(&receiver), "{held:?} of {} is held", name(key));
        Ok(())
    }

    /// Credit was written, when so many items were taken.
    pub(crate) fn gives_back(
        &mut self,
        key: Key,
        amount: Amount,
        taken: usize,
    ) -> Result<(), Objection> {
        let stream = self.of(key)?;
        ensure!(amount.0 > 0, "no items of {} given back", name(key));
        ensure!(
            !stream.stopped,
            "{} was stopped, and is given back",
            name(key)
        );
        stream.returned += amount.0 as usize;
        let returned = stream.returned;
        ensure!(
            returned <= taken,
            "{returned} items of {} were given back, and {taken} taken",
            name(key)
        );
        let more = |text| format!("given back what did not come of {}: {text}", name(key));
        stream.held.sub(amount).map_err(more)
    }

    /// Credit comes.
    pub(crate) fn given_back(&mut self, key: Key, amount: Amount) -> Result<(), Objection> {
        self.of(key)?.out.sub(amount)
    }

    /// The end was written.
    pub(crate) fn ends(&mut self, key: Key) -> Result<(), Objection> {
        let ended = &mut self.of(key)?.ended;
        ensure!(!std::mem::replace(ended, true), "{} ended twice", name(key));
        Ok(())
    }

    /// The stop was written.
    pub(crate) fn stops(&mut self, key: Key) -> Result<(), Objection> {
        let stopped = &mut self.of(key)?.stopped;
        ensure!(
            !std::mem::replace(stopped, true),
            "{} stopped twice",
            name(key)
        );
        Ok(())
    }
}
