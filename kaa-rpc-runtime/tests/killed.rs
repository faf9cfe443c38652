//! A process at the other end of a channel that is killed at any byte, or stopped and goes on, while both
//! ends call each other, yield items and send streams. What it did stands in a file that it writes without
//! a buffer, and is compared with what this end was told. `KAA_KILLS` says how often it is killed, over each
//! kind of connection.

#[path = "common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::{
    Channel, ChannelBuilder, Context, Error, Items, Limits, Server, StreamArgument, item_channel,
    params,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use common::{PATIENCE, Side, multi_threaded, secret};

const ADDRESS: &str = "KAA_KILLED_ADDRESS";
const LOG: &str = "KAA_KILLED_LOG";
/// So many calls the other process makes; without it, it makes them until it is killed.
const CALLS: &str = "KAA_KILLED_CALLS";
/// Calls of the other process have tokens from here on.
const OTHERS: u64 = 1_000_000;
const ITEMS: u64 = 6;

/// What an end writes down: `WORD TOKEN`, one after the other.
#[derive(Clone)]
struct Notes(Arc<Mutex<Box<dyn Write + Send>>>, Arc<Mutex<Vec<String>>>);

impl Notes {
    fn in_memory() -> Self {
        Self(
            Arc::new(Mutex::new(Box::new(std::io::sink()))),
            Arc::default(),
        )
    }

    fn in_file(file: File) -> Self {
        Self(Arc::new(Mutex::new(Box::new(file))), Arc::default())
    }

    fn write(&self, word: &str, token: u64) {
        let line = format!("{word} {token}");
        let mut file = self.0.lock().unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.1.lock().unwrap().push(line);
    }

    fn counts(&self) -> Counts {
        Counts::of(self.1.lock().unwrap().iter().map(String::as_str))
    }
}

/// How often each was written.
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut counts = BTreeMap::new();
        for line in lines {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        Self(counts)
    }

    fn get(&self, word: &str, token: u64) -> u64 {
        self.0.get(&format!("{word} {token}")).copied().unwrap_or(0)
    }

    fn tokens(&self, word: &str) -> BTreeSet<u64> {
        let tokens = self.0.keys().filter_map(|line| {
            let (of, token) = line.split_once(' ')?;
            (of == word).then(|| token.parse().unwrap())
        });
        tokens.collect()
    }
}

/// `note(token)`, `count(token)` which yields, `sum(token, numbers)` which takes a stream.
fn exposing(side: Side, notes: &Notes) -> Side {
    let [for_note, for_count, for_sum] = [(); 3].map(|()| notes.clone());
    let note = move |token: u64| {
        for_note.write("run", token);
        let notes = for_note.clone();
        async move {
            if !token.is_multiple_of(4) {
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
            notes.write("end", token);
            Ok(token)
        }
    };
    let count = move |cx: Context, token: u64| {
        for_count.write("run", token);
        let notes = for_count.clone();
        async move {
            let items = cx.yielder();
            for number in 0..ITEMS {
                items.give(&number).await?;
                notes.write("gave", token);
            }
            notes.write("end", token);
            Ok(token)
        }
    };
    let sum = move |token: u64, mut numbers: Items<u64>| {
        for_sum.write("run", token);
        let notes = for_sum.clone();
        async move {
            let mut expected = 0;
            while let Some(number) = numbers.next().await? {
                assert_eq!(number, expected, "an item is missing or comes twice");
                expected += 1;
                notes.write("took", token);
            }
            notes.write("complete", token);
            notes.write("end", token);
            Ok(token)
        }
    };
    let limits = Limits {
        max_calls: 8,
        max_stream_items: 4,
        ..Limits::default()
    };
    side.limits(limits)
        .function("note", params(["token"], note))
        .function("count", params(["token"], count))
        .function("sum", params(["token", "numbers"], sum))
}

/// Makes the call with this token, and writes down what becomes of it.
async fn call(channel: &Channel, token: u64, notes: &Notes) -> Result<u64, Error> {
    notes.write("call", token);
    let outcome = match token % 3 {
        0 => channel.rpc("note", (token,)).await,
        1 => {
            let mut call = channel
                .rpc::<u64, _>("count", (token,))
                .items::<u64>()
                .start();
            let mut expected = 0;
            loop {
                match call.next().await {
                    Ok(Some(number)) => {
                        assert_eq!(number, expected, "an item is missing or comes twice");
                        expected += 1;
                        notes.write("item", token);
                    }
                    Ok(None) => break call.finish().await,
                    Err(error) => break Err(error),
                }
            }
        }
        _ => {
            let (mut sender, numbers) = item_channel::<u64>();
            let call = channel
                .rpc("sum", (token, StreamArgument(0)))
                .stream(numbers)
                .start();
            let mut all_sent = true;
            for number in 0..ITEMS {
                all_sent &= sender.give(&number).await.is_ok();
            }
            if all_sent {
                notes.write("finish", token);
                let _ = sender.finish().await;
            }
            call.await
        }
    };
    let word = match &outcome {
        Ok(value) if *value == token => "ok",
        Ok(_) => "another",
        Err(Error::NotConnected(_)) => "unsent",
        Err(Error::ConnectionLost(_)) => "lost",
        Err(_) => "failed",
    };
    notes.write(word, token);
    outcome
}

/// Four callers, until there is no connection or each has made so many calls.
async fn keep_calling(channel: &Channel, first: u64, calls: u64, notes: &Notes) {
    let next = Arc::new(AtomicU64::new(first));
    let callers = (0..4).map(|_| {
        let (channel, notes, next) = (channel.clone(), notes.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            for _ in 0..calls {
                let token = next.fetch_add(1, Ordering::Relaxed);
                if call(&channel, token, &notes).await.is_err() {
                    return;
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

/// Not a test, but the other process.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn other() {
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(std::env::var_os(LOG).unwrap());
    let notes = Notes::in_file(log.unwrap());
    let calls = std::env::var(CALLS).map_or(u64::MAX, |calls| calls.parse().unwrap());
    multi_threaded().block_on(async {
        let address = std::env::var(ADDRESS).unwrap();
        let Side::Channel(builder) = exposing(Side::Channel(builder()), &notes) else {
            unreachable!("a channel's builder stays one")
        };
        if let Ok(channel) = builder.connect(&address).await {
            keep_calling(&channel, OTHERS, calls, &notes).await;
            channel.closed().await;
        }
    });
}

fn builder() -> ChannelBuilder {
    Channel::builder(&secret())
}

struct Other(Arc<Mutex<Child>>);

impl Other {
    fn start(address: &str, log: &Path, calls: Option<u64>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "other", "--ignored"])
            .env(ADDRESS, address)
            .env(LOG, log)
            .stdout(Stdio::null());
        if let Some(calls) = calls {
            command.env(CALLS, calls.to_string());
        }
        Self(Arc::new(Mutex::new(command.spawn().unwrap())))
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.0.lock().unwrap().id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.unwrap().success());
    }

    fn kill(&self) {
        let _ = self.0.lock().unwrap().kill();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.lock().unwrap().wait();
    }
}

/// Copies until `left` bytes have passed in either way, and does then what is to be done, once.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    left: &AtomicU64,
    deed: &impl Fn(),
) {
    let mut bytes = [0; 512];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let before = left.load(Ordering::Relaxed);
        let now = before.saturating_sub(count as u64);
        left.store(now, Ordering::Relaxed);
        if before > 0 && now == 0 {
            deed();
        }
        let _ = to.write_all(&bytes[..count]).await;
    }
    let _ = to.shutdown().await;
}

async fn through(
    near: impl AsyncRead + AsyncWrite,
    far: impl AsyncRead + AsyncWrite,
    bytes: u64,
    deed: impl Fn(),
) {
    let (near, far) = (tokio::io::split(near), tokio::io::split(far));
    let left = AtomicU64::new(bytes);
    tokio::join!(
        copy(near.0, far.1, &left, &deed),
        copy(far.0, near.1, &left, &deed)
    );
}

/// A server of this process and the way to it, along which `deed` is done after so many bytes.
async fn serve(
    transport: &str,
    folder: &Path,
    notes: &Notes,
    bytes: u64,
    deed: impl Fn() + Send + Sync + 'static,
) -> (Server, String) {
    let Side::Server(builder) = exposing(Side::Server(Server::builder(secret())), notes) else {
        unreachable!("a server's builder stays one")
    };
    let near = folder.join("near");
    if transport == "unix" {
        let far = folder.join("far");
        let server = builder.bind(&format!("unix:{}", far.display())).await;
        let listener = tokio::net::UnixListener::bind(&near).unwrap();
        std::fs::set_permissions(&near, std::fs::Permissions::from_mode(0o600)).unwrap();
        tokio::spawn(async move {
            let near = listener.accept().await.unwrap().0;
            let far = tokio::net::UnixStream::connect(far).await.unwrap();
            through(near, far, bytes, deed).await;
        });
        return (server.unwrap(), format!("unix:{}", near.display()));
    }
    let server = builder.bind("tcp:127.0.0.1:0").await.unwrap();
    let far = server.address().to_string().split_off("tcp:".len());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let near = listener.accept().await.unwrap().0;
        let far = tokio::net::TcpStream::connect(far).await.unwrap();
        through(near, far, bytes, deed).await;
    });
    (server, format!("tcp:{near}"))
}

fn transports() -> impl Iterator<Item = &'static str> {
    ["unix"]
        .into_iter()
        .chain(cfg!(feature = "tcp").then_some("tcp"))
}

fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn read(log: &Path) -> Counts {
    let lines: Vec<String> = match File::open(log) {
        Ok(file) => BufReader::new(file).lines().map(Result::unwrap).collect(),
        Err(_) => Vec::new(),
    };
    Counts::of(lines.iter().map(String::as_str))
}

/// Compares what `caller` was told with what the functions of `callee` did. `survived`: the caller, and
/// so each of its calls has an end.
fn compare(caller: &Counts, callee: &Counts, survived: bool) {
    let ends = ["ok", "another", "unsent", "lost", "failed"];
    for token in caller.tokens("call") {
        let ran = callee.get("run", token);
        let told: u64 = ends.iter().map(|word| caller.get(word, token)).sum();
        assert!(ran <= 1, "{token} ran {ran} times");
        assert!(told <= 1, "{token} ended {told} times");
        assert!(!survived || told == 1, "{token} did not end");
        assert_eq!(
            caller.get("another", token),
            0,
            "{token} has the value of another"
        );
        assert_eq!(
            caller.get("failed", token),
            0,
            "{token} failed in another way"
        );
        if caller.get("ok", token) == 1 {
            assert_eq!(callee.get("end", token), 1, "{token} did not return");
            let given = callee.get("gave", token);
            assert_eq!(caller.get("item", token), given, "{token} misses items");
        }
        if caller.get("unsent", token) == 1 {
            assert_eq!(ran, 0, "{token} was not sent, and ran");
        }
        // Who was killed may not have written down the last that it did.
        let (items, gave) = (caller.get("item", token), callee.get("gave", token));
        assert!(items <= gave + 1, "{token} got {items} items of {gave}");
        if callee.get("complete", token) == 1 {
            assert_eq!(caller.get("finish", token), 1, "{token} was not complete");
            assert_eq!(callee.get("took", token), ITEMS);
        }
    }
    for token in callee.tokens("run") {
        assert_eq!(
            caller.get("call", token),
            1,
            "{token} was never made, and ran"
        );
    }
}

/// One process is killed after so many bytes. Says how many calls of this end were lost.
async fn kill_after(transport: &str, bytes: u64) -> usize {
    let folder = private_folder();
    let log = folder.path().join("log");
    let notes = Notes::in_memory();
    let other: Arc<Mutex<Option<Other>>> = Arc::default();
    let victim = Arc::clone(&other);
    let deed = move || victim.lock().unwrap().as_ref().unwrap().kill();
    let (server, address) = serve(transport, folder.path(), &notes, bytes, deed).await;
    let mut connected = server.client_connected();
    *other.lock().unwrap() = Some(Other::start(&address, &log, None));
    let channel = connected.next().await.unwrap();
    keep_calling(&channel, 0, u64::MAX, &notes).await;
    let reason = channel.closed().await;
    assert!(!reason.is_orderly(), "{reason}");
    drop(other.lock().unwrap().take());
    drop((channel, connected));
    server.close().await;
    let (here, there) = (notes.counts(), read(&log));
    compare(&here, &there, true);
    compare(&there, &here, false);
    here.tokens("lost").len()
}

#[test]
fn hostile_48_each_call_is_told_the_truth_of_a_process_that_is_killed_at_any_byte() {
    let rounds = std::env::var("KAA_KILLS").map_or(12, |rounds| rounds.parse().unwrap());
    multi_threaded().block_on(async {
        for transport in transports() {
            let mut lost = 0;
            for round in 0..rounds {
                // Behind the opening, which others look at.
                let bytes = 1500 + round * 997 % 30_000;
                let killed = tokio::time::timeout(PATIENCE, kill_after(transport, bytes));
                let context = |_| panic!("{transport}: hangs when killed after {bytes} bytes");
                lost += killed.await.unwrap_or_else(context);
            }
            println!("{transport}: {rounds} kills, {lost} calls lost");
            assert!(lost > 0, "the kills hit nothing");
        }
    });
}

#[test]
fn hostile_48_nothing_is_lost_or_comes_twice_while_a_process_is_stopped_and_goes_on() {
    const HERE: u64 = 300;
    multi_threaded().block_on(async {
        for transport in transports() {
            let folder = private_folder();
            let log = folder.path().join("log");
            let notes = Notes::in_memory();
            let served = serve(transport, folder.path(), &notes, 0, || {});
            let (server, address) = served.await;
            let mut connected = server.client_connected();
            let other = Other::start(&address, &log, Some(HERE));
            let channel = connected.next().await.unwrap();
            let calls = tokio::spawn({
                let (channel, notes) = (channel.clone(), notes.clone());
                async move { keep_calling(&channel, 0, HERE, &notes).await }
            });
            let mut stops = 0;
            let all = usize::try_from(4 * HERE).unwrap();
            // The signals go on until both have made all their calls.
            while !(calls.is_finished() && read(&log).tokens("ok").len() == all) {
                other.signal("STOP");
                tokio::time::sleep(Duration::from_millis(stops % 17)).await;
                other.signal("CONT");
                tokio::time::sleep(Duration::from_millis(13 - stops % 13)).await;
                stops += 1;
                assert!(stops < 10_000, "the calls do not end");
            }
            calls.await.unwrap();
            let reason = channel.close().await;
            assert!(reason.is_orderly(), "{reason}");
            println!("{transport}: stopped {stops} times");
            let (here, there) = (notes.counts(), read(&log));
            compare(&here, &there, true);
            compare(&there, &here, true);
            assert_eq!(here.tokens("ok").len(), all);
        }
    });
}

/// So that the tests above can fail.
#[test]
fn the_comparison_sees_what_must_not_be() {
    let right = [
        ("call 1,ok 1", "run 1,end 1"),
        ("call 1,lost 1", "run 1"),
        ("call 1,lost 1", ""),
        ("call 1,unsent 1", ""),
        ("call 1,item 1,lost 1", "run 1"),
        (
            "call 2,finish 2,ok 2",
            "run 2,took 2,took 2,took 2,took 2,took 2,took 2,complete 2,end 2",
        ),
    ];
    let wrong = [
        ("call 1", ""),
        ("call 1,ok 1,lost 1", "run 1,end 1"),
        ("call 1,ok 1", "run 1"),
        ("call 1,ok 1", "run 1,run 1,end 1"),
        ("call 1,unsent 1", "run 1"),
        ("call 1,another 1", "run 1,end 1"),
        ("call 1,ok 1", "run 1,gave 1,end 1"),
        ("call 1,item 1,item 1,lost 1", "run 1"),
        ("call 2,lost 2", "run 2,complete 2"),
        ("", "run 1"),
    ];
    let judge = |(caller, callee): (&str, &str)| {
        let [caller, callee] = [caller, callee].map(|log| Counts::of(log.split(',')));
        std::panic::catch_unwind(|| compare(&caller, &callee, true)).is_ok()
    };
    for logs in right {
        assert!(judge(logs), "{logs:?}");
    }
    for logs in wrong {
        assert!(!judge(logs), "{logs:?}");
    }
}
