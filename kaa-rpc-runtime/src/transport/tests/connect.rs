//! Connecting: what is said if it fails, and waiting for room.

use std::os::unix::net::UnixListener as PlainListener;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use super::*;

async fn refused(place: &Place) -> UnixConnectError {
    connect(place).await.err().expect("it connected")
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let folder = private_folder();
    let error = refused(&at(folder.path().join("s"))).await;
    assert!(error.is_not_running());
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(
        error
            .to_string()
            .ends_with("there is no such socket: start the server"),
        "{error}"
    );

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = refused(&at(&file)).await;
    assert!(!error.is_not_running());
    assert!(
        error.to_string().contains("is not a server's socket"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_the_runtime_folder_is_noticed() {
    let (runtime, temporary) = (private_folder(), private_folder());
    let server = named("player", None, temporary.path());
    let _listener = bind(&server).unwrap();
    let error = refused(&named("player", Some(runtime.path()), temporary.path())).await;
    assert!(error.is_not_running());
    let message = error.to_string();
    assert!(message.contains("XDG_RUNTIME_DIR"), "{message}");
    assert!(
        message.contains(server.path().to_str().unwrap()),
        "{message}"
    );
}

#[tokio::test]
async fn a_full_backlog_is_waited_for() {
    let folder = private_folder();
    let path = folder.path().join("s");
    let listener = PlainListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let first = connect(&at(&path)).await.unwrap();

    let place = at(&path);
    let second = tokio::spawn(async move { connect(&place).await });
    while !second.is_finished() {
        // Makes room; the first time for the first.
        if let Some((stream, _)) = {
            listener.set_nonblocking(true).unwrap();
            listener.accept().ok()
        } {
            drop(stream);
        }
        tokio::task::yield_now().await;
    }
    assert!(second.await.unwrap().is_ok());
    drop(first);
}

/// Started as another user: a server of their own.
#[test]
fn stranger() {
    use std::io::Read;
    let Some(path) = told() else { return };
    let listener = PlainListener::bind(&path).unwrap();
    rustix::fs::chmod(path, rustix::fs::Mode::from_bits_retain(0o666)).unwrap();
    println!("\nlistening");
    for allowed in [false, true] {
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), usize::from(allowed));
    }
}

#[tokio::test]
async fn hostile_57_another_users_server_is_told_nothing() {
    use std::io::BufRead;
    if !are_we_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(STRANGER), None).unwrap();
    let path = folder.path().join("s");
    let mut server = child(
        "transport::tests::connect::stranger",
        path.to_str().unwrap(),
    )
    .uid(STRANGER)
    .gid(STRANGER)
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let output = io::BufReader::new(server.stdout.take().unwrap());
    let mut lines = output.lines();
    lines
        .find(|line| line.as_ref().unwrap() == "listening")
        .unwrap()
        .unwrap();

    let error = refused(&at(&path)).await;
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let message = error.to_string();
    assert!(
        message.contains("runs as the user 65534, expected user 0"),
        "{message}"
    );

    let mut allowed = AllowedUsers::default();
    allowed.add(STRANGER);
    let socket = super::super::connect::connect_at(&at(&path), &allowed)
        .await
        .unwrap();
    Transport::unix(socket).write_all(b"!").await.unwrap();
    lines.for_each(drop);
    assert!(server.wait().unwrap().success());
}
