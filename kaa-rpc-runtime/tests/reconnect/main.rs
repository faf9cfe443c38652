//! Channels that get a new connection when they lost one. The streams are in memory, and tokio's time is
//! paused: it goes on by itself when nothing else is to be done.

mod again;
mod away;
mod handlers;
mod hook;
mod items;
mod processes;
mod storm;
mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::{
    Channel, ChannelBuilder, Retry, Secret, Server, ServerBuilder, Status, StatusWatch, params,
};
use tokio::sync::{Notify, Semaphore};

use world::World;

/// Longer than anything here takes, so that a deadlock fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// What servers were asked to do: each call has a token of its own, and each time it is run is noted.
#[derive(Clone)]
struct Log {
    tokens: Arc<Mutex<Vec<u64>>>,
    noted: Arc<Notify>,
    /// Calls of `wait` end when they get one.
    leave: Arc<Semaphore>,
}

impl Log {
    fn new() -> Self {
        Self {
            tokens: Arc::default(),
            noted: Arc::default(),
            leave: Arc::new(Semaphore::new(0)),
        }
    }

    fn note(&self, token: u64) {
        self.tokens.lock().unwrap().push(token);
        self.noted.notify_waiters();
    }

    fn tokens(&self) -> Vec<u64> {
        self.tokens.lock().unwrap().clone()
    }

    /// Waits until so many calls were run.
    async fn reaches(&self, count: usize) {
        in_time(async {
            loop {
                let noted = self.noted.notified();
                if self.tokens().len() >= count {
                    return;
                }
                noted.await;
            }
        })
        .await;
    }

    /// A server with `note(token)`, which gives it back at once, and `wait(token)`.
    fn server(&self) -> ServerBuilder {
        let (note, wait) = (self.clone(), self.clone());
        Server::builder(secret())
            .register_fn(
                "note",
                params(["token"], move |token: u64| {
                    note.note(token);
                    async move { Ok(token) }
                }),
            )
            .register_fn(
                "wait",
                params(["token"], move |token: u64| {
                    wait.note(token);
                    let leave = Arc::clone(&wait.leave);
                    async move {
                        leave.acquire().await?.forget();
                        Ok(token)
                    }
                }),
            )
    }
}

/// A channel that reconnects, to a server that is there.
async fn connected(world: &World, with: impl FnOnce(ChannelBuilder) -> ChannelBuilder) -> Channel {
    let builder = Channel::builder(&secret()).retry(Retry::default());
    in_time(with(builder).connect_with(world.connector()))
        .await
        .unwrap()
}

async fn in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .expect("the test hangs")
}

/// Waits until the channel has lost its connection.
async fn lost(watch: &mut StatusWatch) -> Status {
    loop {
        let status = in_time(watch.next()).await.expect("it is closed");
        if matches!(status, Status::Disconnected { .. }) {
            return status;
        }
    }
}
