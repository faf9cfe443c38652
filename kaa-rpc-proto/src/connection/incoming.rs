//! The calls that this end serves.

use std::collections::VecDeque;

use crate::error::Violation;
use crate::frame::CallId;
use crate::limits::Limits;

/// Calls in flight, checked against the window that this end announced.
///
/// A call keeps its id and its room until the frame that gives them back was written, not merely
/// queued: the other end cannot have read it before, and one that never reads would otherwise fill
/// the output without end by calling again and again.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// By id. No longer than the highest id that came, which is below the announced window.
    calls: Vec<Place>,
    live: u32,
    oneways: u32,
    /// Calls that take room: live ones, oneway ones, and those whose end is not yet written.
    taken: u32,
    /// The lengths of their frames.
    taken_bytes: u64,
    /// Oneway calls that have ended since the last `done` frame: calls, bytes.
    done: (u32, u64),
    /// Frames that give room back, in the order of the stream. Each stands for a call of `taken`.
    unwritten: VecDeque<Ending>,
    /// Calls and oneway calls that were accepted since the connection opened.
    accepted: u64,
    goodbye: bool,
}

/// What is known of an id.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The length of its call's frame.
    cost: u32,
    state: State,
    /// Its last call, which may have ended, was not cancelled yet. A cancel is sent at most once for a
    /// call, and a call for an id that was used before comes after the cancel of the call before it.
    may_be_cancelled: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Vacant,
    Live,
    /// The final frame is queued.
    Ended,
}

#[derive(Debug)]
struct Ending {
    /// Where the frame ends in the stream.
    end: u64,
    /// `None`: a `done` frame.
    id: Option<CallId>,
    calls: u32,
    bytes: u64,
}

impl Incoming {
    /// Takes a call in; `false`: it came after goodbye and is not run.
    pub(super) fn start(
        &mut self,
        id: CallId,
        cost: u32,
        local: &Limits,
    ) -> Result<bool, Violation> {
        if id >= local.max_calls {
            return Err(Violation::IdOutOfRange {
                id,
                window: local.max_calls,
            });
        }
        let index = id as usize;
        if self.state(id) != State::Vacant {
            return Err(Violation::IdInUse(id));
        }
        if !self.goodbye {
            self.take_room(cost, local)?;
        }
        if self.calls.len() <= index {
            self.calls.resize(index + 1, Place::default());
        }
        if let Some(place) = self.calls.get_mut(index) {
            place.may_be_cancelled = true;
            if !self.goodbye {
                place.cost = cost;
                place.state = State::Live;
            }
        }
        if self.goodbye {
            return Ok(false);
        }
        self.accepted += 1;
        self.live += 1;
        Ok(true)
    }

    /// Takes a oneway call in; `false`: it came after goodbye and is not run. Its slot is given back
    /// all the same, because oneway calls have no ids by which the caller could tell it from others.
    pub(super) fn start_oneway(&mut self, cost: u32, local: &Limits) -> Result<bool, Violation> {
        self.take_room(cost, local)?;
        if self.goodbye {
            self.give_back(cost);
            return Ok(false);
        }
        self.accepted += 1;
        self.oneways += 1;
        Ok(true)
    }

    fn take_room(&mut self, cost: u32, local: &Limits) -> Result<(), Violation> {
        if self.taken >= local.max_calls {
            return Err(Violation::WindowExceeded {
                window: local.max_calls,
            });
        }
        // A single call always fits: `max_request_bytes` is at least `max_frame`.
        let bytes = self.taken_bytes + u64::from(cost);
        if bytes > local.max_request_bytes {
            return Err(Violation::RequestBytesExceeded {
                max_request_bytes: local.max_request_bytes,
            });
        }
        self.taken += 1;
        self.taken_bytes = bytes;
        Ok(())
    }

    /// Whether the call runs: its final frame is not even queued.
    pub(super) fn is_live(&self, id: CallId) -> bool {
        self.state(id) == State::Live
    }

    fn state(&self, id: CallId) -> State {
        self.calls
            .get(id as usize)
            .map_or(State::Vacant, |place| place.state)
    }

    /// A cancel came. Says whether the call is live: its final frame may have crossed the cancel.
    pub(super) fn cancel(&mut self, id: CallId) -> Result<bool, Violation> {
        match self.calls.get_mut(id as usize) {
            Some(place) if place.may_be_cancelled => {
                place.may_be_cancelled = false;
                Ok(place.state == State::Live)
            }
            _ => Err(Violation::UnexpectedCancel(id)),
        }
    }

    /// Ends a live call. Its final frame is queued and ends at `end` in the stream.
    pub(super) fn end(&mut self, id: CallId, end: u64) {
        let Some(place) = self.calls.get_mut(id as usize) else {
            return;
        };
        if place.state != State::Live {
            return;
        }
        place.state = State::Ended;
        let cost = place.cost;
        self.live -= 1;
        self.unwritten.push_back(Ending {
            end,
            id: Some(id),
            calls: 1,
            bytes: u64::from(cost),
        });
    }

    pub(super) fn end_oneway(&mut self, cost: u32) {
        debug_assert!(self.oneways > 0, "more oneway calls ended than came");
        self.oneways = self.oneways.saturating_sub(1);
        self.give_back(cost);
    }

    fn give_back(&mut self, cost: u32) {
        self.done = (self.done.0 + 1, self.done.1 + u64::from(cost));
    }

    pub(super) fn has_done(&self) -> bool {
        self.done.0 > 0
    }

    /// What the next `done` frame says, if one is due. It must be queued, and its end told to
    /// [`Self::queued_done`].
    pub(super) fn take_done(&mut self) -> Option<(u32, u64)> {
        let done = std::mem::take(&mut self.done);
        (done.0 > 0).then_some(done)
    }

    pub(super) fn queued_done(&mut self, (calls, bytes): (u32, u64), end: u64) {
        self.unwritten.push_back(Ending {
            end,
            id: None,
            calls,
            bytes,
        });
    }

    /// The stream was written up to `written`: what was given back before is free.
    pub(super) fn wrote(&mut self, written: u64) {
        while let Some(ending) = self.unwritten.front()
            && ending.end <= written
        {
            self.taken = self.taken.saturating_sub(ending.calls);
            self.taken_bytes = self.taken_bytes.saturating_sub(ending.bytes);
            if let Some(id) = ending.id
                && let Some(place) = self.calls.get_mut(id as usize)
            {
                place.state = State::Vacant;
            }
            self.unwritten.pop_front();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.live + self.oneways == 0
    }

    /// The number to say goodbye with, the first time.
    pub(super) fn say_goodbye(&mut self) -> Option<u64> {
        if std::mem::replace(&mut self.goodbye, true) {
            None
        } else {
            Some(self.accepted)
        }
    }

    pub(super) fn has_said_goodbye(&self) -> bool {
        self.goodbye
    }
}
