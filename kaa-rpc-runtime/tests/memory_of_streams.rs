//! How much streams can make the other end of a connection hold. A program of its own: what it measures is
//! the whole process.
#![cfg(target_os = "linux")]

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use common::raw::{self, Peer};
use common::{PATIENCE, multi_threaded, private_address, secret};
use kaa_rpc_proto::Violation;
use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_runtime::{Bytes, Channel, CloseReason, Items, Limits, Server, params};
use tokio::sync::mpsc;

const MIB: usize = 1 << 20;

/// How many streams may be under way at once.
const STREAMS: u32 = 7;

/// The most that the process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

fn limits() -> Limits {
    Limits {
        max_frame: 4 << 20,
        max_calls: 64,
        max_request_bytes: 30 << 20,
        max_stream_items: 64,
        max_stream_bytes: 4 << 20,
        ..Limits::default()
    }
}

fn call(id: u32) -> Vec<u8> {
    raw::bytes(&Frame::Call {
        id,
        head: CallHead {
            streams: 1,
            ..CallHead::new("sip")
        },
        arguments: b"\x91\x00\x80",
    })
}

#[test]
fn hostile_47_streams_stay_within_the_budget() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let (told, mut taken) = mpsc::unbounded_channel();
    // Takes all but the last of what it was handed over, and holds on to the rest.
    let sip = move |mut blobs: Items<Bytes>| {
        let told = told.clone();
        async move {
            for _ in 0..3 {
                told.send(blobs.next().await?.is_some())?;
            }
            std::future::pending::<()>().await;
            Ok(())
        }
    };
    let server = Server::builder(secret())
        .limits(limits())
        .register_fn("sip", params(["blobs"], sip))
        .register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)));
    let server = runtime.block_on(server.bind(&address)).unwrap();
    let mut clients = server.client_connected();
    let honest = runtime.block_on(Channel::connect(&address, &secret()));
    let honest = honest.unwrap();
    runtime.block_on(clients.next()).unwrap();
    let before = peak();

    let mut peer = Peer::connect(&folder.path().join("s"), Limits::default());
    let guest = runtime.block_on(clients.next()).unwrap();
    let mut value = vec![0xc6, 0, 0, 0, 0];
    value.resize(MIB - 6, 7);
    let length = u32::try_from(value.len() - 5).unwrap();
    value[1..5].copy_from_slice(&length.to_be_bytes());
    let item = |peer: &mut Peer, id| {
        let value = &value;
        let stream = 0;
        peer.send(&Frame::Item { id, stream, value });
    };
    for id in 0..STREAMS {
        peer.send_bytes(&call(id));
        for _ in 0..4 {
            item(&mut peer, id);
        }
        for _ in 0..3 {
            let taken = async { tokio::time::timeout(PATIENCE, taken.recv()).await };
            assert_eq!(runtime.block_on(taken).unwrap(), Some(true));
        }
    }
    // Half of the window is given back, and comes again.
    let mut room = 0;
    while let Some(came) = peer.receive() {
        let Frame::Grant { id, items, .. } = came.frame() else {
            panic!("{:?}", came.frame());
        };
        for _ in 0..items {
            item(&mut peer, id);
        }
        room += items;
        if room == 2 * STREAMS {
            break;
        }
    }
    let sum = runtime.block_on(honest.rpc::<u64, _>("add", (1, 2)).start());
    assert_eq!(sum.unwrap(), 3);

    // As docs/security.md says.
    let budget = 3 * limits().max_frame as usize
        + 4 * limits().max_request_bytes as usize
        + limits().max_calls as usize * 4096
        + MIB;
    let took = peak() - before;
    let held = STREAMS as usize * 4 * MIB;
    assert!(took > held, "{took} bytes: nothing was held");
    assert!(took < budget, "{took} of {budget} bytes");

    // One stream more would be more than may be held.
    peer.send_bytes(&call(STREAMS));
    let reason = runtime.block_on(async {
        let closed = tokio::time::timeout(Duration::from_secs(60), guest.closed());
        closed.await.unwrap()
    });
    assert!(
        matches!(
            &*reason,
            CloseReason::Violation(Violation::RequestBytesExceeded { .. })
        ),
        "{reason:?}"
    );
}
