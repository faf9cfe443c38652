//! The client, which makes calls of all kinds and notes what becomes of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kaa_rpc_runtime::{Arguments, Call, Channel, Error, InProgress, Retry, Status, params};
use tokio::time::Instant;
use turmoil::net::TcpStream;

use crate::random::Random;
use crate::server::{PORT, answer};
use crate::{Log, MENDED, secret};

const CALLERS: u64 = 4;
const CALLS_EACH: u64 = 40;
/// The tokens of the hook's calls.
pub(crate) const HOOK: u64 = 1 << 32;
/// So many outcomes there must be; of the others it is known only how often they may run.
pub(crate) const CALLS: usize = (CALLERS * CALLS_EACH) as usize + 1;

/// What the client was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) asked: Vec<Asked>,
    /// Calls that were given up.
    pub(crate) dropped: Vec<u64>,
    pub(crate) oneway: Vec<u64>,
    pub(crate) oneway_refused: Vec<u64>,
    pub(crate) connections: u32,
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) token: u64,
    /// So often more than once.
    pub(crate) may_run_again: u32,
    pub(crate) failing_fast: bool,
    pub(crate) calls_back: bool,
    pub(crate) timeout: Option<Duration>,
    /// There was no connection when it began.
    pub(crate) unconnected: bool,
    pub(crate) took: Duration,
    pub(crate) outcome: Result<u64, Error>,
}

pub(crate) async fn run(seed: u64, log: Log) -> Told {
    let told = Arc::new(Mutex::new(Told::default()));
    let greeted = AtomicU64::new(HOOK);
    let channel = Channel::builder(&secret())
        .register_fn(
            "reply",
            params(["token"], move |token: u64| {
                log.note(token);
                async move { Ok(answer(token)) }
            }),
        )
        .on_connect(move |channel: Channel| {
            let token = greeted.fetch_add(1, Ordering::Relaxed);
            channel.rpc::<u64, _>("note", (token,)).start().detach();
        })
        .retry(
            Retry::default()
                .first_pause(Duration::from_millis(20))
                .longest_pause(Duration::from_millis(500))
                .seed(seed),
        )
        .keepalive(Duration::from_millis(500), Duration::from_millis(1500))
        .open_timeout(Duration::from_secs(3))
        .connect_lazy_with(async || Ok((TcpStream::connect(("server", PORT)).await?, vec![])))
        .unwrap();
    let watching = tokio::spawn(watch(channel.clone(), Arc::clone(&told)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let random = Random::new(seed ^ ((caller + 1) << 40));
            let (channel, told) = (channel.clone(), Arc::clone(&told));
            tokio::spawn(async move {
                Caller {
                    channel,
                    told,
                    random,
                }
                .run(caller)
                .await;
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    // When all is mended, calls go through.
    tokio::time::sleep(MENDED.saturating_sub(turmoil::elapsed())).await;
    let caller = Caller {
        channel: channel.clone(),
        told: Arc::clone(&told),
        random: Random::new(seed),
    };
    caller.last().await;
    channel.close().await;
    watching.await.unwrap();
    std::mem::take(&mut *told.lock().unwrap())
}

/// Counts the connections, and looks whether what is told can follow on what was told before.
async fn watch(channel: Channel, told: Arc<Mutex<Told>>) {
    let mut watch = channel.watch_status();
    drop(channel);
    let mut connected = false;
    while let Some(status) = watch.next().await {
        match status {
            Status::Connected => {
                assert!(
                    !connected,
                    "a new connection, and the loss of the old one not told"
                );
                told.lock().unwrap().connections += 1;
            }
            Status::Connecting => assert!(!connected, "connecting while connected"),
            _ => {}
        }
        connected = status.is_connected();
    }
}

struct Caller {
    channel: Channel,
    told: Arc<Mutex<Told>>,
    random: Random,
}

impl Caller {
    async fn run(mut self, caller: u64) {
        for number in 0..CALLS_EACH {
            let token = caller * 1000 + number;
            self.call(token).await;
            self.abandon(token + 300).await;
            self.notify(token + 600).await;
            let pause = Duration::from_millis(self.random.below(200));
            tokio::time::sleep(pause).await;
        }
    }

    /// A call whose outcome is noted.
    async fn call(&mut self, token: u64) {
        let timeout = match self.random.below(3) {
            0 => None,
            1 => Some(Duration::from_millis(100 + self.random.below(1000))),
            _ => Some(Duration::from_secs(5)),
        };
        let mut asked = Asked {
            token,
            may_run_again: 0,
            failing_fast: false,
            calls_back: false,
            timeout,
            unconnected: !self.channel.status().is_connected(),
            took: Duration::ZERO,
            outcome: Ok(0),
        };
        let millis = match self.random.below(2) {
            0 => 0,
            _ => self.random.below(500),
        };
        let call = self.channel.rpc::<u64, _>("slow", (token, millis));
        let call = match self.random.below(5) {
            0 => {
                asked.failing_fast = true;
                with(timeout, call.fail_fast())
            }
            1 => {
                asked.may_run_again = 2;
                with(timeout, call.idempotent().resend(2))
            }
            // Of this one it is not known that it may run twice.
            2 => with(timeout, call.resend(2)),
            3 => {
                asked.calls_back = true;
                with(timeout, self.channel.rpc("ask", (token,)))
            }
            _ => with(timeout, call),
        };
        self.note(asked, call).await;
    }

    async fn note(&self, mut asked: Asked, call: InProgress<u64>) {
        let began = Instant::now();
        asked.outcome = call.await;
        asked.took = began.elapsed();
        self.told().asked.push(asked);
    }

    /// A call that is given up after a while.
    async fn abandon(&mut self, token: u64) {
        let call = self.channel.rpc::<u64, _>("slow", (token, 500)).start();
        let patience = Duration::from_millis(self.random.below(200));
        let _ = tokio::time::timeout(patience, call).await;
        self.told().dropped.push(token);
    }

    /// A call that has no answer.
    async fn notify(&mut self, token: u64) {
        let call = self.channel.rpc::<(), _>("note", (token,)).oneway();
        let sent = call.timeout(Duration::from_millis(500)).await;
        let mut told = self.told();
        match sent {
            Err(error) if error.never_ran() => told.oneway_refused.push(token),
            _ => told.oneway.push(token),
        }
    }

    /// When nothing is wrong any more.
    async fn last(&self) {
        let token = CALLERS * 1000;
        let timeout = Duration::from_secs(30);
        let outcome = self
            .channel
            .rpc::<u64, _>("slow", (token, 0))
            .idempotent()
            .resend(9);
        let began = Instant::now();
        let outcome = outcome.timeout(timeout).await;
        assert_eq!(outcome.as_ref().ok(), Some(&answer(token)), "{outcome:?}");
        self.told().asked.push(Asked {
            token,
            may_run_again: 9,
            failing_fast: false,
            calls_back: false,
            timeout: Some(timeout),
            unconnected: false,
            took: began.elapsed(),
            outcome,
        });
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }
}

fn with<A: Arguments>(timeout: Option<Duration>, call: Call<'_, A, u64>) -> InProgress<u64> {
    match timeout {
        Some(timeout) => call.timeout(timeout).start(),
        None => call.start(),
    }
}
