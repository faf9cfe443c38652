//! What the tests of the runtime share: connected ends, functions that tell what becomes of them.

// Each test binary uses its part of this.
#![allow(dead_code, unreachable_pub)]

pub mod raw;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_runtime::codegen::{Functions, Service};
use kaa_rpc_runtime::{
    Channel, ChannelBuilder, Context, Handler, Limits, Outcome, Secret, Server, ServerBuilder,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};

/// Longer than anything here takes, so that a deadlock fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What connects the two ends of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Memory,
    Unix,
}

/// Runs a test over each kind of connection, on both kinds of runtime.
pub fn everywhere(body: impl AsyncFn(Over)) {
    for over in [Over::Memory, Over::Unix] {
        for runtime in [single_threaded(), multi_threaded()] {
            println!("over {over:?}, {:?}", runtime.metrics().num_workers());
            runtime.block_on(async {
                tokio::time::timeout(PATIENCE, body(over))
                    .await
                    .expect("the test hangs");
            });
        }
    }
}

pub fn single_threaded() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub fn multi_threaded() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// One of the two builders.
pub enum Side {
    Server(ServerBuilder),
    Channel(ChannelBuilder),
}

impl Side {
    pub fn function(self, name: &str, function: impl Handler) -> Self {
        match self {
            Self::Server(side) => Self::Server(side.register_fn(name, function)),
            Self::Channel(side) => Self::Channel(side.register_fn(name, function)),
        }
    }

    pub fn service(self, service: impl Service) -> Self {
        match self {
            Self::Server(side) => Self::Server(side.register(service)),
            Self::Channel(side) => Self::Channel(side.register(service)),
        }
    }

    pub fn limits(self, limits: Limits) -> Self {
        match self {
            Self::Server(side) => Self::Server(side.limits(limits)),
            Self::Channel(side) => Self::Channel(side.limits(limits)),
        }
    }

    pub fn max_calls(self, max_calls: u32) -> Self {
        self.limits(Limits {
            max_calls,
            ..Limits::default()
        })
    }

    pub fn timeout(self, timeout: Duration) -> Self {
        match self {
            Self::Server(side) => Self::Server(side.timeout(timeout)),
            Self::Channel(side) => Self::Channel(side.timeout(timeout)),
        }
    }

    pub fn close_timeout(self, timeout: Duration) -> Self {
        match self {
            Self::Server(side) => Self::Server(side.close_timeout(timeout)),
            Self::Channel(side) => Self::Channel(side.close_timeout(timeout)),
        }
    }

    fn into_channel(self) -> ChannelBuilder {
        match self {
            Self::Channel(side) => side,
            Self::Server(_) => unreachable!("a server's builder stays one"),
        }
    }
}

/// Exposes nothing and changes nothing.
pub fn plain(side: Side) -> Side {
    side
}

/// Two connected ends; the first plays the server.
pub struct Ends {
    pub server: Channel,
    pub client: Channel,
    /// What made the server's end, and the folder of its socket.
    pub host: Option<(Server, tempfile::TempDir)>,
}

pub async fn connect(
    over: Over,
    server: impl FnOnce(Side) -> Side,
    client: impl FnOnce(Side) -> Side,
) -> Ends {
    match over {
        Over::Memory => {
            let (server, client) = Channel::pair(
                |side| server(Side::Channel(side)).into_channel(),
                |side| client(Side::Channel(side)).into_channel(),
            )
            .await
            .unwrap();
            Ends {
                server,
                client,
                host: None,
            }
        }
        Over::Unix => {
            let (folder, address) = private_address();
            let Side::Server(builder) = server(Side::Server(Server::builder(secret()))) else {
                unreachable!("a server's builder stays one")
            };
            let host = builder.bind(&address).await.unwrap();
            let mut connected = host.client_connected();
            let client = client(Side::Channel(Channel::builder(&secret())))
                .into_channel()
                .connect(&address)
                .await
                .unwrap();
            Ends {
                server: connected.next().await.unwrap(),
                client,
                host: Some((host, folder)),
            }
        }
    }
}

pub fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// A folder that only we may enter, and an address in it.
pub fn private_address() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let address = format!("unix:{}", folder.path().join("s").display());
    (folder, address)
}

/// A service made of a closure, as the generator makes one of an interface.
pub struct Exposing<F>(pub F);

impl<F: FnOnce(&mut Functions)> Service for Exposing<F> {
    fn register(self, functions: &mut Functions) {
        (self.0)(functions);
    }
}

/// What became of a call of [`Probe::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Was {
    Started(u64),
    Ended(u64),
    Dropped(u64),
}

/// A function that starts, waits for leave to go on, and tells what becomes of it.
#[derive(Clone, Debug)]
pub struct Probe {
    told: mpsc::UnboundedSender<Was>,
    gate: Arc<Semaphore>,
}

/// What [`Probe`]s tell.
#[derive(Debug)]
pub struct Told(mpsc::UnboundedReceiver<Was>);

pub fn probe() -> (Probe, Told) {
    let (told, receiver) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    (Probe { told, gate }, Told(receiver))
}

impl Probe {
    /// Begins at once and ends after a leave.
    pub fn run(&self, number: u64) -> impl Future<Output = u64> + Send + use<> {
        let mut watched = Watched {
            told: self.told.clone(),
            number,
            ended: false,
        };
        let gate = Arc::clone(&self.gate);
        async move {
            let _ = watched.told.send(Was::Started(number));
            gate.acquire().await.unwrap().forget();
            watched.ended = true;
            drop(watched);
            number
        }
    }

    /// As a handler: `wait(number)`.
    pub fn handler(&self) -> impl Handler + use<> {
        let probe = self.clone();
        kaa_rpc_runtime::params(["number"], move |number: u64| {
            let run = probe.run(number);
            async move { Ok(run.await) }
        })
    }

    /// Lets so many calls go on.
    pub fn let_go(&self, calls: usize) {
        self.gate.add_permits(calls);
    }
}

impl Told {
    pub async fn next(&mut self) -> Was {
        tokio::time::timeout(PATIENCE, self.0.recv())
            .await
            .expect("nothing more is told")
            .expect("the probe is gone")
    }

    /// What was told so far and not yet looked at.
    pub fn so_far(&mut self) -> Vec<Was> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

struct Watched {
    told: mpsc::UnboundedSender<Was>,
    number: u64,
    ended: bool,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let number = self.number;
        let _ = self.told.send(if self.ended {
            Was::Ended(number)
        } else {
            Was::Dropped(number)
        });
    }
}

/// Calls back `name` with `number` at whoever called.
pub async fn call_back(cx: &Context, name: &str, number: u64) -> Outcome<u64> {
    Ok(cx.channel().rpc(name, (number,)).await?)
}
