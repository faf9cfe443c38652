//! The calls that this end makes.

use std::collections::VecDeque;

use super::room::{Amount, Receiving, Sending};
use super::{CannotSend, Token};
use crate::error::Violation;
use crate::frame::{CREDIT_LENGTH, CallId, LENGTH_BYTES, StreamNumber};
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

#[derive(Debug)]
enum Call {
    Vacant,
    Live(Live),
}

#[derive(Debug)]
struct Live {
    /// `None`: nobody waits for it any more.
    token: Option<Token>,
    cancelled: bool,
    /// Its answer has metadata, which came.
    has_metadata: bool,
    cost: u64,
    /// Positions of the frame in the stream.
    start: u64,
    end: u64,
    /// Which call since opening this is, counted from 1.
    number: u64,
    /// Of the streams that go with it, and of what it yields.
    streams: Vec<Sending>,
    yields: Option<Box<Receiving>>,
}

/// What becomes of an item that a call has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Somebody waits for the call.
    Wanted(Token),
    /// It is dropped; this much is to be told as taken.
    Ignored(Option<Amount>),
}

impl Outgoing {
    pub(super) fn has_room(&self, cost: u64, peer: &Limits) -> bool {
        self.in_flight() < peer.max_calls && self.bytes + cost <= peer.max_request_bytes
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.live + self.oneways
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight() == 0
    }

    /// `length` is that of its frame, which will begin at `start` in the stream.
    pub(super) fn start(
        &mut self,
        token: Token,
        length: u32,
        streams: u8,
        start: u64,
        peer: &Limits,
    ) -> CallId {
        let cost = cost(length, streams, peer);
        self.sent += 1;
        self.live += 1;
        self.bytes += cost;
        let call = Call::Live(Live {
            token: Some(token),
            cancelled: false,
            has_metadata: false,
            cost,
            start,
            end: end_of(start, length),
            number: self.sent,
            streams: (0..streams).map(|_| Sending::new(peer)).collect(),
            yields: None,
        });
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

    fn live(&mut self, id: CallId) -> Option<&mut Live> {
        match self.calls.get_mut(id as usize) {
            Some(Call::Live(live)) => Some(live),
            _ => None,
        }
    }

    /// The live call to which a frame came, when the stream was written up to `written`.
    ///
    /// What was not written cannot have been answered. To take such an answer would let the other end
    /// make us call on and on without reading anything.
    fn answered(&mut self, id: CallId, written: u64) -> Result<&mut Live, Violation> {
        self.live(id)
            .filter(|live| live.end <= written)
            .ok_or(Violation::NoSuchCall(id))
    }

    /// Nobody waits for `id` any more.
    pub(super) fn forget(&mut self, id: CallId) {
        if let Some(live) = self.live(id) {
            live.token = None;
        }
    }

    /// Nobody wants `id` any more. Says whether somebody did.
    pub(super) fn cancel(&mut self, id: CallId) -> bool {
        let Some(live) = self.live(id) else {
            return false;
        };
        live.cancelled = live.token.take().is_some();
        live.cancelled
    }

    /// A final frame came, when the stream was written up to `written`.
    pub(super) fn end(&mut self, id: CallId, written: u64) -> Result<Option<Token>, Violation> {
        let live = self.answered(id, written)?;
        let (token, cost) = (live.token, live.cost);
        if let Some(place) = self.calls.get_mut(id as usize) {
            *place = Call::Vacant;
        }
        self.live -= 1;
        self.bytes -= cost;
        self.free.push(id);
        Ok(token)
    }

    /// The call has given an item, when the stream was written and queued so far. What is to be told is
    /// queued next.
    pub(super) fn given(
        &mut self,
        id: CallId,
        item: u32,
        (written, queued): (u64, u64),
        local: &Limits,
    ) -> Result<Given, Violation> {
        let live = self.answered(id, written)?;
        let yields = live
            .yields
            .get_or_insert_with(|| Box::new(Receiving::new(local)));
        yields.receive(item, written)?;
        Ok(match live.token {
            Some(token) => Given::Wanted(token),
            // Who has cancelled it wants it to stop.
            None if live.cancelled => Given::Ignored(None),
            None => Given::Ignored(yields.taken(Amount::one(item), end_of(queued, CREDIT_LENGTH))),
        })
    }

    /// Items that the call gave were taken; gives what is to be told of that now, at `queued` in the
    /// stream.
    pub(super) fn taken(&mut self, id: CallId, amount: Amount, queued: u64) -> Option<Amount> {
        let live = self.live(id).filter(|live| !live.cancelled)?;
        let end = end_of(queued, CREDIT_LENGTH);
        live.yields.as_mut()?.taken(amount, end)
    }

    /// Takes room for an item of a stream that goes with the call.
    pub(super) fn send_item(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        item: u32,
    ) -> Result<(), CannotSend> {
        let stream = self.open_stream(id, stream).ok_or(CannotSend::Over)?;
        if stream.take(item) {
            Ok(())
        } else {
            Err(CannotSend::NoCredit)
        }
    }

    /// No more items will be sent. Says whether that is to be told.
    pub(super) fn end_stream(&mut self, id: CallId, stream: StreamNumber) -> bool {
        self.open_stream(id, stream)
            .is_some_and(|stream| !std::mem::replace(&mut stream.over, true))
    }

    fn open_stream(&mut self, id: CallId, stream: StreamNumber) -> Option<&mut Sending> {
        self.live(id)
            .filter(|live| !live.cancelled)?
            .streams
            .get_mut(usize::from(stream))
            .filter(|stream| !stream.over)
    }

    /// The callee has taken items of a stream.
    pub(super) fn granted(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        amount: Amount,
        written: u64,
    ) -> Result<Option<Token>, Violation> {
        let live = self.answered(id, written)?;
        live.streams
            .get_mut(usize::from(stream))
            .ok_or(Violation::NoSuchStream { id, stream })?
            .give(amount)?;
        Ok(live.token)
    }

    /// The callee wants no more items of a stream.
    pub(super) fn stopped(
        &mut self,
        id: CallId,
        stream: StreamNumber,
        written: u64,
    ) -> Result<Option<Token>, Violation> {
        let live = self.answered(id, written)?;
        let output = live.streams.get_mut(usize::from(stream));
        if output.is_some_and(Sending::stop) {
            Ok(live.token)
        } else {
            Err(Violation::NoSuchStream { id, stream })
        }
    }

    /// Metadata of an answer came.
    pub(super) fn metadata(
        &mut self,
        id: CallId,
        written: u64,
    ) -> Result<Option<Token>, Violation> {
        let live = self.answered(id, written)?;
        if std::mem::replace(&mut live.has_metadata, true) {
            return Err(Violation::MetadataTwice(id));
        }
        Ok(live.token)
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
            if let Call::Live(live) = place
                && live.number > calls
            {
                not_run.extend(live.token);
                self.live -= 1;
                self.bytes -= live.cost;
                self.free.push(id as CallId);
                *place = Call::Vacant;
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
            Call::Live(live) => live.token.map(|token| (token, live.start)),
            Call::Vacant => None,
        })
    }
}

/// What a call counts against `max_request_bytes`: its frame, and what its streams may make the callee
/// hold.
pub(super) fn cost(length: u32, streams: u8, callee: &Limits) -> u64 {
    u64::from(length) + u64::from(streams) * u64::from(callee.max_stream_bytes)
}

/// Where the frame that begins at `start` ends in the stream.
pub(super) fn end_of(start: u64, length: u32) -> u64 {
    start + LENGTH_BYTES as u64 + u64::from(length)
}
