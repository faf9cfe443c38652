//! A Rust server, called by Python.

use std::sync::Arc;
use std::sync::mpsc;

use kaa_rpc_runtime::{
    ClientConnected, CloseReason, ConnectError, HandshakeError, Limits, Secret, Server,
};
use kaa_tests::typed::{self, LabPeer, MirrorService, RunsService};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::objects::{Event, Glass, Lab, Runner};
use crate::program::{LONG, Place, Program, TestResult};

/// A lab, and a Python program that does a task with it.
struct Visit {
    server: Server<LabPeer>,
    clients: ClientConnected<LabPeer>,
    runner: Arc<Runner>,
    events: UnboundedReceiver<Event>,
    python: Program,
    _place: Place,
}

impl Visit {
    async fn new(task: &str) -> Result<Option<Self>, Box<dyn std::error::Error>> {
        let place = Place::new()?;
        let (runner, events) = Runner::new();
        let runner = Arc::new(runner);
        let glass = Glass {
            mark: 1,
            asks_back: true,
        };
        let server = kaa_rpc_runtime::ServerBuilder::<LabPeer>::new(place.secret.clone())
            .register(typed::EchoService::new(Lab))
            .register(RunsService::from_arc(Arc::clone(&runner)))
            .register(MirrorService::new(glass))
            .limits(Limits {
                max_calls: if task == "oneways" { 8 } else { 1024 },
                ..Limits::default()
            })
            .bind(&place.address)
            .await?;
        let clients = server.client_connected();
        let Some(python) = place.start("client.py", &[task]).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            server,
            clients,
            runner,
            events,
            python,
            _place: place,
        }))
    }

    async fn client(&mut self) -> Result<LabPeer, Box<dyn std::error::Error>> {
        let client = timeout(LONG, self.clients.next()).await?;
        Ok(client.ok_or("the server is closed")?)
    }

    async fn event(&mut self) -> Result<Event, Box<dyn std::error::Error>> {
        let event = timeout(LONG, self.events.recv()).await?;
        Ok(event.ok_or("the runner is gone")?)
    }

    /// The script ends without complaint, and this end sees that it parted in order.
    async fn end(mut self) -> TestResult {
        let client = self.client().await?;
        let reason = timeout(LONG, client.channel.closed()).await?;
        assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason}");
        self.python.finish().await
    }
}

#[tokio::test]
async fn arguments_go_by_position_by_name_and_both() -> TestResult {
    match Visit::new("arguments").await? {
        Some(visit) => visit.end().await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn values_of_every_type_come_back_as_they_were() -> TestResult {
    match Visit::new("types").await? {
        Some(visit) => visit.end().await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn failures_are_the_maps_of_the_document() -> TestResult {
    match Visit::new("failures").await? {
        Some(visit) => visit.end().await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn calls_go_back_and_forth_while_a_call_runs() -> TestResult {
    let Some(mut visit) = Visit::new("callbacks").await? else {
        return Ok(());
    };
    assert_eq!(visit.python.line().await?, "calling");
    let client = visit.client().await?;
    // Outside of any function.
    let calls = (0..200_u64).map(|token| client.mirror.token(2 * token + 1).start());
    for (token, call) in (0..).zip(calls.collect::<Vec<_>>()) {
        assert_eq!(call.await?, 2 * token + 108);
    }
    visit.python.tell("called").await?;
    let reason = timeout(LONG, client.channel.closed()).await?;
    assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason}");
    visit.python.finish().await
}

#[tokio::test]
async fn a_cancel_stops_the_function_and_gets_its_answer() -> TestResult {
    let Some(mut visit) = Visit::new("cancel").await? else {
        return Ok(());
    };
    for _ in 0..3 {
        assert_eq!(visit.event().await?, Event::Started("forever"));
    }
    visit.python.tell("started").await?;
    for _ in 0..3 {
        assert_eq!(visit.event().await?, Event::Dropped("forever"));
    }
    visit.end().await
}

#[tokio::test]
async fn oneway_calls_come_in_order_and_give_their_places_back() -> TestResult {
    let Some(mut visit) = Visit::new("oneways").await? else {
        return Ok(());
    };
    for number in 0..2000 {
        let note = Event::Note(format!("note {number}"), vec![number.into()], true);
        assert_eq!(visit.event().await?, note);
    }
    visit.end().await
}

#[tokio::test]
async fn calls_before_a_goodbye_end_as_usual() -> TestResult {
    let Some(mut visit) = Visit::new("goodbye").await? else {
        return Ok(());
    };
    assert_eq!(visit.python.line().await?, "said");
    for _ in 0..3 {
        assert_eq!(visit.event().await?, Event::Started("at_once"));
    }
    visit.runner.gate.add_permits(3);
    visit.end().await
}

#[tokio::test]
async fn a_server_that_closes_lets_the_running_call_end() -> TestResult {
    let Some(mut visit) = Visit::new("heard").await? else {
        return Ok(());
    };
    let client = visit.client().await?;
    assert_eq!(visit.python.line().await?, "calling");
    assert_eq!(visit.event().await?, Event::Started("at_once"));
    let runner = Arc::clone(&visit.runner);
    let close = visit.server.close();
    let release = async {
        runner.gate.add_permits(1);
    };
    timeout(LONG, async { tokio::join!(close, release) }).await?;
    let reason = client.channel.closed().await;
    assert!(matches!(*reason, CloseReason::Closed), "{reason}");
    visit.python.finish().await
}

#[tokio::test]
async fn a_violation_is_told_from_other_ends() -> TestResult {
    let Some(mut visit) = Visit::new("violation").await? else {
        return Ok(());
    };
    let client = visit.client().await?;
    let reason = timeout(LONG, client.channel.closed()).await?;
    assert!(matches!(*reason, CloseReason::Violation(_)), "{reason}");
    visit.python.finish().await
}

#[tokio::test]
async fn a_python_client_with_another_secret_is_refused_like_one_with_an_unknown_key_id()
-> TestResult {
    let place = Place::new()?;
    let (rejected, rejections) = mpsc::channel();
    let rejected = std::sync::Mutex::new(rejected);
    let _server = Server::builder(Secret::generate()?)
        .secret("known", place.secret.clone())
        .on_rejected(move |rejection| {
            if let Ok(rejected) = rejected.lock() {
                // Whoever does not listen does not want to know.
                let _ = rejected.send(rejection.error);
            }
        })
        .bind(&place.address)
        .await?;
    for key_id in ["", "unknown"] {
        let Some(mut python) = place.start("client.py", &["arguments", key_id]).await? else {
            return Ok(());
        };
        let line = python.line().await?;
        assert_eq!(
            line,
            "refused: closed after our proof: another secret, or refused"
        );
        python.finish().await?;
        let error = rejections.recv_timeout(LONG)?;
        let ConnectError::Handshake(HandshakeError::WrongSecret { key_id: got }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(got.to_string(), key_id);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_exposed_is_told_as_the_document_says() -> TestResult {
    match Visit::new("described").await? {
        Some(visit) => visit.end().await,
        None => Ok(()),
    }
}
