//! Starts the programs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use kaa_rpc_runtime::{Secret, Value};
use kaa_tests::beacon::DatabaseClient;
use kaa_tests::media_database::{News, Viewer};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A folder with a secret, and the address of the daemon that a test starts.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) secret: Secret,
    pub(crate) address: String,
}

/// A program that runs; killed when this is dropped.
pub(crate) struct Program {
    pub(crate) process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// A client in the test's own process.
pub(crate) struct Client {
    pub(crate) end: DatabaseClient,
    pub(crate) number: i64,
    pub(crate) news: UnboundedReceiver<News>,
}

impl Place {
    pub(crate) fn new() -> Result<Self, Box<dyn std::error::Error>> {
        // Sockets want a folder that is nobody else's.
        let folder = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        let secret = Secret::create_file(folder.path().join("secret"))?;
        let address = format!("unix:{}/beacon.sock", folder.path().display());
        Ok(Self {
            folder,
            secret,
            address,
        })
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("beacon.sock")
    }

    /// Starts a daemon, and waits until it listens.
    pub(crate) async fn daemon(&self) -> Result<Program, Box<dyn std::error::Error>> {
        let mut daemon = self.start(env!("CARGO_BIN_EXE_beacond"), &[])?;
        assert_eq!(daemon.line().await?, "ready");
        Ok(daemon)
    }

    /// Starts a client in a process of its own.
    pub(crate) fn client(&self, task: &str) -> std::io::Result<Program> {
        self.start(env!("CARGO_BIN_EXE_beacon-client"), &[task])
    }

    fn start(&self, program: &str, more: &[&str]) -> std::io::Result<Program> {
        let mut process = Command::new(program)
            .arg(&self.address)
            .arg(self.folder.path().join("secret"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take();
        let stdout = stdout.ok_or_else(|| std::io::Error::other("the output is not piped"))?;
        let lines = BufReader::new(stdout).lines();
        Ok(Program { process, lines })
    }

    /// Connects to the daemon, which then gives the client its number.
    pub(crate) async fn connect(&self) -> Result<Client, Box<dyn std::error::Error>> {
        let (end, mut news) = Viewer::connect(&self.address, &self.secret).await?;
        match news.recv().await {
            Some(News::Connected(number, database, media)) => {
                assert_eq!(database, "memory");
                assert_eq!(media.len(), 1, "{media:?}");
                Ok(Client { end, number, news })
            }
            other => Err(format!("the daemon's first call is {other:?}").into()),
        }
    }
}

impl Program {
    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> Result<String, Box<dyn std::error::Error>> {
        let line = self.lines.next_line().await?;
        Ok(line.ok_or("the program ended")?)
    }
}

impl Client {
    /// What it was told next.
    pub(crate) async fn told(&mut self) -> News {
        let news = self.news.recv().await;
        news.expect("the client's own objects are gone")
    }

    /// Passes over what it was told until `wanted`.
    pub(crate) async fn told_at_last(&mut self, wanted: &News) {
        while self.told().await != *wanted {}
    }
}

/// `log.info` of these.
pub(crate) fn info<const N: usize>(args: [Value; N]) -> News {
    News::Info(args.into())
}
