//! The side that fails.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use kaa_examples::stage;
use kaa_examples::workshop::{OrderError, Workshop, WorkshopService};
use kaa_rpc_runtime::{Context, Outcome, Secret, Server};

struct Shed;

impl Workshop for Shed {
    /// Fails in ways that the schema names, which are part of what callers rely on.
    async fn order(&self, _: &Context, item: String, count: u32) -> Outcome<u64, OrderError> {
        match item.as_str() {
            "chair" if count <= 4 => Ok(1),
            "chair" => Err(OrderError::SoldOut { item, left: 4 }.into()),
            // Any other error, and any text, is a fault: nothing that a caller could count on.
            _ => Err(format!("what is a {item}?").into()),
        }
    }

    /// `?` turns any error into a fault, which goes to the caller with its causes and its place.
    async fn price(&self, _: &Context, item: String) -> Outcome<f64> {
        let list = price_list()?;
        let line = list.lines().find_map(|line| line.strip_prefix(&item));
        Ok(line.ok_or("not on the list")?.trim().parse()?)
    }

    /// Panics if there are to be no pieces. That ends this call, and nothing else.
    async fn cut(&self, _: &Context, length: u32, pieces: u32) -> Outcome<u32> {
        Ok(length / pieces)
    }

    /// Is dropped here, at its `await`, when the time of its call is over.
    async fn paint(&self, _: &Context, item: String) -> Outcome<()> {
        println!("painting: {item}");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(())
    }
}

fn price_list() -> Result<String, NoPrices> {
    std::fs::read_to_string("prices.txt").map_err(|cause| NoPrices { cause })
}

/// An error with a cause, as any program has them.
#[derive(Debug)]
struct NoPrices {
    cause: io::Error,
}

impl fmt::Display for NoPrices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the prices cannot be read")
    }
}

impl Error for NoPrices {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    // A panic in a handler prints its message here, as any panic does; this shortens it.
    std::panic::set_hook(Box::new(|info| println!("panic: {info}")));

    // The server hears of those who are turned away as well. (It is logged, too, with `tracing`.)
    let server = Server::builder(Secret::load_or_create(crate::SECRET)?)
        .register(WorkshopService::new(Shed))
        .on_rejected(|rejected| println!("turned somebody away: {}", rejected.error))
        .bind(crate::ADDRESS)
        .await?;
    println!("open");
    stage::stopped().await;
    server.close().await;
    Ok(())
}
