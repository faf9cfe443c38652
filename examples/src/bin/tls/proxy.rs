//! Somebody in the middle, with a certificate of its own.

use std::error::Error;

use kaa_examples::stage;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::security;

pub(crate) async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let acceptor = security::acceptor("proxy")?;
    let listener = crate::listen("proxy").await?;
    let listening = tokio::spawn(accept(listener, acceptor));
    println!("listening in");
    stage::stopped().await;
    listening.abort();
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((tcp, _)) = listener.accept().await {
        // Both ends let go as soon as they know.
        let _ = pass_on(tcp, &acceptor).await;
        println!("they have noticed");
    }
}

/// Ends the TLS of a client, begins another one to the station, and passes everything on.
async fn pass_on(
    tcp: TcpStream,
    acceptor: &TlsAcceptor,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut client = acceptor.accept(tcp).await?;
    let mut station = security::connect("station", &["station"]).await?;
    copy_bidirectional(&mut client, &mut station).await?;
    Ok(())
}
