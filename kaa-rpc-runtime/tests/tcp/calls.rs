//! Calls over TCP, in both directions and of all sizes.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv6Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;

use kaa_rpc_runtime::{Address, Bytes, Channel, ConnectError, Context, Server, params};
use tokio::runtime::Runtime;

use crate::proxy::{self, Deed};
use crate::{LOOPBACK, ask, builder, in_time, is_served, secret};

#[tokio::test]
async fn both_ends_call() {
    let server = builder()
        .register_fn(
            "back",
            params([], async |cx: Context| {
                let name: String = cx.channel().rpc("name", ()).await?;
                Ok(name)
            }),
        )
        .bind(LOOPBACK)
        .await
        .unwrap();
    let mut connected = server.client_connected();
    let client = Channel::builder(&secret())
        .register_fn("name", params([], async || Ok("client")))
        .connect(&server.address().to_string())
        .await
        .unwrap();
    assert_eq!(ask(&client).await, 42);
    let name: String = in_time(client.rpc("back", ())).await.unwrap();
    assert_eq!(name, "client");
    let at_server = connected.next().await.unwrap();
    let name: String = in_time(at_server.rpc("name", ())).await.unwrap();
    assert_eq!(name, "client");
    assert_eq!(
        at_server.peer().unwrap().session(),
        client.peer().unwrap().session()
    );
    assert!(
        at_server
            .peer()
            .unwrap()
            .address()
            .unwrap()
            .ip()
            .is_loopback()
    );
    assert!(in_time(client.close()).await.is_orderly());
    assert!(in_time(at_server.closed()).await.is_orderly());
}

#[tokio::test]
async fn the_server_tells_the_port_that_it_got() {
    let server = builder().bind("tcp:127.0.0.1:0").await.unwrap();
    let Address::Tcp(address) = server.address() else {
        panic!("{}", server.address())
    };
    assert_eq!(address.host(), "127.0.0.1");
    assert_ne!(address.port(), 0);
    assert_eq!(server.path(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_of_all_sizes_come_back_as_they_went() {
    // Around the sizes of records and buffers, and many times those.
    let sizes = [
        0, 1, 100, 4096, 16_383, 16_384, 32_768, 65_400, 65_518, 65_519, 65_520, 65_536, 131_072,
        5_000_000,
    ];
    for plaintext in [false, true] {
        let server = if plaintext {
            builder()
                .dangerous_plaintext()
                .bind(LOOPBACK)
                .await
                .unwrap()
        } else {
            builder().bind(LOOPBACK).await.unwrap()
        };
        let client = Channel::builder(&secret());
        let client = if plaintext {
            client.dangerous_plaintext()
        } else {
            client
        };
        let client = client.connect(&server.address().to_string()).await.unwrap();
        for size in sizes {
            let data: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
            let back: Bytes = in_time(client.rpc("echo", (&data,))).await.unwrap();
            assert!(back == data, "{size} bytes, plaintext: {plaintext}");
        }
        // At the same time, so that frames share records and records share frames.
        let mut calls = Vec::new();
        for at in 0..200 {
            let data = Bytes::from(vec![at as u8; at * 701]);
            calls.push((
                data.clone(),
                client.rpc::<Bytes, _>("echo", (data,)).start(),
            ));
        }
        for (data, call) in calls {
            assert!(in_time(call).await.unwrap() == data);
        }
    }
}

#[tokio::test]
async fn a_name_is_resolved_and_ipv6_goes_like_ipv4() {
    let server = builder().bind("tcp:localhost:0").await.unwrap();
    is_served(&server).await;
    let Address::Tcp(address) = server.address() else {
        panic!("{}", server.address())
    };
    let address = format!("tcp:localhost:{}", address.port());
    let channel = in_time(Channel::connect(&address, &secret()))
        .await
        .unwrap();
    assert_eq!(ask(&channel).await, 42);

    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    }
    let server = builder().bind("tcp:[::1]:0").await.unwrap();
    assert!(server.address().to_string().starts_with("tcp:[::1]:"));
    is_served(&server).await;
}

/// Where `localhost` is `::1` first, that refuses.
#[tokio::test]
async fn a_name_leads_to_whichever_of_its_addresses_accepts() {
    for bind in ["tcp:127.0.0.1:0", "tcp:[::1]:0"] {
        let Ok(server) = builder().bind(bind).await else {
            eprintln!("SKIPPED: this machine has no IPv6");
            continue;
        };
        let Address::Tcp(address) = server.address() else {
            panic!("{}", server.address())
        };
        let ip: std::net::IpAddr = address.host().parse().unwrap();
        let target = format!("localhost:{}", address.port());
        let found: Vec<_> = tokio::net::lookup_host(&target).await.unwrap().collect();
        let connected = in_time(Channel::connect(&format!("tcp:{target}"), &secret())).await;
        if found.iter().any(|found| found.ip() == ip) {
            assert_eq!(ask(&connected.unwrap()).await, 42);
        } else {
            connected.unwrap_err();
        }
    }
}

/// The first call goes at once, as nothing else is going on. What is to be sent at one time after that goes in
/// one record, and so in one write.
#[tokio::test]
async fn frames_of_one_moment_share_a_record() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    let mut proxy = proxy::before(&server, |_, _, bytes| Deed::Pass(bytes)).await;
    let client = Channel::connect(&proxy.address, &secret()).await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| client.rpc::<i64, _>("answer", ()).start())
        .collect();
    for call in calls {
        assert_eq!(in_time(call).await.unwrap(), 42);
    }
    let mut records = [0, 0];
    while let Ok((way, number, _)) = proxy.seen.try_recv() {
        if number >= way.first_frames() {
            records[way as usize] += 1;
        }
    }
    let [calls, answers] = records;
    assert_eq!(calls, 2);
    assert!((1..=2).contains(&answers), "{answers}");
}

/// A large payload is not copied behind the head of its frame, but both go in one record all the same.
#[tokio::test]
async fn a_frame_with_a_large_payload_is_one_record_if_it_fits() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    let mut proxy = proxy::before(&server, |_, _, bytes| Deed::Pass(bytes)).await;
    let client = Channel::connect(&proxy.address, &secret()).await.unwrap();
    let data = Bytes::from(vec![7; 40_000]);
    let back: Bytes = in_time(client.rpc("echo", (data.clone(),))).await.unwrap();
    assert!(back == data);
    let mut records = [0, 0];
    while let Ok((way, number, _)) = proxy.seen.try_recv() {
        if number >= way.first_frames() {
            records[way as usize] += 1;
        }
    }
    assert_eq!(records, [1, 1]);
}

#[tokio::test]
async fn errors_name_each_address_and_why_it_failed() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = Channel::connect(&format!("tcp:127.0.0.1:{port}"), &secret())
        .await
        .unwrap_err();
    let ConnectError::Tcp(error) = error else {
        panic!("{error}")
    };
    assert!(error.is_not_running());
    assert_eq!(error.attempts().count(), 1);
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}: ")), "{text}");
    assert!(text.ends_with("is the server running?"), "{text}");

    let error = Channel::connect("tcp:no-such-host.invalid:7000", &secret())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the host `no-such-host.invalid` has no address"),
        "{error}"
    );

    let server = builder().bind(LOOPBACK).await.unwrap();
    let error = builder()
        .bind(&server.address().to_string())
        .await
        .unwrap_err();
    let kaa_rpc_runtime::BindError::Tcp(error) = error else {
        panic!("{error}")
    };
    assert!(error.is_in_use(), "{error}");
}

#[tokio::test]
async fn a_closed_server_frees_its_port() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    let address = server.address().to_string();
    let channel = Channel::connect(&address, &secret()).await.unwrap();
    in_time(server.close()).await;
    assert!(in_time(channel.closed()).await.is_orderly());
    let again = async {
        loop {
            match builder().bind(&address).await {
                Ok(server) => break server,
                // The task that accepted has yet to notice.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    is_served(&in_time(again).await).await;
}

#[tokio::test]
async fn a_lazy_channel_connects_by_itself() {
    let server = builder().bind(LOOPBACK).await.unwrap();
    let channel = Channel::builder(&secret())
        .connect_lazy(&server.address().to_string())
        .unwrap();
    assert_eq!(ask(&channel).await, 42);
}

/// What a process that was started by this test is to do.
const CHILD: &str = "KAA_TEST_TCP_CHILD";

#[test]
fn two_processes_talk_and_a_killed_one_is_missed() {
    let runtime = Runtime::new().unwrap();
    if std::env::var_os(CHILD).is_some() {
        runtime.block_on(async {
            let server: Server = builder().bind(LOOPBACK).await.unwrap();
            println!("\nlistening at {}", server.address());
            let wait = || std::io::stdin().read_to_end(&mut Vec::new());
            tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
        });
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("calls::two_processes_talk_and_a_killed_one_is_missed")
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let address = BufReader::new(child.stdout.as_mut().unwrap())
        .lines()
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("listening at ").map(str::to_owned))
        .unwrap();
    runtime.block_on(async {
        let channel = Arc::new(Channel::connect(&address, &secret()).await.unwrap());
        assert_eq!(ask(&channel).await, 42);
        let waiting = channel.rpc::<(), _>("wait", ()).start();
        assert_eq!(ask(&channel).await, 42);
        child.kill().unwrap();
        let error = in_time(waiting).await.unwrap_err();
        assert!(
            matches!(error, kaa_rpc_runtime::Error::ConnectionLost(_)),
            "{error:?}"
        );
        let reason = in_time(channel.closed()).await;
        assert!(!reason.is_orderly(), "{reason}");
        assert!(
            matches!(*reason, kaa_rpc_runtime::CloseReason::Ended),
            "{reason:?}"
        );
    });
    child.wait().unwrap();
}
