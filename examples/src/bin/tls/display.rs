//! The client: it connects over TLS, once to the station and once to somebody who stands before it.

use std::error::Error;

use kaa_examples::climate::{Climate, ClimateClient, Display};
use kaa_rpc_runtime::{ConnectError, Context, Outcome, Secret};

use crate::security;

struct Screen;

impl Display for Screen {
    async fn warn(&self, _: &Context, text: String) -> Outcome<bool> {
        println!("warning: {text}");
        Ok(true)
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let climate = connect("station", &["station"]).await??;
    println!("{} °C", climate.station.temperature().await?);
    println!("warned: {}", climate.station.warn_below(0.0).await?);
    climate.channel.close().await;

    // Somebody made this machine trust the proxy, so TLS alone finds nothing wrong.
    match connect("proxy", &["station", "proxy"]).await? {
        Err(error) => println!("through the proxy: {error}"),
        Ok(_) => println!("unexpected: the proxy was not noticed"),
    }
    Ok(())
}

async fn connect(
    name: &str,
    trusted: &[&str],
) -> Result<Result<ClimateClient, ConnectError>, Box<dyn Error + Send + Sync>> {
    let tls = security::connect(name, trusted).await?;
    let binding = security::binding(tls.get_ref().1)?;
    let secret = Secret::load_or_create(crate::SECRET)?;
    let client = Climate::client(&secret, Screen);
    Ok(client.connect_over(tls, &binding).await)
}
