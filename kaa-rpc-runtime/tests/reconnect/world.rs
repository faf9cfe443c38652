//! A server that comes and goes, and the wires to it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kaa_rpc_runtime::{Server, ServerBuilder};
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::task::AbortHandle;
use tokio::time::Instant;

#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    server: Option<Arc<Server>>,
    wires: Vec<AbortHandle>,
    attempts: Vec<Instant>,
}

/// To connect takes so long, so that a channel is seen to do it.
const LATENCY: Duration = Duration::from_millis(1);

type Connecting = Pin<Box<dyn Future<Output = io::Result<(DuplexStream, Vec<u8>)>> + Send>>;

impl World {
    pub(crate) fn with(builder: ServerBuilder) -> Self {
        let world = Self::default();
        world.serve(builder);
        world
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A server is there from now on; gives it.
    pub(crate) fn serve(&self, builder: ServerBuilder) -> Arc<Server> {
        let server = Arc::new(builder.unbound().unwrap());
        self.lock().server = Some(Arc::clone(&server));
        server
    }

    /// All connections break, but the server is there.
    pub(crate) fn cut(&self) {
        self.lock().wires.drain(..).for_each(|wire| wire.abort());
    }

    /// The server is gone without a word, and no other is there.
    pub(crate) fn kill(&self) {
        self.cut();
        let server = self.lock().server.take();
        drop(server);
    }

    /// The server says goodbye.
    pub(crate) async fn close(&self) {
        let server = self.lock().server.take().unwrap();
        server.close().await;
    }

    /// When somebody tried to connect.
    pub(crate) fn attempts(&self) -> Vec<Instant> {
        self.lock().attempts.clone()
    }

    pub(crate) fn connector(&self) -> impl Fn() -> Connecting + Send + Sync + 'static {
        let world = self.clone();
        move || {
            let world = world.clone();
            Box::pin(async move { world.connect().await })
        }
    }

    async fn connect(&self) -> io::Result<(DuplexStream, Vec<u8>)> {
        let server = {
            let mut inner = self.lock();
            inner.attempts.push(Instant::now());
            inner.server.clone()
        };
        tokio::time::sleep(LATENCY).await;
        let server = server.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (here, mut near) = duplex(64 * 1024);
        let (mut far, there) = duplex(64 * 1024);
        let wire = tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        self.lock().wires.push(wire.abort_handle());
        server.accept(there, b"").await;
        Ok((here, Vec::new()))
    }
}
