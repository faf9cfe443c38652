//! No schema at all: closures are exposed under names, and called by them.
//!
//! ```text
//! cargo run -p kaa-examples --bin closures
//! ```
//!
//! or, each in a terminal of its own, in the same folder, and from a shell:
//!
//! ```text
//! cargo run -p kaa-examples --bin closures calculator
//! cargo run -p kaa-examples --bin closures pupil
//! cargo run -p kaa-cli -- call unix:calculator add 40 b=2 --secret-file calculator.secret
//! ```
//!
//! This is quick to write and good for scripts and tools. What it lacks is what a schema gives: types
//! that both sides are compiled against, declared errors, documentation.

mod calculator;
mod pupil;

use std::error::Error;

use kaa_examples::stage::Stage;

const ADDRESS: &str = "unix:calculator";
const SECRET: &str = "calculator.secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => everything().await,
        Some("calculator") => calculator::run().await,
        Some("pupil") => pupil::run().await,
        Some(role) => Err(format!("no role `{role}`: calculator, pupil or none").into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut calculator = stage.start("calculator", &["calculator"])?;
    calculator.says("ready").await?;
    stage.start("pupil", &["pupil"])?.ends().await?;
    calculator.stop().await?;
    println!("all have ended");
    Ok(())
}
