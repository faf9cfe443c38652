//! The server, which notes what it runs.

use std::net::Ipv4Addr;
use std::time::Duration;

use kaa_rpc_runtime::{Context, Server, params};
use turmoil::net::TcpListener;

use crate::{Log, secret};

pub(crate) const PORT: u16 = 7000;

/// What a call with this token gives.
pub(crate) fn answer(token: u64) -> u64 {
    token.wrapping_mul(31).wrapping_add(7)
}

pub(crate) async fn serve(log: Log) -> turmoil::Result {
    let (note, slow, ask) = (log.clone(), log.clone(), log);
    let server = Server::builder(secret())
        .register_fn(
            "note",
            params(["token"], move |token: u64| {
                note.note(token);
                async move { Ok(answer(token)) }
            }),
        )
        .register_fn(
            "slow",
            params(["token", "millis"], move |token: u64, millis: u64| {
                slow.note(token);
                async move {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    Ok(answer(token))
                }
            }),
        )
        .register_fn(
            "ask",
            params(["token"], move |cx: Context, token: u64| {
                ask.note(token);
                async move { Ok(cx.channel().rpc::<u64, _>("reply", (token,)).await?) }
            }),
        )
        .keepalive(Duration::from_millis(500), Duration::from_millis(1500))
        .open_timeout(Duration::from_secs(3))
        .unbound()?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, address) = listener.accept().await?;
        server.accept_from(address, stream, b"").await;
    }
}
