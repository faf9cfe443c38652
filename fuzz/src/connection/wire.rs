//! What the other end sees: whatever it sends, what it gets are frames that it must accept.

use std::collections::BTreeMap;

use kaa_rpc_proto::frame::{CallId, Frame, LENGTH_BYTES, Split, StreamNumber, split};
use kaa_rpc_proto::handshake::Opened;
use kaa_rpc_proto::{Connection, Limits};

/// What was written, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Written, and not yet a whole frame.
    partial: Vec<u8>,
    /// Calls of ours, from their frame to the next with their id.
    made: BTreeMap<CallId, Call>,
    /// Calls of the other end, from their frame to their final frame.
    served: BTreeMap<CallId, Call>,
    goodbyes: u32,
}

/// How much may still be said of the items of a call. Of those that we send: how many items, until the
/// other end gives credit. Of those that we get: for how many we may give credit.
#[derive(Debug)]
struct Call {
    streams: Vec<Room>,
    yields: Room,
}

#[derive(Clone, Copy, Debug, Default)]
struct Room {
    items: u64,
    bytes: u64,
    over: bool,
}

impl Room {
    fn window(receiver: &Limits) -> Self {
        Self {
            items: receiver.max_stream_items.into(),
            bytes: receiver.max_stream_bytes.into(),
            over: false,
        }
    }

    fn take(&mut self, items: u32, bytes: u64) {
        assert!(items > 0 && !self.over);
        let left = self.items.checked_sub(items.into());
        self.items = left.expect("there was room for the items");
        self.bytes = self.bytes.checked_sub(bytes).expect("and for their bytes");
    }

    fn give(&mut self, items: u32, bytes: u64) {
        self.items += u64::from(items);
        self.bytes += bytes;
    }

    /// An item came that we have room for: what it may count on is what it can have read of us.
    fn receive(&mut self, length: u32, local: &Limits) {
        self.give(1, length.into());
        assert!(self.items <= local.max_stream_items.into());
        assert!(self.bytes <= local.max_stream_bytes.into());
    }
}

impl Wire {
    /// The kernel takes these bytes.
    pub(super) fn write(&mut self, bytes: &[u8], opened: &Opened) {
        self.partial.extend_from_slice(bytes);
        let partial = std::mem::take(&mut self.partial);
        let mut rest = partial.as_slice();
        let max_frame = opened.peer_limits().max_frame;
        while let Split::Frame(body, consumed) =
            split(rest, max_frame).expect("our lengths are right")
        {
            let frame = Frame::decode(body).expect("our frames are sound");
            self.said(&frame, body.len() as u64, opened.peer_limits());
            rest = &rest[consumed..];
        }
        self.partial = rest.to_vec();
        assert!(self.partial.len() < LENGTH_BYTES + max_frame as usize);
    }

    fn said(&mut self, frame: &Frame<'_>, length: u64, peer: &Limits) {
        match *frame {
            Frame::Call { id, head, .. } => {
                let call = Call {
                    streams: vec![Room::window(peer); head.streams.into()],
                    yields: Room::default(),
                };
                self.made.insert(id, call);
            }
            Frame::Item { id, stream, .. } => self.made_stream(id, stream).take(1, length),
            Frame::End { id, stream, .. } => {
                let stream = self.made_stream(id, stream);
                assert!(!stream.over, "it was ended twice");
                stream.over = true;
            }
            Frame::Credit { id, items, bytes } => self.made(id).yields.take(items, bytes),
            Frame::Yield { id, .. } => self.served(id).yields.take(1, length),
            Frame::Grant {
                id,
                stream,
                items,
                bytes,
            } => self.served(id).streams[usize::from(stream)].take(items, bytes),
            Frame::Stop { id, stream } => {
                let stream = &mut self.served(id).streams[usize::from(stream)];
                assert!(!stream.over, "it was stopped twice");
                stream.over = true;
            }
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                assert!(self.served.remove(&id).is_some(), "it was ended twice");
            }
            Frame::Goodbye { .. } => {
                self.goodbyes += 1;
                assert_eq!(self.goodbyes, 1);
            }
            _ => {}
        }
    }

    /// A call of the other end was accepted.
    pub(super) fn accepted(&mut self, id: CallId, streams: u8, opened: &Opened) {
        let call = Call {
            streams: vec![Room::default(); streams.into()],
            yields: Room::window(opened.peer_limits()),
        };
        self.served.insert(id, call);
    }

    /// The other end sent this, and was allowed to.
    pub(super) fn heard(&mut self, frame: &Frame<'_>, length: u32, connection: &Connection) {
        let local = connection.opened().local_limits();
        match *frame {
            Frame::Yield { id, .. } => self.made(id).yields.receive(length, local),
            Frame::Grant {
                id,
                stream,
                items,
                bytes,
            } => self.made_stream(id, stream).give(items, bytes),
            // To a call that has ended meanwhile these are nothing.
            Frame::Credit { id, items, bytes } => {
                if let Some(call) = self.served.get_mut(&id) {
                    call.yields.give(items, bytes);
                }
            }
            Frame::Item { id, stream, .. } if connection.serves(id) => {
                let streams = &mut self.served(id).streams;
                streams[usize::from(stream)].receive(length, local);
            }
            _ => {}
        }
    }

    fn made(&mut self, id: CallId) -> &mut Call {
        self.made.get_mut(&id).expect("it was called")
    }

    fn made_stream(&mut self, id: CallId, stream: StreamNumber) -> &mut Room {
        let streams = &mut self.made(id).streams;
        streams
            .get_mut(usize::from(stream))
            .expect("it came with the call")
    }

    fn served(&mut self, id: CallId) -> &mut Call {
        self.served.get_mut(&id).expect("it was not ended")
    }
}
