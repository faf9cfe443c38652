//! What a host sees of its children, and they of it.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use kaa_rpc_runtime::{
    Address, Channel, CloseReason, ConnectError, HandshakeError, Inherited, Secret, Server, params,
};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::{host, in_time, is_gone, lives, pid, program};

#[tokio::test]
async fn host_and_child_call_each_other() {
    let channel = in_time(host().spawn(program("plain"))).await.unwrap();
    assert_ne!(pid(&channel).await, std::process::id());
    let asked: String = in_time(channel.rpc("ask", ())).await.unwrap();
    assert_eq!(asked, "asked host");
    // The kernel would tell who made the socket pair: this process.
    assert_eq!(channel.peer().unwrap().credentials(), None);
    assert!(in_time(channel.close()).await.is_orderly());
}

#[tokio::test]
async fn a_server_has_children_beside_its_clients() {
    let (greeted, mut greeting) = mpsc::unbounded_channel();
    let secret = Secret::generate().unwrap();
    let server = Server::builder(secret)
        .register_fn("name", params([], async || Ok("server")))
        .on_connect(move |channel: Channel| drop(greeted.send(channel)))
        .unbound()
        .unwrap();
    assert_eq!(server.address(), &Address::Unnamed);
    let one = in_time(server.spawn(program("plain"))).await.unwrap();
    assert_eq!(
        greeting.try_recv().unwrap().peer().unwrap().session(),
        one.peer().unwrap().session()
    );
    let other = in_time(server.spawn(program("plain"))).await.unwrap();
    assert_eq!(server.channels().len(), 2);
    let pids = [pid(&one).await, pid(&other).await];

    // They did not come by a secret of the server's.
    assert!(server.revoke(""));
    let asked: String = in_time(one.rpc("ask", ())).await.unwrap();
    assert_eq!(asked, "asked server");

    // One crashes; the other goes on.
    in_time(one.rpc::<(), _>("abort", ())).await.unwrap_err();
    assert!(matches!(
        *in_time(one.closed()).await,
        CloseReason::ChildEnded(_)
    ));
    let asked: String = in_time(other.rpc("ask", ())).await.unwrap();
    assert_eq!(asked, "asked server");

    in_time(server.close()).await;
    assert!(!pids.into_iter().any(lives));
    assert!(server.channels().is_empty());
    let late = in_time(server.spawn(program("plain"))).await.unwrap_err();
    assert!(matches!(late, ConnectError::Closing), "{late:?}");
}

#[tokio::test]
async fn a_program_that_opens_no_channel_is_an_error_that_says_why() {
    let error = Channel::spawn(Command::new("/no/such/program")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Spawn { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with("cannot start `/no/such/program`: "),
        "{text}"
    );

    let mut fails = Command::new("sh");
    fails.args(["-c", "exit 3"]);
    let error = in_time(Channel::spawn(fails)).await.unwrap_err();
    let ConnectError::Child { status, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(status.unwrap().code(), Some(3));
    let text = error.to_string();
    assert!(
        text.starts_with("`sh` ended (exit status: 3) before its channel was open"),
        "{text}"
    );

    let mut talks = Command::new("sh");
    talks.args([
        "-c",
        "echo hello, this is not a child of yours >&0; exec sleep 600",
    ]);
    let error = in_time(Channel::spawn(talks)).await.unwrap_err();
    let ConnectError::Child { error, status, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(
            **error,
            ConnectError::Handshake(HandshakeError::NotKaa { .. })
        ),
        "{error:?}"
    );
    assert_eq!(*status, None);
}

#[tokio::test]
async fn hostile_01_a_child_that_says_nothing_is_killed_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let mut silent = Command::new("sh");
    silent.args(["-c", "echo $$ > \"$0\"; exec sleep 600"]);
    silent.arg(&note);
    let limit = Duration::from_millis(500);
    let spawning = host().open_timeout(limit).spawn(silent);
    let error = in_time(spawning).await.unwrap_err();
    let ConnectError::Child { error, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(matches!(**error, ConnectError::TimedOut(by) if by == limit));
    let pid = std::fs::read_to_string(note).unwrap();
    assert!(!lives(pid.trim().parse().unwrap()));
}

#[tokio::test]
async fn who_gives_up_waiting_for_a_child_kills_it() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let mut silent = Command::new("sh");
    silent.args([
        "-c",
        "echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 600",
    ]);
    silent.arg(&note);
    let spawning = tokio::spawn(host().spawn(silent));
    let pid = in_time(async {
        loop {
            match std::fs::read_to_string(&note) {
                Ok(pid) => break pid.trim().parse().unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    assert!(lives(pid));
    spawning.abort();
    is_gone(pid).await;
}

/// All that a child gets before it says something, as the protocol has it; and only it gets that.
#[tokio::test]
async fn hostile_57_what_is_handed_to_a_child_goes_down_the_pair_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [got, seen] = ["got", "seen"].map(|name| folder.path().join(name));
    let mut curious = Command::new("sh");
    curious.args([
        "-c",
        "dd bs=1 count=40 of=\"$1\" 2>/dev/null; cat /proc/$$/environ /proc/$$/cmdline > \"$2\"",
        "sh",
    ]);
    curious.args([&got, &seen]);
    in_time(Channel::spawn(curious)).await.unwrap_err();
    let got = std::fs::read(got).unwrap();
    assert_eq!(got.len(), 40);
    let (magic, secret) = got.split_at(8);
    assert_eq!(magic, b"\xc1kaa-key");
    assert_ne!(secret, [0; 32]);
    let seen = std::fs::read(seen).unwrap();
    assert!(!seen.windows(8).any(|bytes| bytes == &secret[..8]));
}

#[tokio::test]
async fn hostile_58_programs_that_a_child_starts_inherit_nothing() {
    let channel = in_time(host().spawn(program("plain"))).await.unwrap();
    let shown: String = in_time(channel.rpc("descriptors", ())).await.unwrap();
    assert!(shown.contains(" 0 -> /dev/null"), "{shown}");
    assert!(!shown.contains("socket:"), "{shown}");
}

#[test]
fn a_process_without_a_host_is_told_so() {
    // Whatever the standard input of tests is, it is no channel.
    let error = Inherited::take().unwrap_err().to_string();
    assert!(
        error.starts_with("this process has no channel from a host"),
        "{error}"
    );
}

/// Set in the environment of a host that a test kills.
const HOST: &str = "KAA_TEST_HOST";

#[test]
fn a_child_notices_that_its_host_was_killed() {
    if std::env::var_os(HOST).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut program = program("plain");
            program.stdout(Stdio::inherit());
            let channel = host().spawn(program).await.unwrap();
            println!("\npid {}", pid(&channel).await);
            std::future::pending::<()>().await;
        });
    }
    let mut host = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("hosts::a_child_notices_that_its_host_was_killed")
        .env(HOST, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = host.stdout.take().unwrap();
    let mut text = String::new();
    let mut buffer = [0; 1000];
    while !text.contains("\npid ") {
        let count = said.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    host.kill().unwrap();
    host.wait().unwrap();
    // Until the child has ended too: it has the other end.
    said.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("the host is gone: the other end went away"),
        "{text}"
    );
}
