//! A server on a runtime of its own, for clients that have none.

use std::sync::mpsc;
use std::time::Duration;

use kaa_rpc_runtime::blocking::wait;
use kaa_rpc_runtime::{Channel, ChannelBuilder, Context, Server, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::common::{
    PATIENCE, Side, Told, Was, call_back, multi_threaded, private_address, secret,
};

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

    /// A client that exposes `double(n)`, and the server's end of its channel.
    pub(crate) fn connect_doubling(&self) -> (Channel, Channel) {
        let mut connected = self.server.client_connected();
        let channel = client()
            .register_fn("double", params(["n"], async |n: u64| Ok(2 * n)))
            .connect_blocking(&self.address)
            .unwrap();
        (channel, wait(connected.next()).unwrap())
    }

    pub(crate) fn told(&self, told: &mut Told) -> Was {
        self.runtime.block_on(told.next())
    }
}

/// `add(a, b)`; `ask(number)` calls back `answer(number)`.
pub(crate) fn serving(side: Side) -> Side {
    side.function("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)))
        .function(
            "ask",
            params(["number"], async |cx: Context, number: u64| {
                call_back(&cx, "answer", number).await
            }),
        )
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
