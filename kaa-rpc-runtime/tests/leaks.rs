//! However a channel ends, nothing of it stays: no task, no descriptor, nothing that was attached to it.
//!
//! A program of its own, because descriptors are counted.

#[path = "common/mod.rs"]
mod common;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kaa_rpc_runtime::{Channel, Context, InProgress, Retry, Server, blocking_params, params};
use tokio::runtime::Runtime;

use common::{PATIENCE, multi_threaded, private_address, secret, single_threaded};

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> Vec<String> {
    let mut all: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        // The one that reads the folder.
        .filter(|target| !target.starts_with("/proc"))
        .map(|target| target.display().to_string())
        .collect();
    all.sort();
    all
}

/// What a channel and its calls own, which is to be gone with them.
type Owned = Arc<()>;

fn server(owned: &Owned) -> kaa_rpc_runtime::ServerBuilder {
    let in_handler = Arc::clone(owned);
    let attached = Arc::clone(owned);
    Server::builder(secret())
        .register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b)))
        .register_fn(
            "hang",
            params([], move |cx: Context| {
                let owned = Arc::clone(&in_handler);
                tokio::spawn({
                    let owned = Arc::clone(&owned);
                    async move {
                        cx.cancelled().await;
                        drop(owned);
                    }
                });
                async move {
                    std::future::pending::<()>().await;
                    drop(owned);
                    Ok(())
                }
            }),
        )
        .register_fn("block", blocking_params([], || Ok(7)))
        .on_connect(move |channel: Channel| {
            let hook = Arc::clone(&attached);
            channel.on_close(move |_| drop(hook));
            channel.insert_state(Arc::clone(&attached));
        })
        .close_timeout(Duration::from_millis(20))
}

async fn client(address: &str, owned: &Owned, retry: bool) -> Channel {
    let events = Arc::clone(owned);
    let mut builder = Channel::builder(&secret())
        .register_fn(
            "event",
            params(["number"], move |_: u64| {
                let _owned = &events;
                async { Ok(()) }
            }),
        )
        .close_timeout(Duration::from_millis(20));
    if retry {
        builder = builder.retry(Retry::default().longest_pause(Duration::from_millis(10)));
    }
    builder.connect(address).await.unwrap()
}

/// How a channel and its server end.
#[derive(Clone, Copy, Debug)]
enum End {
    ClientCloses,
    ClientAborts,
    ClientIsDropped,
    ServerCloses,
    ServerAborts,
    ServerIsDropped,
    BothAbort,
}

const ENDS: [End; 7] = [
    End::ClientCloses,
    End::ClientAborts,
    End::ClientIsDropped,
    End::ServerCloses,
    End::ServerAborts,
    End::ServerIsDropped,
    End::BothAbort,
];

/// Calls of each kind, some of which do not end by themselves.
async fn work(server: &Server, client: &Channel) -> InProgress<()> {
    let sum: i64 = client.rpc("add", (40, 2)).await.unwrap();
    let seven: i64 = client.rpc("block", ()).await.unwrap();
    assert_eq!((sum, seven), (42, 7));
    let told = server.broadcast(|client| client.rpc::<(), _>("event", (1,)).oneway().start());
    assert!(told.clients() > 0);
    client.rpc::<(), _>("hang", ()).start().detach();
    client.rpc::<(), _>("hang", ()).start().cancel();
    client.rpc::<(), _>("hang", ()).oneway().await.unwrap();
    client.rpc::<(), _>("hang", ()).start()
}

async fn cycle(scheme: &str, how: End, owned: &Owned) {
    let (_folder, address) = address(scheme);
    let retry = matches!(how, End::ClientCloses | End::ClientAborts);
    let server = server(owned).bind(&address).await.unwrap();
    let client = client(&server.address().to_string(), owned, retry).await;
    let hanging = work(&server, &client).await;
    if retry {
        // It has another connection before its end.
        let mut connected = server.client_connected();
        server.channels().iter().for_each(Channel::abort);
        connected.next().await.unwrap();
        client.opened().await.unwrap();
    }
    match how {
        End::ClientCloses => drop(client.close().await),
        End::ClientAborts => client.abort(),
        End::ClientIsDropped => drop(client),
        End::ServerCloses => server.close().await,
        End::ServerAborts => server.abort(),
        End::ServerIsDropped => drop(server),
        End::BothAbort => {
            client.abort();
            server.abort();
        }
    }
    assert!(hanging.await.is_err(), "{how:?}");
}

fn address(scheme: &str) -> (tempfile::TempDir, String) {
    let (folder, unix) = private_address();
    match scheme {
        "unix" => (folder, unix),
        _ => (folder, "tcp:127.0.0.1:0".to_owned()),
    }
}

/// Waits until no task is alive and nothing is owned any more; what is left after a while is a leak.
async fn all_is_gone(what: &str, tasks: usize, owned: &Owned) {
    let metrics = tokio::runtime::Handle::current().metrics();
    let gone = async {
        while metrics.num_alive_tasks() > tasks || Arc::strong_count(owned) > 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        panic!(
            "{what}: {} tasks are alive, and were {tasks}; {} things are owned",
            metrics.num_alive_tasks(),
            Arc::strong_count(owned) - 1
        );
    }
}

fn schemes() -> Vec<&'static str> {
    let mut schemes = vec!["unix"];
    if cfg!(feature = "tcp") {
        schemes.push("tcp");
    }
    schemes
}

#[test]
fn nothing_stays_of_a_channel_however_it_ends() {
    let _alone = alone();
    for (runtime, scheme) in [single_threaded(), multi_threaded()]
        .into_iter()
        .flat_map(|runtime| {
            let runtime = Arc::new(runtime);
            schemes()
                .into_iter()
                .map(move |scheme| (Arc::clone(&runtime), scheme))
        })
    {
        runtime.block_on(async {
            let owned = Owned::default();
            // What the runtime opens once and keeps.
            cycle(scheme, End::ClientCloses, &owned).await;
            all_is_gone("at first", 0, &owned).await;
            let before = descriptors();
            for how in ENDS {
                for _ in 0..5 {
                    cycle(scheme, how, &owned).await;
                }
                all_is_gone(&format!("{scheme} {how:?}"), 0, &owned).await;
                assert_eq!(descriptors(), before, "{scheme} {how:?}");
            }
        });
    }
}

#[test]
fn nothing_stays_of_pairs_in_memory() {
    let _alone = alone();
    multi_threaded().block_on(async {
        let owned = Owned::default();
        let before = descriptors();
        for round in 0..20 {
            let held = Arc::clone(&owned);
            let hang = move || {
                let held = Arc::clone(&held);
                async move {
                    std::future::pending::<()>().await;
                    drop(held);
                    Ok(())
                }
            };
            let (left, right) = Channel::pair(
                |side| side.register_fn("hang", params([], hang)),
                |side| side,
            )
            .await
            .unwrap();
            let hanging = right.rpc::<(), _>("hang", ()).start();
            match round % 4 {
                0 => left.abort(),
                1 => right.abort(),
                2 => drop(hanging),
                _ => {
                    drop(left);
                    right.abort();
                }
            }
        }
        all_is_gone("pairs", 0, &owned).await;
        assert_eq!(descriptors(), before);
    });
}

/// Nobody closes anything: the runtime is dropped with all that goes on in it.
#[test]
fn hostile_53_nothing_stays_of_a_runtime_that_is_dropped() {
    let _alone = alone();
    let owned = Owned::default();
    let live = |runtime: &Runtime, scheme: &str| {
        let (folder, address) = address(scheme);
        let ends = runtime.block_on(async {
            let server = server(&owned).bind(&address).await.unwrap();
            let address = server.address().to_string();
            let mut clients = Vec::new();
            for retry in [false, true] {
                let client = client(&address, &owned, retry).await;
                let hanging = work(&server, &client).await;
                clients.push((client, hanging));
            }
            (server, clients)
        });
        (folder, ends)
    };
    drop(live(&single_threaded(), "unix"));
    let before = descriptors();
    for scheme in schemes() {
        for new in [single_threaded, multi_threaded] {
            for keeps_handles in [false, true] {
                let runtime = new();
                let (folder, ends) = live(&runtime, scheme);
                if keeps_handles {
                    drop(runtime);
                    let (server, clients) = ends;
                    for (client, hanging) in clients {
                        assert!(client.is_closed());
                        let lost = single_threaded().block_on(hanging);
                        assert!(lost.is_err());
                    }
                    drop(server);
                } else {
                    drop(ends);
                    drop(runtime);
                }
                drop(folder);
                assert_eq!(Arc::strong_count(&owned), 1, "{scheme}, {keeps_handles}");
                assert_eq!(descriptors(), before, "{scheme}, {keeps_handles}");
            }
        }
    }
}
