//! What a channel without a connection tells, and what becomes of calls.

use std::time::Duration;

use kaa_rpc_runtime::{
    Channel, CloseReason, ConnectError, Error, HandshakeError, Retry, Secret, Server, Status,
};
use tokio::time::Instant;

use crate::world::World;
use crate::{Log, connected, in_time, lost, secret};

async fn note(channel: &Channel, token: u64) -> Result<u64, Error> {
    in_time(channel.rpc("note", (token,))).await
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_told_and_replaced() {
    let log = Log::new();
    let world = World::default();
    let channel = Channel::builder(&secret())
        .retry(Retry::default())
        .connect_lazy_with(world.connector())
        .unwrap();
    let mut watch = channel.watch_status();
    let mut told = Vec::new();
    for step in 0..9 {
        let status = in_time(watch.next()).await.unwrap();
        told.push(match &status {
            Status::Disconnected { reason, .. } => reason.to_string(),
            other => format!("{other:?}"),
        });
        match (step, status.is_connected()) {
            (3, true) => {
                assert_eq!(note(&channel, 1).await.unwrap(), 1);
                world.kill();
            }
            (1 | 4, _) => drop(world.serve(log.server())),
            (6, true) => world.close().await,
            (8, _) => drop(channel.close().await),
            _ => {}
        }
    }
    assert!(matches!(
        in_time(watch.next()).await,
        Some(Status::Closed(_))
    ));
    assert!(in_time(watch.next()).await.is_none());
    assert_eq!(
        told,
        [
            "Connecting",
            "cannot connect: connection refused",
            "Connecting",
            "Connected",
            "the other end went away without a goodbye",
            "Connecting",
            "Connected",
            "the other end closed the channel",
            "Connecting",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_connection_has_a_session_and_a_peer_of_its_own() {
    let world = World::with(Log::new().server().service("one"));
    let channel = connected(&world, |builder| builder).await;
    let before = channel.peer().unwrap();
    world.kill();
    let mut watch = channel.watch_status();
    lost(&mut watch).await;
    assert_eq!(channel.peer().unwrap().session(), before.session());
    world.serve(Log::new().server().service("two"));
    in_time(channel.opened()).await.unwrap();
    let after = channel.peer().unwrap();
    assert_eq!((before.service(), after.service()), ("one", "two"));
    assert_ne!(before.session(), after.session());
    assert_ne!(before.instance(), after.instance());
}

#[tokio::test(start_paused = true)]
async fn calls_wait_or_fail_at_once_as_chosen() {
    for fails_fast in [false, true] {
        let log = Log::new();
        let world = World::with(log.server());
        let channel = connected(&world, |builder| {
            if fails_fast {
                builder.fail_fast()
            } else {
                builder
            }
        })
        .await;
        let mut watch = channel.watch_status();
        world.kill();
        lost(&mut watch).await;

        let usual = channel.rpc::<u64, _>("note", (1,)).start();
        let patient = channel
            .rpc::<u64, _>("note", (2,))
            .wait_until_ready()
            .start();
        let hasty = channel.rpc::<u64, _>("note", (3,)).fail_fast().await;
        let Err(Error::NotConnected(reason)) = hasty else {
            panic!("{hasty:?}")
        };
        assert!(
            matches!(&*reason, CloseReason::Ended | CloseReason::NotOpened(_)),
            "{reason:?}"
        );
        world.serve(log.server());
        assert_eq!(in_time(patient).await.unwrap(), 2);
        let usual = in_time(usual).await;
        if fails_fast {
            assert!(matches!(usual, Err(Error::NotConnected(_))), "{usual:?}");
            assert_eq!(log.tokens(), [2]);
        } else {
            assert_eq!(usual.unwrap(), 1);
            assert_eq!(log.tokens(), [1, 2]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_not_open_yet_says_so() {
    let channel = Channel::builder(&secret())
        .fail_fast()
        .connect_lazy_with(World::default().connector())
        .unwrap();
    let failed = note(&channel, 1).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "not connected, so the call was not sent: the channel is not open yet"
    );
    assert!(failed.never_ran());
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_call_goes_on_while_it_waits() {
    let log = Log::new();
    let world = World::with(log.server());
    let channel = connected(&world, |builder| builder).await;
    let mut watch = channel.watch_status();
    world.kill();
    lost(&mut watch).await;
    let began = Instant::now();
    let call = channel
        .rpc::<u64, _>("note", (1,))
        .timeout(Duration::from_secs(3));
    let failed = in_time(call).await.unwrap_err();
    assert!(
        matches!(failed, Error::TimedOut { sent: false, .. }),
        "{failed:?}"
    );
    assert_eq!(began.elapsed().as_secs(), 3);
    // It is not sent when there is a connection at last.
    world.serve(log.server());
    assert_eq!(note(&channel, 2).await.unwrap(), 2);
    assert_eq!(log.tokens(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_gives_up_is_closed_and_says_why() {
    let limits: [fn(Retry) -> Retry; 2] = [
        |retry| retry.attempts(5),
        |retry| retry.give_up_after(Duration::from_secs(60)),
    ];
    for limit in limits {
        let world = World::with(Log::new().server());
        let channel = connected(&world, |builder| builder.retry(limit(Retry::default()))).await;
        world.kill();
        let waiting = channel.rpc::<u64, _>("note", (1,)).start();
        let reason = in_time(channel.closed()).await;
        assert_eq!(reason.to_string(), "cannot connect: connection refused");
        // It was sent before the loss was noticed, or never.
        assert!(matches!(
            in_time(waiting).await,
            Err(Error::NotConnected(_) | Error::ConnectionLost(_))
        ));
        assert!(matches!(
            note(&channel, 2).await,
            Err(Error::NotConnected(_))
        ));
        assert!(channel.is_closed());
        let builder = Channel::builder(&secret()).retry(limit(Retry::default()));
        let error = in_time(builder.connect_with(world.connector()))
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::Connector(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn connect_waits_for_a_server_that_is_late() {
    let log = Log::new();
    let world = World::default();
    let builder = Channel::builder(&secret()).retry(Retry::default());
    let connecting = tokio::spawn(builder.connect_with(world.connector()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(world.attempts().len() > 3);
    world.serve(log.server());
    let channel = in_time(connecting).await.unwrap().unwrap();
    assert_eq!(note(&channel, 1).await.unwrap(), 1);
}

fn stranger() -> kaa_rpc_runtime::ServerBuilder {
    Server::builder(Secret::from_bytes(&[8; 32]).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_no_reason_to_wait() {
    let log = Log::new();
    let world = World::with(log.server());
    let channel = connected(&world, |builder| builder).await;
    world.kill();
    world.serve(stranger());
    // Nothing else ends it.
    let failed = loop {
        match note(&channel, 1).await {
            Err(Error::ConnectionLost(_)) => {}
            other => break other.unwrap_err(),
        }
    };
    let Error::NotConnected(reason) = &failed else {
        panic!("{failed:?}")
    };
    assert!(
        matches!(&**reason, CloseReason::NotOpened(error)
            if matches!(**error, ConnectError::Handshake(HandshakeError::Refused))),
        "{reason:?}"
    );
    // New calls do not wait either, and it is asked rarely.
    assert!(matches!(
        note(&channel, 2).await,
        Err(Error::NotConnected(_))
    ));
    let before = world.attempts().len();
    tokio::time::sleep(Duration::from_secs(100)).await;
    let attempts = world.attempts().len() - before;
    assert!((9..=11).contains(&attempts), "{attempts}");
    assert!(!channel.is_closed());
    // The right server is back.
    world.serve(log.server());
    in_time(channel.opened()).await.unwrap();
    assert_eq!(note(&channel, 3).await.unwrap(), 3);
    assert_eq!(log.tokens(), [3]);
}

#[tokio::test(start_paused = true)]
async fn connecting_with_a_wrong_secret_fails_although_it_would_be_tried_again() {
    let world = World::with(stranger());
    let builder = Channel::builder(&secret()).retry(Retry::default());
    let error = in_time(builder.connect_with(world.connector()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Handshake(HandshakeError::Refused)),
        "{error:?}"
    );
    assert_eq!(world.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_a_connection_can_be_closed() {
    for closes in [true, false] {
        let world = World::with(Log::new().server());
        let channel = connected(&world, |builder| builder).await;
        let mut watch = channel.watch_status();
        world.kill();
        lost(&mut watch).await;
        let waiting = channel.rpc::<u64, _>("note", (1,)).start();
        let began = Instant::now();
        if closes {
            let reason = in_time(channel.close()).await;
            assert!(matches!(*reason, CloseReason::Closed), "{reason:?}");
        } else {
            drop(channel);
        }
        assert!(matches!(
            in_time(waiting).await,
            Err(Error::NotConnected(_))
        ));
        while in_time(watch.next()).await.is_some() {}
        assert_eq!(began.elapsed(), Duration::ZERO);
        let attempts = world.attempts().len();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(world.attempts().len(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_was_closed_while_the_server_said_goodbye_stays_closed() {
    let log = Log::new();
    let world = World::with(log.server().close_timeout(Duration::from_secs(60)));
    let channel = connected(&world, |builder| {
        builder.close_timeout(Duration::from_secs(60))
    })
    .await;
    let running = channel.rpc::<u64, _>("wait", (1,)).start();
    log.reaches(1).await;
    let closing = tokio::spawn({
        let world = world.clone();
        async move { world.close().await }
    });
    // Until the goodbye has come: a call that does not wait is refused then.
    while channel
        .rpc::<u64, _>("note", (2,))
        .fail_fast()
        .await
        .is_ok()
    {}
    let waiting = channel.rpc::<u64, _>("note", (3,)).start();
    let closed = tokio::spawn({
        let channel = channel.clone();
        async move { channel.close().await }
    });
    assert!(matches!(
        in_time(waiting).await,
        Err(Error::NotConnected(_))
    ));
    log.leave.add_permits(1);
    assert_eq!(in_time(running).await.unwrap(), 1);
    assert!(in_time(closed).await.unwrap().is_orderly());
    in_time(closing).await.unwrap();
    assert_eq!(world.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_connected_cannot_be_tried_again() {
    let (stream, _other) = tokio::io::duplex(64);
    let builder = Channel::builder(&secret()).retry(Retry::default());
    let error = builder.connect_over(stream, b"").await.unwrap_err();
    assert!(matches!(error, ConnectError::Settings(_)), "{error:?}");
}
