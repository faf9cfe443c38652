//! The objects behind the interfaces.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Channel, Context, Outcome, Timestamp, Value};
use kaa_tests::typed::{
    Containers, Defaults, Echo, EchoClient, EchoService, Failure, LabClient, LabPeer, Level,
    Mirror, MirrorClient, MirrorService, Names, Runs, RunsService, Scalars, Shape, Tree, Type,
};
use tokio::sync::{Semaphore, mpsc};

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Gives back what it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lab;

impl Echo for Lab {
    async fn nothing(&self, _: &Context) -> Outcome<()> {
        Ok(())
    }

    async fn scalars(&self, _: &Context, value: Scalars) -> Outcome<Scalars> {
        Ok(value)
    }

    async fn containers(&self, _: &Context, value: Containers) -> Outcome<Containers> {
        Ok(value)
    }

    async fn defaults(&self, _: &Context, value: Defaults) -> Outcome<Defaults> {
        Ok(value)
    }

    async fn tree(&self, _: &Context, value: Tree) -> Outcome<Tree> {
        Ok(value)
    }

    async fn keywords(&self, _: &Context, value: Type) -> Outcome<Type> {
        Ok(value)
    }

    async fn shape(&self, _: &Context, value: Shape) -> Outcome<Shape> {
        Ok(value)
    }

    async fn level(&self, _: &Context, value: Level) -> Outcome<Level> {
        Ok(value)
    }

    async fn any(&self, _: &Context, value: Value) -> Outcome<Value> {
        Ok(value)
    }

    async fn maybe(&self, _: &Context, value: Option<String>) -> Outcome<Option<String>> {
        Ok(value)
    }

    async fn bytes(&self, _: &Context, value: Bytes) -> Outcome<Bytes> {
        Ok(value)
    }

    async fn integers(
        &self,
        _: &Context,
        a: i8,
        b: i16,
        c: i32,
        d: i64,
        e: u8,
        f: u16,
        g: u32,
        h: u64,
    ) -> Outcome<(i8, i16, i32, i64, u8, u16, u32, u64)> {
        Ok((a, b, c, d, e, f, g, h))
    }

    async fn floats(&self, _: &Context, x: f32, y: f64) -> Outcome<(f32, f64)> {
        Ok((x, y))
    }

    async fn times(
        &self,
        _: &Context,
        at: Timestamp,
        length: Duration,
    ) -> Outcome<(Timestamp, Duration)> {
        Ok((at, length))
    }

    async fn filled(
        &self,
        _: &Context,
        flag: bool,
        text: String,
        names: Names,
        shape: Shape,
        wait: Duration,
        maybe: Option<u8>,
        thing: Value,
    ) -> Outcome<(bool, String, Names, Shape, Duration, Option<u8>, Value)> {
        Ok((flag, text, names, shape, wait, maybe, thing))
    }

    async fn rest(
        &self,
        _: &Context,
        first: String,
        more: Vec<i64>,
        separator: String,
        named: BTreeMap<String, u8>,
    ) -> Outcome<String> {
        let more = more.iter().map(ToString::to_string);
        let named = named.iter().map(|(name, value)| format!("{name}={value}"));
        let words: Vec<String> = std::iter::once(first).chain(more).chain(named).collect();
        Ok(words.join(&separator))
    }

    async fn anything(
        &self,
        _: &Context,
        args: Vec<Value>,
        kwargs: BTreeMap<String, Value>,
    ) -> Outcome<(Vec<Value>, BTreeMap<String, Value>)> {
        Ok((args, kwargs))
    }

    async fn r#move(
        &self,
        _: &Context,
        r#loop: String,
        self_: Option<u8>,
        r#type: Shape,
    ) -> Outcome<String> {
        Ok(format!("{loop} {self_:?} {type:?}"))
    }

    async fn fail(&self, _: &Context, how: Failure) -> Outcome<(), Failure> {
        Err(how.into())
    }

    async fn fault(&self, _: &Context, text: String, panic: bool) -> Outcome<()> {
        assert!(!panic, "{text}");
        Err(text.into())
    }
}

/// What a [`Runner`] does, as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Started(&'static str),
    Ended(&'static str),
    Dropped(&'static str),
    Note(String, Vec<Value>, bool),
}

/// Tells what its functions do, and lets them end one by one.
#[derive(Debug)]
pub(crate) struct Runner {
    events: mpsc::UnboundedSender<Event>,
    /// A permit lets one function end.
    pub(crate) gate: Semaphore,
    running: AtomicUsize,
    /// How many calls of `in_turn` or `at_once` ran at a time, at most.
    pub(crate) most: AtomicUsize,
}

/// Tells of its end.
struct Guard<'a> {
    runner: &'a Runner,
    name: &'static str,
    ended: bool,
}

impl Runner {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let runner = Self {
            events,
            gate: Semaphore::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        };
        (runner, receiver)
    }

    fn tell(&self, event: Event) {
        // Whoever does not listen does not want to know.
        let _ = self.events.send(event);
    }

    async fn until_let_go(&self, name: &'static str) -> Outcome<()> {
        self.tell(Event::Started(name));
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let mut guard = Guard {
            runner: self,
            name,
            ended: false,
        };
        self.gate.acquire().await?.forget();
        guard.ended = true;
        Ok(())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.runner.running.fetch_sub(1, Ordering::SeqCst);
        self.runner.tell(if self.ended {
            Event::Ended(self.name)
        } else {
            Event::Dropped(self.name)
        });
    }
}

impl Runs for Runner {
    async fn slow(&self, _: &Context) -> Outcome<()> {
        self.until_let_go("slow").await
    }

    async fn forever(&self, _: &Context) -> Outcome<()> {
        self.until_let_go("forever").await
    }

    async fn in_turn(&self, _: &Context, token: u64) -> Outcome<u64> {
        self.until_let_go("in_turn").await?;
        Ok(token)
    }

    async fn at_once(&self, _: &Context, token: u64) -> Outcome<u64> {
        self.until_let_go("at_once").await?;
        Ok(token)
    }

    async fn to_the_end(&self, _: &Context) -> Outcome<()> {
        self.until_let_go("to_the_end").await
    }

    async fn note(&self, _: &Context, text: String, args: Vec<Value>, loud: bool) -> Outcome<()> {
        self.tell(Event::Note(text, args, loud));
        Ok(())
    }

    async fn old(&self, _: &Context, token: u64) -> Outcome<u64> {
        Ok(token)
    }

    async fn renamed(&self, _: &Context) -> Outcome<String> {
        Ok("renamed".to_owned())
    }
}

/// Answers from a number of its own; asks back what is even.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glass {
    pub(crate) mark: u64,
    pub(crate) asks_back: bool,
}

impl Mirror for Glass {
    async fn token(&self, cx: &Context, token: u64) -> Outcome<u64> {
        if self.asks_back && token.is_multiple_of(2) {
            return Ok(MirrorClient::new(&cx.channel()).token(token).await?);
        }
        // Lets others overtake.
        tokio::task::yield_now().await;
        Ok(token ^ self.mark)
    }
}

/// The two ends of a channel in memory, with all that `Lab` declares.
pub(crate) async fn lab(
    runner: Runner,
) -> Result<(LabPeer, LabClient), kaa_rpc_runtime::ConnectError> {
    let glass = |mark, asks_back| MirrorService::new(Glass { mark, asks_back });
    let (server, client) = Channel::pair(
        |server| {
            server
                .register(EchoService::new(Lab))
                .register(RunsService::new(runner))
                .register(glass(1, true))
        },
        |client| client.register(glass(2, false)),
    )
    .await?;
    Ok((server.into(), client.into()))
}

/// A client of [`Lab`] alone. The other end must be kept.
pub(crate) async fn echo() -> Result<(Channel, EchoClient), kaa_rpc_runtime::ConnectError> {
    let (server, client) = Channel::pair(
        |server| server.register(EchoService::new(Lab)),
        |client| client,
    )
    .await?;
    Ok((server, EchoClient::new(&client)))
}
