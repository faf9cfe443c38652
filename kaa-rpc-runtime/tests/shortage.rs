//! A server whose process has no descriptors left. A program of its own: what it uses up is the whole
//! process's.

#[path = "common/mod.rs"]
mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::raw::rand;
use common::{PATIENCE, multi_threaded, private_address, secret};
use kaa_rpc_proto::handshake::{InstanceId, KeyId, Keys, Settings, Transport, client};
use kaa_rpc_runtime::{Channel, Server, params};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Counts warnings of the process.
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn hostile_46_a_server_without_descriptors_serves_who_is_there_and_later_who_came_meanwhile() {
    let warnings = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::set_global_default(Warnings(Arc::clone(&warnings))).unwrap();
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let add = async |a: u64, b: u64| Ok(a + b);
    let server = Server::builder(secret()).register_fn("add", params(["a", "b"], add));
    let _server = runtime.block_on(server.bind(&address)).unwrap();
    let honest = runtime
        .block_on(Channel::connect(&address, &secret()))
        .unwrap();
    let served = || {
        for n in 0..20 {
            let sum = runtime.block_on(honest.rpc::<u64, _>("add", (n, 1)).start());
            assert_eq!(sum.unwrap(), n + 1);
        }
    };
    served();
    // What a newcomer says, made while there are descriptors for random numbers.
    let settings = Settings::new(Transport::Unix, InstanceId(rand()));
    let keys = Keys::derive(&kaa_rpc_proto::Secret::from([7; 32]));
    let (preamble, state): (Vec<u8>, client::AwaitVersion) =
        client::start(settings, KeyId::EMPTY, keys, rand())
            .unwrap()
            .into();

    // All descriptors are taken but one, and that one the newcomer takes for its own end.
    let before = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(200),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, few).unwrap();
    let mut taken = Vec::new();
    let full = loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(
        full.raw_os_error(),
        Some(rustix::io::Errno::MFILE.raw_os_error())
    );
    drop(taken.pop());
    let mut newcomer = UnixStream::connect(folder.path().join("s")).unwrap();
    let began = Instant::now();
    while warnings.load(Ordering::Relaxed) == 0 {
        assert!(
            began.elapsed() < PATIENCE,
            "nothing is said of the shortage"
        );
        served();
    }
    newcomer.write_all(&preamble).unwrap();
    served();

    // There are some again, and the newcomer is heard.
    drop(taken);
    newcomer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; client::AwaitVersion::NEEDS];
    newcomer.read_exact(&mut answer).unwrap();
    let state = state.receive(&answer).unwrap().bind(&[]);
    let mut hello = [0; client::AwaitHello::NEEDS];
    newcomer.read_exact(&mut hello).unwrap();
    let (proof, _) = state.receive(&hello, 0).unwrap().into();
    newcomer.write_all(&proof).unwrap();
    newcomer.read_exact(&mut [0; 32]).unwrap();
    served();
}
