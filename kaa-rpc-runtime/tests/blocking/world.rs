//! A server on a runtime of its own, for clients that have none.

use std::sync::mpsc;
use std::time::Duration;

use kaa_rpc_runtime::{Channel, ChannelBuilder, Server};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::common::{PATIENCE, Side, Told, Was, multi_threaded, private_address, secret};

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) server: Server,
    pub(crate) address: String,
    _folder: TempDir,
}

impl World {
    pub(crate) fn new(server: impl FnOnce(Side) -> Side) -> Self {
        let runtime = multi_threaded();
        let (folder, address) = private_address();
        let Side::Server(builder) = server(Side::Server(Server::builder(secret()))) else {
            unreachable!("a server's builder stays one")
        };
        let server = runtime.block_on(builder.bind(&address)).unwrap();
        Self {
            runtime,
            server,
            address,
            _folder: folder,
        }
    }

    pub(crate) fn connect(&self) -> Channel {
        client().connect_blocking(&self.address).unwrap()
    }

    pub(crate) fn told(&self, told: &mut Told) -> Was {
        self.runtime.block_on(told.next())
    }
}

pub(crate) fn client() -> ChannelBuilder {
    Channel::builder(&secret())
}

/// Runs `body` on a thread, which fails if it does not end in time.
pub(crate) fn in_time(body: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let ended = ended;
        body();
        ended.send(()).unwrap();
    });
    match end.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test hangs"),
        _ => thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// Waits until `done` says so.
pub(crate) fn until(what: &str, done: impl Fn() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
