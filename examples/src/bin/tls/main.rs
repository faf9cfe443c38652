//! Over TLS, with certificates, instead of the encryption that comes with `tcp:` addresses.
//!
//! ```text
//! cargo run -p kaa-examples --bin tls
//! ```
//!
//! or, each in a terminal of its own, in the same folder:
//!
//! ```text
//! cargo run -p kaa-examples --bin tls station
//! cargo run -p kaa-examples --bin tls proxy
//! cargo run -p kaa-examples --bin tls display
//! ```
//!
//! The station (`station.rs`, from `kidl/climate.kidl`) accepts TLS itself and gives the streams to its server;
//! the display (`display.rs`) connects over a TLS stream. Both tie the secret to that very stream (`security.rs`),
//! so the proxy (`proxy.rs`), which ends the TLS of the display and begins another to the station, is found out,
//! although the display trusts its certificate.

mod display;
mod proxy;
mod security;
mod station;

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use kaa_examples::stage::Stage;
use tokio::net::TcpListener;

const SECRET: &str = "climate.secret";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    match std::env::args().nth(1).as_deref() {
        None => everything().await,
        Some("station") => station::run().await,
        Some("proxy") => proxy::run().await,
        Some("display") => display::run().await,
        Some(role) => Err(format!("no role `{role}`: station, proxy, display or none").into()),
    }
}

async fn everything() -> Result<(), Box<dyn Error + Send + Sync>> {
    let stage = Stage::new()?;
    let mut station = stage.start("station", &["station"])?;
    station.says("measuring").await?;
    let mut proxy = stage.start("proxy", &["proxy"])?;
    proxy.says("listening in").await?;
    stage.start("display", &["display"])?.ends().await?;
    station.says("turned somebody away").await?;
    proxy.says("they have noticed").await?;
    proxy.stop().await?;
    station.stop().await?;
    println!("all have ended");
    Ok(())
}

/// Listens at a port that the system chooses, and leaves a note for the others where that is.
async fn listen(name: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    std::fs::write(
        format!("{name}.address"),
        listener.local_addr()?.to_string(),
    )?;
    Ok(listener)
}

/// Where somebody listens.
fn address_of(name: &str) -> Result<SocketAddr, Box<dyn Error + Send + Sync>> {
    Ok(std::fs::read_to_string(format!("{name}.address"))?.parse()?)
}
