//! All that is about TLS: certificates, and what ties a channel to a stream.

use std::error::Error;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    self, ClientConfig, ConnectionCommon, RootCertStore, ServerConfig, version,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const HOST: &str = "localhost";

/// Accepts TLS with a new certificate, which the others find in `NAME.certificate`. A real program loads one
/// that an authority signed.
pub(crate) fn acceptor(name: &str) -> Result<TlsAcceptor, Box<dyn Error + Send + Sync>> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let certificate: CertificateDer<'static> = made.cert.into();
    std::fs::write(format!("{name}.certificate"), &certificate)?;
    // The exporter is safe for this with TLS 1.3 only.
    let config = ServerConfig::builder_with_protocol_versions(&[&version::TLS13])
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connects to `name` at a port of this machine. It must have one of the certificates in `trusted`.
pub(crate) async fn connect(
    name: &str,
    trusted: &[&str],
) -> Result<TlsStream<TcpStream>, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for name in trusted {
        let certificate = std::fs::read(format!("{name}.certificate"))?;
        roots.add(CertificateDer::from(certificate))?;
    }
    let config = ClientConfig::builder_with_protocol_versions(&[&version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(crate::address_of(name)?).await?;
    // Calls are small and should not wait for each other.
    tcp.set_nodelay(true)?;
    let tls = TlsConnector::from(Arc::new(config));
    Ok(tls.connect(ServerName::try_from(HOST)?, tcp).await?)
}

/// What both ends of one TLS connection know, and nobody has on two of them: the `tls-exporter` of RFC 9266.
pub(crate) fn binding<Data>(tls: &ConnectionCommon<Data>) -> Result<[u8; 32], rustls::Error> {
    tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None)
}
