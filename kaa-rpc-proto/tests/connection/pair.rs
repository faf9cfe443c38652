//! Two connections over bytes in memory, from a real handshake. Nothing moves by itself: a test
//! says how many bytes are written and how many arrive.

use std::mem;

use kaa_rpc_proto::frame::{self, CallHead, CallId, Frame, Split};
use kaa_rpc_proto::handshake::{
    InstanceId, KeyId, Keyring, Keys, Opened, Settings, Transport, client, server,
};
use kaa_rpc_proto::{Connection, Event, Limits, Output, Secret, Token, Violation};

/// The arguments of a call without any.
pub(crate) const NO_ARGUMENTS: &[u8] = b"\x90\x80";

/// Everything at once.
pub(crate) const ALL: usize = usize::MAX;

/// Limits with a small window.
pub(crate) fn window(max_calls: u32) -> Limits {
    Limits {
        max_calls,
        max_frame: 64 << 10,
        max_request_bytes: 128 << 10,
        ..Limits::default()
    }
}

/// What both ends have after a handshake; each announces its limits.
pub(crate) fn handshake(client_limits: Limits, server_limits: Limits) -> (Opened, Opened) {
    let secret = Secret::from([1; 32]);
    let mut keyring = Keyring::new([2; 32]);
    keyring.insert(KeyId::EMPTY, &secret);
    let settings = |instance, limits| Settings {
        limits,
        ..Settings::new(Transport::Unix, InstanceId([instance; 16]))
    };

    let keys = Keys::derive(&secret);
    let (preamble, client) = client::start(settings(3, client_limits), KeyId::EMPTY, keys, [4; 32])
        .unwrap()
        .into();
    let server = server::AwaitPreamble::new(settings(5, server_limits), [6; 32]).unwrap();
    let (answer, server) = server
        .receive(&preamble.try_into().unwrap(), &keyring)
        .unwrap()
        .into();
    let (hello, server) = server.bind(&[]).into();
    let client = client.receive(&answer.try_into().unwrap()).unwrap();
    let (hello_and_proof, client) = client
        .bind(&[])
        .receive(&hello.try_into().unwrap(), 0)
        .unwrap()
        .into();
    let (hello, proof) = hello_and_proof.split_at(server::AwaitHello::NEEDS);
    let server = server.receive(hello.try_into().unwrap()).unwrap();
    let (proof, at_server) = server.receive(proof.try_into().unwrap(), 0).unwrap().into();
    let at_client = client.receive(&proof.try_into().unwrap()).unwrap();
    (at_client, at_server)
}

/// An [`Event`] that owns what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Call {
        id: Option<CallId>,
        cost: u32,
        name: String,
        arguments: Vec<u8>,
    },
    Result(Option<Token>, Vec<u8>),
    Error(Option<Token>, Vec<u8>),
    Yield(Token, Vec<u8>),
    Credit(CallId),
    Item {
        call: (CallId, u64),
        stream: u8,
        value: Vec<u8>,
    },
    End {
        call: (CallId, u64),
        stream: u8,
        broken: bool,
    },
    Grant(Token, u8),
    Stop(Token, u8),
    Metadata(Token, Vec<u8>),
    Cancel(CallId),
    Freed,
    Goodbye(Vec<Token>),
    Liveness,
    Refused,
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Call {
                id,
                cost,
                head,
                arguments,
                ..
            } => Self::Call {
                id,
                cost,
                name: head.name.to_owned(),
                arguments: arguments.to_owned(),
            },
            Event::Result(token, value) => Self::Result(token, value.to_owned()),
            Event::Error(token, failure) => Self::Error(token, failure.to_owned()),
            Event::Yield(token, value) => Self::Yield(token, value.to_owned()),
            Event::Credit(id) => Self::Credit(id),
            Event::Item {
                id,
                number,
                stream,
                value,
            } => Self::Item {
                call: (id, number),
                stream,
                value: value.to_owned(),
            },
            Event::End {
                id,
                number,
                stream,
                broken,
            } => Self::End {
                call: (id, number),
                stream,
                broken,
            },
            Event::Grant(token, stream) => Self::Grant(token, stream),
            Event::Stop(token, stream) => Self::Stop(token, stream),
            Event::Metadata(token, metadata) => Self::Metadata(token, metadata.to_owned()),
            Event::Cancel(id) => Self::Cancel(id),
            Event::Freed => Self::Freed,
            Event::Goodbye(tokens) => Self::Goodbye(tokens),
            Event::Liveness => Self::Liveness,
            Event::Refused => Self::Refused,
        }
    }
}

/// One end, with what a driver keeps beside the connection.
pub(crate) struct End {
    pub(crate) connection: Connection,
    /// Taken from the connection, not yet written.
    writing: Vec<u8>,
    /// Written; the other end has not read it.
    sent: Vec<u8>,
    /// Read; not yet a whole frame.
    partial: Vec<u8>,
}

impl End {
    pub(crate) fn new(opened: Opened) -> Self {
        Self {
            connection: Connection::new(opened),
            writing: Vec::new(),
            sent: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// Calls without arguments or circumstances.
    pub(crate) fn call(&mut self, token: Token) -> CallId {
        self.connection
            .call(token, &CallHead::new("f"), NO_ARGUMENTS)
            .expect("there is room")
    }

    pub(crate) fn oneway(&mut self) {
        self.connection
            .oneway(&CallHead::new("f"), NO_ARGUMENTS)
            .expect("there is room");
    }

    /// The kernel takes up to `count` bytes. Gives those.
    pub(crate) fn write(&mut self, count: usize) -> Vec<u8> {
        if self.writing.is_empty() {
            self.writing = self.queued();
        }
        let bytes = take(&mut self.writing, count);
        self.connection.wrote(bytes.len());
        self.sent.extend(&bytes);
        bytes
    }

    /// Puts bytes between the frames of an honest end.
    pub(crate) fn inject(&mut self, frame: &Frame<'_>) {
        let mut bytes = self.queued();
        frame.encode(&mut bytes);
        self.writing.extend(bytes);
    }

    fn queued(&mut self) -> Vec<u8> {
        let mut output = Output::default();
        self.connection.take_output(&mut output);
        output.take(ALL)
    }

    /// What is written next, if it is known already.
    pub(crate) fn unwritten(&self) -> Vec<u8> {
        self.writing.clone()
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        !self.writing.is_empty() || self.connection.has_output()
    }

    /// A whole frame arrives.
    pub(crate) fn hear(&mut self, frame: &Frame<'_>) -> Result<Seen, Violation> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let mut seen = self.read(&bytes)?;
        assert_eq!(seen.len(), 1, "one frame is one event");
        Ok(seen.remove(0))
    }

    /// Bytes arrive.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Seen>, Violation> {
        self.partial.extend_from_slice(bytes);
        let partial = mem::take(&mut self.partial);
        let mut rest = partial.as_slice();
        let mut seen = Vec::new();
        let max_frame = self.connection.opened().local_limits().max_frame;
        while let Split::Frame(body, consumed) = frame::split(rest, max_frame)? {
            let length = u32::try_from(body.len()).unwrap();
            let frame = Frame::decode(body)?;
            seen.push(self.connection.handle(&frame, length)?.into());
            rest = &rest[consumed..];
        }
        self.partial = rest.to_vec();
        Ok(seen)
    }
}

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) ends: [End; 2],
}

impl Pair {
    pub(crate) fn new(client_limits: Limits, server_limits: Limits) -> Self {
        let (client, server) = handshake(client_limits, server_limits);
        Self {
            ends: [End::new(client), End::new(server)],
        }
    }

    /// Both ends, to have them by name.
    pub(crate) fn both(&mut self) -> (&mut End, &mut End) {
        let [client, server] = &mut self.ends;
        (client, server)
    }

    /// Up to `count` bytes arrive at end `to`; gives what was taken from the stream, and what it meant.
    pub(crate) fn deliver(
        &mut self,
        to: usize,
        count: usize,
    ) -> (Vec<u8>, Result<Vec<Seen>, Violation>) {
        let bytes = take(&mut self.ends[1 - to].sent, count);
        let seen = self.ends[to].read(&bytes);
        (bytes, seen)
    }

    /// All that is queued at the other end is written and arrives at end `to`.
    #[track_caller]
    pub(crate) fn exchange(&mut self, to: usize) -> Vec<Seen> {
        let mut all = Vec::new();
        while self.ends[1 - to].has_unwritten() || !self.ends[1 - to].sent.is_empty() {
            self.ends[1 - to].write(ALL);
            all.extend(self.deliver(to, ALL).1.expect("honest ends"));
        }
        all
    }

    /// Nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ends
            .iter()
            .all(|end| !end.has_unwritten() && end.sent.is_empty())
    }
}

/// The first `count` bytes, or as many as there are.
fn take(bytes: &mut Vec<u8>, count: usize) -> Vec<u8> {
    let rest = bytes.split_off(count.min(bytes.len()));
    mem::replace(bytes, rest)
}
