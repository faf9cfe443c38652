//! Accepting: shortage, strangers.

use std::os::unix::net::UnixStream as PlainStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// Counts warnings.
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

/// Leaves no descriptor to this process until the result is dropped.
pub(super) struct NoDescriptors(Rlimit);

impl NoDescriptors {
    pub(super) fn now() -> Self {
        let before = getrlimit(Resource::Nofile);
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(0),
                maximum: before.maximum,
            },
        )
        .unwrap();
        NoDescriptors(before)
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

/// Out of descriptors, for ten (simulated) seconds: accepting waits, logs a little, and goes on after.
#[test]
fn hostile_46_without_descriptors_accepting_waits() {
    if told().is_none() {
        let test = "transport::tests::accept::hostile_46_without_descriptors_accepting_waits";
        return run_child(test, "");
    }
    let warnings = Arc::new(AtomicUsize::new(0));
    let _logging = tracing::subscriber::set_default(Warnings(warnings.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = private_folder();
        let place = at(folder.path().join("s"));
        let mut listener = bind(&place).unwrap();
        serves(&mut listener, &place).await;

        let client = PlainStream::connect(place.path()).unwrap();
        let shortage = NoDescriptors::now();
        let waiting = tokio::time::timeout(Duration::from_secs(10), listener.accept());
        assert!(waiting.await.is_err(), "accepted without a descriptor");
        drop(shortage);
        // At most one for each second that really passed, however often it was tried in those ten.
        let count = warnings.load(Ordering::Relaxed);
        assert!((1..=5).contains(&count), "{count} warnings");

        drop(listener.accept().await.unwrap());
        drop(client);
        serves(&mut listener, &place).await;
    });
}

#[tokio::test]
async fn peers_that_left_before_they_were_accepted_do_no_harm() {
    let folder = private_folder();
    let place = at(folder.path().join("s"));
    let mut listener = bind(&place).unwrap();
    for _ in 0..100 {
        drop(PlainStream::connect(place.path()).unwrap());
    }
    for _ in 0..100 {
        let mut gone = Transport::unix(listener.accept().await.unwrap());
        let ended = gone.read_exact(&mut [0]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    }
    serves(&mut listener, &place).await;
}

#[tokio::test]
async fn an_accept_that_was_dropped_loses_no_connection() {
    let folder = private_folder();
    let place = at(folder.path().join("s"));
    let mut listener = bind(&place).unwrap();
    for _ in 0..100 {
        tokio::select! {
            biased;
            _ = listener.accept() => panic!("nobody has connected"),
            () = tokio::task::yield_now() => {}
        }
    }
    serves(&mut listener, &place).await;
}

#[tokio::test]
async fn both_ends_know_the_other() {
    let folder = private_folder();
    let place = at(folder.path().join("s"));
    let mut listener = bind(&place).unwrap();
    let (served, client) = tokio::join!(listener.accept(), connect(&place));
    for peer in [served.unwrap().peer(), client.unwrap().peer()] {
        assert_eq!(peer.uid(), rustix::process::geteuid().as_raw());
        assert_eq!(peer.gid(), rustix::process::getegid().as_raw());
        assert_eq!(peer.pid(), Some(std::process::id()));
    }
}
