//! Items: what calls yield before their results, and the streams that come with calls.
//!
//! ```text
//!            caller                                     callee
//!                    ── call, with n streams ─────►
//!   item, end        ── of stream 0 to n-1 ───────►     items_taken: grant; stop
//!   yields_taken: credit  ◄────────── yields ──────     give_item
//!                    ◄──────── result or error ────
//! ```
//!
//! Each receiver announced how much of one stream it holds. A sender keeps to that, and to a bound of
//! what waits to be written, and parks what has no room: so one slow reader slows one stream.

use super::incoming::Input;
use super::outgoing::Given;
use super::room::{Amount, longest_item};
use super::{CannotSend, Connection, Event, TooLarge};
use crate::error::Violation;
use crate::frame::{CallId, Frame, StreamNumber};
use crate::limits::Limits;

/// Items are queued only while fewer bytes than this wait to be written. So the output is bounded whatever
/// credit the other end gives, also one that gives credit for what it has not read.
const MAX_BACKLOG: u64 = 256 * 1024;

impl Connection {
    /// Whether so much is waiting to be written that no items can be queued.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.queued.saturating_sub(self.written) >= MAX_BACKLOG
    }

    /// Queues an item that a call which we serve gives before its result. `number` is that of the call,
    /// which may have ended, so that another one has its id.
    ///
    /// # Errors
    ///
    /// See [`CannotSend`]; the connection is as before.
    pub fn give_item(&mut self, id: CallId, number: u64, value: &[u8]) -> Result<(), CannotSend> {
        let cost = self.admit_item(Frame::yield_length(value))?;
        let peer = *self.peer();
        self.incoming.give_item(id, number, cost, &peer)?;
        self.push(&Frame::Yield { id, value });
        Ok(())
    }

    /// Queues an item of a stream that goes with one of our calls.
    ///
    /// # Errors
    ///
    /// See [`CannotSend`]; the connection is as before.
    pub fn send_item(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        value: &[u8],
    ) -> Result<(), CannotSend> {
        let cost = self.admit_item(Frame::item_length(value))?;
        self.outgoing.send_item(id, stream, cost)?;
        self.push(&Frame::Item { id, stream, value });
        Ok(())
    }

    fn admit_item(&self, length: usize) -> Result<u32, CannotSend> {
        let longest = longest_item(self.peer());
        let cost = match u32::try_from(length) {
            Ok(cost) if cost <= longest => cost,
            _ => {
                return Err(CannotSend::TooLarge(TooLarge {
                    length,
                    max_frame: longest,
                }));
            }
        };
        if self.has_backlog() {
            return Err(CannotSend::Backlog);
        }
        Ok(cost)
    }

    /// Ends a stream that goes with one of our calls. Nothing happens if it has ended already, or the call.
    pub fn end_stream(&mut self, id: CallId, stream: StreamNumber, broken: bool) {
        if self.outgoing.end_stream(id, stream) {
            self.push(&Frame::End { id, stream, broken });
        }
    }

    /// So many items that one of our calls gave were taken, whose values are of so many bytes together.
    pub fn yields_taken(&mut self, id: CallId, items: u32, value_bytes: u64) {
        let taken = amount(items, value_bytes, Frame::yield_length(&[]));
        if let Some(due) = self.outgoing.taken(id, taken, self.queued) {
            self.credit(id, due);
        }
    }

    /// So many items of a stream were taken, whose values are of so many bytes together.
    pub fn items_taken(
        &mut self,
        call: (CallId, u64),
        stream: StreamNumber,
        items: u32,
        value_bytes: u64,
    ) {
        let taken = amount(items, value_bytes, Frame::item_length(&[]));
        let due = self.incoming.taken(call, stream, taken, self.queued);
        if let Some(Amount { items, bytes }) = due {
            self.push(&Frame::Grant {
                id: call.0,
                stream,
                items,
                bytes,
            });
        }
    }

    /// No more items of a stream are wanted. What still comes is dropped.
    pub fn stop_stream(&mut self, (id, number): (CallId, u64), stream: StreamNumber) {
        if self.incoming.stop(id, number, stream) {
            self.push(&Frame::Stop { id, stream });
        }
    }

    fn credit(&mut self, id: CallId, Amount { items, bytes }: Amount) {
        self.push(&Frame::Credit { id, items, bytes });
    }

    pub(super) fn handle_yield<'a>(
        &mut self,
        id: CallId,
        value: &'a [u8],
        length: u32,
    ) -> Result<Event<'a>, Violation> {
        let local = self.local();
        let at = (self.written, self.queued);
        match self.outgoing.given(id, length, at, &local)? {
            Given::Wanted(token) => return Ok(Event::Yield(token, value)),
            Given::Ignored(Some(due)) => self.credit(id, due),
            Given::Ignored(None) => {}
        }
        Ok(Event::Liveness)
    }

    pub(super) fn handle_item<'a>(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        value: &'a [u8],
        length: u32,
    ) -> Result<Event<'a>, Violation> {
        let written = self.written;
        Ok(match self.incoming.item(id, stream, length, written)? {
            Input::Wanted(number) => Event::Item {
                id,
                number,
                stream,
                value,
            },
            Input::Dropped => Event::Liveness,
        })
    }

    pub(super) fn handle_end<'a>(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        broken: bool,
    ) -> Result<Event<'a>, Violation> {
        Ok(match self.incoming.end_stream(id, stream)? {
            Input::Wanted(number) => Event::End {
                id,
                number,
                stream,
                broken,
            },
            Input::Dropped => Event::Liveness,
        })
    }

    fn local(&self) -> Limits {
        *self.opened.local_limits()
    }
}

/// What items count whose values are of so many bytes together.
fn amount(items: u32, value_bytes: u64, overhead: usize) -> Amount {
    Amount {
        items,
        bytes: value_bytes + u64::from(items) * overhead as u64,
    }
}
