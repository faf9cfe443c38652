//! A real server in this process, and the `kaa` command as processes of its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use kaa_rpc_runtime::codegen::{DeclaredError, Functions};
use kaa_rpc_runtime::{
    Bytes, Context, Items, Outcome, Secret, Server, Service, Throws, Timestamp, Value, params,
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What a `kaa` process did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    /// It ended well and printed this line.
    #[track_caller]
    pub(crate) fn gives(&self, line: &str) {
        assert_eq!(self.status, 0, "{self:#?}");
        assert_eq!(self.stdout, format!("{line}\n"), "{self:#?}");
        assert_eq!(self.stderr, "", "{self:#?}");
    }

    /// It ended with this status, printed nothing, and told all of this.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32, told: &[&str]) {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        for text in told {
            assert!(self.stderr.contains(text), "{text:?} in {self:#?}");
        }
    }
}

pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        status: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        bytes: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The command, without anything of this process's environment that it looks at.
pub(crate) fn kaa(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaa"));
    for name in ["KAA_SECRET_FILE", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// A server that runs as `unix:player` for commands that [`Fixture::call`] starts.
pub(crate) struct Fixture {
    server: Option<Server>,
    runtime: Runtime,
    folder: TempDir,
    /// What `log` was called with.
    pub(crate) logged: mpsc::Receiver<Value>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::create_file(folder.path().join("secret")).unwrap();
        let sockets = folder.path().join("kaa");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&sockets)
            .unwrap();
        let runtime = Runtime::new().unwrap();
        let (log, logged) = mpsc::channel();
        let address = format!("unix:{}", sockets.join("player").display());
        let server = runtime
            .block_on(player(secret, log).bind(&address))
            .unwrap();
        Self {
            server: Some(server),
            runtime,
            folder,
            logged,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.folder().join("secret")
    }

    /// `kaa call unix:player ARGS…`, not yet started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = kaa(["call", "unix:player"]);
        command
            .args(args)
            .env("KAA_SECRET_FILE", self.secret())
            .env("XDG_RUNTIME_DIR", self.folder());
        command
    }

    /// `kaa call unix:player ARGS…`
    pub(crate) fn call(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    pub(crate) fn stop(&mut self) {
        let server = self.server.take().unwrap();
        self.runtime.block_on(server.close());
    }
}

fn player(secret: Secret, log: mpsc::Sender<Value>) -> kaa_rpc_runtime::ServerBuilder {
    let stopped = log.clone();
    let add = async |a: i64, b: Option<i64>| Ok(a + b.unwrap_or(1));
    let later = async |time: Timestamp, by: Duration| {
        let secs = i64::try_from(by.as_secs())?;
        Ok(Timestamp::new(time.secs() + secs, by.subsec_nanos()))
    };
    Server::builder(secret)
        .service("player")
        .close_timeout(Duration::from_millis(500))
        .register_fn("add", params(["a", "b?"], add))
        .register_fn("echo", params(["value"], async |value: Value| Ok(value)))
        .register(Deck)
        .register_fn("later", params(["time", "by"], later))
        .register_fn("title", params([], async || Ok("Lucia di L.")))
        .register_fn("louder", params(["by"], async |by: f32| Ok(by)))
        .register_fn("size", params(["data"], async |data: Bytes| Ok(data.len())))
        .register_fn("nothing", params([], async || Ok(())))
        .register_fn("stop", params([], async || broken()))
        .register_fn(
            "crash",
            params([], async || -> Outcome<()> { panic!("the deck is empty") }),
        )
        .register_fn(
            "wait",
            params([], async || {
                std::future::pending::<()>().await;
                Ok(())
            }),
        )
        .register_fn(
            "hang_up",
            params([], async |context: Context| {
                let channel = context.channel().clone();
                drop(tokio::spawn(async move { channel.close().await }));
                std::future::pending::<()>().await;
                Ok(())
            }),
        )
        .register_fn("count", params(["end", "fails?"], count))
        .register_fn("read", params([], read))
        .register_fn("upload", params(["data", "title?"], upload))
        .register_fn("double", params(["numbers"], double))
        .register_fn("first", params(["numbers"], first))
        .register_fn(
            "watch",
            params([], move |cx: Context| {
                let told = Told(stopped.clone());
                async move {
                    cx.yielder().give(&"watching").await?;
                    std::future::pending::<()>().await;
                    drop(told);
                    Ok(())
                }
            }),
        )
        .register_fn(
            "log",
            params(["message"], move |message: Value| {
                let sent = log.send(message);
                async move { Ok(sent?) }
            }),
        )
}

async fn count(cx: Context, end: u64, fails: Option<bool>) -> Outcome<String> {
    let items = cx.yielder();
    for number in 0..end {
        items.give(&number).await?;
    }
    match fails {
        Some(true) => Err("no more".into()),
        _ => Ok(format!("{end} in all")),
    }
}

/// Yields two pieces of bytes, and gives their length.
async fn read(cx: Context) -> Outcome<u64> {
    let items = cx.yielder();
    items.give(&Bytes::from_static(b"\0\xff")).await?;
    items.give(&Bytes::from_static(b"\n")).await?;
    Ok(3)
}

/// Gives how much came, in how many pieces, and the sum of all bytes.
async fn upload(mut data: Items<Bytes>, title: Option<String>) -> Outcome<(String, u64, u64)> {
    let (mut length, mut sum) = (0, 0);
    while let Some(piece) = data.next().await? {
        length += piece.len() as u64;
        sum += piece.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    Ok((title.unwrap_or_default(), length, sum))
}

async fn double(cx: Context, mut numbers: Items<i64>) -> Outcome<()> {
    let items = cx.yielder();
    while let Some(number) = numbers.next().await? {
        items.give(&(2 * number)).await?;
    }
    Ok(())
}

async fn first(mut numbers: Items<Value>) -> Outcome<Option<Value>> {
    Ok(numbers.next().await?)
}

/// Tells when it is dropped.
struct Told(mpsc::Sender<Value>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send("stopped".into());
    }
}

/// Closures declare no errors, so this is an object.
struct Deck;

impl Service for Deck {
    fn register(self, functions: &mut Functions) {
        functions.add("play", &Arc::new(self), |_, _, arguments| {
            let id: u64 = arguments.required("id")?;
            Ok(async move {
                match id {
                    7 => Ok("playing".to_owned()),
                    _ => Err(Throws::Declared(PlayError::NotFound { id })),
                }
            })
        });
    }
}

fn broken() -> Outcome<()> {
    std::fs::read("/does/not/exist/deck")?;
    Ok(())
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PlayError {
    NotFound { id: u64 },
}

impl DeclaredError for PlayError {
    const NAME: &'static str = "media.player.PlayError";
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NotFound { id } = self;
        write!(f, "no track {id}")
    }
}

impl std::error::Error for PlayError {}
