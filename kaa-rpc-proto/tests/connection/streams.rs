//! The part of the observer that counts items. It sees them when they are written and when they arrive,
//! and is told which were taken.

use std::collections::BTreeMap;

use kaa_rpc_proto::Limits;
use kaa_rpc_proto::frame::StreamNumber;

use crate::model::{Objection, ensure};

/// The end that made the call, the number of the call, and which of its streams; `None`: what it yields.
pub(crate) type Key = (usize, u64, Option<StreamNumber>);

/// Items, and the bytes of their frames.
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

    pub(crate) fn fits(&self, receiver: &Limits) -> bool {
        self.0 <= receiver.max_stream_items && self.1 <= receiver.max_stream_bytes.into()
    }
}

/// The largest item that may be sent to an end, as the length of its frame.
pub(crate) fn largest(receiver: &Limits) -> u32 {
    (receiver.max_stream_bytes / 2).min(receiver.max_frame)
}

#[derive(Debug, Default)]
struct Stream {
    /// Written, and not given back by a frame that has arrived.
    out: Amount,
    /// Arrived, and not given back by a frame that was written.
    held: Amount,
    /// Of those, which were taken.
    taken: Amount,
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
        Self {
            limits,
            all: BTreeMap::new(),
        }
    }

    fn receiver(&self, (caller, _, stream): Key) -> Limits {
        self.limits[if stream.is_none() { caller } else { 1 - caller }]
    }

    fn of(&mut self, key: Key) -> Result<&mut Stream, Objection> {
        let stream = self.all.get_mut(&key);
        stream.ok_or_else(|| format!("{key:?} is no stream"))
    }

    /// A call was written that has so many streams.
    pub(crate) fn open(&mut self, caller: usize, call: u64, streams: u8) {
        let numbers = (0..streams).map(Some).chain([None]);
        let keys = numbers.map(|stream| ((caller, call, stream), Stream::default()));
        self.all.extend(keys);
    }

    /// An item was written.
    pub(crate) fn sent(&mut self, key: Key, cost: u32) -> Result<(), Objection> {
        let receiver = self.receiver(key);
        let stream = self.of(key)?;
        ensure!(!stream.ended, "an item of {key:?} after its end");
        ensure!(cost <= largest(&receiver), "an item of {cost} bytes");
        stream.out.add(Amount::one(cost));
        let out = stream.out;
        ensure!(out.fits(&receiver), "{out:?} of {key:?} exceeds its room");
        Ok(())
    }

    /// An item arrived.
    pub(crate) fn arrived(&mut self, key: Key, cost: u32) -> Result<(), Objection> {
        let receiver = self.receiver(key);
        let stream = self.of(key)?;
        stream.held.add(Amount::one(cost));
        let held = stream.held;
        ensure!(held.fits(&receiver), "{held:?} of {key:?} is held");
        Ok(())
    }

    /// The receiver took some of what arrived.
    pub(crate) fn took(&mut self, key: Key, amount: Amount) -> Result<(), Objection> {
        self.of(key)?.taken.add(amount);
        Ok(())
    }

    /// Credit was written.
    pub(crate) fn gives_back(&mut self, key: Key, amount: Amount) -> Result<(), Objection> {
        let stream = self.of(key)?;
        ensure!(amount.0 > 0, "no items of {key:?} given back");
        ensure!(!stream.stopped, "{key:?} was stopped, and is given back");
        let more = |what| move |text| format!("given back {what} of {key:?}: {text}");
        stream
            .taken
            .sub(amount)
            .map_err(more("what was not taken"))?;
        stream.held.sub(amount).map_err(more("what did not come"))
    }

    /// Credit arrived.
    pub(crate) fn given_back(&mut self, key: Key, amount: Amount) -> Result<(), Objection> {
        self.of(key)?.out.sub(amount)
    }

    /// The end was written.
    pub(crate) fn ends(&mut self, key: Key) -> Result<(), Objection> {
        let ended = &mut self.of(key)?.ended;
        ensure!(!std::mem::replace(ended, true), "{key:?} ended twice");
        Ok(())
    }

    /// The stop was written.
    pub(crate) fn stops(&mut self, key: Key) -> Result<(), Objection> {
        let stopped = &mut self.of(key)?.stopped;
        ensure!(!std::mem::replace(stopped, true), "{key:?} stopped twice");
        Ok(())
    }

    /// All that was sent has arrived and was taken, and all credit has arrived: any item must have room.
    pub(crate) fn check_flows(&mut self, key: Key) -> Result<(), Objection> {
        let receiver = self.receiver(key);
        let mut out = self.of(key)?.out;
        out.add(Amount::one(largest(&receiver)));
        ensure!(
            out.fits(&receiver),
            "{key:?} stands still: {out:?} with one more"
        );
        Ok(())
    }
}
