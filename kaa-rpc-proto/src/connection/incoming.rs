//! The calls that this end serves.

use std::collections::VecDeque;

use super::CannotSend;
use super::outgoing::end_of;
use super::room::{Amount, Receiving, Sending};
use crate::error::Violation;
use crate::frame::{CallId, GRANT_LENGTH, StreamNumber};
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
#[derive(Debug, Default)]
struct Place {
    state: State,
    /// Its last call, which may have ended, was not cancelled yet. A cancel is the last that a caller
    /// says of a call, and a call for an id that was used before comes after all that was said of the
    /// call before it.
    may_be_cancelled: bool,
}

#[derive(Debug)]
enum State {
    Vacant(Stray),
    Live(Live),
    /// The final frame is queued.
    Ended(Stray),
}

impl Default for State {
    fn default() -> Self {
        Self::Vacant(Stray::default())
    }
}

#[derive(Debug)]
struct Live {
    cost: u64,
    /// Which call since opening this is: two calls may have one id, one after the other.
    number: u64,
    /// Of the streams that came with it, and of what it yields.
    streams: Vec<Receiving>,
    yields: Option<Box<Sending>>,
    /// Metadata of its answer are queued.
    has_metadata: bool,
}

impl Live {
    fn stray(&self) -> Stray {
        Stray {
            items: self.streams.iter().map(Receiving::expected).sum(),
            credit: self
                .yields
                .as_ref()
                .map_or(0, |yields| yields.outstanding()),
        }
    }
}

/// What may still come for a call that has ended: the other end did not know yet.
#[derive(Clone, Copy, Debug, Default)]
struct Stray {
    /// Frames of items, and of ends of streams.
    items: u64,
    /// Items of yields that may be given back.
    credit: u32,
}

/// What becomes of an item of a stream that came with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// It is for the call that was accepted as this one.
    Wanted(u64),
    /// Nobody wants it any more.
    Dropped,
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
    /// Takes a call in and gives its number; `None`: it came after goodbye and is not run.
    pub(super) fn start(
        &mut self,
        id: CallId,
        cost: u64,
        streams: u8,
        local: &Limits,
    ) -> Result<Option<u64>, Violation> {
        if id >= local.max_calls {
            return Err(Violation::IdOutOfRange {
                id,
                window: local.max_calls,
            });
        }
        let index = id as usize;
        let taken = |place: &Place| !matches!(place.state, State::Vacant(_));
        if self.calls.get(index).is_some_and(taken) {
            return Err(Violation::IdInUse(id));
        }
        if !self.goodbye {
            self.take_room(cost, local)?;
        }
        if self.calls.len() <= index {
            self.calls.resize_with(index + 1, Place::default);
        }
        let state = if self.goodbye {
            State::Vacant(Stray {
                items: Receiving::new(local).expected() * u64::from(streams),
                credit: 0,
            })
        } else {
            self.accepted += 1;
            self.live += 1;
            State::Live(Live {
                cost,
                number: self.accepted,
                streams: (0..streams).map(|_| Receiving::new(local)).collect(),
                yields: None,
                has_metadata: false,
            })
        };
        if let Some(place) = self.calls.get_mut(index) {
            *place = Place {
                state,
                may_be_cancelled: true,
            };
        }
        Ok((!self.goodbye).then_some(self.accepted))
    }

    /// Takes a oneway call in; `false`: it came after goodbye and is not run. Its slot is given back
    /// all the same, because oneway calls have no ids by which the caller could tell it from others.
    pub(super) fn start_oneway(&mut self, cost: u32, local: &Limits) -> Result<bool, Violation> {
        self.take_room(u64::from(cost), local)?;
        if self.goodbye {
            self.give_back(cost);
            return Ok(false);
        }
        self.accepted += 1;
        self.oneways += 1;
        Ok(true)
    }

    fn take_room(&mut self, cost: u64, local: &Limits) -> Result<(), Violation> {
        if self.taken >= local.max_calls {
            return Err(Violation::WindowExceeded {
                window: local.max_calls,
            });
        }
        let bytes = self.taken_bytes.saturating_add(cost);
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
        let live = |place: &Place| matches!(place.state, State::Live(_));
        self.calls.get(id as usize).is_some_and(live)
    }

    /// Which call since opening the live one with this id is.
    pub(super) fn number(&self, id: CallId) -> Option<u64> {
        match &self.calls.get(id as usize)?.state {
            State::Live(live) => Some(live.number),
            _ => None,
        }
    }

    /// A cancel came. Says whether the call is live: its final frame may have crossed the cancel.
    pub(super) fn cancel(&mut self, id: CallId) -> Result<bool, Violation> {
        match self.calls.get_mut(id as usize) {
            Some(place) if place.may_be_cancelled => {
                place.may_be_cancelled = false;
                Ok(matches!(place.state, State::Live(_)))
            }
            _ => Err(Violation::UnexpectedCancel(id)),
        }
    }

    fn live(&mut self, id: CallId) -> Option<&mut Live> {
        match &mut self.calls.get_mut(id as usize)?.state {
            State::Live(live) => Some(live),
            _ => None,
        }
    }

    /// Whether the call that was accepted as `number` is live and was not cancelled.
    pub(super) fn wants(&self, id: CallId, number: u64) -> bool {
        matches!(
            self.calls.get(id as usize),
            Some(Place { state: State::Live(live), may_be_cancelled: true }) if live.number == number
        )
    }

    /// Takes room for an item that the call gives.
    pub(super) fn give_item(
        &mut self,
        id: CallId,
        number: u64,
        cost: u32,
        peer: &Limits,
    ) -> Result<(), CannotSend> {
        let live = match self.calls.get_mut(id as usize) {
            Some(Place {
                state: State::Live(live),
                may_be_cancelled: true,
            }) if live.number == number => live,
            // Who has cancelled the call wants no more of it.
            _ => return Err(CannotSend::Over),
        };
        let yields = live
            .yields
            .get_or_insert_with(|| Box::new(Sending::new(peer)));
        if yields.take(cost) {
            Ok(())
        } else {
            Err(CannotSend::NoCredit)
        }
    }

    /// The last call with this id, if its caller may still say something of it.
    fn spoken_of(&mut self, id: CallId) -> Option<&mut State> {
        let place = self.calls.get_mut(id as usize)?;
        place.may_be_cancelled.then_some(&mut place.state)
    }

    /// The caller has taken items that the call gave. Says whether the call is live.
    pub(super) fn credit(&mut self, id: CallId, amount: Amount) -> Result<bool, Violation> {
        match self.spoken_of(id) {
            Some(State::Live(live)) => {
                let yields = live.yields.as_mut().ok_or(Violation::TooMuchCredit)?;
                yields.give(amount)?;
                Ok(true)
            }
            Some(State::Ended(stray) | State::Vacant(stray)) if amount.items > 0 => {
                let left = stray.credit.checked_sub(amount.items);
                stray.credit = left.ok_or(Violation::TooMuchCredit)?;
                Ok(false)
            }
            _ => Err(Violation::TooMuchCredit),
        }
    }

    /// An item of a stream came, when the own stream was written up to `written`.
    pub(super) fn item(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        cost: u32,
        written: u64,
    ) -> Result<Input, Violation> {
        let Some((number, input)) = self.input(id, stream)? else {
            return Ok(Input::Dropped);
        };
        input.receive(cost, written)?;
        Ok(if input.stopped {
            Input::Dropped
        } else {
            Input::Wanted(number)
        })
    }

    /// The end of a stream came.
    pub(super) fn end_stream(
        &mut self,
        id: CallId,
        stream: StreamNumber,
    ) -> Result<Input, Violation> {
        let Some((number, input)) = self.input(id, stream)? else {
            return Ok(Input::Dropped);
        };
        input.over = true;
        Ok(if input.stopped {
            Input::Dropped
        } else {
            Input::Wanted(number)
        })
    }

    /// The stream of a live call, for which a frame came. `None`: the call has ended meanwhile.
    fn input(
        &mut self,
        id: CallId,
        stream: StreamNumber,
    ) -> Result<Option<(u64, &mut Receiving)>, Violation> {
        let no_such_stream = Violation::NoSuchStream { id, stream };
        match self.spoken_of(id) {
            Some(State::Live(live)) => {
                let input = live.streams.get_mut(usize::from(stream));
                let input = input.filter(|input| !input.over).ok_or(no_such_stream)?;
                Ok(Some((live.number, input)))
            }
            Some(State::Ended(stray) | State::Vacant(stray)) => {
                stray.items = stray.items.checked_sub(1).ok_or(no_such_stream)?;
                Ok(None)
            }
            None => Err(no_such_stream),
        }
    }

    /// Items of a stream were taken; gives what is to be told of that now, at `queued` in the own stream.
    pub(super) fn taken(
        &mut self,
        (id, number): (CallId, u64),
        stream: StreamNumber,
        amount: Amount,
        queued: u64,
    ) -> Option<Amount> {
        let end = end_of(queued, GRANT_LENGTH);
        self.numbered(id, number, stream)?.taken(amount, end)
    }

    /// No more items of a stream are wanted. Says whether that is to be told.
    pub(super) fn stop(&mut self, id: CallId, number: u64, stream: StreamNumber) -> bool {
        self.numbered(id, number, stream).is_some_and(|input| {
            let told = !input.stopped && !input.over;
            input.stopped = true;
            told
        })
    }

    fn numbered(
        &mut self,
        id: CallId,
        number: u64,
        stream: StreamNumber,
    ) -> Option<&mut Receiving> {
        self.live(id)
            .filter(|live| live.number == number)?
            .streams
            .get_mut(usize::from(stream))
    }

    /// Metadata of an answer are to be sent. Says whether they may be.
    pub(super) fn metadata(&mut self, id: CallId) -> bool {
        self.live(id)
            .is_some_and(|live| !std::mem::replace(&mut live.has_metadata, true))
    }

    /// Ends a live call. Its final frame is queued and ends at `end` in the stream.
    pub(super) fn end(&mut self, id: CallId, end: u64) {
        let Some(place) = self.calls.get_mut(id as usize) else {
            return;
        };
        let State::Live(live) = &place.state else {
            return;
        };
        let cost = live.cost;
        place.state = State::Ended(live.stray());
        self.live -= 1;
        self.unwritten.push_back(Ending {
            end,
            id: Some(id),
            calls: 1,
            bytes: cost,
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
                && let State::Ended(stray) = place.state
            {
                place.state = State::Vacant(stray);
            }
            self.unwritten.pop_front();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.live + self.oneways == 0
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
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
