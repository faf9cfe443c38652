//! The calls of this end that somebody waits for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use kaa_rpc_proto::frame::{CallHead, CallId};
use kaa_rpc_proto::{CannotCall, Connection, Limits, Payload, Token};
use slab::Slab;
use tokio::time::Instant;

use super::parked::Parked;
use super::request::{Ended, Request, Started, Time, check_shape, full, refused, timed_out};
use super::state::After;
use super::streaming::Streaming;
use super::waiting::Waiting;
use crate::buffers;
use crate::call::Announced;
use crate::error::Error;
use crate::server::WhenBehind;

/// So many buffers for results are kept: as many as a turn of the other end may answer …
const SPARE: usize = 64;
/// … of so many bytes together at most.
const SPARE_BYTES: usize = 256 * 1024;

/// A call from its start until its outcome is fetched.
///
/// ```text
///  Parked ──window──► Sent ──final frame, timeout, loss──► Done ──fetched──► (vacant)
///   │  ▲                └── loss, if it may be sent again ──┐ ▲
///   │  └────────────────────────────────────────────────────┘ │
///   └── oneway, timeout, loss ────────────────────────────────┘
/// ```
pub(super) enum Slot {
    /// Waits for a place in the window, or for the connection to open.
    Parked {
        parked: Box<Parked>,
        waker: Option<Waker>,
    },
    /// On its way.
    Sent {
        id: CallId,
        name: Cow<'static, str>,
        time: Time,
        waker: Option<Waker>,
        /// What is needed to send it again, if the user asked for that.
        kept: Option<Box<Parked>>,
    },
    /// The outcome waits to be fetched.
    Done(Ended),
}

/// Metadata of answers whose final frame has yet to come, or to be fetched, by the slots of their calls.
#[derive(Default)]
pub(super) struct Answers(HashMap<usize, Box<[u8]>>);

impl Answers {
    pub(super) fn add(&mut self, token: Token, metadata: &[u8]) {
        self.0.insert(token as usize, metadata.into());
    }

    pub(super) fn take(&mut self, slot: usize) -> Option<Box<[u8]>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.remove(&slot)
    }

    /// The slot is another call's, or its call has not been answered after all.
    pub(super) fn forget(&mut self, slot: usize) {
        self.take(slot);
    }
}

/// All calls of this end. At most the window is `Sent`; `Parked` ones are held by their handles.
#[derive(Default)]
pub(super) struct Callers {
    pub(super) slots: Slab<Slot>,
    pub(super) waiting: Waiting,
    /// So many calls were kept, to be parked or sent again.
    pub(super) kept: u64,
    pub(super) streaming: Streaming,
    /// Metadata of answers.
    pub(super) told: Answers,
    /// Buffers for results: a caller that fetches one leaves an empty one of its own.
    spare: Vec<Vec<u8>>,
    /// What they take.
    spare_bytes: usize,
}

impl Callers {
    /// Sends the request, or parks it until there is room. `connection` is `None` as long as there is
    /// none that takes calls.
    pub(super) fn start(
        &mut self,
        mut connection: Option<&mut Connection>,
        request: &mut Request<'_>,
        after: &mut After,
    ) -> Result<Started, Error> {
        let time = Time {
            timeout: request.timeout,
            deadline: request.deadline,
        };
        // A call inside a handler passes those that wait: it may be what they wait for. A connection
        // that is being greeted takes the calls of its hook only.
        let passes = if self.waiting.is_greeting() {
            request.greets && !self.waiting.greeter_waits()
        } else {
            request.nested || self.waiting.is_empty()
        };
        if let Some(connection) = connection.as_deref() {
            check_shape(request.shape, connection, request.name.as_str())?;
        }
        if let Some(connection) = connection.as_deref_mut().filter(|_| passes) {
            let head = CallHead {
                depth: request.depth,
                remaining: time.whole(),
                streams: request.streams,
                metadata: &request.metadata,
                ..CallHead::new(request.name.as_str())
            };
            let arguments = &mut request.arguments;
            let arguments = match request.resends {
                0 => Payload::from(arguments),
                _ => Payload::from(&*arguments),
            };
            match self.send(
                connection,
                &head,
                arguments,
                request.oneway,
                || request.name.keep(),
                time,
            ) {
                Err(CannotCall::WindowFull) => {}
                Err(cannot) => return Err(refused(cannot, request.name.as_str())),
                Ok(started) => {
                    if let Started::Waiting(slot) = started {
                        self.begin_streaming(slot, request, connection, after);
                    }
                    self.keep_or_give(started, request, time);
                    return Ok(started);
                }
            }
        }
        if request.nested
            && !self.waiting.is_greeting()
            && let Some(connection) = connection
        {
            return Err(full(connection));
        }
        let greets = request.greets;
        let (wants_items, streams) = (request.wants_items, request.streams);
        let parked = self.pack(request, time);
        let slot = self.line_up(parked, greets);
        self.streaming.begin(slot, wants_items, streams);
        Ok(Started::Waiting(slot))
    }

    /// A call was sent at once.
    fn begin_streaming(
        &mut self,
        slot: usize,
        request: &Request<'_>,
        connection: &mut Connection,
        after: &mut After,
    ) {
        self.streaming
            .begin(slot, request.wants_items, request.streams);
        if let Some(Slot::Sent { id, .. }) = self.slots.get(slot) {
            self.streaming.sent(slot, *id, connection, after);
        }
    }

    fn send(
        &mut self,
        connection: &mut Connection,
        head: &CallHead<'_>,
        arguments: Payload<'_>,
        oneway: bool,
        name: impl FnOnce() -> Cow<'static, str>,
        time: Time,
    ) -> Result<Started, CannotCall> {
        if oneway {
            connection.oneway(head, arguments)?;
            return Ok(Started::Sent);
        }
        let entry = self.slots.vacant_entry();
        let slot = entry.key();
        let id = connection.call(token(slot), head, arguments)?;
        self.told.forget(slot);
        entry.insert(Slot::Sent {
            id,
            name: name(),
            time,
            waker: None,
            kept: None,
        });
        Ok(Started::Waiting(slot))
    }

    /// Sends parked calls, oldest first, as far as there is room.
    pub(super) fn unpark(&mut self, connection: &mut Connection, after: &mut After) {
        if self.waiting.is_greeting() {
            return;
        }
        while let Some(slot) = self.waiting.first() {
            let Some(Slot::Parked { parked, waker }) = self.slots.get_mut(slot) else {
                // What leaves its slot leaves the line.
                return;
            };
            let head = CallHead {
                depth: parked.depth,
                remaining: parked
                    .time
                    .deadline
                    .and_then(|_| parked.time.remaining(Instant::now())),
                streams: self.streaming.streams(slot),
                metadata: &parked.metadata,
                ..CallHead::new(&parked.name)
            };
            // It may have been parked before the limits of the other end were known.
            let outcome = match check_shape(parked.shape, connection, &parked.name) {
                Err(error) => Err(parked.lost().unwrap_or(error)),
                Ok(()) => {
                    let arguments = match parked.resends {
                        0 => Payload::from(&mut parked.arguments),
                        _ => Payload::from(&parked.arguments),
                    };
                    let sent = if parked.oneway {
                        connection.oneway(&head, arguments).map(|()| None)
                    } else {
                        connection.call(token(slot), &head, arguments).map(Some)
                    };
                    match sent {
                        Err(CannotCall::WindowFull) => return,
                        Err(cannot) => Err(parked
                            .lost()
                            .unwrap_or_else(|| refused(cannot, &parked.name))),
                        Ok(id) => Ok(id),
                    }
                }
            };
            let detached = parked.place.is_detached();
            self.waiting.remove(parked.place);
            let time = parked.time;
            let name = if parked.resends > 0 {
                parked.name.clone()
            } else {
                buffers::give(parked.arguments.take_buffer());
                std::mem::take(&mut parked.name)
            };
            let waker = waker.take();
            let next = match outcome {
                Ok(Some(id)) => {
                    self.streaming.sent(slot, id, connection, after);
                    if detached && !self.streaming.detach(slot) {
                        self.streaming.forget(slot, after);
                        connection.detach(id);
                        after.drop_slot(self.slots.remove(slot));
                        continue;
                    }
                    Slot::Sent {
                        id,
                        name,
                        time,
                        waker,
                        kept: None,
                    }
                }
                Ok(None) => {
                    after.wake(waker);
                    Slot::Done(Ended::Sent)
                }
                Err(error) => {
                    after.wake(waker);
                    Slot::Done(Ended::Error(error))
                }
            };
            let over = matches!(next, Slot::Done(_));
            if over && detached {
                self.streaming.forget(slot, after);
                after.drop_slot(self.slots.remove(slot));
            } else if let Some(place) = self.slots.get_mut(slot)
                && let Slot::Parked { parked, .. } = std::mem::replace(place, next)
            {
                match place {
                    Slot::Sent { kept, .. } if parked.resends > 0 => *kept = Some(parked),
                    _ => after.drop_parked(Some(parked)),
                }
            }
            if over {
                self.streaming.ended(slot, after);
            }
        }
    }

    /// The outcome of a call, once it is there; it is given once.
    pub(super) fn poll(
        &mut self,
        slot: usize,
        cx: &mut Context<'_>,
        replaced: &mut Option<Waker>,
    ) -> Poll<Ended> {
        match self.slots.get_mut(slot) {
            Some(Slot::Parked { waker, .. } | Slot::Sent { waker, .. }) => {
                if !waker
                    .as_ref()
                    .is_some_and(|waker| waker.will_wake(cx.waker()))
                {
                    *replaced = waker.replace(cx.waker().clone());
                }
                Poll::Pending
            }
            Some(Slot::Done(_)) => {
                let Slot::Done(ended) = self.slots.remove(slot) else {
                    return Poll::Pending;
                };
                if let Ended::Value(_) = ended {
                    self.add_spare();
                }
                self.streaming.fetched(slot);
                Poll::Ready(ended)
            }
            // The handle is the only one to fetch its outcome, and fetches it once.
            None => Poll::Ready(Ended::Error(Error::Cancelled)),
        }
    }

    /// The handle of a call is gone: nobody wants the outcome.
    pub(super) fn cancel(
        &mut self,
        connection: Option<&mut Connection>,
        slot: usize,
        after: &mut After,
    ) {
        let Some(removed) = self.slots.try_remove(slot) else {
            return;
        };
        self.streaming.forget(slot, after);
        self.told.forget(slot);
        match removed {
            Slot::Sent {
                id, waker, kept, ..
            } => {
                if let Some(connection) = connection {
                    connection.cancel(id);
                }
                after.drop_parked(kept);
                after.discard(waker);
            }
            Slot::Parked { mut parked, waker } => {
                self.waiting.remove(parked.place);
                buffers::give(parked.arguments.take_buffer());
                after.drop_parked(Some(parked));
                after.discard(waker);
            }
            Slot::Done(ended) => after.drop_outcome(ended),
        }
    }

    /// The handle of a call is gone, but the call is to go on. If too many wait like that already, it
    /// is as before.
    pub(super) fn detach(
        &mut self,
        connection: Option<&mut Connection>,
        slot: usize,
        after: &mut After,
    ) -> Result<(), Error> {
        match self.slots.get_mut(slot) {
            Some(Slot::Parked { parked, waker }) => {
                let limits = peer_limits(connection.as_deref());
                self.waiting.detach(&mut parked.place, &limits)?;
                after.discard(waker.take());
            }
            // Its streams go on.
            Some(Slot::Sent { waker, .. }) if self.streaming.detach(slot) => {
                after.discard(waker.take());
            }
            Some(Slot::Sent { id, .. }) => {
                self.streaming.forget(slot, after);
                if let Some(connection) = connection {
                    connection.detach(*id);
                }
                if let Some(Slot::Sent { waker, kept, .. }) = self.slots.try_remove(slot) {
                    after.drop_parked(kept);
                    after.discard(waker);
                }
            }
            Some(Slot::Done(_)) => {
                self.streaming.forget(slot, after);
                if let Some(Slot::Done(ended)) = self.slots.try_remove(slot) {
                    after.drop_outcome(ended);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The handle of an event is gone. If it has to wait and too many do already, the oldest go for it, or it
    /// tells that the channel is to be closed.
    pub(super) fn announce(
        &mut self,
        connection: Option<&mut Connection>,
        slot: usize,
        most: usize,
        when_behind: WhenBehind,
        after: &mut After,
    ) -> Result<Announced, Error> {
        if !matches!(self.slots.get(slot), Some(Slot::Parked { .. })) {
            return self
                .detach(connection, slot, after)
                .map(|()| Announced::default());
        }
        let limits = peer_limits(connection.as_deref());
        let mut told = Announced::default();
        loop {
            let waiting = self.waiting.events();
            let Some(Slot::Parked { parked, waker }) = self.slots.get_mut(slot) else {
                return Ok(told);
            };
            let refused = if waiting < most.max(1) {
                match self.waiting.announce(&mut parked.place, &limits) {
                    Ok(()) => {
                        after.discard(waker.take());
                        told.waiting = waiting + 1;
                        return Ok(told);
                    }
                    Err(error) => Some(error),
                }
            } else {
                None
            };
            match (self.waiting.oldest_event(), when_behind, refused) {
                (Some(_), WhenBehind::Close, _) => {
                    told.waiting = waiting;
                    told.closed = true;
                    return Ok(told);
                }
                (Some(oldest), WhenBehind::DropOldest, _) => {
                    self.cancel(None, oldest, after);
                    self.waiting.event_dropped();
                    told.dropped += 1;
                }
                // It alone is too much, beside what waits that is no event.
                (None, _, Some(error)) => {
                    self.waiting.event_dropped();
                    return Err(error);
                }
                (None, _, None) => return Ok(told),
            }
        }
    }

    /// A final frame came.
    pub(super) fn end(&mut self, token: Token, mut ended: Ended, after: &mut After) {
        if let Some(place) = self.slots.get_mut(token as usize)
            && let Slot::Sent {
                waker, time, kept, ..
            } = place
        {
            if let Ended::Failure(_, given) = &mut ended {
                *given = time.timeout;
            }
            after.wake(waker.take());
            after.drop_parked(kept.take());
            *place = Slot::Done(ended);
            self.settle_streams(token as usize, after);
        }
    }

    /// A copy of a result, in a buffer that is used again.
    pub(super) fn keep(&mut self, value: &[u8]) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= buffer.capacity();
        buffer.extend_from_slice(value);
        buffer
    }

    /// One of the caller's buffers, for which it gets one with a result.
    fn add_spare(&mut self) {
        if self.spare.len() < SPARE && self.spare_bytes < SPARE_BYTES {
            let buffer = buffers::take();
            self.spare_bytes += buffer.capacity();
            self.spare.push(buffer);
        }
    }

    /// Ends what is overdue; gives when the next call will be.
    pub(super) fn expire(
        &mut self,
        mut connection: Option<&mut Connection>,
        now: Instant,
        after: &mut After,
    ) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut over = Vec::new();
        let mut detached = Vec::new();
        for (index, slot) in &mut self.slots {
            let (time, waker) = match slot {
                Slot::Parked { parked, waker } => (parked.time, waker),
                Slot::Sent { time, waker, .. } => (*time, waker),
                Slot::Done(_) => continue,
            };
            if !time.is_over(now) {
                next = earlier(next, time.deadline);
                continue;
            }
            after.wake(waker.take());
            let sent = match slot {
                Slot::Parked { parked, .. } => parked.was_sent(),
                _ => true,
            };
            let name = match slot {
                Slot::Sent { id, name, .. } => {
                    if let Some(connection) = connection.as_deref_mut() {
                        connection.cancel(*id);
                    }
                    std::mem::take(name)
                }
                Slot::Parked { parked, .. } => {
                    self.waiting.remove(parked.place);
                    if parked.place.is_detached() {
                        detached.push(index);
                    }
                    if parked.place.is_event() {
                        self.waiting.event_dropped();
                    }
                    std::mem::take(&mut parked.name)
                }
                Slot::Done(_) => continue,
            };
            let ended = Slot::Done(Ended::Error(timed_out(&name, time.timeout, sent)));
            after.drop_slot(std::mem::replace(slot, ended));
            over.push(index);
        }
        for index in over {
            self.settle_streams(index, after);
        }
        for index in detached {
            self.streaming.forget(index, after);
            self.slots.try_remove(index);
        }
        next
    }
}

/// Those of the other end are not known while the connection opens.
fn peer_limits(connection: Option<&Connection>) -> Limits {
    connection.map_or_else(Limits::default, |connection| {
        *connection.opened().peer_limits()
    })
}

/// The earlier of two instants that may be there.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Slots are numbered from 0 and there are never 2³² of them: each takes memory for a handle.
pub(super) fn token(slot: usize) -> Token {
    slot as Token
}
