//! Channels over streams that the user made: any that carries bytes.

mod over;
mod tls;

use std::time::Duration;

use kaa_rpc_runtime::{Channel, ConnectError, Rejected, Secret, Server, ServerBuilder, params};
use tokio::sync::mpsc;

/// Longer than anything here takes, so that a deadlock fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// A server with a function, and the errors of those that it turned away.
fn builder() -> (ServerBuilder, Turned) {
    let (tell, told) = mpsc::unbounded_channel();
    let builder = Server::builder(secret())
        .register_fn("answer", params([], async || Ok(42)))
        .on_rejected(move |rejected| drop(tell.send(rejected)));
    (builder, Turned(told))
}

/// Those that were turned away.
struct Turned(mpsc::UnboundedReceiver<Rejected>);

impl Turned {
    async fn next(&mut self) -> Rejected {
        in_time(self.0.recv()).await.expect("the server is gone")
    }

    async fn error(&mut self) -> ConnectError {
        self.next().await.error
    }
}

async fn ask(channel: &Channel) -> i64 {
    in_time(channel.rpc("answer", ())).await.unwrap()
}

async fn in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .expect("the test hangs")
}
