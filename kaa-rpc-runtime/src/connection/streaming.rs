//! Items of the calls of this end: what they yield, and the streams that go with them.

use std::task::{Context, Poll, Waker};

use kaa_rpc_proto::frame::{CallId, StreamNumber};
use kaa_rpc_proto::{CannotSend, Connection, Token};
use slab::Slab;

use super::callers::{Callers, Slot};
use super::inbox::{Inbox, Reader};
use super::request::Ended;
use super::shared::Shared;
use super::state::{After, State};
use crate::error::Error;
use crate::items::{EncodedItem, GiveError};

/// What calls have beside their slots, if they have items.
#[derive(Default)]
pub(super) struct Streaming {
    /// By slot.
    calls: Vec<Option<Box<StreamingCall>>>,
    /// Streams that go with calls, each owned by its pump, or by its call if that is gone.
    outputs: Slab<Output>,
}

#[derive(Default)]
struct StreamingCall {
    /// What it yielded. `None`: nobody wants that.
    inbox: Option<Inbox>,
    /// It has yielded something.
    has_yielded: bool,
    /// The keys of its streams, by number.
    outputs: Vec<usize>,
    /// Its handle is gone, but it is to go on; its slot is kept for its streams.
    detached: bool,
}

/// A stream that goes with a call.
struct Output {
    /// The call's slot, and which of its streams this is.
    of: (usize, StreamNumber),
    state: OutputState,
    /// Its pump's.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OutputState {
    /// The call is not sent yet.
    Parked,
    /// Nor was it when the pump had nothing more to send. The entry is the call's then, so that its
    /// end is told when the call is sent; if it is `complete`, that.
    EndedEarly {
        complete: bool,
    },
    Open(CallId),
    /// The call is over, or nobody wants the items.
    Over,
}

impl Streaming {
    fn get(&mut self, slot: usize) -> Option<&mut StreamingCall> {
        self.calls.get_mut(slot)?.as_deref_mut()
    }

    /// A call with items takes this slot.
    pub(super) fn begin(&mut self, slot: usize, wants_items: bool, streams: u8) {
        if !wants_items && streams == 0 {
            return;
        }
        let outputs = (0..streams).map(|number| {
            self.outputs.insert(Output {
                of: (slot, number),
                state: OutputState::Parked,
                waker: None,
            })
        });
        let call = StreamingCall {
            outputs: outputs.collect(),
            inbox: wants_items.then(Inbox::default),
            has_yielded: false,
            detached: false,
        };
        if self.calls.len() <= slot {
            self.calls.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.calls.get_mut(slot) {
            *place = Some(Box::new(call));
        }
    }

    /// The call is on its way: its streams may follow, those that are at their end already among them.
    pub(super) fn sent(
        &mut self,
        slot: usize,
        id: CallId,
        connection: &mut Connection,
        after: &mut After,
    ) {
        self.change_outputs(slot, OutputState::Open(id), after, |stream, complete| {
            connection.end_stream(id, stream, !complete);
        });
    }

    /// The call has ended: nobody wants its streams any more.
    pub(super) fn ended(&mut self, slot: usize, after: &mut After) {
        self.change_outputs(slot, OutputState::Over, after, |_, _| {});
    }

    /// The slot is given up.
    pub(super) fn forget(&mut self, slot: usize, after: &mut After) {
        self.ended(slot, after);
        if let Some(place) = self.calls.get_mut(slot) {
            *place = None;
        }
    }

    /// The outcome of the call, which has ended, was fetched.
    pub(super) fn fetched(&mut self, slot: usize) {
        if let Some(place) = self.calls.get_mut(slot) {
            *place = None;
        }
    }

    /// `end` is told of streams that are at their end already.
    fn change_outputs(
        &mut self,
        slot: usize,
        state: OutputState,
        after: &mut After,
        mut end: impl FnMut(StreamNumber, bool),
    ) {
        // Not `get`, which borrows all of it.
        let Some(Some(call)) = self.calls.get_mut(slot) else {
            return;
        };
        for key in &mut call.outputs {
            let Some(output) = self.outputs.get_mut(*key) else {
                continue;
            };
            match output.state {
                OutputState::Over => {}
                OutputState::EndedEarly { complete } => {
                    end(output.of.1, complete);
                    self.outputs.remove(*key);
                    *key = usize::MAX;
                }
                OutputState::Parked | OutputState::Open(_) => {
                    output.state = state;
                    after.wake(output.waker.take());
                }
            }
        }
    }

    /// Whether its caller has items of the call, which must not come again.
    pub(super) fn has_yielded(&self, slot: usize) -> bool {
        matches!(self.calls.get(slot), Some(Some(call)) if call.has_yielded)
    }

    /// How many streams go with the call.
    pub(super) fn streams(&self, slot: usize) -> u8 {
        match self.calls.get(slot) {
            Some(Some(call)) => u8::try_from(call.outputs.len()).unwrap_or(u8::MAX),
            _ => 0,
        }
    }

    /// Nobody holds the call any more. Says whether its slot must be kept for its streams.
    pub(super) fn detach(&mut self, slot: usize) -> bool {
        let Some(call) = self.get(slot) else {
            return false;
        };
        call.inbox = None;
        call.detached = !call.outputs.is_empty();
        call.detached
    }

    fn is_detached(&self, slot: usize) -> bool {
        matches!(self.calls.get(slot), Some(Some(call)) if call.detached)
    }
}

impl Callers {
    /// A call with this slot has just ended.
    pub(super) fn settle_streams(&mut self, slot: usize, after: &mut After) {
        if self.streaming.is_detached(slot) {
            self.streaming.forget(slot, after);
            self.slots.try_remove(slot);
        } else {
            self.streaming.ended(slot, after);
        }
    }

    /// An item came. Gives the id of its call if nobody takes it.
    pub(super) fn yielded(
        &mut self,
        token: Token,
        value: &[u8],
        after: &mut After,
    ) -> Option<CallId> {
        let slot = token as usize;
        let Some(Slot::Sent { id, waker, .. }) = self.slots.get_mut(slot) else {
            return None;
        };
        match self.streaming.get(slot) {
            Some(StreamingCall {
                inbox: Some(inbox),
                has_yielded,
                ..
            }) => {
                inbox.push(value);
                *has_yielded = true;
                after.wake(waker.take());
                None
            }
            _ => Some(*id),
        }
    }

    /// There is room for more items of a stream.
    pub(super) fn granted(&mut self, token: Token, stream: StreamNumber, after: &mut After) {
        if let Some(output) = self.output(token, stream) {
            after.wake(output.waker.take());
        }
    }

    /// The callee wants no more items of a stream.
    pub(super) fn stopped(&mut self, token: Token, stream: StreamNumber, after: &mut After) {
        if let Some(output) = self.output(token, stream) {
            output.state = OutputState::Over;
            after.wake(output.waker.take());
        }
    }

    fn output(&mut self, token: Token, stream: StreamNumber) -> Option<&mut Output> {
        let call = self.streaming.get(token as usize)?;
        let key = *call.outputs.get(usize::from(stream))?;
        self.streaming.outputs.get_mut(key)
    }

    /// Hands over what the call yielded. Ready with whether there is something; if not, the call has
    /// ended, and its outcome can be had.
    fn poll_yields(
        &mut self,
        slot: usize,
        reader: &mut Reader,
        cx: &mut Context<'_>,
        replaced: &mut Option<Waker>,
    ) -> Poll<bool> {
        if let Some(StreamingCall {
            inbox: Some(inbox), ..
        }) = self.streaming.get(slot)
            && inbox.hand_over(reader)
        {
            return Poll::Ready(true);
        }
        match self.slots.get_mut(slot) {
            Some(Slot::Parked { waker, .. } | Slot::Sent { waker, .. }) => {
                *replaced = waker.replace(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(false),
        }
    }
}

impl Shared {
    /// See [`Callers::poll_yields`].
    pub(crate) fn poll_yields(
        &self,
        slot: usize,
        reader: &mut Reader,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        let mut replaced = None;
        let polled = self.with(|state, after| {
            state.yields_taken(slot, reader, after);
            state.callers.poll_yields(slot, reader, cx, &mut replaced)
        });
        drop(replaced);
        polled
    }

    /// Items that the call yielded were taken.
    pub(crate) fn yields_taken(&self, slot: usize, reader: &mut Reader) {
        self.with(|state, after| state.yields_taken(slot, reader, after));
    }

    /// Nobody wants what the call yields.
    pub(crate) fn ignore_yields(&self, slot: usize, reader: &mut Reader) {
        self.with(|state, after| {
            while reader.next().is_some() {}
            if let Some(call) = state.callers.streaming.get(slot)
                && let Some(mut inbox) = call.inbox.take()
                && inbox.hand_over(reader)
            {
                while reader.next().is_some() {}
            }
            state.yields_taken(slot, reader, after);
        });
    }

    /// The streams that go with the call, for their pumps.
    pub(crate) fn outputs(&self, slot: usize) -> Vec<usize> {
        let mut state = self.lock();
        let call = state.callers.streaming.get(slot);
        call.map(|call| call.outputs.clone()).unwrap_or_default()
    }

    /// Sends an item of a stream as soon as there is room.
    pub(super) fn poll_send(
        &self,
        key: usize,
        item: &EncodedItem,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), GiveError>> {
        self.with(|state, after| {
            let Some(output) = state.callers.streaming.outputs.get_mut(key) else {
                return Poll::Ready(Err(GiveError::Stopped));
            };
            let sent = match output.state {
                OutputState::Over | OutputState::EndedEarly { .. } => Err(CannotSend::Over),
                OutputState::Parked => Err(CannotSend::NoCredit),
                OutputState::Open(id) => match state.phase.connection() {
                    Some(connection) => {
                        item.check(connection)?;
                        connection.send_item(id, output.of.1, &item.value)
                    }
                    None => Err(CannotSend::Over),
                },
            };
            match sent {
                Err(CannotSend::NoCredit) => {
                    after.discard(output.waker.replace(cx.waker().clone()));
                    Poll::Pending
                }
                Err(CannotSend::Backlog) => {
                    state.block(cx.waker());
                    Poll::Pending
                }
                Err(cannot) => Poll::Ready(Err(cannot.into())),
                Ok(()) => {
                    state.flush(false, after);
                    Poll::Ready(Ok(()))
                }
            }
        })
    }

    /// Waits for the end of the call, or until nobody wants the stream any more.
    pub(super) fn poll_unwanted(&self, key: usize, cx: &mut Context<'_>) -> Poll<()> {
        self.with(
            |state, after| match state.callers.streaming.outputs.get_mut(key) {
                Some(output) if output.state != OutputState::Over => {
                    after.discard(output.waker.replace(cx.waker().clone()));
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            },
        )
    }

    /// The pump of a stream is gone. `complete`: it has sent all there was.
    pub(super) fn end_output(&self, key: usize, complete: bool) {
        self.with(|state, after| {
            let outputs = &mut state.callers.streaming.outputs;
            if let Some(output) = outputs.get_mut(key)
                && output.state == OutputState::Parked
            {
                output.state = OutputState::EndedEarly { complete };
                after.discard(output.waker.take());
                return;
            }
            let Some(output) = outputs.try_remove(key) else {
                return;
            };
            after.discard(output.waker);
            let (slot, stream) = output.of;
            // The key may be used again, by a stream that has nothing to do with this call. If the call is
            // over, its slot may be used again, too, by one whose streams have other keys.
            if let Some(call) = state.callers.streaming.get(slot)
                && let Some(place) = call.outputs.get_mut(usize::from(stream))
                && *place == key
            {
                *place = usize::MAX;
            }
            if let OutputState::Open(id) = output.state
                && let Some(connection) = state.phase.connection()
            {
                connection.end_stream(id, stream, !complete);
                state.flush(false, after);
            }
        });
    }

    /// A stream cannot go on, and so its call cannot.
    pub(super) fn fail_output(&self, key: usize, error: Error) {
        self.with(|state, after| {
            let Some(output) = state.callers.streaming.outputs.get(key) else {
                return;
            };
            let (slot, open) = (output.of.0, output.state);
            if open == OutputState::Over {
                return;
            }
            state
                .callers
                .fail(state.phase.connection(), slot, error, after);
            state.unpark(after);
            state.flush(false, after);
        });
    }
}

impl State {
    fn yields_taken(&mut self, slot: usize, reader: &mut Reader, after: &mut After) {
        let Some((items, bytes)) = reader.take_read() else {
            return;
        };
        if let Some(Slot::Sent { id, .. }) = self.callers.slots.get(slot)
            && let Some(connection) = self.phase.connection()
        {
            connection.yields_taken(*id, items, bytes);
            self.flush(false, after);
        }
    }
}

impl Callers {
    /// Ends a call before its outcome came.
    fn fail(
        &mut self,
        connection: Option<&mut Connection>,
        slot: usize,
        error: Error,
        after: &mut After,
    ) {
        let Some(place) = self.slots.get_mut(slot) else {
            return;
        };
        let waker = match place {
            Slot::Sent { id, waker, .. } => {
                if let Some(connection) = connection {
                    connection.cancel(*id);
                }
                waker.take()
            }
            Slot::Parked { parked, waker } => {
                self.waiting.remove(parked.place);
                waker.take()
            }
            Slot::Done(_) => return,
        };
        after.wake(waker);
        *place = Slot::Done(Ended::Error(error));
        self.settle_streams(slot, after);
    }
}
