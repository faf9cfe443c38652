//! The host: it has a dictionary, and texts to be filtered.

use std::error::Error;
use std::time::Duration;

use kaa_examples::studio::{Plugins, PluginsPeer, Studio};
use kaa_rpc_runtime::{ConnectError, Context, Outcome, Secret, Server};
use tokio::process::Command;

use crate::say;

struct Dictionary;

impl Studio for Dictionary {
    async fn translate(&self, _: &Context, word: String) -> Outcome<Option<String>> {
        let known = match word.as_str() {
            "hello" => "bonjour",
            "world" => "monde",
            _ => return Ok(None),
        };
        Ok(Some(known.to_owned()))
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    // Nobody but its plugins comes to this server, and they get secrets of their own.
    let server = Plugins::server(Secret::generate()?, Dictionary)
        // What a plugin has to end its calls, and then itself.
        .close_timeout(Duration::from_millis(500))
        .unbound()?;

    let shout = start(&server, "shout").await?;
    let translate = start(&server, "translate").await?;
    filter("shout", &shout).await;
    filter("translate", &translate).await;

    let fragile = start(&server, "fragile").await?;
    filter("fragile", &fragile).await;
    say(
        "host",
        &format!("fragile: {}", fragile.channel.closed().await),
    );

    let stuck = start(&server, "stuck").await?;
    filter("stuck", &stuck).await;
    // It is asked to end, and killed as it does not.
    say("host", &format!("stuck: {}", stuck.channel.close().await));

    match start(&server, "missing").await {
        Err(ConnectError::Child {
            status: Some(status),
            ..
        }) => {
            say("host", &format!("missing: no plugin, {status}"));
        }
        other => say("host", &format!("unexpected: {other:?}")),
    }

    // The others have not noticed.
    filter("shout", &shout).await;
    say(
        "host",
        &format!("{} plugins are left", server.channels().len()),
    );
    // Waits for the plugins too.
    server.close().await;
    println!("all have ended");
    Ok(())
}

/// Starts a plugin. What it prints is printed here.
async fn start(server: &Server<PluginsPeer>, plugin: &str) -> Result<PluginsPeer, ConnectError> {
    let program = std::env::current_exe().map_err(ConnectError::Io)?;
    let mut command = Command::new(program);
    command.arg(plugin);
    if plugin == "missing" {
        // It says so on its standard error, which nobody should wonder about here.
        command.stderr(std::process::Stdio::null());
    }
    server.spawn(command).await
}

async fn filter(name: &str, plugin: &PluginsPeer) {
    match plugin.filter.apply("hello world!").await {
        Ok(text) => say("host", &format!("{name}: {text}")),
        Err(error) => say("host", &format!("{name}: {error}")),
    }
}
