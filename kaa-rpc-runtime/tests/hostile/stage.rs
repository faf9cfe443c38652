//! A server, a hostile peer's way in, and an honest client.

use std::path::PathBuf;
use std::sync::Arc;

use kaa_rpc_proto::Violation;
use kaa_rpc_runtime::codegen::Functions;
use kaa_rpc_runtime::{
    Bytes, Channel, ClientConnected, CloseReason, Context, InProgress, Limits, Outcome, Server,
    ServerBuilder, params,
};
use tokio::runtime::Runtime;

use crate::common::raw::{self, Peer};
use crate::common::{Exposing, Probe, Told, private_address, probe, secret};

pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) server: Server,
    pub(crate) probe: Probe,
    pub(crate) told: Told,
    honest: Channel,
    /// A call that the honest client has in flight all the while.
    waiting: Option<InProgress<u64>>,
    connected: ClientConnected,
    path: PathBuf,
    /// Of its own, so that the honest client waits for nothing but the server.
    honest_runtime: Runtime,
    _folder: tempfile::TempDir,
}

/// A hostile peer and the server's end of its channel.
pub(crate) struct Guest {
    pub(crate) peer: Peer,
    pub(crate) channel: Channel,
}

impl Stage {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self::with_limits(runtime, Limits::default())
    }

    pub(crate) fn with_limits(runtime: Runtime, limits: Limits) -> Self {
        Self::with(runtime, limits, |server| server)
    }

    pub(crate) fn with(
        runtime: Runtime,
        limits: Limits,
        adjust: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let (folder, address) = private_address();
        let (probe, told) = probe();
        let (honest_probe, _) = crate::common::probe();
        let server = Server::builder(secret())
            .limits(limits)
            .register_fn("wait", probe.handler())
            .register_fn("honest_wait", honest_probe.handler())
            .register_fn("add", params(["a", "b"], async |a: u64, b: u64| Ok(a + b)))
            .register_fn(
                "make",
                params(["n"], async |n: usize| Ok(Bytes::from(vec![1; n]))),
            )
            .register_fn(
                "length",
                params(["data"], async |data: Bytes| Ok(data.len())),
            )
            .register_fn(
                "call_back",
                params([], async |cx: Context| {
                    let channel = cx.channel();
                    Ok(channel.rpc::<u64, _>("back", ()).await?)
                }),
            )
            .register(Exposing(|functions: &mut Functions| {
                functions
                    .add("step", &Arc::new(()), |_, _cx, _arguments| {
                        Ok(async move {
                            tokio::task::yield_now().await;
                            Outcome::<u64>::Ok(1)
                        })
                    })
                    .serial();
            }));
        let server = runtime.block_on(adjust(server).bind(&address)).unwrap();
        let mut connected = server.client_connected();
        let honest_runtime = crate::common::multi_threaded();
        // A runtime of one thread runs only while it is waited for.
        let connect = honest_runtime.spawn({
            let address = address.clone();
            async move { Channel::connect(&address, &secret()).await.unwrap() }
        });
        runtime.block_on(connected.next()).unwrap();
        let honest = runtime.block_on(connect).unwrap();
        let waiting = honest.rpc("honest_wait", (1,)).start();
        let stage = Self {
            runtime,
            server,
            probe,
            told,
            honest,
            waiting: Some(waiting),
            connected,
            path: folder.path().join("s"),
            honest_runtime,
            _folder: folder,
        };
        honest_probe.let_go(1);
        stage
    }

    pub(crate) fn guest(&mut self) -> Guest {
        self.guest_with(Limits::default())
    }

    pub(crate) fn guest_with(&mut self, limits: Limits) -> Guest {
        let path = self.path.clone();
        let instance = raw::rand();
        let peer = std::thread::spawn(move || Peer::connect_as(instance, &path, limits));
        // Honest clients come, too.
        let channel = loop {
            let channel = self.runtime.block_on(self.connected.next()).unwrap();
            if channel.peer().unwrap().instance() == instance {
                break channel;
            }
        };
        Guest {
            peer: peer.join().unwrap(),
            channel,
        }
    }

    /// The honest client calls, and a new one comes.
    pub(crate) fn assert_honest_is_served(&self) {
        let client = self.honest.clone();
        let address = self.server.address().to_string();
        let calls = self.honest_runtime.spawn(async move {
            for n in 0..10u64 {
                assert_eq!(client.rpc::<u64, _>("add", (n, 1)).await.unwrap(), n + 1);
            }
            let new = Channel::connect(&address, &secret()).await.unwrap();
            assert_eq!(new.rpc::<u64, _>("add", (1, 2)).await.unwrap(), 3);
        });
        self.runtime.block_on(async {
            tokio::time::timeout(crate::common::PATIENCE, calls)
                .await
                .expect("the honest client is not served")
                .unwrap();
        });
    }

    /// The server has closed the guest's channel, because of this, and without a word.
    pub(crate) fn assert_closed(&mut self, mut guest: Guest, why: impl Fn(&Violation) -> bool) {
        let reason = self.runtime.block_on(guest.channel.closed());
        let CloseReason::Violation(violation) = &*reason else {
            panic!("{reason:?}")
        };
        assert!(why(violation), "{violation:?}");
        assert!(!reason.is_orderly());
        assert!(guest.peer.is_closed_by_other_end());
        self.assert_honest_is_served();
    }
}

impl Drop for Stage {
    /// What the honest client waited for was not harmed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(waiting) = self.waiting.take() {
            let waiting = self.honest_runtime.spawn(waiting);
            assert_eq!(self.runtime.block_on(waiting).unwrap().unwrap(), 1);
        }
    }
}
