//! How a child and its channel end together.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use kaa_rpc_runtime::{Channel, CloseReason, Error};

use crate::{host, in_time, is_gone, lives, pid, program};

fn status(reason: &CloseReason) -> ExitStatus {
    match reason {
        CloseReason::ChildEnded(status) => *status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_death_of_a_child_closes_its_channel_and_tells_how() {
    let cases = [
        ("plain", "exit", (Some(7), None), "exit status: 7"),
        ("plain", "abort", (None, Some(6)), "signal: 6"),
        // A process that the child started still has its end, so that has no end.
        ("leaky", "exit", (Some(7), None), "exit status: 7"),
    ];
    for (role, function, expected, text) in cases {
        let channel = in_time(Channel::spawn(program(role))).await.unwrap();
        let pid = pid(&channel).await;
        let call = match function {
            "exit" => channel.rpc::<(), _>("exit", (7,)).start(),
            other => channel.rpc(other, ()).start(),
        };
        let error = in_time(call).await.unwrap_err();
        let Error::ConnectionLost(reason) = &error else {
            panic!("{role} {function}: {error:?}")
        };
        let status = status(reason);
        assert_eq!(
            (status.code(), status.signal()),
            expected,
            "{role} {function}"
        );
        let shown = reason.to_string();
        assert!(shown.contains(text), "{shown}");
        assert!(!reason.is_orderly());
        assert!(!lives(pid), "it is a zombie");
        assert!(channel.is_closed());
    }
}

#[tokio::test]
async fn a_child_ends_when_its_channel_is_closed() {
    let channel = in_time(host().spawn(program("plain"))).await.unwrap();
    let pid = pid(&channel).await;
    let reason = in_time(channel.close()).await;
    assert!(matches!(*reason, CloseReason::Closed), "{reason:?}");
    assert!(!lives(pid));

    // Also if nobody waits for that.
    let channel = in_time(host().spawn(program("plain"))).await.unwrap();
    let pid = crate::pid(&channel).await;
    drop(channel);
    is_gone(pid).await;
}

#[tokio::test]
async fn a_child_that_says_goodbye_and_fails_is_told_from_one_that_succeeds() {
    for (role, code) in [("plain", None), ("failing", Some(3))] {
        let channel = in_time(host().spawn(program(role))).await.unwrap();
        let pid = pid(&channel).await;
        let () = in_time(channel.rpc("leave", ())).await.unwrap();
        let reason = in_time(channel.closed()).await;
        match code {
            None => assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason:?}"),
            Some(code) => assert_eq!(status(&reason).code(), Some(code)),
        }
        assert!(!lives(pid));
    }
    // If this end began it, how the child ends is its own affair.
    let channel = in_time(host().spawn(program("failing"))).await.unwrap();
    let reason = in_time(channel.close()).await;
    assert!(matches!(*reason, CloseReason::Closed), "{reason:?}");
}

#[tokio::test]
async fn a_child_that_hangs_is_killed() {
    let short = Duration::from_millis(300);
    let channel = host().close_timeout(short).spawn(program("plain"));
    let channel = in_time(channel).await.unwrap();
    let pid = pid(&channel).await;
    let call = channel.rpc::<(), _>("hang", ()).timeout(short);
    let error = in_time(call).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(lives(pid));
    let reason = in_time(channel.close()).await;
    assert!(matches!(*reason, CloseReason::CloseTimedOut), "{reason:?}");
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_child_that_does_not_end_with_its_channel_is_killed() {
    let short = Duration::from_millis(300);
    let channel = host().close_timeout(short).spawn(program("lingering"));
    let channel = in_time(channel).await.unwrap();
    let pid = pid(&channel).await;
    let reason = in_time(channel.close()).await;
    assert!(matches!(*reason, CloseReason::Closed), "{reason:?}");
    assert!(!lives(pid));
}

#[test]
fn a_child_does_not_outlive_the_runtime_of_its_host() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (pid, channel) = runtime.block_on(async {
        let channel = in_time(host().spawn(program("lingering"))).await.unwrap();
        (pid(&channel).await, channel)
    });
    drop(runtime);
    drop(channel);
    // Whoever has the next runtime reaps it.
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut other = tokio::process::Command::new("true").spawn().unwrap();
        other.wait().await.unwrap();
        in_time(async {
            while lives(pid) && !is_zombie(pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    });
}

fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
