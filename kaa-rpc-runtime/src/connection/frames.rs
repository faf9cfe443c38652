//! What the frames that the driver reads bring about.

use std::sync::Arc;

use kaa_rpc_proto::frame::{self, Frame, LENGTH_BYTES, Split};
use kaa_rpc_proto::{Event, LARGE_PAYLOAD, Violation};
use tokio::time::Instant;

use super::driver::{CALLS_A_TURN, Driver, Pass, violation};
use super::inputs::CallRef;
use super::request::{Ended, Kept};
use super::state::{Closing, in_time};
use crate::buffers;
use crate::close::CloseReason;
use crate::serve::dispatch::Dispatched;

impl Driver {
    /// Handles the frames at the beginning of `bytes`; keeps what is left.
    pub(super) fn handle(&mut self, mut bytes: &[u8], pass: &mut Pass) -> Result<(), CloseReason> {
        let began = Instant::now();
        self.vigil.read(began);
        self.dispatcher.read(began);
        let mut result = Ok(());
        while pass.calls < CALLS_A_TURN && result.is_ok() {
            result = match frame::split(bytes, self.max_frame()) {
                Ok(Split::Incomplete(_)) => break,
                Ok(Split::Frame(body, consumed)) => {
                    bytes = bytes.get(consumed..).unwrap_or_default();
                    self.handle_frame(body, pass)
                }
                Err(error) => Err(error),
            };
        }
        if pass.calls > 0 {
            self.dispatcher.took(began.elapsed());
        }
        pass.woken += self.after.settle();
        if !bytes.is_empty() {
            self.keep(bytes);
        }
        self.vigil.handled(began, !bytes.is_empty());
        result.map_err(violation)?;
        match self.dispatcher.bad_calls().is_spent() {
            true => Err(CloseReason::TooManyBadCalls),
            false => Ok(()),
        }
    }

    fn handle_and_give(&mut self, buffer: Vec<u8>, pass: &mut Pass) -> Result<(), CloseReason> {
        let result = self.handle(&buffer, pass);
        buffers::give(buffer);
        result
    }

    /// What is left is looked at again when more has come. If that is a large frame, it gets a large buffer.
    fn keep(&mut self, bytes: &[u8]) {
        if self.partial.capacity() == 0
            && let Ok(Split::Incomplete(whole @ LARGE_PAYLOAD..)) =
                frame::split(bytes, self.max_frame())
        {
            self.partial = buffers::take_large(whole);
        }
        self.partial.extend_from_slice(bytes);
    }

    /// As [`handle`](Self::handle), for a buffer that can be kept: if it is no more than one large result, that is not
    /// copied.
    pub(super) fn handle_own(
        &mut self,
        buffer: Vec<u8>,
        pass: &mut Pass,
    ) -> Result<(), CloseReason> {
        let frame = match frame::split(&buffer, self.max_frame()) {
            Ok(Split::Frame(body, consumed)) if consumed == buffer.len() => Frame::decode(body),
            _ => return self.handle_and_give(buffer, pass),
        };
        let (Ok(frame @ Frame::Result { value, .. }), LARGE_PAYLOAD..) = (frame, buffer.len())
        else {
            return self.handle_and_give(buffer, pass);
        };
        let now = Instant::now();
        self.vigil.read(now);
        self.vigil.handled(now, false);
        let start = buffer.len() - value.len();
        let length = u32::try_from(buffer.len() - LENGTH_BYTES).unwrap_or(u32::MAX);
        let after = &mut self.after;
        let mut state = self.shared.lock();
        let Some(connection) = state.phase.connection() else {
            return Ok(());
        };
        if let Event::Result(token, _) = connection.handle(&frame, length).map_err(violation)? {
            if let Some(token) = token {
                let value = Kept::tail(buffer, start);
                state.callers.end(token, Ended::Value(value), after);
            }
            state.unpark(after);
        }
        drop(state);
        pass.woken += after.settle();
        Ok(())
    }

    fn handle_frame(&mut self, body: &[u8], pass: &mut Pass) -> Result<(), Violation> {
        let frame = Frame::decode(body)?;
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let after = &mut self.after;
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        let Some(connection) = state.phase.connection() else {
            return Ok(());
        };
        match connection.handle(&frame, length)? {
            Event::Call {
                id,
                cost,
                head,
                arguments,
                number,
            } => {
                drop(guard);
                pass.calls += 1;
                let call = CallRef {
                    id,
                    number,
                    streams: head.streams,
                };
                if let Dispatched::Spawned = self.dispatcher.dispatch(call, cost, &head, arguments)
                {
                    pass.spawned += 1;
                }
            }
            Event::Result(token, value) => {
                if let Some(token) = token {
                    let value = Kept::from(state.callers.keep(value));
                    state.callers.end(token, Ended::Value(value), after);
                }
                state.unpark(after);
            }
            Event::Error(token, failure) => {
                if let Some(token) = token {
                    state
                        .callers
                        .end(token, Ended::Failure(failure.to_vec(), None), after);
                }
                state.unpark(after);
            }
            Event::Metadata(token, metadata) => state.callers.told.add(token, metadata),
            Event::Cancel(id) => {
                state.served.cancel(id, after);
                // A function that runs to its end learns of it by its next item.
                state.inputs.cancel_call(id, after);
                state.watchers.wake(Some(id), after);
            }
            Event::Freed => state.unpark(after),
            Event::Goodbye(not_run) => {
                connection.goodbye();
                let by = in_time(self.shared.close_timeout());
                let closing = state.closing.get_or_insert(Closing {
                    by,
                    local: false,
                    for_good: false,
                });
                let next = self.shared.reconnects() && !closing.for_good;
                let by = closing.by;
                state.arm(Some(by), after);
                let reason = Arc::new(CloseReason::ClosedByPeer);
                state.callers.not_run(not_run, &reason, next, after);
                state.callers.refuse_parked(&reason, next, after);
            }
            Event::Yield(token, value) => {
                if let Some(ignored) = state.callers.yielded(token, value, after) {
                    connection.yields_taken(ignored, 1, value.len() as u64);
                }
            }
            Event::Credit(id) => state.inputs.wake_givers(id, after),
            Event::Item {
                id,
                number,
                stream,
                value,
            } => {
                if !state.inputs.item(id, stream, value, after) {
                    connection.stop_stream((id, number), stream);
                }
            }
            Event::End {
                id, stream, broken, ..
            } => state.inputs.end(id, stream, broken, after),
            Event::Grant(token, stream) => state.callers.granted(token, stream, after),
            Event::Stop(token, stream) => state.callers.stopped(token, stream, after),
            Event::Liveness | Event::Refused => {}
        }
        Ok(())
    }
}
