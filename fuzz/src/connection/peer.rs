//! The other end: its limits, its opening, and the frames that it makes up.

use kaa_rpc_proto::frame::{CallHead, CallId, Frame};
use kaa_rpc_proto::handshake::{
    HandshakeError, InstanceId, KeyId, Keyring, Keys, Opened, Settings, Transport, client, server,
};
use kaa_rpc_proto::{Limits, Secret};

use crate::input::Input;

/// Small ones, so that they are reached.
pub(super) fn limits(input: &mut Input<'_>) -> Limits {
    let (calls, bytes) = (input.byte(), input.byte());
    Limits {
        max_frame: 64 << 10,
        max_calls: u32::from(calls % 5) + 1,
        max_request_bytes: (64 << 10) + (u64::from(bytes) << 10),
        max_stream_items: u32::from(bytes % 3) + 1,
        max_stream_bytes: 64 << 10,
        ..Limits::default()
    }
}

/// Some bytes; rarely about as many as a frame can have.
pub(super) fn payload(input: &mut Input<'_>) -> Vec<u8> {
    match input.byte() {
        count @ ..240 => input.take(usize::from(count)).to_vec(),
        large => vec![0xc0; (64 << 10) - 16 + usize::from(large - 240) * 2],
    }
}

/// A frame that is sound by itself; whether it fits is another matter.
pub(super) fn frame(input: &mut Input<'_>, mut give: impl FnMut(&Frame<'_>)) {
    let kind = input.byte();
    let number = input.byte();
    let id = CallId::from(number % 8);
    let mut bytes = Vec::new();
    let kind = kind % 20;
    if kind < 8 || (12..16).contains(&kind) {
        bytes = payload(input);
        // A head takes some of the frame.
        bytes.truncate((64 << 10) - 32);
    }
    let head = CallHead {
        remaining: (number >= 128).then_some(u64::from(number)),
        streams: if kind == 2 { number / 8 % 4 } else { 0 },
        ..CallHead::new("g")
    };
    let stream = number / 8 % 4;
    give(&match kind {
        0..=2 => Frame::Call {
            id,
            head,
            arguments: &bytes,
        },
        3 => Frame::Oneway {
            head,
            arguments: &bytes,
        },
        4 | 5 => Frame::Result { id, value: &bytes },
        6 | 7 => Frame::Error {
            id,
            failure: &bytes,
        },
        8 => Frame::Cancel { id },
        9 => Frame::Done {
            calls: id,
            bytes: input.short().into(),
        },
        10 if number.is_multiple_of(2) => Frame::Ping { token: id.into() },
        10 => Frame::Pong { token: id.into() },
        12 | 13 => Frame::Yield { id, value: &bytes },
        14 | 15 => Frame::Item {
            id,
            stream,
            value: &bytes,
        },
        16 => Frame::Credit {
            id,
            items: stream.into(),
            bytes: input.short().into(),
        },
        17 => Frame::Grant {
            id,
            stream,
            items: u32::from(number / 32 % 4),
            bytes: input.short().into(),
        },
        18 => Frame::End {
            id,
            stream,
            broken: number >= 128,
        },
        19 if number >= 128 => Frame::Metadata {
            id,
            metadata: &bytes,
        },
        19 => Frame::Stop { id, stream },
        _ => Frame::Goodbye { calls: id.into() },
    });
}

/// A server's end.
pub(super) fn opened(ours: Limits, theirs: Limits) -> Result<Opened, HandshakeError> {
    let secret = Secret::from([1; 32]);
    let mut keyring = Keyring::new([2; 32]);
    keyring.insert(KeyId::EMPTY, &secret);
    let settings = |instance, limits| Settings {
        limits,
        ..Settings::new(Transport::Unix, InstanceId([instance; 16]))
    };
    let keys = Keys::derive(&secret);
    let (preamble, client) =
        client::start(settings(3, theirs), KeyId::EMPTY, keys, [4; 32])?.into();
    let server = server::AwaitPreamble::new(settings(5, ours), [6; 32])?;
    let (answer, server) = server.receive(exactly(&preamble), &keyring)?.into();
    let (hello, server) = server.bind(&[]).into();
    let client = client.receive(exactly(&answer))?.bind(&[]);
    let (hello_and_proof, _) = client.receive(exactly(&hello), 0)?.into();
    let (hello, proof) = hello_and_proof.split_at(server::AwaitHello::NEEDS);
    let server = server.receive(exactly(hello))?;
    Ok(server.receive(exactly(proof), 0)?.next)
}

fn exactly<const N: usize>(message: &[u8]) -> &[u8; N] {
    message.try_into().expect("it has the size that is due")
}
