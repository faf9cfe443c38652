//! The protocol's state at both ends, without I/O.

use kaa_rpc_proto::frame::{CallHead, Frame, Split, split};
use kaa_rpc_proto::handshake::{
    InstanceId, KeyId, Keyring, Keys, Opened, Settings, Transport, client, server,
};
use kaa_rpc_proto::msgpack::{encode_arguments, to_vec};
use kaa_rpc_proto::{Connection, Event, Output, Secret};

use crate::Error;
use crate::workload::TEXT;

/// Calls, has the call handled, answers, and has the answer handled.
pub(super) fn call(times: u64) -> Result<(), Error> {
    let (client, server) = handshake()?;
    let (mut client, mut server) = (Connection::new(client), Connection::new(server));
    let head = CallHead {
        remaining: Some(5_000_000),
        ..CallHead::new("text")
    };
    let mut arguments = Vec::new();
    encode_arguments(&mut arguments, &(TEXT,))?;
    let result = to_vec(TEXT)?;
    let (mut output, mut wire) = (Output::default(), Vec::new());
    for _ in 0..times {
        client
            .call(3, &head, &arguments)
            .map_err(|error| format!("{error:?}"))?;
        let id = match cross(&mut client, &mut server, &mut output, &mut wire)? {
            Event::Call { id: Some(id), .. } => id,
            other => return Err(format!("expected a call, got {other:?}").into()),
        };
        server
            .result(id, &result)
            .map_err(|error| format!("{error:?}"))?;
        match cross(&mut server, &mut client, &mut output, &mut wire)? {
            Event::Result(Some(3), value) if value == result => {}
            other => return Err(format!("expected the result, got {other:?}").into()),
        }
    }
    Ok(())
}

/// Brings the one frame that is queued to the other end.
fn cross<'a>(
    from: &mut Connection,
    to: &mut Connection,
    output: &mut Output,
    wire: &'a mut Vec<u8>,
) -> Result<Event<'a>, Error> {
    from.take_output(output);
    wire.clear();
    output.offer(|segments| segments.iter().for_each(|one| wire.extend_from_slice(one)));
    output.advance(wire.len());
    from.wrote(wire.len());
    let max_frame = to.opened().local_limits().max_frame;
    match split(wire, max_frame)? {
        Split::Frame(body, taken) if taken == wire.len() => {
            Ok(to.handle(&Frame::decode(body)?, u32::try_from(body.len())?)?)
        }
        other => Err(format!("expected one frame, got {other:?}").into()),
    }
}

/// What client and server have after it.
fn handshake() -> Result<(Opened, Opened), Error> {
    let secret = Secret::from([1; 32]);
    let mut keyring = Keyring::new([2; 32]);
    keyring.insert(KeyId::EMPTY, &secret);
    let settings = |instance| Settings::new(Transport::Unix, InstanceId(instance));
    let keys = Keys::derive(&secret);

    let (preamble, client) = client::start(settings([3; 16]), KeyId::EMPTY, keys, [4; 32])?.into();
    let server = server::AwaitPreamble::new(settings([5; 16]), [6; 32])?;
    let (answer, server) = server
        .receive(preamble.as_slice().try_into()?, &keyring)?
        .into();
    let (hello, server) = server.bind(&[]).into();
    let client = client.receive(answer.as_slice().try_into()?)?.bind(&[]);
    let (hello_and_proof, client) = client.receive(hello.as_slice().try_into()?, 0)?.into();
    let (hello, proof) = hello_and_proof.split_at(server::AwaitHello::NEEDS);
    let server = server.receive(hello.try_into()?)?;
    let (proof, server) = server.receive(proof.try_into()?, 0)?.into();
    Ok((client.receive(proof.as_slice().try_into()?)?, server))
}
