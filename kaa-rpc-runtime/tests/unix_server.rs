//! Unix addresses as servers and clients meet them: by name, by path, after a crash, between users.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kaa_rpc_runtime::{
    BindError, Channel, ConnectError, Error, Secret, Server, ServerBuilder, UnixOptions, params,
};

/// A user that is neither root nor us.
const STRANGER: u32 = 65_534;

/// What a process that was started by [`child`] is to do.
const CHILD: &str = "KAA_TEST_CHILD";

fn told() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// This program again, to run only `test`, which gets `message` from [`told`].
fn child(test: &str, message: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads=1", test])
        .env(CHILD, message)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Waits until a child says this line.
fn wait_for(child: &mut Child, expected: &str) {
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    assert!(
        lines.any(|line| line == expected),
        "the child has ended without saying {expected:?}"
    );
}

fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

fn builder(answer: i64) -> ServerBuilder {
    Server::builder(secret()).register_fn("answer", params([], move || async move { Ok(answer) }))
}

async fn ask(address: &str) -> i64 {
    let channel = Channel::connect(address, &secret()).await.unwrap();
    channel.rpc("answer", ()).await.unwrap()
}

fn address_of(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn are_we_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_name_is_enough_between_processes_of_one_user() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(address) = told() {
        runtime.block_on(async {
            let server = builder(42).bind(&address).await.unwrap();
            println!("\nlistening at {}", server.path().unwrap().display());
            // Until the parent is done.
            let wait = || std::io::stdin().read_to_end(&mut Vec::new());
            tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
            server.close().await;
        });
        return;
    }
    let folder = private_folder();
    let socket = folder.path().join("kaa/player");
    let mut server = child(
        "a_name_is_enough_between_processes_of_one_user",
        "unix:player",
    )
    .env("XDG_RUNTIME_DIR", folder.path())
    .spawn()
    .unwrap();
    wait_for(&mut server, &format!("listening at {}", socket.display()));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    assert_eq!(runtime.block_on(ask(&address_of(&socket))), 42);

    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn hostile_54_a_server_that_was_killed_is_replaced() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = told() {
        let _server = runtime.block_on(builder(1).bind(&path)).unwrap();
        println!("\nlistening");
        std::thread::park();
        return;
    }
    let folder = private_folder();
    let address = address_of(&folder.path().join("s"));
    let mut first = child("hostile_54_a_server_that_was_killed_is_replaced", &address)
        .spawn()
        .unwrap();
    wait_for(&mut first, "listening");
    runtime.block_on(async {
        assert_eq!(ask(&address).await, 1);
        let channel = Channel::connect(&address, &secret()).await.unwrap();
        // A live one is not.
        let error = builder(2).bind(&address).await.unwrap_err();
        assert!(matches!(&error, BindError::Unix(error) if error.is_in_use()));
        assert!(
            error.to_string().contains("a server is listening"),
            "{error}"
        );
        assert_eq!(ask(&address).await, 1);

        first.kill().unwrap();
        first.wait().unwrap();
        channel.closed().await;
        let lost = channel.rpc::<i64, _>("answer", ()).await.unwrap_err();
        assert!(matches!(lost, Error::NotConnected(_)), "{lost}");
        let refused = Channel::connect(&address, &secret()).await.unwrap_err();
        assert!(
            matches!(&refused, ConnectError::Unix(error) if error.is_not_running()),
            "{refused}"
        );

        let _second = builder(2).bind(&address).await.unwrap();
        assert_eq!(ask(&address).await, 2);
    });
}

#[tokio::test]
async fn after_a_close_the_address_is_free() {
    let folder = private_folder();
    let address = address_of(&folder.path().join("s"));
    for round in 0..20 {
        let server = builder(round).bind(&address).await.unwrap();
        if round % 2 == 0 {
            assert_eq!(ask(&address).await, round);
        }
        if round % 3 == 0 {
            server.close().await;
        }
        // Dropping it is a close too.
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn hostile_56_both_ends_tell_that_a_path_is_too_long() {
    let folder = private_folder();
    let address = address_of(&folder.path().join("s".repeat(108)));
    let bind = builder(0).bind(&address).await.unwrap_err().to_string();
    let connect = Channel::connect(&address, &secret())
        .await
        .unwrap_err()
        .to_string();
    for message in [bind, connect] {
        assert!(
            message.contains("the system takes at most 107"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn hostile_57_an_open_folder_takes_an_explicit_mode() {
    let folder = private_folder();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let socket: PathBuf = folder.path().join("s");
    let address = address_of(&socket);
    let error = builder(0).bind(&address).await.unwrap_err().to_string();
    assert!(error.contains("others may enter the folder"), "{error}");

    let options = UnixOptions::new().mode(0o600);
    let _server = builder(3).unix(options).bind(&address).await.unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(ask(&address).await, 3);
}

/// Another user who knows the secret gets in only if that user was named, at both ends.
#[test]
fn hostile_57_other_users_must_be_named() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(address) = told() {
        runtime.block_on(async {
            // A server of another user is told nothing, unless it was named.
            let refused = Channel::connect(&address, &secret()).await.unwrap_err();
            assert!(
                refused.to_string().contains("runs as the user 0"),
                "{refused}"
            );
            let channel = Channel::builder(&secret())
                .allow_uid(0)
                .connect(&address)
                .await;
            match channel {
                Ok(channel) => println!(
                    "\nanswer {}",
                    channel.rpc::<i64, _>("answer", ()).await.unwrap()
                ),
                Err(_) => println!("\nrefused"),
            }
        });
        return;
    }
    if !are_we_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let address = address_of(&folder.path().join("s"));
    let wide = UnixOptions::new().mode(0o666);
    for (options, outcome) in [
        (wide.clone(), "refused"),
        (wide.allow_uid(STRANGER), "answer 4"),
    ] {
        let server = runtime
            .block_on(builder(4).unix(options).bind(&address))
            .unwrap();
        let mut stranger = child("hostile_57_other_users_must_be_named", &address)
            .uid(STRANGER)
            .gid(STRANGER)
            .spawn()
            .unwrap();
        wait_for(&mut stranger, outcome);
        assert!(stranger.wait().unwrap().success());
        assert_eq!(runtime.block_on(ask(&address)), 4);
        runtime.block_on(server.close());
    }
}

/// The mode of the socket lets them in, but they are closed on before a byte is read or written, and the
/// server's user learns of each.
#[test]
fn hostile_57_another_user_is_dropped_before_a_byte_is_read() {
    let name = "hostile_57_another_user_is_dropped_before_a_byte_is_read";
    if let Some(path) = told() {
        let mut got = Vec::new();
        let mut stream = UnixStream::connect(path).unwrap();
        let end = stream.read_to_end(&mut got);
        println!("\ngot {} {}", got.len(), end.is_ok());
        return;
    }
    if !are_we_root() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("s");
    let (tell, mut rejected) = tokio::sync::mpsc::unbounded_channel();
    let wide = UnixOptions::new().mode(0o666);
    // A judge that panics lets nobody in either, and the server goes on.
    for options in [wide.clone(), wide.allow_if(|_| panic!("no judge"))] {
        let tell = tell.clone();
        let address = address_of(&path);
        let server = builder(5)
            .unix(options)
            .on_rejected(move |rejected| tell.send(rejected).unwrap());
        let server = runtime.block_on(server.bind(&address)).unwrap();
        for _ in 0..2 {
            let mut stranger = child(name, path.to_str().unwrap())
                .uid(STRANGER)
                .gid(STRANGER)
                .spawn()
                .unwrap();
            wait_for(&mut stranger, "got 0 true");
            let rejected = runtime.block_on(rejected.recv()).unwrap();
            let text = rejected.error.to_string();
            assert!(text.contains("the user 65534 is not allowed"), "{text}");
            assert_eq!(rejected.credentials.unwrap().pid(), Some(stranger.id()));
            assert!(stranger.wait().unwrap().success());
        }
        assert_eq!(runtime.block_on(ask(&address)), 5);
        runtime.block_on(server.close());
    }
}

/// Whoever the given functions accept, by any of what the kernel tells.
#[test]
fn a_function_may_say_who_is_let_in_at_both_ends() {
    let name = "a_function_may_say_who_is_let_in_at_both_ends";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(address) = told() {
        runtime.block_on(async {
            let connect = async |accept: bool| {
                Channel::builder(&secret())
                    .allow_if(move |server| accept && server.uid() == 0)
                    .connect(&address)
                    .await
            };
            let refused = connect(false).await.unwrap_err().to_string();
            assert!(refused.contains("nothing was sent to it"), "{refused}");
            match connect(true).await {
                Ok(channel) => {
                    let answer: i64 = channel.rpc("answer", ()).await.unwrap();
                    println!("\nanswer {answer}");
                }
                Err(_) => println!("\nrefused"),
            }
        });
        return;
    }
    if !are_we_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let address = address_of(&folder.path().join("s"));
    const MEMBERS: u32 = 54_321;
    let options = UnixOptions::new()
        .mode(0o666)
        .allow_if(|peer| peer.gid() == MEMBERS);
    let _server = runtime
        .block_on(builder(6).unix(options).bind(&address))
        .unwrap();
    for (group, outcome) in [(MEMBERS, "answer 6"), (STRANGER, "refused")] {
        let mut client = child(name, &address)
            .uid(STRANGER)
            .gid(group)
            .spawn()
            .unwrap();
        wait_for(&mut client, outcome);
        assert!(client.wait().unwrap().success());
    }
}

#[tokio::test]
async fn abstract_names_are_refused_at_both_ends() {
    let bind = builder(0)
        .bind("unix:@player")
        .await
        .unwrap_err()
        .to_string();
    let connect = Channel::connect("unix:@player", &secret()).await;
    for error in [bind, connect.unwrap_err().to_string()] {
        assert!(error.contains("abstract sockets"), "{error}");
    }
}

/// What a `main` prints that gives them on is their `Debug`.
#[tokio::test]
async fn what_keeps_a_program_from_starting_is_told_in_words() {
    let folder = private_folder();
    let place = folder.path().join("nobody");
    let address = format!("unix:{}", place.display());
    let told = |error: &dyn std::fmt::Debug| format!("{error:?}");
    let error = Channel::connect(&address, &Secret::generate().unwrap()).await;
    let error = error.unwrap_err();
    assert_eq!(told(&error), error.to_string());
    assert!(told(&error).contains("start the server"), "{error}");
    let error = Secret::from_file(&place).unwrap_err();
    assert_eq!(told(&error), error.to_string());
    let server = Server::builder(Secret::generate().unwrap());
    let error = server.bind("udp:nobody").await.unwrap_err();
    assert_eq!(told(&error), error.to_string());
}
