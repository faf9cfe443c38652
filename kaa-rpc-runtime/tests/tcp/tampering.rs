//! Bytes that somebody on the way changes, repeats, moves, leaves out or reads.

use std::sync::Mutex;
use std::sync::mpsc;

use kaa_rpc_runtime::{Bytes, Channel, CloseReason, ConnectError, Error, Server};

use crate::proxy::{Deed, FIRST_RECORD, WAYS, Way, before};
use crate::{LOOPBACK, ask, builder, in_time, is_served, secret};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mischief {
    Flip,
    FlipTag,
    FlipLength,
    Repeat,
    Exchange,
    LeaveOut,
}

const ALL: [Mischief; 6] = [
    Mischief::Flip,
    Mischief::FlipTag,
    Mischief::FlipLength,
    Mischief::Repeat,
    Mischief::Exchange,
    Mischief::LeaveOut,
];

/// What becomes of the message with the number `at`, and the ones after it.
fn commit(
    mischief: Mischief,
    on: Way,
    at: usize,
) -> impl Fn(Way, usize, Vec<u8>) -> Deed + Send + Sync {
    let held = Mutex::new(Vec::new());
    move |way, number, mut bytes| {
        if way == on && number == at {
            match mischief {
                Mischief::Flip => bytes[2] ^= 1,
                Mischief::FlipTag => *bytes.last_mut().unwrap() ^= 0x80,
                // Shorter, so that it is complete.
                Mischief::FlipLength => bytes[1] ^= bytes[1] & bytes[1].wrapping_neg(),
                Mischief::Repeat => bytes = [bytes.clone(), bytes].concat(),
                Mischief::Exchange => *held.lock().unwrap() = std::mem::take(&mut bytes),
                Mischief::LeaveOut => bytes.clear(),
            }
        } else if way == on && number == at + 1 {
            bytes.extend_from_slice(&std::mem::take(&mut *held.lock().unwrap()));
        }
        Deed::Pass(bytes)
    }
}

/// A server, and what it rejects.
async fn server() -> (Server, mpsc::Receiver<ConnectError>) {
    let (tell, rejected) = mpsc::channel();
    let server = builder()
        .on_rejected(move |rejected| drop(tell.send(rejected.error)))
        .bind(LOOPBACK)
        .await
        .unwrap();
    (server, rejected)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_19_a_changed_repeated_moved_or_missing_record_closes() {
    let (server, _rejected) = server().await;
    for way in WAYS {
        for mischief in ALL {
            let mut connected = server.client_connected();
            let at = way.first_frames();
            let mut proxy = before(&server, commit(mischief, way, at)).await;
            let client = Channel::connect(&proxy.address, &secret()).await.unwrap();
            let at_server = connected.next().await.unwrap();
            // Calls that end only with the channel, in the direction of the mischief.
            let caller = match way {
                Way::ToServer => &client,
                Way::ToClient => &at_server,
            };
            let first = caller.rpc::<(), _>("wait", ()).start();
            loop {
                let (seen, number, _) = in_time(proxy.seen.recv()).await.unwrap();
                if (seen, number) == (way, at) {
                    break;
                }
            }
            // One more record, which shows what is missing.
            let second = caller.rpc::<(), _>("wait", ()).start();
            for call in [first, second] {
                let error = in_time(call).await.unwrap_err();
                let is_told = match way {
                    Way::ToServer => {
                        matches!(error, Error::ConnectionLost(_) | Error::NotConnected(_))
                    }
                    // The client has no such function; it may have said so before.
                    Way::ToClient => true,
                };
                assert!(is_told, "{mischief:?} {way:?}: {error:?}");
            }
            let (victim, other) = match way {
                Way::ToServer => (&at_server, &client),
                Way::ToClient => (&client, &at_server),
            };
            let reason = in_time(victim.closed()).await;
            let CloseReason::Lost(error) = &*reason else {
                panic!("{mischief:?} {way:?}: {reason:?}")
            };
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
            assert!(!in_time(other.closed()).await.is_orderly());
            is_served(&server).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_11_a_changed_message_of_the_opening_fails_both_ends() {
    let (server, rejected) = server().await;
    // Reserved bytes of the preamble and of the answer, public keys and tags, and all the records.
    for (way, number, at) in [
        (Way::ToServer, 0, 12),
        (Way::ToServer, 0, 63),
        (Way::ToServer, 1, 0),
        (Way::ToServer, 1, 47),
        (Way::ToServer, 2, 100),
        (Way::ToClient, 0, 12),
        (Way::ToClient, 1, 0),
        (Way::ToClient, 1, 47),
        (Way::ToClient, 2, 100),
        (Way::ToClient, 2, 2 + 270),
    ] {
        let proxy = before(&server, move |on, message, mut bytes| {
            if (on, message) == (way, number) {
                bytes[at] ^= 1;
            }
            Deed::Pass(bytes)
        })
        .await;
        let error = in_time(Channel::connect(&proxy.address, &secret()))
            .await
            .unwrap_err();
        assert!(
            !matches!(error, ConnectError::TimedOut(_)),
            "{way:?} {number} {at}: {error}"
        );
        let told = tokio::task::block_in_place(|| rejected.recv_timeout(crate::PATIENCE)).unwrap();
        assert!(
            !matches!(told, ConnectError::TimedOut(_)),
            "{way:?} {number} {at}: {told}"
        );
    }
    // The server's proof is its last word: it has opened when the client refuses it.
    let proxy = before(&server, |on, message, mut bytes| {
        if (on, message) == (Way::ToClient, 3) {
            bytes[10] ^= 1;
        }
        Deed::Pass(bytes)
    })
    .await;
    let error = in_time(Channel::connect(&proxy.address, &secret()))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error}");
    is_served(&server).await;
}

#[tokio::test]
async fn hostile_17_a_connection_that_is_cut_anywhere_is_no_orderly_end() {
    let (server, _rejected) = server().await;
    for way in WAYS {
        // Within the length, within the record, before the tag is whole, and between two records.
        for keep in [1, 5, usize::MAX - 1, usize::MAX] {
            let at = way.first_frames();
            let proxy = before(&server, move |on, number, mut bytes| {
                if (on, number) != (way, at) {
                    return Deed::Pass(bytes);
                }
                let keep = match keep {
                    usize::MAX => bytes.len(),
                    keep if keep == usize::MAX - 1 => bytes.len() - 1,
                    keep => keep,
                };
                bytes.truncate(keep);
                Deed::Cut(bytes)
            })
            .await;
            let mut connected = server.client_connected();
            let client = Channel::connect(&proxy.address, &secret()).await.unwrap();
            let at_server = connected.next().await.unwrap();
            let waiting = client.rpc::<(), _>("wait", ()).start();
            let answered = client.rpc::<i64, _>("answer", ()).start();
            assert!(
                matches!(in_time(waiting).await, Err(Error::ConnectionLost(_))),
                "{way:?} {keep}"
            );
            // An answer that was whole before the cut may be told.
            if let Err(error) = in_time(answered).await {
                assert!(matches!(error, Error::ConnectionLost(_)), "{error:?}");
            }
            for end in [&client, &at_server] {
                let reason = in_time(end.closed()).await;
                assert!(
                    matches!(*reason, CloseReason::Ended),
                    "{way:?} {keep}: {reason:?}"
                );
            }
            is_served(&server).await;
        }
    }
}

#[tokio::test]
async fn hostile_09_a_recorded_connection_opens_nothing() {
    let (server, rejected) = server().await;
    let mut proxy = before(&server, |_, _, bytes| Deed::Pass(bytes)).await;
    let client = Channel::connect(&proxy.address, &secret()).await.unwrap();
    assert_eq!(ask(&client).await, 42);
    in_time(client.close()).await;
    let mut recorded = Vec::new();
    while let Ok((way, _, bytes)) = proxy.seen.try_recv() {
        if way == Way::ToServer {
            recorded.extend_from_slice(&bytes);
        }
    }
    let mut connected = server.client_connected();
    let again = crate::strangers::say(&server, &recorded).await;
    // Answer, Noise message and hello: nothing that the recorder can read, and nothing opens.
    assert_eq!(again.len(), 16 + 48 + 2 + 256 + 16);
    let told = rejected.recv_timeout(crate::PATIENCE).unwrap();
    assert!(matches!(told, ConnectError::Io(_)), "{told}");
    is_served(&server).await;
    let served = connected.next().await.unwrap();
    assert!(in_time(served.closed()).await.is_orderly());
}

#[tokio::test]
async fn who_listens_in_reads_nothing_of_a_call_unless_both_ends_want_it() {
    const NEEDLE: &[u8] = b"the needle in the haystack";
    for plaintext in [false, true] {
        let server = if plaintext {
            builder().dangerous_plaintext()
        } else {
            builder()
        };
        let server = server.bind(LOOPBACK).await.unwrap();
        let mut client = Channel::builder(&secret());
        let heard = if plaintext {
            client = client.dangerous_plaintext();
            listen_in(&server, client).await
        } else {
            let mut proxy = before(&server, |_, _, bytes| Deed::Pass(bytes)).await;
            let client = client.connect(&proxy.address).await.unwrap();
            call_with(&client, NEEDLE).await;
            let mut heard = Vec::new();
            while let Ok((_, number, bytes)) = proxy.seen.try_recv() {
                assert!(number < FIRST_RECORD || bytes.len() > 18);
                heard.extend_from_slice(&bytes);
            }
            heard
        };
        let found = heard.windows(NEEDLE.len()).any(|window| window == NEEDLE);
        assert_eq!(found, plaintext);
    }

    async fn call_with(client: &Channel, data: &'static [u8]) {
        let data = Bytes::from_static(data);
        let back: Bytes = in_time(client.rpc("echo", (&data,))).await.unwrap();
        assert_eq!(back, data);
    }

    /// What goes from the client to the server, as it goes.
    async fn listen_in(server: &Server, client: kaa_rpc_runtime::ChannelBuilder) -> Vec<u8> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp:{}", listener.local_addr().unwrap());
        let target = server.address().to_string().replace("tcp:", "");
        let relay = tokio::spawn(async move {
            let (mut here, _) = listener.accept().await.unwrap();
            let mut there = tokio::net::TcpStream::connect(target).await.unwrap();
            let (mut from, mut to_client) = here.split();
            let (mut from_server, mut to) = there.split();
            let mut heard = Vec::new();
            let mut tee = tokio::io::BufReader::new(&mut from);
            let listening = async {
                use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
                loop {
                    let bytes = tee.fill_buf().await.unwrap().to_vec();
                    if bytes.is_empty() {
                        break;
                    }
                    tee.consume(bytes.len());
                    heard.extend_from_slice(&bytes);
                    to.write_all(&bytes).await.unwrap();
                }
                to.shutdown().await.unwrap();
            };
            let back = tokio::io::copy(&mut from_server, &mut to_client);
            let _ = tokio::join!(listening, back);
            heard
        });
        let client = client.connect(&address).await.unwrap();
        call_with(&client, NEEDLE).await;
        in_time(client.close()).await;
        in_time(relay).await.unwrap()
    }
}
