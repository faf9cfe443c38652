//! The side that sees what failed.

use std::time::Duration;

use kaa_examples::workshop::{OrderError, WorkshopClient};
use kaa_rpc_runtime::{CallError, Channel, ConnectError, Error, HandshakeError, Secret, kwargs};

pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let channel = Channel::connect(crate::ADDRESS, &secret).await?;
    declared_errors(&WorkshopClient::new(&channel)).await;
    faults(&WorkshopClient::new(&channel)).await;
    mistakes_of_the_caller(&channel).await;
    time(&WorkshopClient::new(&channel)).await;
    connections(&channel, &secret).await
}

/// What the schema names after `throws` comes as its own type.
async fn declared_errors(workshop: &WorkshopClient) {
    match workshop.order("chair").count(6).await {
        Err(CallError::Declared(OrderError::SoldOut { item, left })) => {
            println!("declared error: sold out, {left} of {item} left");
        }
        other => println!("unexpected: {other:?}"),
    }
    // Everything else is `Failed`.
    match workshop.order("spoon").await {
        Err(CallError::Failed(error)) => println!("fault: {error}"),
        other => println!("unexpected: {other:?}"),
    }
}

/// What the schema does not name comes with its causes and the places that it passed.
async fn faults(workshop: &WorkshopClient) {
    match workshop.price("chair").await {
        Err(Error::Fault(fault)) => {
            println!("fault: {}", fault.message);
            println!("    causes: {:?}", fault.causes);
            println!("    kind: {}", fault.kind);
            println!("    trace: {:?}", fault.trace);
        }
        other => println!("unexpected: {other:?}"),
    }
    match workshop.cut(200, 0).await {
        Err(Error::Fault(fault)) if fault.is_panic() => println!("panic: {}", fault.message),
        other => println!("unexpected: {other:?}"),
    }
    // The channel is as good as before.
    match workshop.cut(200, 4).await {
        Ok(length) => println!("after the panic: {length}"),
        other => println!("unexpected: {other:?}"),
    }
}

/// The compiler finds these in typed calls. In dynamic ones, the other end does.
async fn mistakes_of_the_caller(channel: &Channel) {
    match channel.rpc::<u64, _>("ordr", ("chair",)).await {
        Err(Error::UnknownFunction(unknown)) => {
            println!("{unknown} (closest: {})", unknown.closest);
        }
        other => println!("unexpected: {other:?}"),
    }
    for wrong in [
        channel.rpc::<u64, _>("order", (7,)).await,
        channel.rpc("order", ()).await,
        channel.rpc("order", kwargs! { itme: "chair" }).await,
    ] {
        match wrong {
            Err(Error::BadArguments(bad)) => println!("{bad}"),
            other => println!("unexpected: {other:?}"),
        }
    }
    match channel.rpc::<String, _>("cut", (200, 4)).await {
        Err(error @ Error::BadResult(_)) => println!("{error}"),
        other => println!("unexpected: {other:?}"),
    }
}

/// The schema gives `paint` 200 milliseconds, and a call may say otherwise.
async fn time(workshop: &WorkshopClient) {
    for call in [
        workshop.paint("chair"),
        workshop.paint("chair").timeout(Duration::from_millis(20)),
    ] {
        match call.await {
            Err(error @ Error::TimedOut { .. }) => println!("{error}"),
            other => println!("unexpected: {other:?}"),
        }
    }
}

async fn connections(channel: &Channel, secret: &Secret) -> Result<(), Box<dyn std::error::Error>> {
    // Another secret is an error at both ends, at once.
    match Channel::connect(crate::ADDRESS, &Secret::generate()?).await {
        Err(error @ ConnectError::Handshake(HandshakeError::Refused)) => println!("{error}"),
        other => println!("unexpected: {other:?}"),
    }

    // Nobody is there.
    match Channel::connect("unix:nobody", secret).await {
        Err(ConnectError::Unix(error)) if error.is_not_running() => println!("{error}"),
        other => println!("unexpected: {other:?}"),
    }

    // The other end dies in the middle of a call: nobody can know how far it came. It is killed by
    // `everything` in `main.rs`; by hand, you have an hour for that.
    let workshop = WorkshopClient::new(channel);
    let hour = Duration::from_secs(3600);
    match workshop.paint("house").timeout(hour).await {
        Err(error @ Error::ConnectionLost(_)) => println!("{error}"),
        other => println!("unexpected: {other:?}"),
    }
    // A later call was certainly never sent.
    match workshop.cut(200, 4).await {
        Err(error @ Error::NotConnected(_)) => {
            println!("{error}");
            println!("    never ran: {}", error.never_ran());
        }
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
