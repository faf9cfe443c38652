//! Starts Python.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use kaa_rpc_runtime::Secret;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

pub(crate) use crate::objects::TestResult;

/// More than a loaded machine needs, and less than people wait.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A folder with a secret and room for a socket.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) secret: Secret,
    pub(crate) address: String,
}

/// A Python program that runs; killed when this is dropped.
pub(crate) struct Program {
    process: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Place {
    pub(crate) fn new() -> Result<Self, Box<dyn std::error::Error>> {
        // Sockets want a folder that is nobody else's.
        let folder = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        let secret = Secret::create_file(folder.path().join("secret"))?;
        let address = format!("unix:{}/lab.sock", folder.path().display());
        Ok(Self {
            folder,
            secret,
            address,
        })
    }

    /// Runs a script with the socket and the secret file as its arguments, or gives none where there is no
    /// Python.
    pub(crate) async fn start(
        &self,
        script: &str,
        more: &[&str],
    ) -> Result<Option<Program>, Box<dyn std::error::Error>> {
        let Some(mut command) = python(script).await? else {
            return Ok(None);
        };
        let mut process = command
            .arg(self.folder.path().join("lab.sock"))
            .arg(self.folder.path().join("secret"))
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or("the input is not piped")?;
        let output = process.stdout.take().ok_or("the output is not piped")?;
        Ok(Some(Program {
            process,
            input,
            lines: BufReader::new(output).lines(),
        }))
    }
}

impl Program {
    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> Result<String, Box<dyn std::error::Error>> {
        let line = timeout(LONG, self.lines.next_line()).await??;
        Ok(line.ok_or("the script ended")?)
    }

    pub(crate) async fn tell(&mut self, line: &str) -> TestResult {
        let line = format!("{line}\n");
        self.input.write_all(line.as_bytes()).await?;
        Ok(())
    }

    /// Waits until it has ended without complaint.
    pub(crate) async fn finish(self) -> TestResult {
        finished(self.process).await
    }
}

pub(crate) async fn finished(mut process: Child) -> TestResult {
    let status = timeout(LONG, process.wait()).await??;
    assert!(status.success(), "the script failed: {status}");
    Ok(())
}

/// What runs a script of this folder, or none, said aloud, where there is no Python.
pub(crate) async fn python(script: &str) -> Result<Option<Command>, Box<dyn std::error::Error>> {
    match Command::new("python3").arg("--version").output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Not `println!`, which the test harness keeps to itself.
            writeln!(std::io::stderr(), "skipped: python3 is not installed")?;
            return Ok(None);
        }
        found => found?,
    };
    let mut command = Command::new("python3");
    command
        // Leaves nothing behind in the folder.
        .arg("-B")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/").to_owned() + script)
        .kill_on_drop(true);
    Ok(Some(command))
}
