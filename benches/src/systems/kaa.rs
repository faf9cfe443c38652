//! Kaa RPC: with defaults, a deadline of five seconds for each call, and code that was generated from a
//! schema.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Channel, Context, Limits, Outcome, Secret, Server, Yielder, params};
use tokio::sync::Mutex;

use super::{ALBUM, Place, Runtime, System};
use crate::bench::{Album, Echo, EchoClient, EchoService};
use crate::workload::call_by_tasks;
use crate::{Error, process};

/// One way to use it.
pub trait Variant: 'static {
    /// As in tables.
    const NAME: &'static str;
    /// What it goes over.
    const TRANSPORT: Transport = Transport::Unix;
    /// What runs it.
    const RUNTIME: Runtime = Runtime::MultiThread;
    /// What drives the client's channel.
    const DRIVER: Driver = Driver::Caller;
    /// What is called with short texts.
    const TEXT: Text = Text::Typed;
    /// What both ends accept.
    const LIMITS: fn() -> Limits = Limits::default;
}

/// What a connection goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket, which is never encrypted.
    Unix,
    /// TCP, encrypted as always.
    Tcp,
    /// TCP without encryption.
    PlainTcp,
}

/// What drives the channel of a client.
#[derive(Clone, Copy, Debug)]
pub enum Driver {
    /// The runtime in which it calls.
    Caller,
    /// A thread of its own, while the thread that calls blocks.
    Thread,
    /// A runtime, while a thread that has none calls and blocks.
    Runtime,
}

/// What is called with short texts.
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// By the generated proxy; the handler is ready at once.
    Typed,
    /// The same, by a thread that blocks.
    Waited,
    /// The same function by its name, without a schema.
    Dynamic,
    /// The handler yields to the scheduler once.
    Yielded,
    /// The handler sleeps for a millisecond.
    Slept,
    /// Handlers contend for a mutex, and yield to the scheduler while they hold it.
    Locked,
}

macro_rules! variants {
    ($($(#[$doc:meta])* $variant:ident: $name:literal $({ $($constant:ident = $value:expr),+ })?;)+) => {$(
        $(#[$doc])*
        pub struct $variant;

        impl Variant for $variant {
            const NAME: &'static str = $name;
            $($(const $constant: variants!(@$constant) = $value;)+)?
        }
    )+};
    (@TRANSPORT) => { Transport };
    (@RUNTIME) => { Runtime };
    (@DRIVER) => { Driver };
    (@TEXT) => { Text };
    (@LIMITS) => { fn() -> Limits };
}

variants! {
    /// As most programs use it.
    Unix: "Kaa RPC";
    /// In a runtime without other threads.
    CurrentThread: "Kaa RPC, current-thread" { RUNTIME = Runtime::CurrentThread };
    /// By a thread without a runtime.
    Blocking: "Kaa RPC, blocking" {
        RUNTIME = Runtime::ClientBlocks, DRIVER = Driver::Thread, TEXT = Text::Waited
    };
    /// By such a thread, through a channel of a runtime.
    BlockingBeside: "Kaa RPC, blocking, beside a runtime" {
        RUNTIME = Runtime::ClientBlocks, DRIVER = Driver::Runtime, TEXT = Text::Waited
    };
    /// With room for the largest payloads.
    LargeFrames: "Kaa RPC, frames up to 128 MiB" {
        LIMITS = || Limits { max_frame: 128 << 20, max_request_bytes: 256 << 20, ..Limits::default() }
    };
    /// With room for very many calls in flight.
    ManyCalls: "Kaa RPC, 131,072 calls in flight" {
        LIMITS = || Limits { max_calls: 1 << 17, ..Limits::default() }
    };
    /// Without a schema.
    Dynamic: "Kaa RPC, by name" { TEXT = Text::Dynamic };
    /// With handlers that are ready the second time they are polled.
    Yielded: "Kaa RPC, handlers yield once" { TEXT = Text::Yielded };
    /// With handlers that are ready later.
    Slept: "Kaa RPC, handlers sleep 1 ms" { TEXT = Text::Slept };
    /// With handlers that get in each other's way.
    Locked: "Kaa RPC, handlers share a mutex" { TEXT = Text::Locked };
    /// Over TCP.
    Tcp: "Kaa RPC, encrypted TCP" { TRANSPORT = Transport::Tcp };
    /// Over TCP without encryption.
    PlainTcp: "Kaa RPC, plain TCP" { TRANSPORT = Transport::PlainTcp };
}

impl<V: Variant> System for V {
    const NAME: &'static str = V::NAME;
    const RUNTIME: Runtime = V::RUNTIME;
    type Client = Client;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let secret = Secret::create_file(secret_file(&folder))?;
        let server = Server::builder(secret)
            .register(EchoService::new(Mirror::default()))
            .limits(V::LIMITS())
            .timeout(DEADLINE);
        let unix = format!("unix:{}", folder.join("kaa").display());
        let server = match V::TRANSPORT {
            Transport::Unix => server.bind(&unix).await?,
            Transport::Tcp => server.bind(ANY_PORT).await?,
            Transport::PlainTcp => server.dangerous_plaintext().bind(ANY_PORT).await?,
        };
        Ok(process::ready(&server.address().to_string()).await?)
    }

    async fn connect(place: &Place) -> Result<Client, Error> {
        let secret = Secret::from_file(secret_file(&place.folder))?;
        let channel = Channel::builder(&secret)
            .register(EchoService::new(Mirror::default()))
            .limits(V::LIMITS())
            .timeout(DEADLINE);
        let channel = match V::TRANSPORT {
            Transport::Unix | Transport::Tcp => channel,
            Transport::PlainTcp => channel.dangerous_plaintext(),
        };
        let channel = match V::DRIVER {
            Driver::Caller => channel.connect(&place.address).await?,
            Driver::Thread => channel.connect_blocking(&place.address)?,
            Driver::Runtime => {
                let runtime = tokio::runtime::Runtime::new()?;
                let channel = runtime.block_on(channel.connect(&place.address))?;
                // It is needed until the process ends.
                std::mem::forget(runtime);
                channel
            }
        };
        Ok(Client::new(channel, V::TEXT))
    }
}

const DEADLINE: Duration = Duration::from_secs(5);

const ANY_PORT: &str = "tcp:127.0.0.1:0";

fn secret_file(folder: &Path) -> PathBuf {
    folder.join("secret")
}

/// A server, and a client that has called it, in this process and this runtime. They talk over a Unix
/// socket all the same.
pub async fn in_one_process(folder: &Path, text: Text) -> Result<(Server, Client), Error> {
    let secret = Secret::create_file(secret_file(folder))?;
    let block = async || {
        std::thread::sleep(Duration::from_millis(2));
        Ok(())
    };
    let server = Server::builder(secret.clone())
        .register(EchoService::new(Mirror::default()))
        .register_fn("block", params([], block))
        .timeout(DEADLINE)
        .bind(&format!("unix:{}", folder.join("kaa").display()))
        .await?;
    let channel = Channel::builder(&secret)
        .timeout(DEADLINE)
        .connect(&server.address().to_string())
        .await?;
    // A dispatcher that found calls slow reads clocks until it has told of a function. Whether that
    // happens is chance where time passes slowly, so it happens here.
    for _ in 0..2 {
        channel.rpc::<(), _>("block", ()).await?;
    }
    Ok((server, Client::new(channel, text)))
}

/// What both ends expose.
#[derive(Default)]
struct Mirror {
    lock: Mutex<()>,
}

impl Echo for Mirror {
    async fn text(&self, _: &Context, text: String) -> Outcome<String> {
        Ok(text)
    }

    async fn data(&self, _: &Context, data: Bytes) -> Outcome<Bytes> {
        Ok(data)
    }

    async fn album(&self, _: &Context, album: Album) -> Outcome<Album> {
        Ok(album)
    }

    async fn yielded(&self, _: &Context, text: String) -> Outcome<String> {
        tokio::task::yield_now().await;
        Ok(text)
    }

    async fn slept(&self, _: &Context, text: String) -> Outcome<String> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(text)
    }

    async fn locked(&self, _: &Context, text: String) -> Outcome<String> {
        let _held = self.lock.lock().await;
        tokio::task::yield_now().await;
        Ok(text)
    }

    async fn count(&self, _: &Context, to: u64, items: &Yielder<u64>) -> Outcome<()> {
        for number in 0..to {
            items.give(&number).await?;
        }
        Ok(())
    }

    async fn call_back(&self, cx: &Context, calls: u64, tasks: u64) -> Outcome<()> {
        let caller = Client::new(cx.channel(), Text::Typed);
        Ok(call_by_tasks(&caller, tasks, calls).await?)
    }
}

/// A channel, and how it is used.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    proxy: EchoClient,
    text: Text,
}

impl Client {
    fn new(channel: Channel, text: Text) -> Self {
        let proxy = EchoClient::new(&channel);
        Self {
            channel,
            proxy,
            text,
        }
    }
}

impl super::Client for Client {
    fn another(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    async fn text(&mut self, text: &str) -> Result<super::Echo<'_>, Error> {
        Ok(super::Echo::Text(match self.text {
            Text::Typed => self.proxy.text(text).await?,
            Text::Waited => self.proxy.text(text).wait()?,
            Text::Dynamic => self.channel.rpc("text", (text,)).await?,
            Text::Yielded => self.proxy.yielded(text).await?,
            Text::Slept => self.proxy.slept(text).await?,
            Text::Locked => self.proxy.locked(text).await?,
        }))
    }

    async fn data(&mut self, data: &Bytes) -> Result<super::Echo<'_>, Error> {
        Ok(super::Echo::Bytes(self.proxy.data(data).await?))
    }

    async fn album(&mut self) -> Result<bool, Error> {
        let back = self.proxy.album(&ALBUM).await?;
        Ok(back.songs.len() == ALBUM.songs.len())
    }

    async fn count(&mut self, to: u64) -> Result<(), Error> {
        let mut numbers = self.proxy.count(to).start();
        let mut next = 0;
        while let Some(number) = numbers.next().await? {
            if number != next {
                return Err(format!("expected item {next}, got {number}").into());
            }
            next += 1;
        }
        numbers.finish().await?;
        match next == to {
            true => Ok(()),
            false => Err(format!("expected {to} items, got {next}").into()),
        }
    }

    async fn call_back(&mut self, calls: u64, tasks: u64) -> Result<(), Error> {
        Ok(self.proxy.call_back(calls, tasks).await?)
    }
}
