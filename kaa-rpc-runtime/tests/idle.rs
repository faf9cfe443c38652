//! What a server holds for each client that says nothing. A program of its own: what is counted is all that the
//! process asked the global allocator for and did not give back. Clients are bare sockets, which ask for nothing,
//! and what they do is done when they have an answer.

#[path = "common/mod.rs"]
mod common;

use std::path::Path;

use common::raw::Peer;
use common::{multi_threaded, private_address, secret};
use kaa_rpc_runtime::{Limits, Server, params};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const CLIENTS: usize = 1000;

/// The bytes that each client takes at the server, when it did what `work` does and others did it before.
fn bytes_for_each(work: impl Fn(&mut Peer)) -> usize {
    let _profiler = dhat::Profiler::builder().testing().build();
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let server = Server::builder(secret())
        .register_fn("echo", params(["text"], async |text: String| Ok(text)));
    let server = runtime.block_on(server.bind(&address)).unwrap();
    let client = |path: &Path| {
        let mut client = Peer::connect(path, Limits::default());
        work(&mut client);
        client
    };
    let path = folder.path().join("s");
    let mut clients = Vec::with_capacity(2 * CLIENTS);
    clients.extend((0..CLIENTS / 10).map(|_| client(&path)));
    let before = dhat::HeapStats::get().curr_bytes;
    clients.extend((0..CLIENTS).map(|_| client(&path)));
    let after = dhat::HeapStats::get().curr_bytes;
    assert_eq!(server.channels().len(), clients.len());
    (after - before) / CLIENTS
}

/// One test, as all of a process count together.
#[test]
fn an_idle_connection_takes_little() {
    let once: &[&[usize]] = &[&[32]];
    // A long answer, then many at once, whose places in the window stay, then no more than a few bytes.
    let often: &[&[usize]] = &[&[60_000], &[4000; 16], &[32]];
    // As docs/performance.md says.
    for (what, texts, most) in [
        ("called once", once, 5 * 1024),
        ("was busy before", often, 8 * 1024),
    ] {
        let bytes = bytes_for_each(|client| {
            for texts in texts {
                for (id, length) in (0..).zip(*texts) {
                    client.call(id, "echo", ("x".repeat(*length),));
                }
                for _ in *texts {
                    client.receive().unwrap();
                }
            }
        });
        println!("{bytes} bytes for a client that {what}");
        assert!(
            bytes <= most,
            "{bytes} of {most} bytes for a client that {what}"
        );
    }
}
