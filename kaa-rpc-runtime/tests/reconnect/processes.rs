//! A server process that is killed and started again, and many clients, over real sockets.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kaa_rpc_runtime::{Channel, Error, Retry, Server, params};
use tokio::runtime::Builder;

use crate::secret;

const CLIENTS: u64 = 50;
const ADDRESS: &str = "KAA_TEST_ADDRESS";
const LOG: &str = "KAA_TEST_LOG";
/// Longer than anything here takes, so that a deadlock fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// Not a test, but the server process of the one below: it writes each token to a file, and is killed.
#[test]
#[ignore = "is started by another test"]
fn serve() {
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(std::env::var_os(LOG).unwrap())
        .unwrap();
    let log = Arc::new(log);
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let server = Server::builder(secret())
                .register_fn(
                    "note",
                    params(["token"], move |token: u64| {
                        (&*log).write_all(format!("{token}\n").as_bytes()).unwrap();
                        async move {
                            // Long enough that there are calls on their way at any time.
                            tokio::time::sleep(Duration::from_millis(5)).await;
                            Ok(token)
                        }
                    }),
                )
                .bind(&std::env::var(ADDRESS).unwrap())
                .await
                .unwrap();
            println!("listening at {}", server.address());
            std::future::pending::<()>().await;
        });
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(address: &str, log: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::serve", "--ignored", "--nocapture"])
            .env(ADDRESS, address)
            .env(LOG, log)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .map(Result::unwrap)
            .find_map(|line| Some(line.split_once("listening at ")?.1.to_owned()))
            .expect("the server has not begun");
        Self { child, address }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn counts(log: &Path) -> HashMap<u64, u32> {
    let mut counts = HashMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        *counts.entry(line.parse().unwrap()).or_default() += 1;
    }
    counts
}

/// Makes calls until told to stop, and gives the outcomes by token.
async fn keep_calling(
    channel: Channel,
    first: u64,
    stop: Arc<AtomicU64>,
) -> Vec<(u64, bool, Result<u64, Error>)> {
    let mut outcomes = Vec::new();
    let mut token = first;
    while stop.load(Ordering::Relaxed) == 0 {
        let call = channel.rpc::<u64, _>("note", (token,));
        let (again, call) = match token % 3 {
            0 => (false, call.fail_fast()),
            1 => (true, call.idempotent().resend(3)),
            _ => (false, call),
        };
        let outcome = call.await;
        if outcome.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        outcomes.push((token, again, outcome));
        token += 1;
    }
    outcomes
}

fn survives_kills(address: &str, log: &Path) {
    let server = Process::start(address, log);
    let address = server.address.clone();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let stop = Arc::new(AtomicU64::new(0));
    let connections = Arc::new(AtomicU64::new(0));
    let (channels, callers) = runtime.block_on(async {
        let (mut channels, mut callers) = (Vec::new(), Vec::new());
        for client in 0..CLIENTS {
            let connected = Arc::clone(&connections);
            let channel = Channel::builder(&secret())
                .retry(Retry::default().longest_pause(Duration::from_secs(1)))
                .on_connect(move |_: Channel| {
                    connected.fetch_add(1, Ordering::Relaxed);
                })
                .connect(&address)
                .await
                .unwrap();
            let caller = keep_calling(channel.clone(), client * 1_000_000, Arc::clone(&stop));
            callers.push(tokio::spawn(caller));
            channels.push(channel);
        }
        (channels, callers)
    });
    let mut server = server;
    for _ in 0..3 {
        // Until it has done some work.
        let before = counts(log).len();
        while counts(log).len() < before + 200 {
            std::thread::sleep(Duration::from_millis(10));
        }
        server.kill();
        server = Process::start(&address, log);
        runtime.block_on(async {
            for channel in &channels {
                tokio::time::timeout(PATIENCE, channel.opened())
                    .await
                    .unwrap()
                    .unwrap();
            }
        });
    }
    stop.store(1, Ordering::Relaxed);
    let outcomes: Vec<_> = runtime.block_on(async {
        let mut outcomes = Vec::new();
        for caller in callers {
            outcomes.extend(
                tokio::time::timeout(PATIENCE, caller)
                    .await
                    .unwrap()
                    .unwrap(),
            );
        }
        outcomes
    });
    drop(channels);
    server.kill();

    let counts = counts(log);
    let (mut lost, mut refused) = (0, 0);
    for (token, again, outcome) in &outcomes {
        let ran = counts.get(token).copied().unwrap_or(0);
        assert!(ran <= if *again { 4 } else { 1 }, "{token} ran {ran} times");
        match outcome {
            Ok(value) => assert!(value == token && ran > 0),
            Err(Error::ConnectionLost(_)) => lost += 1,
            Err(Error::NotConnected(_)) => {
                assert_eq!(ran, 0, "{token} was not sent, and ran");
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(counts.len() <= outcomes.len());
    println!("{} calls, {lost} lost, {refused} refused", outcomes.len());
    assert!(lost > 0, "the kills hit nothing");
    // Nobody connects twice to one server, which closes nothing by itself; who is slow may miss one.
    let connections = connections.load(Ordering::Relaxed);
    let possible = 2 * CLIENTS..=4 * CLIENTS;
    assert!(possible.contains(&connections), "{connections} connections");
}

#[test]
fn each_call_is_told_the_truth_while_its_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
    survives_kills(&format!("unix:{}/s", path.display()), &path.join("unix"));
    #[cfg(feature = "tcp")]
    survives_kills("tcp:127.0.0.1:0", &path.join("tcp"));
}
