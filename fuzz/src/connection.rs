//! A whole open connection, between a user who does as is allowed and another end that does not.

mod items;
mod peer;
mod wire;

use std::collections::BTreeSet;

use kaa_rpc_proto::frame::{CallHead, CallId, Frame, Split, split};
use kaa_rpc_proto::handshake::Opened;
use kaa_rpc_proto::{CannotCall, Connection, Event, Output, Token, Violation};

use crate::input::Input;
use items::{Items, stream};
use peer::{frame, limits, opened, payload};
use wire::Wire;

/// Two bytes for the limits of each end, then what happens: our user calls, cancels, answers, sends items
/// and takes some, says goodbye; the kernel takes some of our bytes; the other end sends frames or raw
/// bytes.
pub fn connection(data: &[u8]) {
    let mut input = Input::new(data);
    let (ours, theirs) = (limits(&mut input), limits(&mut input));
    let mut end = End::new(opened(ours, theirs).expect("an honest handshake opens"));
    while !input.is_empty() && end.step(&mut input).is_ok() {
        end.check();
    }
    end.close();
}

struct End {
    connection: Connection,
    /// Received, and not yet a whole frame.
    partial: Vec<u8>,
    /// Taken from the connection, and not yet written.
    writing: Vec<u8>,
    /// What the kernel took, as the other end sees it.
    wire: Wire,
    next_token: Token,
    /// Calls of ours whose end somebody waits for.
    waiting: BTreeSet<(CallId, Token)>,
    serving: Vec<Serving>,
    serving_oneways: Vec<u32>,
    items: Items,
}

/// A call of the other end that runs.
#[derive(Clone, Copy)]
struct Serving {
    id: CallId,
    number: u64,
    streams: u8,
    /// With what its streams may make us hold.
    cost: u64,
}

impl End {
    fn new(opened: Opened) -> Self {
        Self {
            connection: Connection::new(opened),
            partial: Vec::new(),
            writing: Vec::new(),
            wire: Wire::default(),
            next_token: 0,
            waiting: BTreeSet::new(),
            serving: Vec::new(),
            serving_oneways: Vec::new(),
            items: Items::default(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) -> Result<(), Violation> {
        match input.byte() % 24 {
            0 => self.call(input, 0),
            1 => {
                let streams = input.byte() % 4;
                self.call(input, streams);
            }
            2 => self.oneway(input),
            3 => self.forget(input),
            4 | 5 => self.answer(input),
            6 => self.connection.ping(),
            7 => self.connection.goodbye(),
            8 | 9 => self.write(input.byte()),
            10 => {
                if let Some(cost) = self.serving_oneways.pop() {
                    self.connection.oneway_done(cost);
                }
            }
            11 => {
                let count = usize::from(input.byte());
                return self.receive(input.take(count));
            }
            16..22 => self.step_items(input),
            _ => {
                let mut bytes = Vec::new();
                frame(input, |frame| frame.encode(&mut bytes));
                return self.receive(&bytes);
            }
        }
        Ok(())
    }

    fn step_items(&mut self, input: &mut Input<'_>) {
        let connection = &mut self.connection;
        match input.byte() % 6 {
            0 => {
                let place = usize::from(input.byte()) % self.serving.len().max(1);
                if let Some(call) = self.serving.get(place) {
                    self.items.give(connection, (call.id, call.number), input);
                }
            }
            1 => self.items.send(connection, input),
            2 => {
                let ((id, stream), broken) = (stream(input), input.byte() > 127);
                connection.end_stream(id, stream, broken);
            }
            3 => {
                let (place, count) = (usize::from(input.byte()), input.byte());
                let place = place % self.waiting.len().max(1);
                if let Some(&(id, _)) = self.waiting.iter().nth(place) {
                    self.items.take_yields(connection, id, count);
                }
            }
            4 => self
                .items
                .take_items(connection, input.byte(), input.byte()),
            _ => {
                let (place, stream) = stream(input);
                let place = place as usize % self.serving.len().max(1);
                if let Some(call) = self.serving.get(place)
                    && stream < call.streams
                {
                    self.items.stop(connection, (call.id, call.number), stream);
                }
            }
        }
    }

    fn call(&mut self, input: &mut Input<'_>, streams: u8) {
        let token = self.next_token;
        self.next_token += 1;
        let arguments = payload(input);
        let head = CallHead {
            streams,
            ..CallHead::new("f")
        };
        match self.connection.call(token, &head, &arguments) {
            Ok(id) => {
                assert!(self.waiting.insert((id, token)));
                self.items.calls(id);
            }
            Err(CannotCall::TooManyStreams { cost, .. }) => {
                let peer = self.connection.opened().peer_limits();
                assert!(streams > 0 && cost > peer.max_request_bytes);
            }
            Err(error) => self.refused(error, arguments.len()),
        }
    }

    fn oneway(&mut self, input: &mut Input<'_>) {
        let arguments = payload(input);
        if let Err(error) = self.connection.oneway(&CallHead::new("f"), &arguments) {
            self.refused(error, arguments.len());
        }
    }

    fn refused(&self, error: CannotCall, length: usize) {
        match error {
            CannotCall::WindowFull => assert!(!self.connection.is_idle()),
            CannotCall::TooLarge(_) => assert!(length > 60 << 10),
            CannotCall::Closing => assert!(self.connection.is_closing()),
            CannotCall::BadName => panic!("the name was good"),
            CannotCall::TooManyStreams { .. } => panic!("there were no streams"),
        }
    }

    /// The user drops a call or does not wait for it.
    fn forget(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        let place = usize::from(choice / 2) % self.waiting.len().max(1);
        let Some(&(id, token)) = self.waiting.iter().nth(place) else {
            // Of a call that there is not: nothing happens.
            self.connection.cancel(choice.into());
            self.waiting.retain(|(id, _)| *id != u32::from(choice));
            return;
        };
        self.waiting.remove(&(id, token));
        if choice.is_multiple_of(2) {
            self.connection.cancel(id);
        } else {
            // Nobody will take what is there.
            self.items.take_yields(&mut self.connection, id, u8::MAX);
            self.connection.detach(id);
        }
    }

    /// A handler ends.
    fn answer(&mut self, input: &mut Input<'_>) {
        let choice = usize::from(input.byte());
        if self.serving.is_empty() {
            return;
        }
        let Serving { id, .. } = self.serving.swap_remove(choice / 2 % self.serving.len());
        assert!(self.connection.serves(id));
        let value = payload(input);
        let sent = if choice.is_multiple_of(2) {
            // Large ones are not copied.
            self.connection.result(id, &mut value.clone())
        } else {
            self.connection.error(id, &value)
        };
        if sent.is_err() {
            assert!(value.len() > 60 << 10);
            self.connection.error(id, b"\x80").expect("it is short");
        }
        assert!(!self.connection.serves(id));
    }

    /// The kernel takes up to `count` bytes; 255 is all.
    fn write(&mut self, count: u8) {
        if self.writing.is_empty() {
            let mut output = Output::default();
            self.connection.take_output(&mut output);
            self.writing = output.take(usize::MAX);
        }
        let count = match count {
            255 => self.writing.len(),
            count => usize::from(count).min(self.writing.len()),
        };
        let taken: Vec<_> = self.writing.drain(..count).collect();
        self.connection.wrote(count);
        self.wire.write(&taken, self.connection.opened());
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.partial.extend_from_slice(bytes);
        let partial = std::mem::take(&mut self.partial);
        let mut rest = partial.as_slice();
        let max_frame = self.connection.opened().local_limits().max_frame;
        while let Split::Frame(body, consumed) = split(rest, max_frame)? {
            let length = u32::try_from(body.len()).expect("it is below max_frame");
            let frame = Frame::decode(body)?;
            let event = self.connection.handle(&frame, length)?;
            self.happened(&event, &frame);
            self.wire.heard(&frame, length, &self.connection);
            self.check();
            rest = &rest[consumed..];
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    fn happened(&mut self, event: &Event<'_>, frame: &Frame<'_>) {
        let local = *self.connection.opened().local_limits();
        match (event, frame) {
            (
                Event::Call {
                    id: Some(id),
                    cost,
                    number,
                    head,
                    ..
                },
                _,
            ) => {
                assert!(self.serving.iter().all(|live| live.id != *id));
                let held = u64::from(head.streams) * u64::from(local.max_stream_bytes);
                self.serving.push(Serving {
                    id: *id,
                    number: *number,
                    streams: head.streams,
                    cost: u64::from(*cost) + held,
                });
                self.items.serves(*id);
                self.wire
                    .accepted(*id, head.streams, self.connection.opened());
            }
            (Event::Call { id: None, cost, .. }, _) => self.serving_oneways.push(*cost),
            (Event::Result(token, _), Frame::Result { id, .. })
            | (Event::Error(token, _), Frame::Error { id, .. }) => match token {
                Some(token) => assert!(self.waiting.remove(&(*id, *token)), "it ended twice"),
                None => assert!(self.waiting.iter().all(|(live, _)| live != id)),
            },
            (Event::Cancel(id), _) => assert!(self.is_served(*id)),
            (Event::Yield(token, value), Frame::Yield { id, .. }) => {
                assert!(self.waiting.contains(&(*id, *token)));
                self.items.yielded(*id, value, &local);
            }
            (
                Event::Item {
                    id,
                    number,
                    stream,
                    value,
                },
                _,
            ) => {
                assert!(self.is_served(*id));
                self.items.received((*id, *number, *stream), value, &local);
            }
            (
                Event::End {
                    id, number, stream, ..
                },
                _,
            ) => {
                assert!(self.is_served(*id));
                self.items.ended((*id, *number, *stream));
            }
            (Event::Credit(id), _) => assert!(self.is_served(*id)),
            (Event::Grant(token, _), Frame::Grant { id, .. })
            | (Event::Stop(token, _), Frame::Stop { id, .. })
            | (Event::Metadata(token, _), Frame::Metadata { id, .. }) => {
                assert!(self.waiting.contains(&(*id, *token)));
            }
            (Event::Goodbye(tokens), _) => {
                let before = self.waiting.len();
                self.waiting.retain(|(_, token)| !tokens.contains(token));
                assert_eq!(self.waiting.len() + tokens.len(), before);
            }
            (Event::Freed | Event::Liveness | Event::Refused, _) => {}
            (event, frame) => panic!("{event:?} of {frame:?}"),
        }
        self.items.accepted(frame);
    }

    fn is_served(&self, id: CallId) -> bool {
        self.serving.iter().any(|live| live.id == id)
    }

    /// What holds at any time.
    fn check(&self) {
        let opened = self.connection.opened();
        let (local, peer) = (opened.local_limits(), opened.peer_limits());
        assert!(self.connection.calls_in_flight() <= peer.max_calls);
        let oneways = self.serving_oneways.iter().map(|cost| u64::from(*cost));
        let costs = self.serving.iter().map(|call| call.cost).chain(oneways);
        assert!(costs.clone().count() <= local.max_calls as usize);
        assert!(costs.sum::<u64>() <= local.max_request_bytes);
        if self.connection.is_idle() {
            assert!(self.waiting.is_empty() && self.serving.is_empty());
        }
        if self.connection.is_finished() {
            assert!(self.connection.is_parted() && !self.connection.has_output());
        }
    }

    /// Each call that somebody waits for ends exactly once.
    fn close(mut self) {
        let abandoned = self.connection.abandon();
        let tokens: BTreeSet<_> = abandoned.iter().map(|(token, _)| *token).collect();
        assert_eq!(tokens.len(), abandoned.len());
        let waiting: BTreeSet<_> = self.waiting.iter().map(|(_, token)| *token).collect();
        assert_eq!(tokens, waiting);
        assert!(self.connection.abandon().is_empty());
    }
}
