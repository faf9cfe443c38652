//! Spans of calls are linked over the connection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use kaa_rpc_runtime::{Channel, Context, Error, Outcome, TraceContext, params};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::served::Tested;

/// The fields of each span, in the order in which they began.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

impl Recorder {
    fn spans(&self) -> Vec<BTreeMap<String, String>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("kaa_rpc_runtime")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().unwrap();
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields));
        spans.push(fields);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if let Some(fields) = self.0.lock().unwrap().get_mut(span.into_u64() as usize - 1) {
            values.record(&mut Fields(fields));
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Calls back whoever called.
async fn ask(cx: Context) -> Outcome<()> {
    tokio::task::yield_now().await;
    Ok(cx.channel().rpc("fail", ()).await?)
}

async fn pair(traced: bool) -> Result<(Channel, Channel), Box<dyn std::error::Error>> {
    let fail = async || -> Outcome<()> { Err("no".into()) };
    let pair = Channel::pair(
        |side| {
            let side = side.register_fn("ask", params([], ask));
            if traced { side.trace_calls() } else { side }
        },
        |side| {
            let side = side.register_fn("fail", params([], fail));
            if traced { side.trace_calls() } else { side }
        },
    );
    Ok(pair.await?)
}

#[tokio::test]
async fn each_is_the_child_of_the_one_that_called_it() -> Tested {
    let recorder = Recorder::default();
    let _recording = tracing::subscriber::set_default(recorder.clone());
    let (_server, client) = pair(true).await?;
    let own = TraceContext::root();
    for begun in [None, Some(own)] {
        recorder.spans();
        let mut call = client.rpc::<(), _>("ask", ());
        if let Some(own) = &begun {
            call = call.metadata("traceparent", own.to_string());
        }
        assert!(matches!(call.await, Err(Error::Fault(_))));
        let spans = recorder.spans();
        let seen: Vec<_> = spans
            .iter()
            .map(|span| format!("{} {}", span["otel.kind"], span["rpc.method"]))
            .collect();
        assert_eq!(
            seen,
            ["client ask", "server ask", "client fail", "server fail"]
        );
        // One trace, and each span below the one before.
        for pair in spans.windows(2) {
            assert_eq!(pair[0]["trace_id"], pair[1]["trace_id"]);
            assert_eq!(pair[1]["parent_span_id"], pair[0]["span_id"]);
        }
        match begun {
            None => assert!(!spans[0].contains_key("parent_span_id")),
            Some(own) => {
                assert_eq!(spans[0]["trace_id"], own.trace_id());
                assert_eq!(spans[0]["parent_span_id"], own.span_id());
            }
        }
        for span in &spans {
            assert_eq!(span["rpc.system.name"], "kaa");
            assert_eq!(span["otel.name"], span["rpc.method"]);
            assert_eq!(span["rpc.response.status_code"], "fault");
            assert_eq!(span["error.type"], "fault");
            assert_eq!(span["otel.status_code"], "ERROR");
        }
    }
    // What callers make up is no name.
    recorder.spans();
    client.rpc::<(), _>("made_up", ()).await.unwrap_err();
    assert_eq!(recorder.spans()[1]["rpc.method"], "_OTHER");
    Ok(())
}

#[tokio::test]
async fn there_are_none_unless_asked() -> Tested {
    let recorder = Recorder::default();
    let _recording = tracing::subscriber::set_default(recorder.clone());
    let (_server, client) = pair(false).await?;
    client.rpc::<(), _>("ask", ()).await.unwrap_err();
    assert!(recorder.spans().is_empty());
    Ok(())
}
