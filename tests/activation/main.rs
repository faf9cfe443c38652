//! Servers that a service manager starts and passes listening sockets on to: in processes of their own.
//!
//! The part of the service manager is played by a shell, which moves what it has to the descriptors from 3 on and
//! becomes the service.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kaa_rpc_runtime::{Address, Channel, Secret, Server, params, passed_sockets};
use tokio::runtime::Runtime;

/// Longer than anything here takes, so that a deadlock fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Set for a service that was started by a test.
const SERVICE: &str = "KAA_TEST_SERVICE";

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// Starts `test` of this program once more, with these two sockets as 3 and 4, as a service manager would.
///
/// `variables` are set besides `LISTEN_PID`, which only the service's own process can know.
fn start(test: &str, sockets: [OwnedFd; 2], variables: &str) -> Child {
    let [first, second] = sockets;
    let script = format!(
        "exec 3<&0 4<&2 0</dev/null 2>&1; export {SERVICE}=1 LISTEN_PID=$$ {variables}; exec \"$@\""
    );
    Command::new("sh")
        .args(["-c", &script, "service"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1", test])
        .stdin(first)
        .stderr(second)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a line that begins like this, and gives the rest.
fn line(child: &mut Child, begin: &str) -> String {
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut all = Vec::new();
    for line in output.lines().map(Result::unwrap) {
        // The harness may have begun the line.
        if let Some((_, rest)) = line.split_once(begin) {
            return rest.to_owned();
        }
        all.push(line);
    }
    panic!("the service has not said {begin:?}, but {all:#?}");
}

fn wait(child: &mut Child) {
    let mut rest = String::new();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut rest)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
}

/// Serves at all that it got until a client says that it is enough.
async fn serve() {
    let mut servers = Vec::new();
    let (stop, mut stopped) = tokio::sync::mpsc::unbounded_channel();
    for socket in passed_sockets().unwrap() {
        let (name, stop) = (socket.name().to_owned(), stop.clone());
        let server = Server::builder(secret())
            .register_fn(
                "name",
                params([], move || {
                    let name = name.clone();
                    async move { Ok(name) }
                }),
            )
            .register_fn(
                "stop",
                params([], move || {
                    let _ = stop.send(());
                    async move { Ok(()) }
                }),
            )
            .listen_on(socket)
            .unwrap();
        servers.push(server);
    }
    // They are taken once, and nothing of them is left to others.
    assert_eq!(passed_sockets().unwrap().len(), 0);
    let inherited = Command::new("sh")
        .args(["-c", "ls -l /proc/self/fd; echo LISTEN_FDS=$LISTEN_FDS."])
        .output()
        .unwrap();
    let inherited = String::from_utf8(inherited.stdout).unwrap();
    for descriptor in [3, 4] {
        let socket = format!(" {descriptor} -> socket:");
        assert!(!inherited.contains(&socket), "{inherited}");
    }
    assert!(inherited.contains("LISTEN_FDS=."), "{inherited}");
    println!("\nserving {}", servers.len());
    stopped.recv().await.unwrap();
    for server in &servers {
        server.close().await;
    }
}

fn is_service() -> bool {
    if std::env::var_os(SERVICE).is_none() {
        return false;
    }
    Runtime::new().unwrap().block_on(serve());
    true
}

async fn in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .expect("the test hangs")
}

async fn name_at(address: &str) -> String {
    let channel = in_time(Channel::connect(address, &secret())).await.unwrap();
    in_time(channel.rpc("name", ())).await.unwrap()
}

#[test]
fn a_service_serves_at_the_sockets_that_it_was_passed() {
    if is_service() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let path = folder.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let at_unix = format!("unix:{}", path.display());
    let at_tcp = Address::tcp("127.0.0.1", tcp.local_addr().unwrap().port()).unwrap();
    let at_tcp = at_tcp.to_string();
    let sockets = || [unix.as_fd(), tcp.as_fd()].map(|socket| socket.try_clone_to_owned().unwrap());
    let runtime = Runtime::new().unwrap();
    let test = "a_service_serves_at_the_sockets_that_it_was_passed";
    // A client that comes before the service is there waits for it, and so does one that comes while it is
    // started again: the socket stays.
    for _ in 0..2 {
        let early = std::thread::spawn({
            let at_unix = at_unix.clone();
            move || Runtime::new().unwrap().block_on(name_at(&at_unix))
        });
        let variables = "LISTEN_FDS=2 LISTEN_FDNAMES=local:network";
        let mut service = start(test, sockets(), variables);
        assert_eq!(line(&mut service, "serving "), "2");
        assert_eq!(early.join().unwrap(), "local");
        runtime.block_on(async {
            assert_eq!(name_at(&at_unix).await, "local");
            assert_eq!(name_at(&at_tcp).await, "network");
            let channel = in_time(Channel::connect(&at_tcp, &secret())).await.unwrap();
            let () = in_time(channel.rpc("stop", ())).await.unwrap();
            assert!(in_time(channel.closed()).await.is_orderly());
        });
        wait(&mut service);
        assert!(path.exists(), "the socket's file is not the service's");
    }
}

#[test]
fn a_process_that_was_started_otherwise_has_no_sockets() {
    if std::env::var_os(SERVICE).is_some() {
        println!("\ngot {}", passed_sockets().unwrap().len());
        return;
    }
    let test = "a_process_that_was_started_otherwise_has_no_sockets";
    // Variables that were meant for the parent.
    for variables in ["LISTEN_FDS=2 LISTEN_PID=1", "LISTEN_FDS=0", ""] {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut service = start(test, [one.into(), other.into()], variables);
        assert_eq!(line(&mut service, "got "), "0", "{variables}");
        wait(&mut service);
    }
}

#[test]
fn what_cannot_be_listened_at_is_named() {
    if std::env::var_os(SERVICE).is_some() {
        println!("\nerror: {}", passed_sockets().unwrap_err());
        return;
    }
    let test = "what_cannot_be_listened_at_is_named";
    for (variables, expected) in [
        (
            "LISTEN_FDS=2 LISTEN_FDNAMES=good:bad",
            "socket 1 (`bad`) of those that the service manager passed on is no listening stream socket",
        ),
        (
            "LISTEN_FDS=many",
            "LISTEN_FDS has the value \"many\", expected a number",
        ),
        (
            "LISTEN_FDS=4000000000",
            "LISTEN_FDS has the value \"4000000000\"",
        ),
    ] {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let (datagrams, _) = UnixDatagram::pair().unwrap();
        let mut service = start(test, [tcp.into(), datagrams.into()], variables);
        let error = line(&mut service, "error: ");
        assert!(error.contains(expected), "{error}");
        wait(&mut service);
    }
}
