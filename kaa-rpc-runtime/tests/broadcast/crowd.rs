//! Fifty client processes, one of which is stopped, and one that never reads.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kaa_rpc_runtime::{Channel, Limits, Server, WhenBehind, params};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Builder;

use crate::common::{multi_threaded, private_address, raw, secret};
use crate::{in_time, tell, window};

const ADDRESS: &str = "KAA_TEST_ADDRESS";
const MAX_CALLS: &str = "KAA_TEST_MAX_CALLS";
const CLIENTS: usize = 50;
/// Which of them is stopped.
const STOPPED: usize = 7;
const EVENTS: u64 = 500;
/// So many events go out before the clients are asked which they have seen.
const BURST: u64 = 50;
/// The window of the client that is stopped, and how many events wait for it at the server.
const WINDOW: u64 = 64;
const WAITING: u64 = 100;

/// Not a test, but a client process of the one below: it notes the events that it is told.
#[test]
#[ignore = "is started by another test"]
fn client() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let seen = Arc::new(Mutex::new(Vec::<u64>::new()));
        let noted = Arc::clone(&seen);
        let channel = Channel::builder(&secret())
            .limits(window(std::env::var(MAX_CALLS).unwrap().parse().unwrap()))
            .register_fn(
                "event",
                params(["number"], move |number: u64| {
                    noted.lock().unwrap().push(number);
                    async { Ok(()) }
                }),
            )
            .register_fn(
                "seen",
                params([], move || {
                    let seen = seen.lock().unwrap().clone();
                    async { Ok(seen) }
                }),
            )
            .connect(&std::env::var(ADDRESS).unwrap())
            .await
            .unwrap();
        channel.closed().await;
    });
}

/// Killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(address: &str, max_calls: u64) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crowd::client", "--ignored"])
            .env(ADDRESS, address)
            .env(MAX_CALLS, max_calls.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the kernel has stopped all of it.
    async fn stop(&self) {
        self.signal(Signal::STOP);
        let status = format!("/proc/{}/status", self.0.id());
        in_time(async {
            while !std::fs::read_to_string(&status)
                .unwrap()
                .contains("State:\tT")
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn seen(client: &Channel) -> Vec<u64> {
    in_time(client.rpc("seen", ())).await.unwrap()
}

/// The process at the other end of a channel.
fn pid(client: &Channel) -> u32 {
    let peer = client.peer().unwrap();
    peer.credentials().unwrap().pid().unwrap()
}

#[test]
fn hostile_42_clients_that_do_not_read_neither_delay_nor_drop_anything_for_the_others() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let server = Server::builder(secret())
            .max_behind(usize::try_from(WAITING).unwrap(), WhenBehind::DropOldest)
            .bind(&address)
            .await
            .unwrap();
        let mut connected = server.client_connected();
        let processes: Vec<_> = (0..CLIENTS)
            .map(|number| Process::start(&address, if number == STOPPED { WINDOW } else { 1024 }))
            .collect();
        let mut clients = HashMap::new();
        for _ in 0..CLIENTS {
            let client = in_time(connected.next()).await.unwrap();
            clients.insert(pid(&client), client);
        }
        // One that reads nothing from the beginning; its window is large.
        let path = server.path().unwrap().to_owned();
        let silent =
            tokio::task::spawn_blocking(move || raw::Peer::connect(&path, Limits::default()));
        let silent = in_time(silent).await.unwrap();
        in_time(connected.next()).await.unwrap();

        let stopped_process = &processes[STOPPED];
        let stopped = clients.remove(&stopped_process.0.id()).unwrap();
        stopped_process.stop().await;

        let mut slowest = Duration::ZERO;
        for first in (0..EVENTS).step_by(usize::try_from(BURST).unwrap()) {
            let burst = first..first + BURST;
            let began = Instant::now();
            for number in burst.clone() {
                let told = tell(&server, number);
                assert_eq!(told.clients(), CLIENTS + 1);
                assert!(told.failed().is_empty());
                // Nobody but the stopped one is behind, and it is as soon as its window is full.
                let behind: Vec<u32> = told.behind().iter().map(|late| pid(&late.client)).collect();
                let expected: &[u32] = if number < WINDOW {
                    &[]
                } else {
                    &[pid(&stopped)]
                };
                assert_eq!(behind, expected, "at event {number}");
            }
            // It never waits: what it takes is the writing.
            slowest = slowest.max(began.elapsed());
            for client in clients.values() {
                assert!(seen(client).await.into_iter().eq(0..burst.end));
            }
        }
        assert!(slowest < Duration::from_secs(10), "{slowest:?}");
        let lag = stopped.lag();
        assert_eq!(u64::from(lag.in_flight), WINDOW);
        assert_eq!(lag.waiting as u64, WAITING);
        assert_eq!(lag.dropped, EVENTS - WINDOW - WAITING);

        // What was on its way, and the newest, in order.
        stopped_process.signal(Signal::CONT);
        let promised = (0..WINDOW).chain(EVENTS - WAITING..EVENTS);
        assert!(seen(&stopped).await.into_iter().eq(promised));
        assert_eq!(stopped.lag().waiting, 0);
        let told = tell(&server, EVENTS);
        assert!(told.behind().is_empty());
        assert_eq!(seen(&stopped).await.last(), Some(&EVENTS));
        drop(silent);
    });
}
