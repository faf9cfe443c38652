//! The line of calls that wait for room, or for a connection.

use std::collections::{BTreeMap, BTreeSet};

use kaa_rpc_proto::Limits;

use crate::error::Error;

/// Which calls are parked, in the order in which they are to be sent, and how many of them nobody
/// holds a handle of.
///
/// A parked call with a handle is bounded by whoever holds the handles. Detached ones are held by
/// the channel alone, so they may be no more than the window has room for.
#[derive(Default)]
pub(super) struct Waiting {
    /// Slots by their places: any of them can leave without a search.
    line: BTreeMap<(Rank, u64), usize>,
    came: u64,
    detached: u32,
    detached_bytes: u64,
    /// The places of events, which give way to newer ones. They are detached, but have a bound of their own.
    events: BTreeSet<(Rank, u64)>,
    events_dropped: u64,
    /// While a hook greets a new connection: so many had come before it.
    greeting: Option<u64>,
}

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Calls of a hook that greets a connection.
    Greets,
    /// Calls that were sent before, over a connection that was lost.
    Again,
    /// All others.
    Comes,
}

/// A call's place in the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    key: (Rank, u64),
    bytes: u64,
    /// Nobody waits for it; it is sent all the same.
    detached: bool,
    event: bool,
}

impl Place {
    /// Of a call that does not wait.
    pub(super) const NONE: Self = Self {
        key: (Rank::Comes, 0),
        bytes: 0,
        detached: false,
        event: false,
    };

    pub(super) fn is_detached(self) -> bool {
        self.detached
    }

    pub(super) fn is_event(self) -> bool {
        self.event
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Takes in a call of so many bytes, after those of its rank.
    pub(super) fn add(&mut self, slot: usize, bytes: usize, rank: Rank) -> Place {
        self.came += 1;
        self.insert((rank, self.came), slot, bytes)
    }

    /// Takes in a call that was sent before. These keep their `order`.
    pub(super) fn add_again(&mut self, slot: usize, bytes: usize, order: u64) -> Place {
        self.insert((Rank::Again, order), slot, bytes)
    }

    fn insert(&mut self, key: (Rank, u64), slot: usize, bytes: usize) -> Place {
        self.line.insert(key, slot);
        Place {
            key,
            bytes: bytes as u64,
            detached: false,
            event: false,
        }
    }

    /// The slot of the first.
    pub(super) fn first(&self) -> Option<usize> {
        self.line.first_key_value().map(|(_, slot)| *slot)
    }

    /// The slots of all, in order.
    pub(super) fn slots(&self) -> Vec<usize> {
        self.line.values().copied().collect()
    }

    /// A call waits no more.
    pub(super) fn remove(&mut self, place: Place) {
        self.line.remove(&place.key);
        if place.event {
            self.events.remove(&place.key);
        } else if place.detached {
            self.detached = self.detached.saturating_sub(1);
        }
        if place.detached {
            self.detached_bytes = self.detached_bytes.saturating_sub(place.bytes);
        }
    }

    /// How many events wait.
    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    /// The slot of the oldest event.
    pub(super) fn oldest_event(&self) -> Option<usize> {
        self.line.get(self.events.first()?).copied()
    }

    /// An event that waited is not sent.
    pub(super) fn event_dropped(&mut self) {
        self.events_dropped += 1;
    }

    pub(super) fn events_dropped(&self) -> u64 {
        self.events_dropped
    }

    pub(super) fn greet(&mut self, begins: bool) {
        self.greeting = begins.then_some(self.came);
    }

    pub(super) fn is_greeting(&self) -> bool {
        self.greeting.is_some()
    }

    /// Whether a call of the hook that greets now is waiting.
    pub(super) fn greeter_waits(&self) -> bool {
        self.greeting.is_some_and(|before| {
            let of_hook = (Rank::Greets, before + 1)..(Rank::Again, 0);
            self.line.range(of_hook).next().is_some()
        })
    }

    /// Lets go of the handle of a call, unless too many without one wait already: more than the other
    /// end accepts at once, and more than it does by default. A small window makes no burst fail.
    pub(super) fn detach(&mut self, place: &mut Place, limits: &Limits) -> Result<(), Error> {
        let usual = Limits::default();
        let calls = limits.max_calls.max(usual.max_calls);
        if self.detached >= calls {
            return Err(Error::TooManyDetached {
                message: format!(
                    "{calls} detached calls wait for room already, and no more may (max_calls)"
                ),
            });
        }
        self.detach_bytes(place, limits)?;
        self.detached += 1;
        Ok(())
    }

    /// The same of an event, whose number was looked at before.
    pub(super) fn announce(&mut self, place: &mut Place, limits: &Limits) -> Result<(), Error> {
        self.detach_bytes(place, limits)?;
        place.event = true;
        self.events.insert(place.key);
        Ok(())
    }

    fn detach_bytes(&mut self, place: &mut Place, limits: &Limits) -> Result<(), Error> {
        let usual = Limits::default();
        let bytes = limits.max_request_bytes.max(usual.max_request_bytes);
        let with_this = self.detached_bytes.saturating_add(place.bytes);
        if with_this > bytes {
            return Err(Error::TooManyDetached {
                message: format!(
                    "detached calls that wait for room may have {bytes} bytes together (max_request_bytes), \
                     and with this one they would have {with_this}"
                ),
            });
        }
        place.detached = true;
        self.detached_bytes = with_this;
        Ok(())
    }
}
