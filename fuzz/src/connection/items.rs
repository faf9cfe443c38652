//! Items: what calls yield and the streams that come with them, with an account of both.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kaa_rpc_proto::frame::{CallId, Frame, StreamNumber};
use kaa_rpc_proto::{CannotSend, Connection, Limits};

use super::peer::payload;
use crate::input::Input;

/// What a frame has beside the value of an item, by which its cost is known.
const YIELD: u64 = 5;
const ITEM: u64 = 6;

/// A stream that came with a call: the id and the number of the call, and which one it is.
type Incoming = (CallId, u64, StreamNumber);

/// What was sent and not given back, and what was received and not taken.
#[derive(Default)]
pub(super) struct Items {
    /// By call of the other end.
    given: BTreeMap<CallId, (u32, u64)>,
    /// By call of ours, and stream.
    sent: BTreeMap<(CallId, StreamNumber), (u32, u64)>,
    yields: BTreeMap<CallId, VecDeque<u64>>,
    items: BTreeMap<Incoming, VecDeque<u64>>,
    /// Streams of which nothing more may come.
    over: BTreeSet<Incoming>,
}

impl Items {
    /// A call of ours has this id from now on.
    pub(super) fn calls(&mut self, id: CallId) {
        self.sent.retain(|(of, _), _| *of != id);
        self.yields.remove(&id);
    }

    /// A call of the other end has this id from now on.
    pub(super) fn serves(&mut self, id: CallId) {
        self.given.remove(&id);
    }

    /// A function that runs yields something.
    pub(super) fn give(
        &mut self,
        connection: &mut Connection,
        (id, number): (CallId, u64),
        input: &mut Input<'_>,
    ) {
        let value = payload(input);
        let backlog = connection.has_backlog();
        let sent = connection.give_item(id, number, &value);
        let account = self.given.entry(id).or_default();
        let peer = *connection.opened().peer_limits();
        queued(sent, backlog, account, value.len() as u64 + YIELD, &peer);
    }

    /// The user sends an item of a stream of a call that there may be.
    pub(super) fn send(&mut self, connection: &mut Connection, input: &mut Input<'_>) {
        let (id, stream) = stream(input);
        let value = payload(input);
        let backlog = connection.has_backlog();
        let sent = connection.send_item(id, stream, &value);
        let account = self.sent.entry((id, stream)).or_default();
        let peer = *connection.opened().peer_limits();
        queued(sent, backlog, account, value.len() as u64 + ITEM, &peer);
    }

    /// The user takes some of what a call has given, whose end has not come.
    pub(super) fn take_yields(&mut self, connection: &mut Connection, id: CallId, count: u8) {
        let (items, bytes) = take(self.yields.entry(id).or_default(), count, YIELD);
        connection.yields_taken(id, items, bytes);
    }

    /// A function takes some of what came; it may have ended meanwhile.
    pub(super) fn take_items(&mut self, connection: &mut Connection, choice: u8, count: u8) {
        let place = usize::from(choice) % self.items.len().max(1);
        let Some((&(id, number, stream), held)) = self.items.iter_mut().nth(place) else {
            return;
        };
        let (items, bytes) = take(held, count, ITEM);
        connection.items_taken((id, number), stream, items, bytes);
    }

    /// A function wants no more of a stream.
    pub(super) fn stop(
        &mut self,
        connection: &mut Connection,
        call: (CallId, u64),
        stream: StreamNumber,
    ) {
        connection.stop_stream(call, stream);
        let key = (call.0, call.1, stream);
        self.items.remove(&key);
        self.over.insert(key);
    }

    pub(super) fn yielded(&mut self, id: CallId, value: &[u8], local: &Limits) {
        let held = self.yields.entry(id).or_default();
        held.push_back(value.len() as u64 + YIELD);
        check(held, local);
    }

    pub(super) fn received(&mut self, stream: Incoming, value: &[u8], local: &Limits) {
        assert!(!self.over.contains(&stream), "an item after the end");
        let held = self.items.entry(stream).or_default();
        held.push_back(value.len() as u64 + ITEM);
        check(held, local);
    }

    pub(super) fn ended(&mut self, stream: Incoming) {
        assert!(self.over.insert(stream), "a stream ended twice");
    }

    /// A frame was accepted that may give something back.
    pub(super) fn accepted(&mut self, frame: &Frame<'_>) {
        let account = match frame {
            Frame::Credit { id, .. } => self.given.get_mut(id),
            Frame::Grant { id, stream, .. } => self.sent.get_mut(&(*id, *stream)),
            _ => return,
        };
        let (Frame::Credit { items, bytes, .. } | Frame::Grant { items, bytes, .. }) = *frame
        else {
            return;
        };
        let account = account.expect("credit for nothing was accepted");
        assert!(items > 0 && items <= account.0);
        account.0 -= items;
        account.1 = account.1.saturating_sub(bytes);
    }
}

/// Books an item that was sent, if it was.
fn queued(
    sent: Result<(), CannotSend>,
    backlog: bool,
    account: &mut (u32, u64),
    cost: u64,
    peer: &Limits,
) {
    let (items, bytes) = (account.0 + 1, account.1 + cost);
    let fits =
        items <= peer.max_stream_items && bytes <= u64::from(peer.max_stream_bytes) && !backlog;
    match sent {
        Ok(()) => {
            assert!(fits, "sent without room");
            *account = (items, bytes);
        }
        Err(CannotSend::TooLarge(_)) => assert!(cost > u64::from(peer.max_stream_bytes / 2)),
        Err(CannotSend::NoCredit) => assert!(!fits && !backlog, "there was room"),
        Err(CannotSend::Backlog) => assert!(backlog),
        Err(CannotSend::Over) => {}
    }
}

/// What one stream may make us hold.
fn check(held: &VecDeque<u64>, local: &Limits) {
    assert!(held.len() <= local.max_stream_items as usize);
    assert!(held.iter().sum::<u64>() <= u64::from(local.max_stream_bytes));
}

/// How many were taken, and the bytes of their values.
fn take(held: &mut VecDeque<u64>, count: u8, overhead: u64) -> (u32, u64) {
    let count = usize::from(count).min(held.len());
    let bytes = held.drain(..count).map(|cost| cost - overhead).sum();
    (count as u32, bytes)
}

/// An id and a stream, from one byte.
pub(super) fn stream(input: &mut Input<'_>) -> (CallId, StreamNumber) {
    let choice = input.byte();
    (CallId::from(choice % 8), choice / 8 % 4)
}
