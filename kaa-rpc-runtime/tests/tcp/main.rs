//! TCP as users meet it: calls over real sockets, wrong set-ups, and who listens in or changes bytes.
#![cfg(feature = "tcp")]

mod calls;
mod endings;
mod opening;
mod proxy;
mod strangers;
mod tampering;

use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Channel, Secret, Server, ServerBuilder, params};

/// Longer than anything here takes, so that a deadlock fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOPBACK: &str = "tcp:127.0.0.1:0";

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// A server with functions that the tests call.
fn builder() -> ServerBuilder {
    Server::builder(secret())
        .register_fn("answer", params([], async || Ok(42)))
        .register_fn("echo", params(["data"], async |data: Bytes| Ok(data)))
        .register_fn(
            "wait",
            params([], async || {
                std::future::pending::<()>().await;
                Ok(())
            }),
        )
}

async fn ask(channel: &Channel) -> i64 {
    in_time(channel.rpc("answer", ())).await.unwrap()
}

async fn in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .expect("the test hangs")
}

/// An honest client gets its answer, whatever goes on beside it.
async fn is_served(server: &Server) {
    let address = server.address().to_string();
    let channel = in_time(Channel::connect(&address, &secret()))
        .await
        .unwrap();
    assert_eq!(ask(&channel).await, 42);
}
