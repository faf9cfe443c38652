//! Hosts and the child processes that they start: real processes, each a part of this program.
#![cfg(feature = "process")]

mod child;
mod ends;
mod hosts;

use std::process::Stdio;
use std::time::Duration;

use kaa_rpc_runtime::{Channel, ChannelBuilder, Secret, params};
use tokio::process::Command;

/// Longer than anything here takes, so that a deadlock fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

async fn in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .expect("the test hangs")
}

/// This program, as a child that does what [`child`] says of `role`.
fn program(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads=1", "child::main"])
        .env(child::ROLE, role)
        .stdout(Stdio::null());
    command
}

/// A host with a function for its children.
fn host() -> ChannelBuilder {
    let unused = Secret::from_bytes(&[7; 32]).unwrap();
    Channel::builder(&unused).register_fn("name", params([], async || Ok("host")))
}

async fn pid(channel: &Channel) -> u32 {
    in_time(channel.rpc("pid", ())).await.unwrap()
}

/// Whether there is such a process; a zombie is one.
fn lives(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

/// Waits until a process is gone that nobody here waits for.
async fn is_gone(pid: u32) {
    in_time(async {
        while lives(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
