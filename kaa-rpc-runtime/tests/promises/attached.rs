//! State and hooks that users attach to a channel.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::{Channel, CloseReason, Context, Retry, Server, Status, params};

use crate::common::{
    PATIENCE, connect, everywhere, multi_threaded, plain, private_address, secret,
};

/// Tells when it is dropped.
struct Held(Arc<Mutex<Vec<String>>>, &'static str);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1.to_owned());
    }
}

/// Ways in which a channel ends, and what the other end is told.
async fn end(way: &str, server: &Channel, client: &Channel) {
    match way {
        "closed by the other end" => drop(client.close().await),
        "closed by this end" => drop(server.close().await),
        "aborted by the other end" => client.abort(),
        "aborted by this end" => server.abort(),
        _ => unreachable!(),
    }
}

#[test]
fn hooks_run_and_state_goes_before_closed_resolves() {
    let ways = [
        "closed by the other end",
        "closed by this end",
        "aborted by the other end",
        "aborted by this end",
    ];
    for way in ways {
        everywhere(async |over| {
            let ends = connect(over, plain, plain).await;
            let told = Arc::new(Mutex::new(Vec::new()));
            for number in 1..=3 {
                let told = Arc::clone(&told);
                ends.server.on_close(move |reason| {
                    assert!(!matches!(reason, CloseReason::NotYetOpen));
                    told.lock().unwrap().push(format!("hook {number}"));
                });
            }
            ends.server.insert_state(Held(Arc::clone(&told), "state"));
            end(way, &ends.server, &ends.client).await;
            ends.server.closed().await;
            let expected = ["hook 1", "hook 2", "hook 3", "state"];
            assert_eq!(*told.lock().unwrap(), expected, "{way}");
        });
    }
}

#[test]
fn each_channel_has_its_own_state_and_handlers_find_it() {
    everywhere(async |over| {
        let count = async |cx: Context| {
            let count = cx.channel().state_or_insert_with(AtomicUsize::default);
            Ok(count.fetch_add(1, Ordering::Relaxed))
        };
        let expose = |side: crate::common::Side| side.function("count", params([], count));
        let (first, second) = (
            connect(over, expose, plain).await,
            connect(over, expose, plain).await,
        );
        for expected in 0..3_usize {
            for ends in [&first, &second] {
                let count: usize = ends.client.rpc("count", ()).await.unwrap();
                assert_eq!(count, expected);
            }
        }
        assert!(first.client.state::<AtomicUsize>().is_none());
        let taken = first.server.remove_state::<AtomicUsize>().unwrap();
        assert_eq!(taken.load(Ordering::Relaxed), 3);
        assert!(first.server.state::<AtomicUsize>().is_none());
        assert!(first.server.insert_state(7_u8).is_none());
        assert_eq!(*first.server.insert_state(8_u8).unwrap(), 7);
        assert_eq!(*first.server.state::<u8>().unwrap(), 8);
    });
}

#[test]
fn nothing_is_attached_to_a_channel_that_is_closed() {
    everywhere(async |over| {
        let ends = connect(over, plain, plain).await;
        ends.client.close().await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let held = |name| Held(Arc::clone(&told), name);
        drop(ends.client.state_or_insert_with(|| held("made")));
        drop(ends.client.insert_state(held("given")));
        let hook = Arc::clone(&told);
        ends.client
            .on_close(move |reason| hook.lock().unwrap().push(reason.to_string()));
        let expected = ["made", "given", "this end closed the channel"];
        assert_eq!(*told.lock().unwrap(), expected);
    });
}

/// What users attach may do anything with its channel, and may fail.
#[test]
fn state_and_hooks_may_use_their_channel_and_panic() {
    struct Curious(Channel, Arc<AtomicUsize>);
    impl Drop for Curious {
        fn drop(&mut self) {
            let ran = Arc::clone(&self.1);
            self.0.on_close(move |_| {
                ran.fetch_add(1, Ordering::Relaxed);
            });
            self.0.state_or_insert_with(|| 7_u8);
            self.0.rpc::<(), _>("none", ()).start().detach();
            panic!("a state that does not want to go");
        }
    }
    everywhere(async |over| {
        let ends = connect(over, plain, plain).await;
        let ran = Arc::new(AtomicUsize::new(0));
        let server = ends.server.clone();
        let count = Arc::clone(&ran);
        ends.server.on_close(move |_| {
            assert!(server.state::<Curious>().is_some());
            count.fetch_add(1, Ordering::Relaxed);
            panic!("a hook that fails");
        });
        let count = Arc::clone(&ran);
        ends.server.on_close(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let curious = Curious(ends.server.clone(), Arc::clone(&ran));
        ends.server.insert_state(curious);
        ends.client.close().await;
        ends.server.closed().await;
        assert_eq!(ran.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn state_outlives_the_connections_of_a_channel_that_reconnects() {
    multi_threaded().block_on(async {
        let (_folder, address) = private_address();
        let server = Server::builder(secret()).bind(&address).await.unwrap();
        let client = Channel::builder(&secret())
            .retry(Retry::default().longest_pause(Duration::from_millis(20)))
            .connect(&address)
            .await
            .unwrap();
        let hooks = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&hooks);
        client.on_close(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        client.insert_state("kept");
        let mut connected = server.client_connected();
        let mut status = client.watch_status();
        let on_server = server.channels().pop().unwrap();
        on_server.insert_state("gone");

        on_server.abort();
        let reconnected = async {
            while !matches!(status.next().await, Some(Status::Disconnected { .. })) {}
            connected.next().await.unwrap()
        };
        let next = tokio::time::timeout(PATIENCE, reconnected).await.unwrap();
        client.opened().await.unwrap();
        assert_eq!(*client.state::<&str>().unwrap(), "kept");
        assert_eq!(hooks.load(Ordering::Relaxed), 0);
        // At the server, each connection is a channel.
        assert!(on_server.state::<&str>().is_none() && next.state::<&str>().is_none());

        client.close().await;
        assert!(client.state::<&str>().is_none());
        assert_eq!(hooks.load(Ordering::Relaxed), 1);
    });
}
