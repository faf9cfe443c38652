//! A host that starts plugins, each a process of its own, and survives them.
//!
//! ```text
//! cargo run -p kaa-examples --bin plugin_host
//! ```
//!
//! The host (`host.rs`, from `kidl/studio.kidl`) starts this program again for each plugin (`plugins.rs`); a plugin
//! could as well be a program of its own, of other authors, in another language. It needs neither an address nor
//! a secret: it has a channel to the host from its birth, and ends with it. Two plugins work, one crashes and one
//! hangs.

mod host;
mod plugins;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => host::run().await,
        Some("shout") => plugins::run(plugins::Shout).await,
        Some("translate") => plugins::run(plugins::Translate).await,
        Some("fragile") => plugins::run(plugins::Fragile).await,
        Some("stuck") => plugins::run(plugins::Stuck).await,
        Some(role) => {
            Err(format!("no plugin `{role}`: shout, translate, fragile, stuck or none").into())
        }
    }
}

/// Shows who says it, as the other examples do.
fn say(who: &str, what: &str) {
    println!("{who:<10} | {what}");
}
