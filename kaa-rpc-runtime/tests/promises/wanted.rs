//! How handlers, and what they start, learn that nobody waits for their call any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::codegen::Functions;
use kaa_rpc_runtime::{Context, params};
use tokio::sync::{Semaphore, mpsc};

use crate::common::{Ends, Exposing, Over, PATIENCE, connect, everywhere, plain};

/// A function `run(how)` that gives out its context and then waits, or returns at once, or runs to its end.
async fn ends(over: Over) -> (Ends, mpsc::UnboundedReceiver<Context>, Arc<Semaphore>) {
    let (given, contexts) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let to_the_end = given.clone();
    let service = Exposing(move |functions: &mut Functions| {
        let object = Arc::new((to_the_end, opened));
        functions
            .add("to_the_end", &object, |object, cx, arguments| {
                arguments.finish()?;
                Ok(async move {
                    let _ = object.0.send(cx);
                    object.1.acquire().await?.forget();
                    kaa_rpc_runtime::Outcome::<()>::Ok(())
                })
            })
            .uncancelled();
    });
    let run = move |cx: Context, waits: bool| {
        let _ = given.send(cx);
        async move {
            if waits {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    };
    let ends = connect(
        over,
        |side| {
            side.service(service)
                .function("run", params(["waits"], run))
        },
        plain,
    )
    .await;
    (ends, contexts, gate)
}

async fn told(cx: &Context) {
    tokio::time::timeout(PATIENCE, cx.cancelled())
        .await
        .expect("it is not told");
    assert!(cx.is_cancelled());
}

/// Whatever came before on the connection was seen.
async fn settled(ends: &Ends) {
    ends.client
        .rpc::<(), _>("run", (false,))
        .await
        .expect("the connection is not open");
}

#[test]
fn a_function_that_runs_to_its_end_is_told_that_it_was_cancelled() {
    everywhere(async |over| {
        let (ends, mut contexts, gate) = ends(over).await;
        let call = ends.client.rpc::<(), _>("to_the_end", ()).start();
        let cx = contexts.recv().await.unwrap();
        settled(&ends).await;
        assert!(!cx.is_cancelled());
        // Whoever waits already is woken; several may.
        let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(cx.cancelled())).collect();
        call.cancel();
        for waiting in waiting {
            tokio::time::timeout(PATIENCE, waiting)
                .await
                .unwrap()
                .unwrap();
        }
        assert!(cx.is_cancelled());
        gate.add_permits(1);
    });
}

#[test]
fn what_a_handler_started_is_told_when_the_handler_is_dropped() {
    everywhere(async |over| {
        let (ends, mut contexts, _gate) = ends(over).await;
        let call = ends.client.rpc::<(), _>("run", (true,)).start();
        let cx = contexts.recv().await.unwrap();
        let early = tokio::spawn(cx.cancelled());
        call.cancel();
        early.await.unwrap();
        // Also who asks only when all is over, and the next call has the same id.
        settled(&ends).await;
        let next = ends.client.rpc::<(), _>("run", (true,)).start();
        let other = loop {
            let other = contexts.recv().await.unwrap();
            if !other.is_cancelled() {
                break other;
            }
        };
        told(&cx).await;
        assert!(!other.is_cancelled());
        drop(next);
        told(&other).await;
    });
}

#[test]
fn a_call_that_was_answered_is_waited_for_no_more() {
    everywhere(async |over| {
        let (ends, mut contexts, _gate) = ends(over).await;
        ends.client.rpc::<(), _>("run", (false,)).await.unwrap();
        told(&contexts.recv().await.unwrap()).await;
    });
}

#[test]
fn the_loss_of_the_channel_is_told_for_each_kind_of_call() {
    for oneway in [false, true] {
        everywhere(async |over| {
            let (ends, mut contexts, _gate) = ends(over).await;
            let call = ends.client.rpc::<(), _>("run", (true,));
            let call = if oneway { call.oneway() } else { call }.start();
            let cx = contexts.recv().await.unwrap();
            settled(&ends).await;
            assert!(!cx.is_cancelled());
            let waiting = tokio::spawn(cx.cancelled());
            ends.client.abort();
            tokio::time::timeout(PATIENCE, waiting)
                .await
                .unwrap()
                .unwrap();
            told(&cx).await;
            drop(call);
        });
    }
}

#[test]
fn the_deadline_is_told_although_the_function_runs_on() {
    everywhere(async |over| {
        let (ends, mut contexts, gate) = ends(over).await;
        let call = ends.client.rpc::<(), _>("to_the_end", ());
        let call = call.timeout(Duration::from_millis(50)).start();
        let cx = contexts.recv().await.unwrap();
        told(&cx).await;
        assert!(call.await.is_err());
        gate.add_permits(1);
    });
}

/// A future that is polled by one task after the other wakes the last one.
#[test]
fn the_last_who_polled_is_woken() {
    everywhere(async |over| {
        let (ends, mut contexts, _gate) = ends(over).await;
        let call = ends.client.rpc::<(), _>("run", (true,)).start();
        let cx = contexts.recv().await.unwrap();
        let shared = Arc::new(Mutex::new(cx.cancelled()));
        let poll_once = {
            let shared = Arc::clone(&shared);
            std::future::poll_fn(move |task| {
                let polled = std::pin::Pin::new(&mut *shared.lock().unwrap()).poll(task);
                assert!(polled.is_pending());
                std::task::Poll::Ready(())
            })
        };
        tokio::spawn(poll_once).await.unwrap();
        let waiting = tokio::spawn(std::future::poll_fn(move |task| {
            std::pin::Pin::new(&mut *shared.lock().unwrap()).poll(task)
        }));
        settled(&ends).await;
        call.cancel();
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap()
            .unwrap();
    });
}
