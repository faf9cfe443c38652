//! Handlers that serve the other end when the connection is lost.

use std::sync::Arc;

use kaa_rpc_runtime::codegen::{Functions, Service};
use kaa_rpc_runtime::{Channel, Context, Outcome, params};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::world::World;
use crate::{Log, connected, in_time};

/// Functions that wait for leave: `plain`, `stubborn` (uncancelled), `single` (serial and uncancelled).
struct Desk {
    leave: Semaphore,
    told: UnboundedSender<String>,
}

struct Told<'a>(&'a Desk, String);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let _ = self.0.told.send(format!("{} gone", self.1));
    }
}

impl Desk {
    async fn serve(&self, cx: Context, name: &str) -> Outcome<String> {
        let _ = self.told.send(format!("{name} begun"));
        let told = Told(self, name.to_owned());
        self.leave.acquire().await?.forget();
        drop(told);
        Ok(cx.peer().session().to_owned())
    }
}

struct Exposed(Arc<Desk>);

impl Service for Exposed {
    fn register(self, functions: &mut Functions) {
        for name in ["plain", "stubborn", "single"] {
            let function = functions.add(name, &self.0, move |desk, cx, _arguments| {
                Ok(async move { desk.serve(cx, name).await })
            });
            match name {
                "stubborn" => drop(function.uncancelled()),
                "single" => drop(function.serial().uncancelled()),
                _ => {}
            }
        }
    }
}

fn desk() -> (Arc<Desk>, UnboundedReceiver<String>) {
    let (told, receiver) = unbounded_channel();
    let leave = Semaphore::new(0);
    (Arc::new(Desk { leave, told }), receiver)
}

async fn told(receiver: &mut UnboundedReceiver<String>, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(in_time(receiver.recv()).await.unwrap());
    }
    all.sort();
    all
}

/// The server's end of the next connection.
async fn arrivals(log: &Log) -> (World, UnboundedReceiver<Channel>) {
    let (arrived, arrivals) = unbounded_channel();
    let builder = log
        .server()
        .on_connect(move |channel| drop(arrived.send(channel)));
    (World::with(builder), arrivals)
}

#[tokio::test(start_paused = true)]
async fn they_stop_and_those_that_must_go_on_answer_nobody_else() {
    let (world, mut arrivals) = arrivals(&Log::new()).await;
    let (desk, mut says) = desk();
    let client = connected(&world, |builder| {
        builder.register(Exposed(Arc::clone(&desk)))
    })
    .await;
    let first = arrivals.recv().await.unwrap();
    let calls = ["stubborn", "plain"].map(|name| first.rpc::<String, _>(name, ()).start());
    assert_eq!(told(&mut says, 2).await, ["plain begun", "stubborn begun"]);
    world.cut();
    assert_eq!(told(&mut says, 1).await, ["plain gone"]);
    for call in calls {
        in_time(call).await.unwrap_err();
    }

    // On the next connection the same ids are used again, and the old handler ends first.
    let second = in_time(arrivals.recv()).await.unwrap();
    let calls = ["stubborn", "plain"].map(|name| second.rpc::<String, _>(name, ()).start());
    assert_eq!(told(&mut says, 2).await, ["plain begun", "stubborn begun"]);
    desk.leave.add_permits(1);
    assert_eq!(told(&mut says, 1).await, ["stubborn gone"]);
    // Each of these tells whom it serves.
    desk.leave.add_permits(2);
    let session = client.peer().unwrap().session().to_owned();
    for call in calls {
        assert_eq!(in_time(call).await.unwrap(), session);
    }
    assert_eq!(told(&mut says, 2).await, ["plain gone", "stubborn gone"]);
}

#[tokio::test(start_paused = true)]
async fn a_serial_function_has_one_call_running_whatever_the_connection() {
    let (world, mut arrivals) = arrivals(&Log::new()).await;
    let (desk, mut says) = desk();
    let _client = connected(&world, |builder| {
        builder.register(Exposed(Arc::clone(&desk)))
    })
    .await;
    let first = arrivals.recv().await.unwrap();
    let call = first.rpc::<String, _>("single", ()).start();
    assert_eq!(told(&mut says, 1).await, ["single begun"]);
    world.cut();
    in_time(call).await.unwrap_err();
    let second = in_time(arrivals.recv()).await.unwrap();
    let call = second.rpc::<String, _>("single", ()).start();
    // This one is served when the one above has come, or later.
    let plain = second.rpc::<String, _>("plain", ()).start();
    assert_eq!(told(&mut says, 1).await, ["plain begun"]);
    desk.leave.add_permits(1);
    let mut after = told(&mut says, 1).await;
    after.extend(told(&mut says, 1).await);
    assert_eq!(after, ["single gone", "single begun"]);
    desk.leave.add_permits(2);
    in_time(call).await.unwrap();
    in_time(plain).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_a_handler_kept_reaches_the_next_connection() {
    let log = Log::new();
    let world = World::with(log.server());
    let (kept, mut receiver) = unbounded_channel();
    let client = connected(&world, |builder| {
        builder.register_fn(
            "keep",
            params([], move |cx: Context| {
                let _ = kept.send(cx.channel());
                async { Ok(()) }
            }),
        )
    })
    .await;
    let server = world.serve(log.server());
    world.cut();
    in_time(client.rpc::<u64, _>("note", (1,)).wait_until_ready())
        .await
        .ok();
    in_time(client.rpc::<u64, _>("note", (2,))).await.unwrap();
    let channel = server.channels().pop().unwrap();
    in_time(channel.rpc::<(), _>("keep", ())).await.unwrap();
    let kept = receiver.recv().await.unwrap();
    world.cut();
    let mut watch = client.watch_status();
    crate::lost(&mut watch).await;
    assert_eq!(in_time(kept.rpc::<u64, _>("note", (3,))).await.unwrap(), 3);
}
