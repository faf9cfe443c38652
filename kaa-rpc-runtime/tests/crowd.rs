//! Crowds of strangers that connect and say nothing, beside honest clients.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use kaa_rpc_runtime::{Channel, Secret, Server, params};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a process that was started by [`ServerProcess::start`] is to listen at.
const CHILD: &str = "KAA_TEST_CHILD";

/// So many strangers come.
const CROWD: usize = 10_000;

/// By so much the memory of a server may grow, as docs/security.md says.
const GROWTH: usize = 16 << 20;

/// The descriptors that a server has besides those of strangers, at most.
const OTHER_DESCRIPTORS: usize = 48;

/// So many threads bring the crowd.
const THREADS: usize = 16;

/// What a test needs besides those of a crowd.
const OWN_DESCRIPTORS: usize = 200;

/// So often an honest client tries, if it was one that the lot fell on.
const TRIES: usize = 5;

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// Lets this process have so many descriptors, if the system does; gives how many it may have.
fn limit_descriptors(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let current = most.min(wanted as u64);
    let limit = Rlimit {
        current: Some(current),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    usize::try_from(current).unwrap()
}

/// One test at a time: together they would need more descriptors than many systems allow.
fn alone() -> MutexGuard<'static, usize> {
    static DESCRIPTORS: Mutex<usize> = Mutex::new(0);
    let mut descriptors = DESCRIPTORS.lock().unwrap_or_else(PoisonError::into_inner);
    *descriptors = limit_descriptors(CROWD + OWN_DESCRIPTORS);
    descriptors
}

/// Tells honest clients to stop, also if a test fails: it waits for them.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A server in a process of its own, so that its memory and descriptors are its own.
struct ServerProcess {
    child: Child,
    address: String,
}

impl ServerProcess {
    fn start(test: &str, address: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1", test])
            .env(CHILD, address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let address = lines
            .find_map(|line| {
                line.unwrap()
                    .strip_prefix("listening at ")
                    .map(str::to_owned)
            })
            .expect("the server has ended");
        Self { child, address }
    }

    /// What the child does, until its parent is done.
    fn run(address: &str) {
        // A stranger needs a descriptor of the server, and a server seldom has more than this.
        limit_descriptors(1024);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = Server::builder(secret())
            .register_fn("answer", params([], async || Ok(42)))
            .bind(address);
        let server = runtime.block_on(server).unwrap();
        println!("\nlistening at {}", server.address());
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }

    /// The memory that it uses really, in bytes.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().unwrap() << 10
    }

    fn descriptors(&self) -> usize {
        let listing = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        listing.unwrap().count()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects and calls; says how many tries that took.
async fn is_served(address: &str) -> usize {
    let mut told = Vec::new();
    for tries in 1..=TRIES {
        match Channel::connect(address, &secret()).await {
            Ok(channel) => {
                assert_eq!(channel.rpc::<i64, _>("answer", ()).await.unwrap(), 42);
                channel.close().await;
                return tries;
            }
            Err(error) => told.push(error.to_string()),
        }
    }
    panic!("an honest client was kept out {TRIES} times: {told:#?}");
}

/// Honest clients, one after the other, until told to stop. Gives how many there were, and how many tries
/// they needed at most.
fn honest_clients(address: &str, stop: &AtomicBool) -> (usize, usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut served, mut most) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        most = most.max(runtime.block_on(is_served(address)));
        served += 1;
        // They are not to be a crowd themselves.
        std::thread::sleep(Duration::from_millis(20));
    }
    (served, most)
}

/// Ten thousand connect and stay, each without a word. All the while, and after, honest clients are
/// served; and the server takes no more memory and descriptors than its places need.
fn a_silent_crowd(server: &ServerProcess, connect: impl Fn(usize) -> OwnedFd + Sync) {
    let descriptors = alone();
    let crowd = CROWD.min(descriptors.saturating_sub(OWN_DESCRIPTORS));
    if crowd < CROWD {
        println!("a crowd of only {crowd}: this process may not have more descriptors");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for _ in 0..3 {
        runtime.block_on(is_served(&server.address));
    }
    let before = server.memory();

    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let (strangers, (served, tries)) = std::thread::scope(|scope| {
        let honest = scope.spawn(|| honest_clients(&server.address, &stop));
        let enough = StopOnDrop(&stop);
        // From several threads: one alone comes no faster than the server takes turns with it.
        let connect = &connect;
        let part = |of: usize| move || (of..crowd).step_by(THREADS).map(connect).collect();
        let parts: Vec<_> = (0..THREADS).map(|of| scope.spawn(part(of))).collect();
        let strangers: Vec<Vec<OwnedFd>> =
            parts.into_iter().map(|part| part.join().unwrap()).collect();
        drop(enough);
        (strangers, honest.join().unwrap())
    });
    let took = began.elapsed();
    // They are all there, and those that have places keep them.
    let after = runtime.block_on(is_served(&server.address));
    let grown = server.memory().saturating_sub(before);
    // Whom the lot fell on is let go by a task of its own, which a busy machine may not have run yet.
    let late = Instant::now() + Duration::from_secs(10);
    let mut descriptors = server.descriptors();
    while descriptors > 256 + OTHER_DESCRIPTORS && Instant::now() < late {
        std::thread::sleep(Duration::from_millis(20));
        descriptors = server.descriptors();
    }
    println!(
        "{crowd} strangers in {took:?}; {served} honest clients, each within {tries} tries, {after} after; \
         {} KiB more, {descriptors} descriptors",
        grown >> 10
    );
    assert!(served > 0);
    assert!(grown < GROWTH, "the server has grown by {grown} bytes");
    assert!(
        descriptors <= 256 + OTHER_DESCRIPTORS,
        "{descriptors} descriptors"
    );
    drop(strangers);
}

#[test]
fn hostile_04_ten_thousand_silent_connections_keep_nobody_out_of_a_unix_socket() {
    if let Ok(address) = std::env::var(CHILD) {
        return ServerProcess::run(&address);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let path: PathBuf = folder.path().join("s");
    let server = ServerProcess::start(
        "hostile_04_ten_thousand_silent_connections_keep_nobody_out_of_a_unix_socket",
        &format!("unix:{}", path.display()),
    );
    a_silent_crowd(&server, |_| UnixStream::connect(&path).unwrap().into());
}

#[cfg(feature = "tcp")]
#[test]
fn hostile_04_ten_thousand_silent_connections_keep_nobody_out_of_a_tcp_port() {
    if let Ok(address) = std::env::var(CHILD) {
        return ServerProcess::run(&address);
    }
    let server = ServerProcess::start(
        "hostile_04_ten_thousand_silent_connections_keep_nobody_out_of_a_tcp_port",
        "tcp:127.0.0.1:0",
    );
    let target = socket_address(&server.address);
    a_silent_crowd(&server, |number| stranger(number, target));
}

fn socket_address(address: &str) -> SocketAddr {
    address.strip_prefix("tcp:").unwrap().parse().unwrap()
}

/// A silent connection, from one of 200 addresses.
fn stranger(number: usize, target: SocketAddr) -> OwnedFd {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let last = u8::try_from(2 + number % 200).unwrap();
    let from = Ipv4Addr::new(127, 0, 0, last);
    rustix::net::bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    rustix::net::connect(&socket, &target).unwrap();
    socket
}

/// Half of the time that honest bytes take there and back.
const ONE_WAY: Duration = Duration::from_millis(50);

/// Stands before a server, and lets everything arrive later.
async fn far_away(target: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(target).await.unwrap();
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(delay(from_client, to_server));
            tokio::spawn(delay(from_server, to_client));
        }
    });
    address
}

async fn delay(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf) {
    let (send, mut receive) = tokio::sync::mpsc::channel::<(tokio::time::Instant, Vec<u8>)>(64);
    let reading = async move {
        let mut buffer = vec![0; 4096];
        while let Ok(count) = from.read(&mut buffer).await {
            let due = tokio::time::Instant::now() + ONE_WAY;
            let bytes = buffer.get(..count).unwrap().to_vec();
            if send.send((due, bytes)).await.is_err() || count == 0 {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = receive.recv().await {
            tokio::time::sleep_until(due).await;
            // Nothing means the end, which arrives later too.
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

/// All places are taken, and 320 strangers a second want one, too. An honest client needs three round
/// trips of 100 ms until it has its answer.
#[cfg(feature = "tcp")]
#[test]
fn hostile_04_fresh_connections_do_not_keep_a_slow_client_out() {
    let _descriptors = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, far) = runtime.block_on(async {
        let server = Server::builder(secret())
            .register_fn("answer", params([], async || Ok(42)))
            .bind("tcp:127.0.0.1:0")
            .await
            .unwrap();
        let far = far_away(socket_address(&server.address().to_string())).await;
        (server, far)
    });
    let target = socket_address(&server.address().to_string());
    let (stop, stopped) = mpsc::channel::<()>();
    let crowd = std::thread::spawn(move || {
        let mut strangers: VecDeque<OwnedFd> = (0..300).map(|n| stranger(n, target)).collect();
        let began = Instant::now();
        for number in 0_u32.. {
            if stopped.try_recv() != Err(mpsc::TryRecvError::Empty) {
                return number;
            }
            strangers.push_back(stranger(number as usize, target));
            // All that have places are among these.
            strangers.pop_front();
            let due = began + number * Duration::from_secs(1) / 320;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        0
    });
    let began = Instant::now();
    let mut tries = Vec::new();
    while began.elapsed() < Duration::from_secs(4) {
        tries.push(runtime.block_on(is_served(&far)));
    }
    stop.send(()).unwrap();
    let strangers = crowd.join().unwrap();
    println!("{strangers} strangers; tries of each honest client: {tries:?}");
    assert!(tries.len() > 1);
}
