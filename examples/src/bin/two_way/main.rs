//! Both ends call: a server calls its clients back, and tells all of them what has happened.
//!
//! ```text
//! cargo run -p kaa-examples --bin two_way
//! ```
//!
//! The host (`host.rs`) and each guest (`guest.rs`) are processes of their own. Each can be started by hand in a
//! terminal of its own, in the same folder: `two_way host`, `two_way guest anna soup`.

mod guest;
mod host;

use std::error::Error;

use kaa_examples::stage::Stage;

const ADDRESS: &str = "unix:supper";
const SECRET: &str = "supper.secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => everything().await,
        ["host"] => host::run().await,
        ["guest", name, dish] => guest::run(name, dish).await,
        _ => Err("the roles are `host` and `guest NAME DISH`".into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut host = stage.start("host", &["host"])?;
    host.says("the table is laid").await?;
    let mut anna = stage.start("anna", &["guest", "anna", "soup"])?;
    anna.says("I sit with nobody").await?;
    let mut ben = stage.start("ben", &["guest", "ben", "fish"])?;
    ben.says("I sit with anna").await?;
    let mut cleo = stage.start("cleo", &["guest", "cleo", "soup"])?;
    cleo.says("I sit with anna, ben").await?;
    for guest in [&mut anna, &mut ben] {
        guest.says("cleo has come").await?;
    }

    // Each proposes what it wants when its input says so.
    cleo.tell("propose").await?;
    for guest in [&mut anna, &mut ben, &mut cleo] {
        guest.says("soup has 2 votes").await?;
    }

    cleo.says("I proposed").await?;

    // One is killed, and the host notices by itself.
    ben.kill().await?;
    for guest in [&mut anna, &mut cleo] {
        guest.says("ben has left").await?;
    }
    anna.stop().await?;
    cleo.says("anna has left").await?;
    cleo.stop().await?;
    host.says("cleo has left").await?;
    host.stop().await?;
    println!("all have ended");
    Ok(())
}
