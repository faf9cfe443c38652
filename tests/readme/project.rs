//! A reader's own package, next to the repository.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::document::root;

pub(crate) struct Project {
    /// Stays from one run of the tests to the next, so that only the first one builds everything.
    folder: PathBuf,
    /// For the sockets.
    runtime: TempDir,
    path: OsString,
    /// What `export` set.
    variables: BTreeMap<String, String>,
    daemon: Option<Child>,
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("my-player");
        fs::create_dir_all(&folder).unwrap();
        // The versions that were just built, which need no network.
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let _ = fs::remove_file(folder.join("player.secret"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder_of_kaa()).chain(std::env::split_paths(&path));
        Self {
            path: std::env::join_paths(folders).unwrap(),
            folder,
            runtime: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
            daemon: None,
        }
    }

    /// Writes a file, in which the checkout that the reader has is this repository.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let mut text = text.replace("\"../kaa-rpc/", &format!("\"{}/", root().display()));
        if path == "Cargo.toml" {
            // Whatever folder the target folder is in, this belongs to no workspace of it.
            text.push_str("\n[workspace]\n");
        }
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Left alone if it is the same, so that cargo need not build it again.
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(path, text).unwrap();
        }
    }

    pub(crate) fn assert_formatted(&self) {
        let mut command = self.command("cargo fmt --check");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Runs a command and compares what it prints, errors included. A daemon is left running.
    pub(crate) fn assert_prints(&mut self, command: &str, expected: &str) {
        if let Some((name, value)) = command
            .strip_prefix("export ")
            .and_then(|assignment| assignment.split_once('='))
        {
            self.variables.insert(name.to_owned(), value.to_owned());
        } else if command.ends_with("--bin daemon") {
            self.start_daemon(command, expected);
        } else {
            let output = self.command(&format!("{command} 2>&1")).output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(printed, expected, "$ {command}");
        }
    }

    fn start_daemon(&mut self, command: &str, expected: &str) {
        let mut daemon = self.command(&format!("exec {command}"));
        let mut daemon = daemon.stdout(Stdio::piped()).spawn().unwrap();
        let printed = BufReader::new(daemon.stdout.take().unwrap());
        self.daemon = Some(daemon);
        let lines = printed.lines().map(Result::unwrap);
        let first: Vec<String> = lines.take(expected.lines().count()).collect();
        assert_eq!(first, expected.lines().collect::<Vec<_>>(), "$ {command}");
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env("PATH", &self.path)
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", target())
            .env("XDG_RUNTIME_DIR", self.runtime.path())
            .envs(&self.variables);
        command
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Where cargo built this test. The reader's package is built there, too, as most of what it needs has
/// been built already.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// Builds the command `kaa`, as cargo has no way to depend on the programs of another package.
fn folder_of_kaa() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build
        // Of the whole workspace, so that it needs no other features of what was built with the tests.
        .args([
            "build",
            "--quiet",
            "--offline",
            "--workspace",
            "--bin",
            "kaa",
        ])
        .arg("--target-dir")
        .arg(target())
        .current_dir(root());
    assert!(build.status().unwrap().success());
    target().join("debug")
}
