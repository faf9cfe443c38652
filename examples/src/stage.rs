//! Runs the roles of an example (a daemon, a screen) as processes of their own.
//!
//! Nothing here is about RPC. Each example starts itself again for each role, in a temporary folder
//! that all of them share, and shows what they print behind their names.

use std::env;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Set in the environment of processes that a [`Stage`] started.
const STAGED: &str = "KAA_EXAMPLE_STAGED";

/// A folder for the processes of an example: secret files are made in it, and sockets. It goes with
/// everything in it when the stage is dropped.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// Makes the folder.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("kaa-").tempdir()?;
        Ok(Self { folder })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts this program once more, with `arguments`. What it prints is shown behind `name`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(&self, name: &str, arguments: &[&str]) -> io::Result<Role> {
        let mut child = Command::new(env::current_exe()?)
            .args(arguments)
            .current_dir(self.folder())
            // Sockets with plain names, such as `unix:player`, go into a folder of this one.
            .env("XDG_RUNTIME_DIR", self.folder())
            .env(STAGED, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| failed(name, "has no output"))?;
        let (sayings, said) = watch::channel(String::new());
        let shown = name.to_owned();
        let printing = tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                println!("{shown:<10} | {line}");
                sayings.send_modify(|all| {
                    all.push_str(&line);
                    all.push('\n');
                });
            }
        });
        Ok(Role {
            name: name.to_owned(),
            child,
            stdin,
            said,
            printing,
        })
    }
}

/// A process of a [`Stage`]. Dropping it kills the process.
#[derive(Debug)]
pub struct Role {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    said: watch::Receiver<String>,
    printing: JoinHandle<()>,
}

impl Role {
    /// Waits until the process has printed `text`.
    ///
    /// # Errors
    ///
    /// If it ends without that.
    pub async fn says(&mut self, text: &str) -> io::Result<()> {
        match self.said.wait_for(|said| said.contains(text)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(failed(
                &self.name,
                &format!("ended without saying {text:?}"),
            )),
        }
    }

    /// Gives the process a line of input.
    ///
    /// # Errors
    ///
    /// If it reads none any more.
    pub async fn tell(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut();
        let stdin = stdin.ok_or_else(|| failed(&self.name, "reads nothing any more"))?;
        stdin.write_all(format!("{line}\n").as_bytes()).await
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    ///
    /// If it failed.
    pub async fn ends(mut self) -> io::Result<()> {
        // `wait` alone would close its input, which asks it to stop.
        let stdin = self.stdin.take();
        let status = self.child.wait().await?;
        drop(stdin);
        let _ = self.printing.await;
        if status.success() {
            Ok(())
        } else {
            Err(failed(&self.name, &status.to_string()))
        }
    }

    /// Asks the process to stop, which ends its [`stopped`], and waits until it has ended.
    ///
    /// # Errors
    ///
    /// If it failed.
    pub async fn stop(mut self) -> io::Result<()> {
        drop(self.stdin.take());
        self.ends().await
    }

    /// Kills the process at once, as a crash would.
    ///
    /// # Errors
    ///
    /// If it cannot be killed.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await?;
        let _ = self.printing.await;
        Ok(())
    }
}

fn failed(name: &str, how: &str) -> io::Error {
    io::Error::other(format!("{name}: {how}"))
}

/// In a role that runs on and on: waits until it is to stop. That is at Ctrl-C, or when the stage that
/// started it says so or is gone.
pub async fn stopped() {
    let stage_says_so = async {
        if env::var_os(STAGED).is_none() {
            return std::future::pending().await;
        }
        // The stage holds the other end of our input, and says nothing.
        let _ = tokio::io::stdin().read(&mut [0]).await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = stage_says_so => {}
    }
}
