//! A real process that is stopped and goes on, or does not.

#[path = "common/mod.rs"]
mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{PATIENCE, multi_threaded, secret};
use kaa_rpc_runtime::{Channel, CloseReason, Server, ServerBuilder, params};

const ADDRESS: &str = "KAA_LIVENESS_ADDRESS";

/// Connects and serves until the channel is closed.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn client() {
    let address = std::env::var(ADDRESS).expect("it is not to be run by itself");
    multi_threaded().block_on(async {
        let channel = Channel::builder(&secret())
            .register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)))
            .without_keepalive()
            .connect(&address)
            .await
            .unwrap();
        channel.closed().await;
    });
}

/// Is killed at the end of its test, stopped or not.
struct Client(Child);

impl Client {
    fn start(address: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "client", "--ignored"])
            .env(ADDRESS, address)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.0.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server at each kind of address, and its end of a channel to a client in another process.
fn with_client(
    adjust: impl Fn(ServerBuilder) -> ServerBuilder,
    body: &impl AsyncFn(&Client, &Channel),
) {
    let (_folder, unix) = common::private_address();
    let tcp = cfg!(feature = "tcp").then_some("tcp:127.0.0.1:0");
    for address in [unix.as_str()].into_iter().chain(tcp) {
        multi_threaded().block_on(async {
            let server = adjust(Server::builder(secret()))
                .bind(address)
                .await
                .unwrap();
            let mut connected = server.client_connected();
            let client = Client::start(&server.address().to_string());
            let channel = tokio::time::timeout(PATIENCE, connected.next())
                .await
                .expect("the client does not come")
                .unwrap();
            body(&client, &channel).await;
            // Others are served meanwhile.
            let other = Channel::connect(&server.address().to_string(), &secret()).await;
            assert!(!other.unwrap().is_closed());
        });
    }
}

async fn calls(channel: &Channel) -> u64 {
    tokio::time::timeout(PATIENCE, channel.rpc("add", (40, 2)))
        .await
        .expect("no answer")
        .unwrap()
}

#[test]
fn a_process_that_is_stopped_for_less_than_the_limit_keeps_its_channel() {
    with_client(
        |server| server.keepalive(Duration::from_millis(100), Duration::from_secs(30)),
        &async |client: &Client, channel: &Channel| {
            assert_eq!(calls(channel).await, 42);
            client.signal("STOP");
            // Long enough to be asked.
            let answer = channel.rpc::<u64, _>("add", (1, 2)).start();
            tokio::time::sleep(Duration::from_millis(600)).await;
            client.signal("CONT");
            let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
            assert_eq!(answer.unwrap(), 3);
            assert_eq!(calls(channel).await, 42);
            assert!(!channel.is_closed());
        },
    );
}

#[test]
fn a_process_that_is_stopped_for_longer_loses_its_channel() {
    with_client(
        |server| server.keepalive(Duration::from_millis(100), Duration::from_secs(2)),
        &async |client: &Client, channel: &Channel| {
            assert_eq!(calls(channel).await, 42);
            client.signal("STOP");
            let stopped = Instant::now();
            let reason = tokio::time::timeout(PATIENCE, channel.closed())
                .await
                .expect("it is not noticed");
            assert!(
                matches!(*reason, CloseReason::Unresponsive(_)),
                "{reason:?}"
            );
            assert!(stopped.elapsed() >= Duration::from_millis(1900));
            client.signal("CONT");
        },
    );
}

/// Nobody asks on a machine's own sockets: a program in a debugger is not given up.
#[test]
fn without_keepalive_a_stopped_process_keeps_its_channel() {
    with_client(
        // What was set before would close it several times over.
        |server| {
            let short = Duration::from_millis(50);
            server.keepalive(short, short).without_keepalive()
        },
        &async |client: &Client, channel: &Channel| {
            client.signal("STOP");
            tokio::time::sleep(Duration::from_millis(600)).await;
            assert!(!channel.is_closed());
            client.signal("CONT");
            assert_eq!(calls(channel).await, 42);
        },
    );
}

/// Both ends ask; as long as both answer, an idle channel stays open as long as one likes.
#[tokio::test(start_paused = true)]
async fn an_idle_channel_that_is_watched_stays_open() {
    let watched = |side: kaa_rpc_runtime::ChannelBuilder| {
        side.keepalive(Duration::from_secs(30), Duration::from_secs(30))
    };
    let (left, right) = Channel::pair(
        |side| {
            watched(side).register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)))
        },
        watched,
    )
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(!left.is_closed());
    assert_eq!(right.rpc::<u64, _>("add", (1, 2)).await.unwrap(), 3);
    right.close().await;
    assert!(left.closed().await.is_orderly());
}
