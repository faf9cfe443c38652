//! The calls that this end serves.

use crate::error::Violation;
use crate::frame::CallId;
use crate::limits::Limits;

/// Calls in flight, checked against the window that this end announced.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// By id; the frame's length while the call is live. No longer than the highest id that came,
    /// which is below the announced window.
    calls: Vec<Option<u32>>,
    live: u32,
    oneways: u32,
    bytes: u64,
    /// Oneway calls that have ended since the last `done` frame: calls, bytes.
    done: (u32, u64),
    /// Calls and oneway calls that were accepted since the connection opened.
    accepted: u64,
    goodbye: bool,
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
        if self.is_live(id) {
            return Err(Violation::IdInUse(id));
        }
        if self.goodbye {
            return Ok(false);
        }
        self.take_room(cost, local)?;
        let index = id as usize;
        if self.calls.len() <= index {
            self.calls.resize(index + 1, None);
        }
        if let Some(place) = self.calls.get_mut(index) {
            *place = Some(cost);
        }
        self.live += 1;
        Ok(true)
    }

    /// Takes a oneway call in; `false`: it came after goodbye and is not run. Its slot is given back
    /// all the same, because oneway calls have no ids by which the caller could tell it from others.
    pub(super) fn start_oneway(&mut self, cost: u32, local: &Limits) -> Result<bool, Violation> {
        self.take_room(cost, local)?;
        if self.goodbye {
            self.accepted -= 1;
            self.bytes -= u64::from(cost);
            self.done = (self.done.0 + 1, self.done.1 + u64::from(cost));
            return Ok(false);
        }
        self.oneways += 1;
        Ok(true)
    }

    fn take_room(&mut self, cost: u32, local: &Limits) -> Result<(), Violation> {
        if self.live + self.oneways + self.done.0 >= local.max_calls {
            return Err(Violation::WindowExceeded {
                window: local.max_calls,
            });
        }
        let bytes = self.bytes + u64::from(cost);
        if self.bytes + self.done.1 > 0 && bytes + self.done.1 > local.max_request_bytes {
            return Err(Violation::RequestBytesExceeded {
                max_request_bytes: local.max_request_bytes,
            });
        }
        self.bytes = bytes;
        self.accepted += 1;
        Ok(())
    }

    pub(super) fn is_live(&self, id: CallId) -> bool {
        matches!(self.calls.get(id as usize), Some(Some(_)))
    }

    /// Frees an id. Says whether it was live.
    pub(super) fn end(&mut self, id: CallId) -> bool {
        let Some(cost) = self.calls.get_mut(id as usize).and_then(Option::take) else {
            return false;
        };
        self.live -= 1;
        self.bytes -= u64::from(cost);
        true
    }

    pub(super) fn end_oneway(&mut self, cost: u32) {
        debug_assert!(self.oneways > 0, "more oneway calls ended than came");
        self.oneways = self.oneways.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(u64::from(cost));
        self.done = (self.done.0 + 1, self.done.1 + u64::from(cost));
    }

    pub(super) fn has_done(&self) -> bool {
        self.done.0 > 0
    }

    pub(super) fn take_done(&mut self) -> Option<(u32, u64)> {
        let done = std::mem::take(&mut self.done);
        (done.0 > 0).then_some(done)
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
