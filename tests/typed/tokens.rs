//! Each call gets its own answer, however many there are at once.

use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

use kaa_rpc_runtime::{Error, Secret};
use kaa_tests::typed::{Lab, LabClient, LabPeer, MirrorClient};

use crate::objects::{self, Glass, Runner, TestResult};

const TASKS: u64 = 8;
const CALLS: u64 = 2000;

/// No token is used twice in this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Calls again and again; `answer` is what the other end makes of a token.
async fn calls(mirror: MirrorClient, answer: fn(u64) -> u64) -> Result<u64, Error> {
    let mut sum = 0;
    for round in 0..CALLS {
        let token = NEXT.fetch_add(1, Ordering::Relaxed);
        let given = if round % 3 == 0 {
            // Several in flight, awaited in the other order, and one that nobody waits for.
            let other = NEXT.fetch_add(1, Ordering::Relaxed);
            let first = mirror.token(token).start();
            let second = mirror.token(other).start();
            mirror
                .token(NEXT.fetch_add(1, Ordering::Relaxed))
                .start()
                .cancel();
            assert_eq!(second.await?, answer(other));
            first.await?
        } else if round % 3 == 1 {
            mirror.channel().rpc("token", (token,)).await?
        } else {
            mirror.token(token).await?
        };
        assert_eq!(given, answer(token));
        sum += 1;
    }
    Ok(sum)
}

/// The server asks back what is even, and marks the rest with 1; the client marks all with 2.
fn by_server(token: u64) -> u64 {
    if token.is_multiple_of(2) {
        token ^ 2
    } else {
        token ^ 1
    }
}

fn by_client(token: u64) -> u64 {
    token ^ 2
}

async fn both_directions(ends: Vec<(LabPeer, LabClient)>) -> TestResult {
    let mut tasks = Vec::new();
    for (peer, client) in &ends {
        for _ in 0..TASKS / ends.len() as u64 {
            tasks.push(tokio::spawn(calls(client.mirror.clone(), by_server)));
            tasks.push(tokio::spawn(calls(peer.mirror.clone(), by_client)));
        }
    }
    for task in tasks {
        assert_eq!(task.await??, CALLS);
    }
    Ok(())
}

#[tokio::test]
async fn in_one_thread() -> TestResult {
    let ends = objects::lab(Runner::new().0).await?;
    both_directions(vec![ends]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_several_threads_over_sockets() -> TestResult {
    let folder = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()?;
    let address = format!("unix:{}/lab", folder.path().display());
    let secret = Secret::generate()?;
    let glass = |mark, asks_back| Glass { mark, asks_back };
    let server = Lab::server(
        secret.clone(),
        objects::Lab,
        Runner::new().0,
        glass(1, true),
    )
    .bind(&address)
    .await?;
    let mut connected = server.client_connected();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let client = Lab::connect(&address, &secret, glass(2, false)).await?;
        let peer = connected.next().await.ok_or("the server is gone")?;
        ends.push((peer, client));
    }
    both_directions(ends).await?;
    server.close().await;
    Ok(())
}

/// Wakes a thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_threads_without_a_runtime() -> TestResult {
    let (peer, client) = objects::lab(Runner::new().0).await?;
    let mut threads = Vec::new();
    for _ in 0..2 {
        let (from_client, from_server) = (client.mirror.clone(), peer.mirror.clone());
        threads.push(thread::spawn(|| wait(calls(from_client, by_server))));
        threads.push(thread::spawn(|| wait(calls(from_server, by_client))));
    }
    for thread in threads {
        let sum = tokio::task::spawn_blocking(move || thread.join()).await?;
        assert_eq!(sum.map_err(|_| "a thread panicked")??, CALLS);
    }
    Ok(())
}
