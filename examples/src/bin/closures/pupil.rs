//! The client: it calls by name, and exposes a closure of its own.

use std::collections::BTreeMap;
use std::error::Error;

use kaa_rpc_runtime::{Channel, Secret, Value, kwargs, params};

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let channel = Channel::builder(&secret)
        .register_fn(
            "ask",
            params(["question"], async |question: String| {
                println!("asked: {question}");
                Ok(41)
            }),
        )
        .connect(crate::ADDRESS)
        .await?;

    // Positional arguments are a tuple, named ones are `kwargs!`, and a tuple may end with them. The
    // result is of whatever type it is to be.
    let sum: i64 = channel.rpc("add", (40, 2)).await?;
    println!("add: {sum}");
    let sum: i64 = channel.rpc("add", kwargs! { a: 40, b: 2 }).await?;
    println!("add: {sum}");
    let sum: Option<i64> = channel.rpc("add", (i64::MAX, kwargs! { b: 1 })).await?;
    println!("add: {sum:?}");
    let rounded: f64 = channel.rpc("round", (7.654,)).await?;
    println!("round: {rounded}");
    let rounded: f64 = channel.rpc("round", (7.654, kwargs! { digits: 1 })).await?;
    println!("round: {rounded}");

    // Nothing is lost by not waiting: calls reach the other end in the order in which they start.
    channel.rpc::<u64, _>("count", ()).start().detach();
    let count: u64 = channel.rpc("count", ()).await?;
    println!("count: {count}");
    // A oneway call has no answer at all, whatever the function gives.
    channel.rpc::<(), _>("count", ()).oneway().await?;
    // And `ignore` waits for an answer, but looks at nothing.
    channel.rpc("count", ()).ignore().await?;

    let error = channel.rpc::<i64, _>("divide", (1, 0)).await;
    match error {
        Err(error) => println!("divide: {error}"),
        Ok(result) => println!("divide: {result}"),
    }

    // While this waits, the calculator calls `ask` above.
    let x: i64 = channel.rpc("solve", ("x - 1 = 41",)).await?;
    println!("solve: {x}");

    // Where nothing is known of a value, it is a `Value`.
    let list: Value = vec![Value::from(1), Value::from("two"), Value::from(3.5)].into();
    let description: BTreeMap<String, String> = channel.rpc("describe", (list,)).await?;
    println!("describe: {description:?}");
    let anything: Value = channel.rpc("describe", kwargs! { what: true }).await?;
    println!("describe: {anything}");

    channel.close().await;
    Ok(())
}
