//! How much one connection can make its other end hold. A program of its own: what it measures is the
//! whole process.
#![cfg(target_os = "linux")]

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use common::raw::{self, Peer};
use common::{PATIENCE, multi_threaded, private_address, secret};
use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_runtime::{Bytes, Channel, Limits, Server, params};
use tokio::sync::mpsc;

const MIB: usize = 1 << 20;

/// The most that the process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: usize = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap();
    kilobytes * 1024
}

fn limits() -> Limits {
    Limits {
        max_frame: 8 << 20,
        max_calls: 64,
        max_request_bytes: 32 << 20,
        ..Limits::default()
    }
}

/// Sends a call whose one argument is `length` bytes, without having them.
fn send_large(peer: &mut Peer, id: u32, name: &str, length: usize, all: bool) {
    let mut arguments = vec![0x91, 0xc6];
    arguments.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    let head = raw::bytes(&Frame::Call {
        id,
        head: CallHead::new(name),
        arguments: &arguments,
    });
    let whole = head.len() - 4 + length + 1;
    peer.send_bytes(&u32::try_from(whole).unwrap().to_be_bytes());
    peer.send_bytes(&head[4..]);
    let chunk = [7; 64 << 10];
    let mut left = length;
    while left > 0 {
        let part = left.min(chunk.len());
        peer.send_bytes(&chunk[..part]);
        left -= part;
    }
    if all {
        // No named arguments.
        peer.send_bytes(&[0x80]);
    }
}

#[test]
fn hostile_47_the_most_of_everything_stays_within_the_budget() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let (told, mut started) = mpsc::unbounded_channel();
    let server = Server::builder(secret())
        .limits(limits())
        .write_timeout(Duration::from_secs(60))
        .frame_timeout(Duration::from_secs(60))
        .register_fn("hold", {
            params(["data"], move |data: Bytes| {
                let told = told.clone();
                async move {
                    told.send(data.len()).unwrap();
                    std::future::pending::<()>().await;
                    Ok(data.len())
                }
            })
        })
        .register_fn(
            "make",
            params(["n"], async |n: usize| Ok(Bytes::from(vec![1; n]))),
        )
        .register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)));
    let server = runtime.block_on(server.bind(&address)).unwrap();
    let path = folder.path().join("s");
    let honest = runtime
        .block_on(Channel::connect(&address, &secret()))
        .unwrap();
    let before = peak();

    // Arguments that are held: all bytes that may be in flight.
    let largest = limits().max_frame as usize - 32;
    let mut peer = Peer::connect(&path, Limits::default());
    for id in 0..3 {
        send_large(&mut peer, id, "hold", largest, true);
        let held = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, started.recv())
                .await
                .unwrap()
        });
        assert_eq!(held, Some(largest));
    }
    // As many results as there are places left but one, and none is read.
    let result = MIB / 4;
    for id in 3..63 {
        peer.call(id, "make", (result,));
    }
    // Pings, and a frame that lacks its last byte.
    for token in 0..16 {
        peer.send(&Frame::Ping { token });
    }
    send_large(&mut peer, 63, "hold", largest, false);
    for n in 0..10u64 {
        let sum = runtime.block_on(honest.rpc::<u64, _>("add", (n, 1)).start());
        assert_eq!(sum.unwrap(), n + 1);
    }

    // As docs/security.md says.
    let limits = limits();
    let budget = 3 * limits.max_frame as usize
        + 2 * limits.max_request_bytes as usize
        + limits.max_calls as usize * (result + 4096)
        + MIB;
    let took = peak() - before;
    assert!(took > 3 * largest, "{took} bytes: nothing was held");
    assert!(took < budget, "{took} of {budget} bytes");

    // With its last byte, that call is more than may be in flight together.
    peer.send_bytes(&[0x80]);
    let closed = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            while server.channels().len() > 1 {
                tokio::task::yield_now().await;
            }
        })
        .await
    });
    closed.expect("the channel is closed");
    assert_eq!(
        runtime
            .block_on(honest.rpc::<u64, _>("add", (1, 2)).start())
            .unwrap(),
        3
    );
}
