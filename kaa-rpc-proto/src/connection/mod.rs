//! An open connection: which calls are live in each direction, and the bytes that are to be written.
//!
//! The driver feeds what it reads through [`Connection::handle`] and writes what
//! [`Connection::take_output`] gives; everything else queues frames. The order of method calls is
//! free: nothing here blocks, waits or looks at a clock.
//!
//! ```text
//!            call()                          handle(Call)
//!  vacant ───────────► live           vacant ───────────► live
//!    ▲                  │  cancel()      ▲                  │  handle(Cancel): told, stays live
//!    │                  ▼                │                  ▼
//!    └── handle(Result, Error)           └──── result(), error()
//!           calls we make                       calls we serve
//! ```
//!
//! A cancelled call stays live at both ends until its final frame: that alone frees its id and its
//! place in the window, so that nobody can start more than the window by cancelling. At the callee's
//! end that is when the final frame was written, not when it was queued.

mod event;
mod incoming;
mod items;
mod outgoing;
mod output;
mod pings;
mod room;

use std::io::IoSlice;

use bytes::Bytes;

use crate::error::Violation;
use crate::frame::{CallHead, CallId, Frame, ID_BYTES, LENGTH_BYTES, MAX_NAME};
use crate::handshake::Opened;
use crate::limits::Limits;
use crate::metadata::Metadata;
use incoming::Incoming;
use outgoing::Outgoing;
use pings::Pings;
use room::Amount;

pub use event::{CannotCall, CannotSend, Event, Progress, TooLarge};
pub use output::{Buffers, LARGE_PAYLOAD, Output, Payload};
pub use pings::MAX_PINGS;

/// Names a call at its caller's end; chosen by the caller, given back in events.
pub type Token = u32;

/// The state of an open connection. Only a verified handshake gives the [`Opened`] that makes one.
#[derive(Debug)]
pub struct Connection {
    opened: Opened,
    outgoing: Outgoing,
    incoming: Incoming,
    /// Frames that were not yet taken by the driver.
    out: Output,
    /// Position in the stream, in bytes since opening, of the end of `out`.
    queued: u64,
    /// Position in the stream up to which the kernel has the bytes.
    written: u64,
    pings: Pings,
}

impl Connection {
    /// The connection that a verified handshake opened.
    #[must_use]
    pub fn new(opened: Opened) -> Self {
        Self {
            opened,
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            out: Output::default(),
            queued: 0,
            written: 0,
            pings: Pings::default(),
        }
    }

    /// The same, with output buffers that are used again.
    #[must_use]
    pub fn with_buffers(self, buffers: Buffers) -> Self {
        Self {
            out: Output::new(buffers),
            ..self
        }
    }

    /// What the handshake found out.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    fn peer(&self) -> &Limits {
        self.opened.peer_limits()
    }

    /// Queues a call.
    ///
    /// # Errors
    ///
    /// See [`CannotCall`]; the connection is as before.
    pub fn call<'a>(
        &mut self,
        token: Token,
        head: &CallHead<'_>,
        arguments: impl Into<Payload<'a>>,
    ) -> Result<CallId, CannotCall> {
        let arguments = arguments.into();
        let length = self.admit(Frame::overhead(head), head, arguments.len())?;
        let peer = *self.peer();
        let id = self
            .outgoing
            .start(token, length, head.streams, self.queued, &peer);
        let head = *head;
        self.push_with(arguments, |arguments| Frame::Call {
            id,
            head,
            arguments,
        });
        Ok(id)
    }

    /// Queues a oneway call.
    ///
    /// # Errors
    ///
    /// See [`CannotCall`]; the connection is as before.
    pub fn oneway<'a>(
        &mut self,
        head: &CallHead<'_>,
        arguments: impl Into<Payload<'a>>,
    ) -> Result<(), CannotCall> {
        debug_assert_eq!(head.streams, 0, "oneway calls have no streams");
        let arguments = arguments.into();
        // The frame of a call is as long, but for the id that this one has not.
        let cost = self.admit(Frame::overhead(head) - ID_BYTES, head, arguments.len())?;
        self.outgoing.start_oneway(cost, self.queued);
        let head = *head;
        self.push_with(arguments, |arguments| Frame::Oneway { head, arguments });
        Ok(())
    }

    /// Checks a call against what the other end announced; gives the frame's length.
    fn admit(
        &self,
        overhead: usize,
        head: &CallHead<'_>,
        arguments: usize,
    ) -> Result<u32, CannotCall> {
        if self.is_closing() {
            return Err(CannotCall::Closing);
        }
        if head.name.is_empty() || head.name.len() > MAX_NAME {
            return Err(CannotCall::BadName);
        }
        let length = overhead + arguments - LENGTH_BYTES;
        let length = self.check_length(length).map_err(CannotCall::TooLarge)?;
        let cost = outgoing::cost(length, head.streams, self.peer());
        let max_request_bytes = self.peer().max_request_bytes;
        if cost > max_request_bytes {
            // Only streams can make it so: `max_request_bytes` is at least `max_frame`.
            return Err(CannotCall::TooManyStreams {
                cost,
                max_request_bytes,
            });
        }
        if self.outgoing.has_room(cost, self.peer()) {
            Ok(length)
        } else {
            Err(CannotCall::WindowFull)
        }
    }

    fn check_length(&self, length: usize) -> Result<u32, TooLarge> {
        let max_frame = self.peer().max_frame;
        match u32::try_from(length) {
            Ok(short) if short <= max_frame => Ok(short),
            _ => Err(TooLarge { length, max_frame }),
        }
    }

    /// Tells the callee that the result of `id` is not wanted any more; its token comes in no later
    /// event. Nothing happens if the call is not live.
    pub fn cancel(&mut self, id: CallId) {
        if self.outgoing.cancel(id) {
            self.push(&Frame::Cancel { id });
        }
    }

    /// Lets the call run on, but its token comes in no later event. What it yields is dropped.
    pub fn detach(&mut self, id: CallId) {
        self.outgoing.forget(id);
    }

    /// Ends a call that we serve. Nothing happens if it has ended already.
    ///
    /// # Errors
    ///
    /// If the result is larger than the caller accepts: answer with an error instead.
    pub fn result<'a>(
        &mut self,
        id: CallId,
        value: impl Into<Payload<'a>>,
    ) -> Result<(), TooLarge> {
        let value = value.into();
        self.check_length(value.len().saturating_add(5))?;
        if self.incoming.is_live(id) {
            self.push_with(value, |value| Frame::Result { id, value });
            self.incoming.end(id, self.queued);
        }
        Ok(())
    }

    /// Ends a call that we serve with a failure. Nothing happens if it has ended already.
    ///
    /// # Errors
    ///
    /// If the failure is larger than the caller accepts: answer with a shorter one.
    pub fn error(&mut self, id: CallId, failure: &[u8]) -> Result<(), TooLarge> {
        self.check_length(failure.len().saturating_add(5))?;
        if self.incoming.is_live(id) {
            self.push(&Frame::Error { id, failure });
            self.incoming.end(id, self.queued);
        }
        Ok(())
    }

    /// Tells something beside the outcome of a call that we serve, which is yet to be ended. Nothing happens if
    /// it has ended already, or something was told of it before.
    pub fn metadata(&mut self, id: CallId, metadata: &Metadata) {
        if !metadata.is_empty() && self.incoming.metadata(id) {
            let metadata = &metadata.encoded();
            self.push(&Frame::Metadata { id, metadata });
        }
    }

    /// A oneway call of this cost has ended; told to its caller with the next output.
    pub fn oneway_done(&mut self, cost: u32) {
        self.incoming.end_oneway(cost);
    }

    /// Queues a ping; the answer is an [`Event::Liveness`]. Nothing happens if [`MAX_PINGS`] are
    /// without their answer.
    pub fn ping(&mut self) {
        if let Some(token) = self.pings.send() {
            self.push(&Frame::Ping { token });
        }
    }

    /// Whether a ping is without its answer.
    #[must_use]
    pub fn awaits_pong(&self) -> bool {
        self.pings.awaits_pong()
    }

    /// Accepts no more calls from now on, and makes none. Calls that run already end as usual.
    pub fn goodbye(&mut self) {
        if let Some(calls) = self.incoming.say_goodbye() {
            self.push(&Frame::Goodbye { calls });
        }
    }

    /// Whether one of the ends has said goodbye.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.incoming.has_said_goodbye() || self.outgoing.heard_goodbye()
    }

    /// Whether the other end has said goodbye.
    #[must_use]
    pub fn heard_goodbye(&self) -> bool {
        self.outgoing.heard_goodbye()
    }

    /// Whether both ends have said goodbye, no call is live and everything was written, what gives
    /// slots back included: without it, the other end would take the close for a loss.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_parted() && !self.has_output() && self.queued == self.written
    }

    /// Whether both ends have said goodbye and owe each other no answer: if the connection breaks
    /// now, nothing is lost.
    #[must_use]
    pub fn is_parted(&self) -> bool {
        self.incoming.has_said_goodbye() && self.outgoing.heard_goodbye() && self.is_idle()
    }

    /// Whether the other end is waiting for nothing from us and we for nothing from it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.outgoing.is_idle() && self.incoming.is_idle()
    }

    /// How many of our calls, oneway ones too, are in flight.
    #[must_use]
    pub fn calls_in_flight(&self) -> u32 {
        self.outgoing.in_flight()
    }

    /// How many calls of the other end, oneway ones too, were taken in.
    #[must_use]
    pub fn calls_received(&self) -> u64 {
        self.incoming.accepted()
    }

    /// Whether the call `id` of the other end is live.
    #[must_use]
    pub fn serves(&self, id: CallId) -> bool {
        self.incoming.is_live(id)
    }

    /// Whether the call `id` of the other end is live, and is the one of this number.
    #[must_use]
    pub fn runs(&self, id: CallId, number: u64) -> bool {
        self.incoming.number(id) == Some(number)
    }

    /// Whether the other end still waits for its call `id`, which [`Event::Call`] told as this `number`: it is
    /// live and was not cancelled.
    #[must_use]
    pub fn wants(&self, id: CallId, number: u64) -> bool {
        self.incoming.wants(id, number)
    }

    /// Takes in a frame; `length` is what its length field said. Bytes that were written before the
    /// frame was read must have been reported by [`Self::wrote`]: what was not written cannot have
    /// been answered.
    ///
    /// # Errors
    ///
    /// If the other end broke the protocol: the connection must be closed without another word.
    pub fn handle<'a>(&mut self, frame: &Frame<'a>, length: u32) -> Result<Event<'a>, Violation> {
        match *frame {
            Frame::Call {
                id,
                head,
                arguments,
            } => {
                self.check_goodbye()?;
                let local = self.opened.local_limits();
                let cost = outgoing::cost(length, head.streams, local);
                let accepted = self.incoming.start(id, cost, head.streams, local)?;
                Ok(match accepted {
                    Some(number) => Event::Call {
                        id: Some(id),
                        number,
                        cost: length,
                        head,
                        arguments,
                    },
                    None => Event::Refused,
                })
            }
            Frame::Oneway { head, arguments } => {
                self.check_goodbye()?;
                let accepted = self
                    .incoming
                    .start_oneway(length, self.opened.local_limits())?;
                Ok(if accepted {
                    Event::Call {
                        id: None,
                        number: 0,
                        cost: length,
                        head,
                        arguments,
                    }
                } else {
                    Event::Refused
                })
            }
            Frame::Result { id, value } => {
                Ok(Event::Result(self.outgoing.end(id, self.written)?, value))
            }
            Frame::Error { id, failure } => {
                Ok(Event::Error(self.outgoing.end(id, self.written)?, failure))
            }
            Frame::Yield { id, value } => self.handle_yield(id, value, length),
            Frame::Credit { id, items, bytes } => {
                let live = self.incoming.credit(id, Amount { items, bytes })?;
                Ok(if live {
                    Event::Credit(id)
                } else {
                    Event::Liveness
                })
            }
            Frame::Item { id, stream, value } => self.handle_item(id, stream, value, length),
            Frame::End { id, stream, broken } => self.handle_end(id, stream, broken),
            Frame::Grant {
                id,
                stream,
                items,
                bytes,
            } => {
                let amount = Amount { items, bytes };
                let token = self.outgoing.granted(id, stream, amount, self.written)?;
                Ok(token.map_or(Event::Liveness, |token| Event::Grant(token, stream)))
            }
            Frame::Stop { id, stream } => {
                let token = self.outgoing.stopped(id, stream, self.written)?;
                Ok(token.map_or(Event::Liveness, |token| Event::Stop(token, stream)))
            }
            Frame::Metadata { id, metadata } => {
                let token = self.outgoing.metadata(id, self.written)?;
                Ok(token.map_or(Event::Liveness, |token| Event::Metadata(token, metadata)))
            }
            // The final frame may have crossed the cancel: an id that is not live is no violation.
            Frame::Cancel { id } => Ok(if self.incoming.cancel(id)? {
                Event::Cancel(id)
            } else {
                Event::Liveness
            }),
            Frame::Done { calls, bytes } => {
                if calls == 0 {
                    return Err(Violation::Malformed("a done frame for no calls"));
                }
                self.outgoing.end_oneways(calls, bytes, self.written)?;
                Ok(Event::Freed)
            }
            Frame::Ping { token } => {
                self.pings.ping(token)?;
                Ok(Event::Liveness)
            }
            Frame::Pong { token } => {
                self.pings.pong(token)?;
                Ok(Event::Liveness)
            }
            Frame::Goodbye { calls } => Ok(Event::Goodbye(self.outgoing.hear_goodbye(calls)?)),
        }
    }

    /// Who has said goodbye makes no calls.
    fn check_goodbye(&self) -> Result<(), Violation> {
        if self.outgoing.heard_goodbye() {
            return Err(Violation::AfterGoodbye("a call after goodbye"));
        }
        Ok(())
    }

    fn push(&mut self, frame: &Frame<'_>) {
        self.queued += self.out.push(frame) as u64;
    }

    /// Queues a frame that ends with a payload.
    #[inline]
    fn push_with<'a>(&mut self, payload: Payload<'a>, frame: impl FnOnce(&'a [u8]) -> Frame<'a>) {
        let length = match payload {
            Payload::Given(buffer) if buffer.len() >= LARGE_PAYLOAD => {
                self.out.push_large(&frame(&[]), std::mem::take(buffer))
            }
            Payload::Given(buffer) => self.out.push(&frame(buffer)),
            Payload::Lent(bytes) => self.out.push(&frame(bytes)),
            Payload::Shared(encoded) => self.out.push_shared(&frame(&[]), encoded),
        };
        self.queued += length as u64;
    }

    /// Whether [`Self::take_output`] would give anything.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.out.is_empty() || self.pings.has_due() || self.incoming.has_done()
    }

    /// How many bytes are queued and not yet taken.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.out.len()
    }

    /// Swaps all queued bytes, with gathered `done` and `pong` frames at their end, for `spare`,
    /// which must be empty. Every byte that was taken must be reported by [`Self::wrote`] once the
    /// kernel has it.
    pub fn take_output(&mut self, spare: &mut Output) {
        debug_assert!(spare.is_empty(), "the spare buffer must be empty");
        self.gather();
        std::mem::swap(&mut self.out, spare);
    }

    /// Offers queued bytes to `write`, and drops those that it took, so many as it says. Gives whether that was
    /// all. Only allowed while nothing that was taken is unwritten.
    ///
    /// # Errors
    ///
    /// That of `write`; the bytes stay queued.
    pub fn write_to<E>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<bool, E> {
        self.gather();
        let taken = self.out.offer(write)?;
        self.out.advance(taken);
        self.out.give_back();
        self.wrote(taken);
        Ok(self.out.is_empty())
    }

    /// What [`Self::write_to`] has written that others own, too. To be dropped where their code may run.
    #[inline]
    pub fn take_spent(&mut self) -> Option<Vec<Bytes>> {
        self.out.take_spent()
    }

    /// Gives a large output buffer back that is empty: an idle connection owns none.
    pub fn give_back(&mut self) {
        self.out.give_back();
    }

    /// Queues the frames that stand for several events.
    fn gather(&mut self) {
        if let Some((calls, bytes)) = self.incoming.take_done() {
            self.push(&Frame::Done { calls, bytes });
            self.incoming.queued_done((calls, bytes), self.queued);
        }
        if let Some((token, count)) = self.pings.take_due() {
            self.push(&Frame::Pong { token });
            self.pings.queued(count, self.queued);
        }
    }

    /// The kernel has taken the next `bytes` of the output.
    pub fn wrote(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes as u64).min(self.queued);
        self.incoming.wrote(self.written);
        self.pings.wrote(self.written);
    }

    /// Ends all calls that we made, for a connection that is gone; each is given once.
    pub fn abandon(&mut self) -> Vec<(Token, Progress)> {
        let written = self.written;
        self.outgoing
            .drain()
            .map(|(token, start)| {
                (
                    token,
                    if start < written {
                        Progress::MayHaveRun
                    } else {
                        Progress::NeverSent
                    },
                )
            })
            .collect()
    }
}
