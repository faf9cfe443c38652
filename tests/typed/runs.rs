//! How the attributes of functions act.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kaa_rpc_runtime::{Channel, Error, kwargs};
use kaa_tests::typed::{RunsClient, RunsService};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::objects::{Event, Runner, TestResult};

struct Running {
    runner: Arc<Runner>,
    events: UnboundedReceiver<Event>,
    runs: RunsClient,
    _server: Channel,
}

async fn running() -> Result<Running, kaa_rpc_runtime::ConnectError> {
    let (runner, events) = Runner::new();
    let runner = Arc::new(runner);
    let (server, client) = Channel::pair(
        |server| server.register(RunsService::from_arc(Arc::clone(&runner))),
        |client| client,
    )
    .await?;
    Ok(Running {
        runner,
        events,
        runs: RunsClient::new(&client),
        _server: server,
    })
}

impl Running {
    async fn expect(&mut self, expected: Event) {
        assert_eq!(self.events.recv().await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_the_schema_acts_and_can_be_replaced() -> TestResult {
    let mut it = running().await?;
    for (given, expected) in [(None, 2), (Some(60), 60), (Some(1), 1)] {
        let expected = Duration::from_secs(expected);
        let began = Instant::now();
        let mut call = it.runs.slow();
        if let Some(given) = given {
            call = call.timeout(Duration::from_secs(given));
        }
        let outcome = call.await;
        let Err(Error::TimedOut {
            function, after, ..
        }) = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(after, Some(expected));
        assert!(function.is_empty() || function == "run.slow", "{function}");
        let took = began.elapsed();
        assert!(
            took >= expected && took < expected + Duration::from_millis(50),
            "{took:?}"
        );
        // And the function is stopped.
        it.expect(Event::Started("slow")).await;
        it.expect(Event::Dropped("slow")).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_timeout_waits() -> TestResult {
    let mut it = running().await?;
    let call = it.runs.forever().start();
    it.expect(Event::Started("forever")).await;
    tokio::time::advance(Duration::from_secs(1_000_000)).await;
    it.runner.gate.add_permits(1);
    call.await?;
    Ok(())
}

#[tokio::test]
async fn serial_calls_take_turns_and_others_do_not() -> TestResult {
    let mut it = running().await?;
    let calls: Vec<_> = (0..5).map(|token| it.runs.in_turn(token).start()).collect();
    it.expect(Event::Started("in_turn")).await;
    // What was sent later is answered, so the other four have been looked at, and wait.
    it.runs.renamed().await?;
    assert!(it.events.is_empty());
    it.runner.gate.add_permits(5);
    for (token, call) in (0..).zip(calls) {
        assert_eq!(call.await?, token);
    }
    assert_eq!(it.runner.most.load(Ordering::SeqCst), 1);
    for turn in 0..5 {
        if turn > 0 {
            it.expect(Event::Started("in_turn")).await;
        }
        it.expect(Event::Ended("in_turn")).await;
    }

    let calls: Vec<_> = (0..5).map(|token| it.runs.at_once(token).start()).collect();
    for _ in 0..5 {
        it.expect(Event::Started("at_once")).await;
    }
    assert_eq!(it.runner.most.load(Ordering::SeqCst), 5);
    it.runner.gate.add_permits(5);
    for (token, call) in (0..).zip(calls) {
        assert_eq!(call.await?, token);
    }
    Ok(())
}

#[tokio::test]
async fn a_cancelled_serial_call_lets_the_next_one_start() -> TestResult {
    let mut it = running().await?;
    let first = it.runs.in_turn(1).start();
    let second = it.runs.in_turn(2).start();
    let third = it.runs.in_turn(3).start();
    it.expect(Event::Started("in_turn")).await;
    second.cancel(); // never starts
    first.cancel();
    it.expect(Event::Dropped("in_turn")).await;
    it.expect(Event::Started("in_turn")).await;
    it.runner.gate.add_permits(1);
    assert_eq!(third.await?, 3);
    it.expect(Event::Ended("in_turn")).await;
    assert!(it.events.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_dropped_call_stops_its_function_unless_that_is_uncancelled() -> TestResult {
    let mut it = running().await?;
    let call = it.runs.forever().start();
    it.expect(Event::Started("forever")).await;
    drop(call);
    it.expect(Event::Dropped("forever")).await;

    let call = it.runs.to_the_end().start();
    it.expect(Event::Started("to_the_end")).await;
    drop(call);
    // The cancellation came first, and did nothing.
    it.runs.renamed().await?;
    assert!(it.events.is_empty());
    it.runner.gate.add_permits(1);
    it.expect(Event::Ended("to_the_end")).await;

    let call = it.runs.forever().start();
    it.expect(Event::Started("forever")).await;
    call.detach();
    it.runs.renamed().await?;
    it.runner.gate.add_permits(1);
    it.expect(Event::Ended("forever")).await;
    Ok(())
}

#[tokio::test]
async fn an_uncancelled_function_outlives_its_channel() -> TestResult {
    let mut it = running().await?;
    let call = it.runs.to_the_end().start();
    it.expect(Event::Started("to_the_end")).await;
    drop(call);
    let Running {
        runner,
        mut events,
        runs,
        _server: server,
    } = it;
    drop(runs);
    runner.gate.add_permits(1);
    server.closed().await;
    assert_eq!(events.recv().await, Some(Event::Ended("to_the_end")));
    Ok(())
}

#[tokio::test]
async fn oneway_functions_are_run_and_not_waited_for() -> TestResult {
    let mut it = running().await?;
    it.runs.note("first").await?;
    it.runs.note("second").args([1.into()]).loud(true).await?;
    it.runs.note("third").start().detach();
    let channel = it.runs.channel().clone();
    channel
        .rpc::<(), _>("run.note", ("fourth", 2, kwargs! { loud: true }))
        .await?;
    let note = |text: &str, args: &[i32], loud| {
        let args = args.iter().map(|arg| (*arg).into());
        Event::Note(text.to_owned(), args.collect(), loud)
    };
    it.expect(note("first", &[], false)).await;
    it.expect(note("second", &[1], true)).await;
    it.expect(note("third", &[], false)).await;
    it.expect(note("fourth", &[2], true)).await;
    Ok(())
}

#[tokio::test]
async fn deprecated_and_renamed_functions_work() -> TestResult {
    let it = running().await?;
    #[expect(deprecated, reason = "it says so, and works")]
    let token = it.runs.old(5).await?;
    assert_eq!(token, 5);
    assert_eq!(it.runs.renamed().await?, "renamed");
    let by_its_name: String = it.runs.channel().rpc("run.other.name", ()).await?;
    assert_eq!(by_its_name, "renamed");
    let other = it.runs.channel().rpc::<String, _>("run.renamed", ()).await;
    assert!(matches!(other, Err(Error::UnknownFunction(_))), "{other:?}");
    Ok(())
}
