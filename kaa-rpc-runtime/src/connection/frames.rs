//! What the frames that the driver reads bring about.

use std::sync::Arc;

use kaa_rpc_proto::frame::{self, CallId, Frame, LENGTH_BYTES, Split};
use kaa_rpc_proto::{Event, LARGE_PAYLOAD, Token, Violation};
use tokio::time::Instant;

use super::callers::Callers;
use super::driver::{CALLS_A_TURN, Driver, Pass, violation};
use super::inputs::CallRef;
use super::request::{Ended, Kept};
use super::served::Answer;
use super::shared::Shared;
use super::state::{After, Closing, State, in_time};
use crate::buffers;
use crate::close::CloseReason;
use crate::serve::dispatch::Dispatched;

/// So many frames are handled before other threads may have the lock.
const FRAMES_LOCKED: usize = 16;

impl Driver {
    /// Handles the frames at the beginning of `bytes`; keeps what is left.
    pub(super) fn handle(&mut self, mut bytes: &[u8], pass: &mut Pass) -> Result<(), CloseReason> {
        let began = Instant::now();
        self.vigil.read(began);
        self.dispatcher.read(began);
        let mut answer = None;
        let result = self.handle_frames(&mut bytes, pass, &mut answer);
        if let Some(answer) = answer {
            let session = self.dispatcher.session();
            self.shared
                .lock()
                .end_call(answer, session, &mut self.after);
        }
        if pass.calls > 0 {
            self.dispatcher.took(began.elapsed());
        }
        pass.woken += self.after.settle();
        if !bytes.is_empty() {
            self.keep(bytes);
        }
        self.vigil.handled(began, !self.partial.is_empty());
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

    /// As [`handle`](Self::handle), for a buffer that can be kept: if it begins with a large frame, that is not copied. A
    /// result keeps the buffer until it is decoded, and what is decoded may keep it for longer.
    pub(super) fn handle_own(
        &mut self,
        mut buffer: Vec<u8>,
        pass: &mut Pass,
    ) -> Result<(), CloseReason> {
        let Ok(Split::Frame(_, length @ LARGE_PAYLOAD..)) = frame::split(&buffer, self.max_frame())
        else {
            return self.handle_and_give(buffer, pass);
        };
        // The beginning of the next one.
        self.keep(buffer.get(length..).unwrap_or_default());
        buffer.truncate(length);
        match Frame::decode(buffer.get(LENGTH_BYTES..).unwrap_or_default()) {
            Ok(Frame::Result { id, value }) => {
                let start = buffer.len() - value.len();
                self.handle_result(id, buffer, start, pass)
            }
            _ => {
                let owner = buffers::share(buffer);
                owner.lend(|| self.handle(owner.bytes(), pass))
            }
        }
    }

    /// The same for a frame with a large result, which begins at `start` of the buffer.
    fn handle_result(
        &mut self,
        id: CallId,
        buffer: Vec<u8>,
        start: usize,
        pass: &mut Pass,
    ) -> Result<(), CloseReason> {
        let value = buffer.get(start..).unwrap_or_default();
        let frame = Frame::Result { id, value };
        let now = Instant::now();
        self.vigil.read(now);
        self.vigil.handled(now, !self.partial.is_empty());
        let length = u32::try_from(buffer.len() - LENGTH_BYTES).unwrap_or(u32::MAX);
        let after = &mut self.after;
        let mut state = self.shared.lock();
        let Some(connection) = state.phase.connection() else {
            return Ok(());
        };
        if let Event::Result(token, _) = connection.handle(&frame, length).map_err(violation)? {
            state.end_with(token, |_| Kept::tail(buffer, start), after);
        }
        drop(state);
        pass.woken += after.settle();
        Ok(())
    }

    /// Handles whole frames at the beginning of `bytes`, and takes them off. The `answer` to the last call is still to
    /// be given.
    ///
    /// To take the lock is a good part of the work for a small frame. So it is kept from one to the next, except
    /// while a handler runs, and the answer to a call waits until it is taken for what comes next.
    fn handle_frames(
        &mut self,
        bytes: &mut &[u8],
        pass: &mut Pass,
        answer: &mut Option<Answer>,
    ) -> Result<(), Violation> {
        let max_frame = self.max_frame();
        let Self {
            shared,
            dispatcher,
            after,
            ..
        } = self;
        let mut locked = None;
        let mut frames_locked = 0;
        while pass.calls < CALLS_A_TURN
            && let Split::Frame(body, consumed) = frame::split(bytes, max_frame)?
        {
            *bytes = bytes.get(consumed..).unwrap_or_default();
            let frame = Frame::decode(body)?;
            let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
            let state: &mut State = locked.get_or_insert_with(|| shared.lock());
            if let Some(answer) = answer.take() {
                state.end_call(answer, dispatcher.session(), after);
            }
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
                    (locked, frames_locked) = (None, 0);
                    pass.calls += 1;
                    let call = CallRef {
                        id,
                        number,
                        streams: head.streams,
                    };
                    match dispatcher.dispatch(call, cost, &head, arguments) {
                        Dispatched::Ended(reply) => *answer = Some(Answer { call, cost, reply }),
                        Dispatched::Spawned => pass.spawned += 1,
                        Dispatched::Settled => {}
                    }
                    continue;
                }
                Event::Result(token, value) => {
                    let kept = |callers: &mut Callers| Kept::from(callers.keep(value));
                    state.end_with(token, kept, after);
                }
                Event::Yield(token, value) => state.yielded(token, value, after),
                event => take_in(shared, state, event, after),
            }
            frames_locked += 1;
            if frames_locked == FRAMES_LOCKED {
                (locked, frames_locked) = (None, 0);
            }
        }
        Ok(())
    }
}

impl State {
    /// A call has ended with the result that `kept` gives.
    #[inline]
    fn end_with(
        &mut self,
        token: Option<Token>,
        kept: impl FnOnce(&mut Callers) -> Kept,
        after: &mut After,
    ) {
        if let Some(token) = token {
            let value = kept(&mut self.callers);
            self.callers.end(token, Ended::Value(value), after);
        }
        self.unpark(after);
    }

    #[inline]
    fn yielded(&mut self, token: Token, value: &[u8], after: &mut After) {
        if let Some(ignored) = self.callers.yielded(token, value, after)
            && let Some(connection) = self.phase.connection()
        {
            connection.yields_taken(ignored, 1, value.len() as u64);
        }
    }
}

/// What all frames bring about but calls, items and results.
///
/// Apart from those, as the code between them would be nearly twice as large.
#[inline(never)]
fn take_in(shared: &Shared, state: &mut State, event: Event<'_>, after: &mut After) {
    let Some(connection) = state.phase.connection() else {
        return;
    };
    match event {
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
            let by = in_time(shared.close_timeout());
            let closing = state.closing.get_or_insert(Closing {
                by,
                local: false,
                for_good: false,
            });
            let next = shared.reconnects() && !closing.for_good;
            let by = closing.by;
            state.arm(Some(by), after);
            let reason = Arc::new(CloseReason::ClosedByPeer);
            state.callers.not_run(not_run, &reason, next, after);
            state.callers.refuse_parked(&reason, next, after);
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
        // Calls are dispatched, and what they give is kept, where it is read.
        Event::Call { .. }
        | Event::Result(..)
        | Event::Yield(..)
        | Event::Liveness
        | Event::Refused => {}
    }
}
