//! The calls that this end makes.

use std::collections::VecDeque;

use super::Token;
use crate::error::Violation;
use crate::frame::{CallId, LENGTH_BYTES};
use crate::limits::Limits;

/// Calls in flight. Ids are dense and the one that was freed last is used first, so the table is as long as the
/// most calls that ever were in flight at once, and never longer than the other end's window.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    calls: Vec<Call>,
    free: Vec<CallId>,
    live: u32,
    oneways: u32,
    oneway_bytes: u64,
    /// Oneway calls that the other end cannot have read yet, when it last gave some back: where the
    /// frames end in the stream, and their lengths.
    unwritten: VecDeque<(u64, u32)>,
    unwritten_bytes: u64,
    /// Of live calls and oneway calls together.
    bytes: u64,
    /// Calls and oneway calls since the connection opened.
    sent: u64,
    goodbye: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Vacant,
    Live {
        /// `None`: nobody waits for it any more.
        token: Option<Token>,
        cost: u32,
        /// Position of the frame in the stream.
        start: u64,
        /// Which call since opening this is, counted from 1.
        number: u64,
    },
}

impl Outgoing {
    pub(super) fn has_room(&self, cost: u32, peer: &Limits) -> bool {
        // A single call always fits: a window is at least one call and one frame.
        self.in_flight() < peer.max_calls && self.bytes + u64::from(cost) <= peer.max_request_bytes
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.live + self.oneways
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight() == 0
    }

    pub(super) fn start(&mut self, token: Token, cost: u32, start: u64) -> CallId {
        self.sent += 1;
        self.live += 1;
        self.bytes += u64::from(cost);
        let call = Call::Live {
            token: Some(token),
            cost,
            start,
            number: self.sent,
        };
        if let Some(id) = self.free.pop()
            && let Some(place) = self.calls.get_mut(id as usize)
        {
            *place = call;
            return id;
        }
        self.calls.push(call);
        // `has_room` keeps the table within the window, which is a u32.
        (self.calls.len() - 1) as CallId
    }

    pub(super) fn start_oneway(&mut self, cost: u32, start: u64) {
        self.sent += 1;
        self.oneways += 1;
        self.oneway_bytes += u64::from(cost);
        self.bytes += u64::from(cost);
        self.unwritten.push_back((end_of(start, cost), cost));
        self.unwritten_bytes += u64::from(cost);
    }

    /// Nobody waits for `id` any more. Says whether somebody did.
    pub(super) fn forget(&mut self, id: CallId) -> bool {
        match self.calls.get_mut(id as usize) {
            Some(Call::Live { token, .. }) => token.take().is_some(),
            _ => false,
        }
    }

    /// A final frame came, when the stream was written up to `written`.
    pub(super) fn end(&mut self, id: CallId, written: u64) -> Result<Option<Token>, Violation> {
        match self.calls.get_mut(id as usize) {
            // What was not written cannot have been answered. To take such an answer would let the
            // other end make us call on and on without reading anything.
            Some(
                place @ &mut Call::Live {
                    token, cost, start, ..
                },
            ) if end_of(start, cost) <= written => {
                *place = Call::Vacant;
                self.live -= 1;
                self.bytes -= u64::from(cost);
                self.free.push(id);
                Ok(token)
            }
            _ => Err(Violation::NoSuchCall(id)),
        }
    }

    /// A `done` frame came, when the stream was written up to `written`.
    pub(super) fn end_oneways(
        &mut self,
        calls: u32,
        bytes: u64,
        written: u64,
    ) -> Result<(), Violation> {
        while let Some(&(end, cost)) = self.unwritten.front()
            && end <= written
        {
            self.unwritten_bytes -= u64::from(cost);
            self.unwritten.pop_front();
        }
        // `unwritten` has at most `oneways` entries, which is a u32.
        let sent = self.oneways - self.unwritten.len() as u32;
        let sent_bytes = self.oneway_bytes - self.unwritten_bytes;
        match (sent.checked_sub(calls), sent_bytes.checked_sub(bytes)) {
            (Some(calls_left), Some(bytes_left)) if (calls_left == 0) == (bytes_left == 0) => {
                self.oneways -= calls;
                self.oneway_bytes -= bytes;
                self.bytes -= bytes;
                Ok(())
            }
            _ => Err(Violation::TooManyDone),
        }
    }

    pub(super) fn heard_goodbye(&self) -> bool {
        self.goodbye.is_some()
    }

    /// Ends the calls that came too late to be run. Oneway calls that did come back in a `done` frame.
    pub(super) fn hear_goodbye(&mut self, calls: u64) -> Result<Vec<Token>, Violation> {
        if self.goodbye.is_some() {
            return Err(Violation::AfterGoodbye("goodbye was said twice"));
        }
        if calls > self.sent {
            return Err(Violation::AfterGoodbye(
                "a goodbye that counts more calls than were sent",
            ));
        }
        self.goodbye = Some(calls);
        let mut not_run = Vec::new();
        for (id, place) in self.calls.iter_mut().enumerate() {
            if let Call::Live {
                token,
                cost,
                number,
                ..
            } = *place
                && number > calls
            {
                not_run.extend(token);
                *place = Call::Vacant;
                self.live -= 1;
                self.bytes -= u64::from(cost);
                self.free.push(id as CallId);
            }
        }
        Ok(not_run)
    }

    /// All calls that somebody waits for, with the positions of their frames.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Token, u64)> + use<> {
        let calls = std::mem::take(&mut self.calls);
        *self = Self {
            sent: self.sent,
            goodbye: self.goodbye,
            ..Self::default()
        };
        calls.into_iter().filter_map(|call| match call {
            Call::Live {
                token: Some(token),
                start,
                ..
            } => Some((token, start)),
            _ => None,
        })
    }
}

/// Where the frame that begins at `start` ends in the stream.
fn end_of(start: u64, cost: u32) -> u64 {
    start + LENGTH_BYTES as u64 + u64::from(cost)
}
