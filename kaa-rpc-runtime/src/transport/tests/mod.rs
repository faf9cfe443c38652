//! Real sockets in real folders.

mod accept;
mod connect;
mod files;
mod processes;
mod socket;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::folder::{Environment, Place};
use super::*;
use crate::address::Address;

/// A folder that only we can enter.
fn private_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o700);
    folder
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    std::fs::symlink_metadata(path)
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

fn lock_of(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

/// A place as an address with a path gives it.
fn at(path: impl Into<PathBuf>) -> Place {
    place(&Address::unix_path(path).unwrap(), None, "/nowhere")
}

/// A place as an address with a name gives it in these surroundings.
fn named(name: &str, runtime_dir: Option<&Path>, temporary: impl Into<PathBuf>) -> Place {
    place(&Address::unix(name).unwrap(), runtime_dir, temporary)
}

fn place(address: &Address, runtime_dir: Option<&Path>, temporary: impl Into<PathBuf>) -> Place {
    let Address::Unix(address) = address else {
        panic!("{address} is no Unix address")
    };
    let environment = Environment::new(runtime_dir.map(Into::into), temporary.into());
    Place::of(address, &environment)
}

fn bind(place: &Place) -> Result<UnixListener, UnixBindError> {
    UnixListener::bind_at(place.clone(), &UnixOptions::new())
}

async fn connect(place: &Place) -> Result<UnixSocket, UnixConnectError> {
    super::connect::connect_at(place, &AllowedUsers::default()).await
}

/// Shows that a client reaches this very listener.
async fn serves(listener: &mut UnixListener, place: &Place) {
    let (served, client) = tokio::join!(listener.accept(), connect(place));
    let mut served = Transport::unix(served.unwrap());
    let mut client = Transport::unix(client.unwrap());
    client.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    served.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hello");
}

impl Transport {
    /// Reads exactly `buffer.len()` bytes, as the handshake does.
    async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match poll_fn(|cx| self.poll_read(cx, &mut buffer[done..])).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }
}

/// Ends a test that hangs. Nothing is timed by this.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("this hangs")
}

fn are_we_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A user that is neither root nor us.
const STRANGER: u32 = 65_534;

const CHILD: &str = "KAA_TEST_CHILD";

/// Whether this process was started by [`child`] for this test, and what it was told.
fn told() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// This program again, to run only `test`, which gets `message` from [`told`]: for what concerns a whole
/// process, such as its umask, its limits or its death.
fn child(test: &str, message: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads=1", test])
        .env(CHILD, message);
    command
}

/// Runs `test` in a process of its own and expects that it succeeds.
fn run_child(test: &str, message: &str) {
    let output = child(test, message).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "there is no test {test}: {text}");
}
