//! Items of the calls that this end serves: the streams that came with them, and what they yield.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use kaa_rpc_proto::CannotSend;
use kaa_rpc_proto::frame::{CallId, StreamNumber};
use slab::Slab;

use super::inbox::{Inbox, Reader};
use super::session::Session;
use super::state::{After, State, add_waker};
use crate::items::{EncodedItem, GiveError};

/// Names a call that is served, on one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallRef {
    /// `None`: a oneway call.
    pub(crate) id: Option<CallId>,
    /// Which call since the connection opened: ids are used again.
    pub(crate) number: u64,
    /// How many streams came with it.
    pub(crate) streams: u8,
}

/// What served calls with items have. Calls without never come here.
#[derive(Default)]
pub(super) struct Inputs {
    /// Streams that a handler has, owned by their handles.
    inputs: Slab<Input>,
    by_call: HashMap<(CallId, StreamNumber), usize>,
    /// Who has an item to give and no room for it: several tasks of a handler may.
    givers: HashMap<CallId, Vec<Waker>>,
}

struct Input {
    call: (CallId, u64),
    stream: StreamNumber,
    inbox: Inbox,
    /// No handler has it yet, but one may come.
    held: bool,
    state: InputState,
    waker: Option<Waker>,
}

/// How a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputState {
    /// More may come.
    Open,
    /// All of it came.
    Complete,
    /// Its caller could not go on with it.
    Broken,
    /// The call is over, or the connection.
    Over,
}

impl Inputs {
    /// A handler takes a stream. `None`: it has it already.
    fn claim(&mut self, call: (CallId, u64), stream: StreamNumber) -> Option<usize> {
        if let Some(key) = self.by_call.get(&(call.0, stream)) {
            let input = self.inputs.get_mut(*key)?;
            return std::mem::take(&mut input.held).then_some(*key);
        }
        let key = self.inputs.insert(Input {
            call,
            stream,
            inbox: Inbox::default(),
            held: false,
            state: InputState::Open,
            waker: None,
        });
        self.by_call.insert((call.0, stream), key);
        Some(key)
    }

    /// The streams of a call wait for a handler to take them.
    fn hold(&mut self, id: CallId, call: CallRef) {
        for stream in 0..call.streams {
            if let Some(key) = self.claim((id, call.number), stream)
                && let Some(input) = self.inputs.get_mut(key)
            {
                input.held = true;
            }
        }
    }

    /// Of the streams that wait, gives one up.
    fn release_held(&mut self, id: CallId, stream: StreamNumber) -> bool {
        let key = self.by_call.get(&(id, stream)).copied();
        let Some(key) = key.filter(|key| self.inputs.get(*key).is_some_and(|input| input.held))
        else {
            return false;
        };
        self.by_call.remove(&(id, stream));
        self.inputs.remove(key);
        true
    }

    /// An item came. Says whether a handler has the stream.
    pub(super) fn item(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        value: &[u8],
        after: &mut After,
    ) -> bool {
        let Some(input) = self.input(id, stream) else {
            return false;
        };
        input.inbox.push(value);
        after.wake(input.waker.take());
        true
    }

    /// The end of a stream came.
    pub(super) fn end(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        broken: bool,
        after: &mut After,
    ) {
        if let Some(input) = self.input(id, stream) {
            input.state = if broken {
                InputState::Broken
            } else {
                InputState::Complete
            };
            after.wake(input.waker.take());
        }
    }

    fn input(&mut self, id: CallId, stream: StreamNumber) -> Option<&mut Input> {
        let key = self.by_call.get(&(id, stream))?;
        self.inputs.get_mut(*key)
    }

    /// There is room for more items of the call, or nobody wants them: its handler is to look again.
    pub(super) fn wake_givers(&mut self, id: CallId, after: &mut After) {
        if !self.givers.is_empty()
            && let Some(givers) = self.givers.get_mut(&id)
        {
            after.wake_all(givers);
        }
    }

    /// The call was cancelled. That is the last that its caller says of it: no ends of streams come, for
    /// which a function that runs to its end would wait.
    pub(super) fn cancel_call(&mut self, id: CallId, after: &mut After) {
        self.wake_givers(id, after);
        for (_, input) in &mut self.inputs {
            if input.call.0 == id && input.state == InputState::Open {
                input.state = InputState::Broken;
                after.wake(input.waker.take());
            }
        }
    }

    /// The call is over.
    pub(super) fn end_call(&mut self, call: CallRef, after: &mut After) {
        let Some(id) = call.id else { return };
        // Mostly it is, and to look costs a hash.
        if !self.givers.is_empty() {
            self.wake_givers(id, after);
            self.givers.remove(&id);
        }
        for stream in 0..call.streams {
            if let Some(key) = self.by_call.remove(&(id, stream)) {
                self.close(key, after);
            }
        }
    }

    /// The connection is gone.
    pub(super) fn end_all(&mut self, after: &mut After) {
        for (_, mut givers) in self.givers.drain() {
            after.wake_all(&mut givers);
        }
        let keys: Vec<usize> = self.by_call.drain().map(|(_, key)| key).collect();
        for key in keys {
            self.close(key, after);
        }
    }

    fn close(&mut self, key: usize, after: &mut After) {
        if let Some(input) = self.inputs.get_mut(key) {
            if input.state == InputState::Open {
                input.state = InputState::Over;
            }
            after.wake(input.waker.take());
            // Nobody will take it any more, and nobody has its handle.
            if input.held {
                self.inputs.remove(key);
            }
        }
    }
}

impl Session {
    /// Keeps what comes of the streams of a call until its handler is there, or [`Self::release_held`].
    pub(crate) fn hold(&self, call: CallRef) {
        self.shared().with(|state, _| {
            if let Some(id) = call.id
                && state.of_session(self).is_some()
            {
                state.inputs.hold(id, call);
            }
        });
    }

    /// Streams that the handler has not taken are nobody's.
    pub(crate) fn release_held(&self, call: CallRef) {
        self.shared().with(|state, after| {
            let Some(id) = call.id.filter(|_| state.of_session(self).is_some()) else {
                return;
            };
            for stream in 0..call.streams {
                if state.inputs.release_held(id, stream)
                    && let Some(connection) = state.of_session(self)
                {
                    connection.stop_stream((id, call.number), stream);
                }
            }
            state.flush(false, after);
        });
    }

    /// Gives an item of a call to its caller, as soon as there is room.
    pub(crate) fn poll_give(
        &self,
        call: CallRef,
        item: &EncodedItem,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), GiveError>> {
        // Who sent a oneway call wants to hear nothing of it.
        let Some(id) = call.id else {
            return Poll::Ready(Ok(()));
        };
        self.shared().with(|state, after| {
            let given = match state.of_session(self) {
                Some(connection) => {
                    item.check(connection)?;
                    connection.give_item(id, call.number, &item.value)
                }
                None => Err(CannotSend::Over),
            };
            match given {
                Err(CannotSend::NoCredit) => {
                    add_waker(state.inputs.givers.entry(id).or_default(), cx.waker());
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

    /// Takes a stream of a call. `None`: it has none of this number, or it is taken.
    pub(crate) fn claim(&self, call: CallRef, stream: StreamNumber) -> Option<usize> {
        let id = call.id.filter(|_| stream < call.streams)?;
        self.shared().with(|state, _| {
            state.of_session(self)?;
            state.inputs.claim((id, call.number), stream)
        })
    }

    /// Tells what was taken of a stream.
    pub(crate) fn items_taken(&self, key: usize, reader: &mut Reader) {
        self.shared()
            .with(|state, after| state.items_taken(self, key, reader, after));
    }

    /// Hands over what came of a stream. Ready with nothing: it is as the state says.
    pub(crate) fn poll_items(
        &self,
        key: usize,
        reader: &mut Reader,
        cx: &mut Context<'_>,
    ) -> Poll<Option<InputState>> {
        self.shared().with(|state, after| {
            state.items_taken(self, key, reader, after);
            let Some(input) = state.inputs.inputs.get_mut(key) else {
                return Poll::Ready(Some(InputState::Over));
            };
            if input.inbox.hand_over(reader) {
                return Poll::Ready(None);
            }
            if input.state == InputState::Open {
                after.discard(input.waker.replace(cx.waker().clone()));
                return Poll::Pending;
            }
            Poll::Ready(Some(input.state))
        })
    }

    /// A handler wants no more of a stream.
    pub(crate) fn release(&self, key: usize) {
        self.shared().with(|state, after| {
            let Some(input) = state.inputs.inputs.try_remove(key) else {
                return;
            };
            after.discard(input.waker);
            // After the end of its call the place is another's.
            if state.inputs.by_call.get(&(input.call.0, input.stream)) == Some(&key) {
                state.inputs.by_call.remove(&(input.call.0, input.stream));
            }
            if let Some(connection) = state.of_session(self) {
                connection.stop_stream(input.call, input.stream);
                state.flush(false, after);
            }
        });
    }
}

impl State {
    fn items_taken(
        &mut self,
        session: &Session,
        key: usize,
        reader: &mut Reader,
        after: &mut After,
    ) {
        let Some((items, bytes)) = reader.take_read() else {
            return;
        };
        let Some(input) = self.inputs.inputs.get(key) else {
            return;
        };
        let (call, stream) = (input.call, input.stream);
        if let Some(connection) = self.of_session(session) {
            connection.items_taken(call, stream, items, bytes);
            self.flush(false, after);
        }
    }
}
