//! A server process that is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kaa_rpc_runtime::blocking::wait;
use kaa_rpc_runtime::{CloseReason, Error, Retry, Server, Status, params};

use crate::common::{private_address, secret, single_threaded};
use crate::world::{client, in_time};

const ADDRESS: &str = "KAA_TEST_ADDRESS";

/// Not a test, but the server process of those below.
#[test]
#[ignore = "is started by another test"]
fn serve() {
    let address = std::env::var(ADDRESS).unwrap();
    single_threaded().block_on(async {
        let _server = Server::builder(secret())
            .register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)))
            .register_fn(
                "stay",
                params([], async || {
                    println!("staying");
                    std::future::pending::<()>().await;
                    Ok(())
                }),
            )
            .bind(&address)
            .await
            .unwrap();
        println!("listening");
        std::future::pending::<()>().await;
    });
}

/// Killed when it is dropped.
struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Process {
    fn start(address: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::serve", "--ignored", "--nocapture"])
            .env(ADDRESS, address)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.says("listening");
        process
    }

    fn says(&mut self, what: &str) {
        let said = self.lines.by_ref().map(Result::unwrap);
        assert!(
            said.into_iter().any(|line| line.ends_with(what)),
            "it has ended"
        );
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_thread_that_waits_is_told_that_the_server_was_killed() {
    in_time(|| {
        let (_folder, address) = private_address();
        let mut server = Process::start(&address);
        let channel = client().connect_blocking(&address).unwrap();
        assert_eq!(channel.rpc::<u64, _>("add", (1, 2)).wait().unwrap(), 3);
        std::thread::scope(|scope| {
            let stay = || channel.rpc::<(), _>("stay", ()).wait();
            let waiting: Vec<_> = (0..4).map(|_| scope.spawn(stay)).collect();
            for _ in &waiting {
                server.says("staying");
            }
            server.kill();
            for waiting in waiting {
                let error = waiting.join().unwrap().unwrap_err();
                assert!(matches!(error, Error::ConnectionLost(_)), "{error}");
            }
        });
        let reason = wait(channel.closed());
        assert!(matches!(*reason, CloseReason::Ended), "{reason}");
    });
}

#[test]
fn a_channel_that_reconnects_does_so_while_threads_block() {
    in_time(|| {
        let (_folder, address) = private_address();
        let mut server = Process::start(&address);
        let channel = client()
            .retry(Retry::default().longest_pause(Duration::from_millis(20)))
            .connect_blocking(&address)
            .unwrap();
        for round in 0..3 {
            assert_eq!(
                channel.rpc::<u64, _>("add", (round, 2)).wait().unwrap(),
                round + 2
            );
            server.kill();
            let mut status = channel.watch_status();
            while matches!(wait(status.next()), Some(Status::Connected)) {}
            let waits = std::thread::scope(|scope| {
                let waits = scope.spawn(|| channel.rpc::<u64, _>("add", (round, 3)).wait());
                server = Process::start(&address);
                waits.join().unwrap()
            });
            assert_eq!(waits.unwrap(), round + 3);
        }
    });
}
