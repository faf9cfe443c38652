//! Events for many clients, some of which do not keep up.

#[path = "../common/mod.rs"]
mod common;

mod crowd;

use std::cell::Cell;
use std::time::Duration;

use kaa_rpc_proto::frame::Frame;
use kaa_rpc_proto::msgpack::{ArgumentReader, ScanLimits};
use kaa_rpc_runtime::{
    Channel, ChannelBuilder, CloseReason, Context, Error, Limits, Server, ServerBuilder,
    WhenBehind, params,
};
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

use common::{PATIENCE, multi_threaded, private_address, raw, secret, single_threaded};

/// A client that notes what it is told, from `event`, and that says what it accepts.
async fn client(address: &str, limits: Limits) -> (Channel, mpsc::UnboundedReceiver<u64>) {
    let (note, notes) = mpsc::unbounded_channel();
    let channel = Channel::builder(&secret())
        .limits(limits)
        .register_fn("event", noting(note))
        .connect(address)
        .await
        .unwrap();
    (channel, notes)
}

fn noting(note: mpsc::UnboundedSender<u64>) -> impl kaa_rpc_runtime::Handler {
    params(
        ["number", "more?"],
        move |number: u64, _more: Option<String>| {
            let sent = note.send(number);
            async move { Ok(sent?) }
        },
    )
}

/// Of a client that answers nothing.
fn window(max_calls: u32) -> Limits {
    Limits {
        max_calls,
        ..Limits::default()
    }
}

/// A server, and the end of it that leads to a client which reads nothing.
async fn stuck(builder: ServerBuilder, limits: Limits) -> (Server, tempfile::TempDir, raw::Peer) {
    let (folder, address) = private_address();
    let server = builder.bind(&address).await.unwrap();
    let path = server.path().unwrap().to_owned();
    let mut connected = server.client_connected();
    let peer = tokio::task::spawn_blocking(move || raw::Peer::connect(&path, limits));
    let peer = in_time(peer).await.unwrap();
    in_time(connected.next()).await.unwrap();
    (server, folder, peer)
}

/// Reads an event and says that it is done.
fn take_event(peer: &mut raw::Peer) -> u64 {
    let came = peer.receive().expect("the server has closed");
    let Frame::Oneway { arguments, .. } = came.frame() else {
        panic!("no event: {came:?}");
    };
    let mut arguments = ArgumentReader::new(arguments, &ScanLimits::default()).unwrap();
    let number = arguments.required("number").unwrap();
    let bytes = came.0.len() as u64;
    peer.send(&Frame::Done { calls: 1, bytes });
    number
}

async fn in_time<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .expect("the test hangs")
}

fn tell(server: &Server, number: u64) -> kaa_rpc_runtime::Broadcast {
    server.broadcast(|client| client.rpc::<(), _>("event", (number,)).oneway().start())
}

#[test]
fn the_newest_stay_for_a_client_that_is_behind() {
    single_threaded().block_on(async {
        let builder = Server::builder(secret()).max_behind(10, WhenBehind::DropOldest);
        let (server, _folder, mut peer) = stuck(builder, window(4)).await;
        for number in 0..4 {
            let told = tell(&server, number);
            assert_eq!((told.clients(), told.behind().len()), (1, 0));
        }
        let channel = server.channels().pop().unwrap();
        let lag = channel.lag();
        assert_eq!((lag.in_flight, lag.waiting, lag.dropped), (4, 0, 0));
        for number in 4..30 {
            let told = tell(&server, number);
            let behind = &told.behind()[0];
            let waiting = usize::try_from(number).unwrap() - 3;
            assert_eq!(behind.waiting, waiting.min(10));
            assert_eq!(behind.dropped, usize::from(waiting > 10));
            assert!(!behind.closed);
        }
        let lag = channel.lag();
        assert_eq!((lag.in_flight, lag.waiting, lag.dropped), (4, 10, 16));

        // Another client that comes now is not behind.
        let (_client, mut notes) = client(&server.address().to_string(), Limits::default()).await;
        let told = tell(&server, 30);
        assert_eq!((told.clients(), told.behind().len()), (2, 1));
        assert_eq!(in_time(notes.recv()).await, Some(30));

        // When it reads again: what was on its way, and the newest.
        let reading = tokio::task::spawn_blocking(move || {
            let mut numbers = Vec::new();
            while numbers.len() < 14 {
                numbers.push(take_event(&mut peer));
            }
            numbers
        });
        let numbers = in_time(reading).await.unwrap();
        let expected: Vec<u64> = (0..4).chain(21..31).collect();
        assert_eq!(numbers, expected);
        assert_eq!(channel.lag().waiting, 0);
        assert_eq!(channel.lag().dropped, 17);
    });
}

#[test]
fn a_client_that_may_not_miss_anything_is_closed_on() {
    multi_threaded().block_on(async {
        let builder = Server::builder(secret()).max_behind(10, WhenBehind::Close);
        let (server, _folder, _peer) = stuck(builder, window(4)).await;
        let channel = server.channels().pop().unwrap();
        for number in 0..14 {
            assert_eq!(tell(&server, number).clients(), 1);
        }
        let told = tell(&server, 14);
        assert_eq!(told.clients(), 0);
        assert!(told.behind()[0].closed);
        let reason = in_time(channel.closed()).await;
        assert!(matches!(*reason, CloseReason::FellBehind(10)), "{reason}");
        assert_eq!(
            reason.to_string(),
            "10 events waited for the other end, and no more may (max_behind)"
        );
        let told = tell(&server, 15);
        assert_eq!(
            (told.clients(), told.behind().len(), told.failed().len()),
            (0, 0, 0)
        );
    });
}

/// Calls inside a handler do not wait for the window, and pass those that do. Events wait, in order.
#[test]
fn events_of_a_handler_wait_like_others_and_have_no_deadline() {
    single_threaded().block_on(async {
        let (server, _folder, mut peer) = stuck(Server::builder(secret()), window(4)).await;
        let server = std::sync::Arc::new(server);
        let tells = std::sync::Arc::downgrade(&server);
        let tell_from_inside = move |_: Context, first: u64| {
            let server = tells.upgrade().unwrap();
            async move {
                for number in first..first + 3 {
                    let told = tell(&server, number);
                    assert!(told.failed().is_empty(), "{:?}", told.failed());
                }
                Ok(())
            }
        };
        server
            .register_fn("tell", params(["first"], tell_from_inside))
            .unwrap();
        let address = server.address().to_string();
        let (teller, mut notes) = client(&address, Limits::default()).await;
        for first in [0, 3, 6] {
            let inside = teller.rpc::<(), _>("tell", (first,));
            inside.timeout(Duration::from_secs(5)).await.unwrap();
            let _ = tell(&server, first + 100);
        }
        let expected = [0, 1, 2, 100, 3, 4, 5, 103, 6, 7, 8, 106];
        for number in expected {
            assert_eq!(in_time(notes.recv()).await, Some(number));
        }
        let reading = tokio::task::spawn_blocking(move || expected.map(|_| take_event(&mut peer)));
        assert_eq!(in_time(reading).await.unwrap(), expected);
    });
}

#[test]
fn an_event_that_waits_longer_than_its_timeout_is_dropped_and_counted() {
    single_threaded().block_on(async {
        let (server, _folder, _peer) = stuck(Server::builder(secret()), window(1)).await;
        let channel = server.channels().pop().unwrap();
        for number in 0..3 {
            let timeout = Duration::from_millis(20);
            let told = server.broadcast(|client| {
                let call = client.rpc::<(), _>("event", (number,)).oneway();
                call.timeout(timeout).start()
            });
            assert!(told.failed().is_empty());
        }
        in_time(async {
            while channel.lag().waiting > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(channel.lag().dropped, 2);
    });
}

#[test]
fn what_a_client_does_not_accept_is_told_and_others_have_it() {
    single_threaded().block_on(async {
        let (_folder, address) = private_address();
        let server = Server::builder(secret()).bind(&address).await.unwrap();
        let small = Limits {
            max_frame: 1 << 16,
            ..Limits::default()
        };
        let (_small, mut few) = client(&address, small).await;
        let (_usual, mut all) = client(&address, Limits::default()).await;
        in_time(async {
            while server.channels().len() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let told = server
            .broadcast_rpc("event", (1, "x".repeat(70_000)))
            .unwrap();
        assert_eq!(told.clients(), 1);
        let (_, error) = &told.failed()[0];
        assert!(
            matches!(error, Error::TooLarge { sent: false, .. }),
            "{error}"
        );
        let told = server.broadcast_rpc("event", (2,)).unwrap();
        assert_eq!(told.clients(), 2);
        assert_eq!(in_time(all.recv()).await, Some(1));
        assert_eq!(in_time(all.recv()).await, Some(2));
        assert_eq!(in_time(few.recv()).await, Some(2));
    });
}

#[test]
fn a_client_may_be_left_out_and_what_is_large_is_encoded_once() {
    struct Counted<'a>(&'a Cell<u32>);
    impl Serialize for Counted<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_u64(7)
        }
    }
    single_threaded().block_on(async {
        let (_folder, address) = private_address();
        let server = Server::builder(secret())
            .secret("wanted", secret())
            .bind(&address)
            .await
            .unwrap();
        let mut notes = Vec::new();
        for id in ["", "wanted", ""] {
            let (note, noted) = mpsc::unbounded_channel();
            let side: ChannelBuilder = Channel::builder(&secret());
            let side = side.key_id(id).register_fn("event", noting(note));
            notes.push((side.connect(&address).await.unwrap(), noted));
        }
        in_time(async {
            while server.channels().len() < 3 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let told = server.broadcast(|client| {
            let wanted = client.peer()?.key_id() == "wanted";
            wanted.then(|| client.rpc::<(), _>("event", (1,)).start())
        });
        assert_eq!(told.clients(), 1);
        let encoded = Cell::new(0);
        let told = server.broadcast_rpc("event", (Counted(&encoded),)).unwrap();
        assert_eq!((told.clients(), encoded.get()), (3, 1));
        let mut came = Vec::new();
        for (_, notes) in &mut notes {
            let mut number = in_time(notes.recv()).await.unwrap();
            let mut numbers = vec![number];
            while number != 7 {
                number = in_time(notes.recv()).await.unwrap();
                numbers.push(number);
            }
            came.push(numbers);
        }
        assert_eq!(came, [vec![7], vec![1, 7], vec![7]]);
    });
}

#[test]
fn hostile_42_the_bytes_of_events_are_bounded() {
    single_threaded().block_on(async {
        let builder = Server::builder(secret()).max_behind(1_000_000, WhenBehind::DropOldest);
        let (server, _folder, _peer) = stuck(builder, window(1)).await;
        let channel = server.channels().pop().unwrap();
        let large = "x".repeat(1 << 20);
        for number in 0..100 {
            let told = server
                .broadcast_rpc("event", (number, large.as_str()))
                .unwrap();
            assert_eq!(told.clients(), 1);
        }
        let lag = channel.lag();
        assert_eq!((lag.in_flight, lag.waiting, lag.dropped), (1, 63, 36));
    });
}
