//! Servers that listen at sockets that somebody else made.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use kaa_rpc_runtime::{Address, BindError, Channel, Secret, Server, ServerBuilder, params};

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

fn builder() -> ServerBuilder {
    Server::builder(secret()).register_fn("answer", params([], async || Ok(42)))
}

async fn ask(address: &str) -> i64 {
    let asking = async {
        let channel = Channel::connect(address, &secret()).await.unwrap();
        channel.rpc("answer", ()).await.unwrap()
    };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .expect("the test hangs")
}

#[tokio::test]
async fn a_unix_socket_that_was_given_stays_when_the_server_goes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let address = format!("unix:{}", path.display());
    for _ in 0..2 {
        // Whoever made it keeps it, as a service manager does.
        let server = builder().listen_on(listener.try_clone().unwrap()).unwrap();
        assert_eq!(server.path(), Some(path.as_path()));
        assert_eq!(server.address().to_string(), address);
        assert_eq!(ask(&address).await, 42);
        server.close().await;
        assert!(path.exists());
    }
}

#[cfg(feature = "tcp")]
#[tokio::test]
async fn a_tcp_socket_that_was_given_serves_encrypted_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let server = builder().listen_on(listener).unwrap();
    assert_eq!(
        server.address(),
        &Address::tcp("127.0.0.1", at.port()).unwrap()
    );
    assert_eq!(server.path(), None);
    assert_eq!(ask(&server.address().to_string()).await, 42);
}

/// Sockets outside of the file system have no address that a client could be given.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_abstract_socket_has_no_address_but_serves() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("kaa-test-{}", std::process::id());
    let place = SocketAddr::from_abstract_name(name).unwrap();
    let server = builder()
        .listen_on(UnixListener::bind_addr(&place).unwrap())
        .unwrap();
    assert_eq!(server.address(), &Address::Unnamed);
    assert_eq!(server.path(), None);
    let mut connected = server.client_connected();
    let stream = UnixStream::connect_addr(&place).unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::UnixStream::from_std(stream).unwrap();
    // It is another transport to the server than to this client, which therefore gets nowhere.
    let client = Channel::builder(&secret()).connect_over(stream, &[]);
    client.await.unwrap_err();
    drop(server);
    assert!(connected.next().await.is_none());
}

#[tokio::test]
async fn a_socket_that_cannot_be_listened_at_is_refused() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    let cases: [(OwnedFd, &str); 3] = [
        (stream.into(), "got one that does not listen"),
        (datagrams.into(), "got a socket of another kind"),
        (
            std::fs::File::open("/dev/null").unwrap().into(),
            "got what is no socket",
        ),
    ];
    for (socket, expected) in cases {
        let error = builder().listen_on(socket).unwrap_err();
        assert!(matches!(error, BindError::Given(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn hostile_58_programs_that_we_start_do_not_inherit_a_given_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // As a service manager passes it.
    rustix::io::fcntl_setfd(listener.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
    let seen = || {
        let shown = std::process::Command::new("ls")
            .args(["-l", "/proc/self/fd"])
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        shown.contains(&format!("socket:[{inode}]"))
    };
    if !std::path::Path::new("/proc/self/fd").exists() {
        eprintln!("SKIPPED: this system does not show descriptors");
        return;
    }
    assert!(seen());
    let _server = builder().listen_on(listener).unwrap();
    assert!(!seen());
}
