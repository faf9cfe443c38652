//! All the ways in which a call can fail, and what its caller sees.
//!
//! ```text
//! cargo run -p kaa-examples --bin errors
//! ```
//!
//! The workshop (`workshop.rs`, from `kidl/workshop.kidl`) fails in each way, the customer
//! (`customer.rs`) prints what came, and in the end the workshop is killed in the middle of a call.
//! Each process can be started by hand in a terminal of its own, in the same folder: `errors workshop`,
//! `errors customer`.

mod customer;
mod workshop;

use std::error::Error;

use kaa_examples::stage::Stage;

const ADDRESS: &str = "unix:workshop";
const SECRET: &str = "workshop.secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => everything().await,
        Some("workshop") => workshop::run().await,
        Some("customer") => customer::run().await,
        Some(role) => Err(format!("no role `{role}`: workshop, customer or none").into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut workshop = stage.start("workshop", &["workshop"])?;
    workshop.says("open").await?;
    let customer = stage.start("customer", &["customer"])?;

    // Not what a user would do, but what a crash looks like.
    workshop.says("painting: house").await?;
    workshop.kill().await?;

    customer.ends().await?;
    println!("all have ended");
    Ok(())
}
