//! The server: it exposes closures.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kaa_examples::stage;
use kaa_rpc_runtime::{Context, Outcome, Secret, Server, Value, params};

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);

    let server = Server::builder(Secret::load_or_create(crate::SECRET)?)
        // `params` names the parameters, so that callers can give them by position or by name. Their
        // types, and the result's, are those of the closure.
        .register_fn(
            "add",
            params(["a", "b"], async |a: i64, b: i64| Ok(a.checked_add(b))),
        )
        // A name with a question mark may be left out.
        .register_fn(
            "round",
            params(["x", "digits?"], async |x: f64, digits: Option<i32>| {
                let unit = 10_f64.powi(digits.unwrap_or(0));
                Ok((x * unit).round() / unit)
            }),
        )
        // A closure may have state; `Arc` shares it between calls.
        .register_fn(
            "count",
            params([], move || {
                let count = counted.fetch_add(1, Ordering::Relaxed) + 1;
                async move { Ok(count) }
            }),
        )
        // A function will do as well, and errors go to the caller with `?`.
        .register_fn("divide", params(["a", "b"], divide))
        // With a context first, it can call back whoever calls it.
        .register_fn("solve", params(["equation"], solve))
        // `Value` takes and gives anything.
        .register_fn(
            "describe",
            params(["what"], async |what: Value| Ok(describe(&what))),
        )
        .bind(crate::ADDRESS)
        .await?;
    println!("ready");
    stage::stopped().await;
    println!("counted {}", count.load(Ordering::Relaxed));
    server.close().await;
    Ok(())
}

async fn divide(a: i64, b: i64) -> Outcome<i64> {
    Ok(a.checked_div(b).ok_or("division by zero")?)
}

async fn solve(cx: Context, equation: String) -> Outcome<i64> {
    println!("solving {equation}");
    let caller = cx.channel();
    let hint: i64 = caller.rpc("ask", ("What is x?",)).await?;
    Ok(hint + 1)
}

/// Any type that serde can write is a result, this map too.
fn describe(what: &Value) -> BTreeMap<&'static str, String> {
    let kind = match what {
        Value::List(items) => format!("a list of {}", items.len()),
        Value::Map(entries) => format!("a map of {}", entries.len()),
        Value::String(text) => format!("a text of {} bytes", text.len()),
        _ => "something small".to_owned(),
    };
    BTreeMap::from([("kind", kind), ("text", what.to_string())])
}
