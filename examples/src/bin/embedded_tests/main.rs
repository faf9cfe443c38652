//! How programs are tested that serve and call: without sockets, files or other processes.
//!
//! ```text
//! cargo test -p kaa-examples --bin embedded_tests
//! ```
//!
//! The object that is served (`counter.rs`) and the code that calls (`watch.rs`) are those of the program; the tests
//! (`tests.rs`) put a connection between them that is in memory, with the real protocol on it. The program itself
//! (`cargo run -p kaa-examples --bin embedded_tests`) has the daemon and its caller in one process, too.

mod counter;
#[cfg(test)]
mod tests;
mod watch;

use std::error::Error;

use counter::Counter;
use kaa_examples::tally::Tally;
use kaa_rpc_runtime::Secret;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::generate()?;
    // A server without an address takes the streams that it is given.
    let server = Tally::server(secret.clone(), Counter::default()).unbound()?;
    let (here, there) = tokio::io::duplex(4096);
    server.accept(there, &[]).await;
    let (watcher, mut news) = watch::watcher(3);
    let client = Tally::client(&secret, watcher)
        .connect_over(here, &[])
        .await?;

    for by in [1, 2] {
        println!("the sum is {}", client.counting.add(by).await?);
    }
    println!("told: {:?}", news.recv().await);
    println!("{} client", server.channels().len());
    client.channel.close().await;
    server.close().await;
    println!("all have ended");
    Ok(())
}
