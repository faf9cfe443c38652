//! The server: it accepts TLS, and serves a channel over each stream.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kaa_examples::climate::{Climate, ClimatePeer, DisplayClient, Station};
use kaa_examples::stage;
use kaa_rpc_runtime::{Context, Outcome, Secret, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::security;

struct Thermometer;

impl Station for Thermometer {
    async fn temperature(&self, _: &Context) -> Outcome<f64> {
        Ok(-3.5)
    }

    async fn warn_below(&self, cx: &Context, degrees: f64) -> Outcome<bool> {
        let now = self.temperature(cx).await?;
        if now >= degrees {
            return Ok(false);
        }
        let display = DisplayClient::new(&cx.channel());
        Ok(display.warn(&format!("it is {now} °C")).await?)
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let acceptor = security::acceptor("station")?;
    let listener = crate::listen("station").await?;
    let secret = Secret::load_or_create(crate::SECRET)?;
    // `unbound`: it has no address, and gets all its streams from us.
    let server = Climate::server(secret, Thermometer)
        .on_rejected(|rejected| println!("turned somebody away: {}", rejected.error))
        .unbound()?;
    let server = Arc::new(server);
    let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&server)));
    println!("measuring");
    stage::stopped().await;
    accepting.abort();
    server.close().await;
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: Arc<Server<ClimatePeer>>) {
    loop {
        match listener.accept().await {
            Ok((tcp, from)) => {
                // A task for each, so that a stranger that is slow at TLS delays nobody else.
                let (acceptor, server) = (acceptor.clone(), Arc::clone(&server));
                tokio::spawn(async move {
                    if let Err(error) = serve(tcp, from, acceptor, server).await {
                        println!("no TLS with {from}: {error}");
                    }
                });
            }
            // This connection is gone, or the system is short of something.
            Err(error) => {
                println!("cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    tcp: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
    server: Arc<Server<ClimatePeer>>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    tcp.set_nodelay(true)?;
    // The server's own deadline begins after this.
    let tls = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(tcp)).await??;
    let binding = security::binding(tls.get_ref().1)?;
    server.accept_from(from, tls, &binding).await;
    Ok(())
}
