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

/// So many bytes at most, on the average of all clients; docs/performance.md tells.
const MOST: usize = 5 * 1024;

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

#[test]
fn an_idle_connection_takes_little() {
    let text = "x".repeat(32);
    let bytes = bytes_for_each(|client| {
        client.call(0, "echo", (text.as_str(),));
        client.receive().unwrap();
    });
    println!("{bytes} bytes for a client that called once");
    assert!(bytes <= MOST, "{bytes} of {MOST} bytes");
}
