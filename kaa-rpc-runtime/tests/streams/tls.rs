//! TLS, bound by the exporter of RFC 9266, and somebody who ends it in the middle.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use kaa_rpc_runtime::{Channel, CloseReason, ConnectError, HandshakeError, Secret, Server};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ConnectionCommon, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::{ask, builder, in_time, secret};

/// Somebody who can end TLS for `localhost`.
struct Identity {
    certificate: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.into();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    Identity {
        certificate,
        acceptor: TlsAcceptor::from(Arc::new(config)),
    }
}

/// Whoever trusts all of these certificates.
fn connector(trusted: &[&Identity]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for identity in trusted {
        roots.add(identity.certificate.clone()).unwrap();
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn connect(connector: &TlsConnector, to: SocketAddr) -> client::TlsStream<TcpStream> {
    let tcp = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, tcp).await.unwrap()
}

/// The `tls-exporter` of RFC 9266.
fn exporter<Data>(tls: &ConnectionCommon<Data>) -> [u8; 32] {
    tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None)
        .unwrap()
}

/// Accepts TLS with `identity`, and hands the streams to `server`; gives where.
async fn listen(server: Arc<Server>, identity: &Identity, bind: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = identity.acceptor.clone();
    tokio::spawn(async move {
        while let Ok((tcp, from)) = listener.accept().await {
            let stream: server::TlsStream<_> = acceptor.accept(tcp).await.unwrap();
            let binding = exporter(stream.get_ref().1);
            let binding = if bind { binding.as_slice() } else { &[] };
            server.accept_from(from, stream, binding).await;
        }
    });
    address
}

/// Ends the TLS of whoever comes, begins one of its own to `server`, and passes all on. Gives where it
/// stands, and what it read on its way to the server.
async fn stand_between(
    identity: &Identity,
    honest: &Identity,
    server: SocketAddr,
) -> (SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (acceptor, connector) = (identity.acceptor.clone(), connector(&[honest]));
    let (tell, read) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let client = acceptor.accept(tcp).await.unwrap();
            let mut server = connect(&connector, server).await;
            let tell = tell.clone();
            tokio::spawn(async move {
                let (mut one, mut other) = tokio::io::duplex(1 << 16);
                let mut client = client;
                // Through a pipe in memory, so that it can be looked at.
                tokio::join!(copy_bidirectional(&mut client, &mut one), async {
                    let (mut from_client, mut to_client) = tokio::io::split(&mut other);
                    let (mut from_server, mut to_server) = tokio::io::split(&mut server);
                    tokio::join!(
                        pass(&mut from_client, &mut to_server, |bytes| {
                            let _ = tell.send(bytes.to_vec());
                        }),
                        pass(&mut from_server, &mut to_client, |_| {}),
                    )
                })
            });
        }
    });
    (address, read)
}

/// Passes bytes on until they end, one way.
async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    look: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return to.shutdown().await;
        }
        look(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}

#[tokio::test]
async fn calls_go_over_tls_bound_by_its_exporter() {
    let identity = identity();
    let (server, _turned) = builder();
    let server = Arc::new(server.unbound().unwrap());
    let address = listen(Arc::clone(&server), &identity, true).await;
    let tls = in_time(connect(&connector(&[&identity]), address)).await;
    let ours = tls.get_ref().0.local_addr().unwrap();
    let binding = exporter(tls.get_ref().1);
    let channel = Channel::builder(&secret()).connect_over(tls, &binding);
    let channel = in_time(channel).await.unwrap();
    assert_eq!(ask(&channel).await, 42);
    let at_server = server.channels().remove(0);
    assert_eq!(at_server.peer().unwrap().address(), Some(ours));
    assert!(in_time(channel.close()).await.is_orderly());
    assert!(in_time(at_server.closed()).await.is_orderly());
}

#[tokio::test]
async fn hostile_10_who_ends_tls_in_the_middle_is_found_out_though_its_certificate_is_trusted() {
    let (honest, between) = (identity(), identity());
    let (server, mut turned) = builder();
    let server = Arc::new(server.unbound().unwrap());
    let address = listen(Arc::clone(&server), &honest, true).await;
    let (address, mut read) = stand_between(&between, &honest, address).await;

    let tls = in_time(connect(&connector(&[&honest, &between]), address)).await;
    let binding = exporter(tls.get_ref().1);
    let channel = Channel::builder(&secret()).connect_over(tls, &binding);
    let at_client = in_time(channel).await.unwrap_err();
    let at_server = turned.error().await;
    assert!(
        matches!(&at_client, ConnectError::Binding(HandshakeError::Refused)),
        "{at_client:?}"
    );
    assert!(
        matches!(
            &at_server,
            ConnectError::Binding(HandshakeError::WrongSecret { .. })
        ),
        "{at_server:?}"
    );
    for error in [at_client, at_server] {
        let text = error.to_string();
        assert!(text.contains("somebody is between them"), "{text}");
    }
    // It did see what went through.
    let first = in_time(read.recv()).await.unwrap();
    assert!(first.starts_with(b"\xc1kaa-rpc"), "{first:?}");
    assert!(server.channels().is_empty());
}

/// What an empty binding gives up, and so what the other test would not see without it.
#[tokio::test]
async fn without_a_binding_who_ends_tls_in_the_middle_reads_all_calls() {
    let (honest, between) = (identity(), identity());
    let (server, _turned) = builder();
    let server = Arc::new(server.unbound().unwrap());
    let address = listen(Arc::clone(&server), &honest, false).await;
    let (address, mut read) = stand_between(&between, &honest, address).await;
    let tls = in_time(connect(&connector(&[&honest, &between]), address)).await;
    let channel = Channel::builder(&secret()).connect_over(tls, &[]);
    let channel = in_time(channel).await.unwrap();
    assert_eq!(ask(&channel).await, 42);
    let mut all = Vec::new();
    while !all.windows(6).any(|bytes| bytes == b"answer") {
        all.extend(in_time(read.recv()).await.unwrap());
    }
}

/// A server that turns somebody away closes in silence, which TLS takes for a cut.
#[tokio::test]
async fn a_wrong_secret_is_told_at_both_ends_over_tls() {
    let identity = identity();
    let (server, mut turned) = builder();
    let server = Arc::new(server.unbound().unwrap());
    let address = listen(Arc::clone(&server), &identity, true).await;
    let tls = in_time(connect(&connector(&[&identity]), address)).await;
    let binding = exporter(tls.get_ref().1);
    let wrong = Secret::from_bytes(&[8; 32]).unwrap();
    let channel = Channel::builder(&wrong).connect_over(tls, &binding);
    let at_client = in_time(channel).await.unwrap_err();
    assert!(
        matches!(&at_client, ConnectError::Binding(HandshakeError::Refused)),
        "{at_client:?}"
    );
    assert!(matches!(
        turned.error().await,
        ConnectError::Binding(HandshakeError::WrongSecret { .. })
    ));
}

#[tokio::test]
async fn hostile_17_tls_that_is_cut_is_no_orderly_end() {
    let identity = identity();
    let (server, _turned) = builder();
    let server = Arc::new(server.unbound().unwrap());
    let address = listen(Arc::clone(&server), &identity, true).await;
    let tls = in_time(connect(&connector(&[&identity]), address)).await;
    let tcp = tls.get_ref().0;
    let cut = socket_of(tcp);
    let binding = exporter(tls.get_ref().1);
    let channel = Channel::builder(&secret()).connect_over(tls, &binding);
    let channel = in_time(channel).await.unwrap();
    assert_eq!(ask(&channel).await, 42);
    cut.shutdown(std::net::Shutdown::Both).unwrap();
    let reason = in_time(channel.closed()).await;
    assert!(matches!(*reason, CloseReason::Ended), "{reason:?}");
}

/// The same socket once more, under the TLS.
fn socket_of(tcp: &TcpStream) -> std::net::TcpStream {
    tcp.as_fd().try_clone_to_owned().unwrap().into()
}
