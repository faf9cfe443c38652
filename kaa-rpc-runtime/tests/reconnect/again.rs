//! What is sent again, and what never is.

use std::time::Duration;

use kaa_rpc_runtime::{Call, Channel, Error, InProgress, Limits, Retry};

use crate::world::World;
use crate::{Log, connected, in_time, lost};

fn wait(channel: &Channel, token: u64) -> Call<'_, (u64,), u64> {
    channel.rpc("wait", (token,))
}

#[tokio::test(start_paused = true)]
async fn a_call_on_its_way_ends_once_and_is_not_sent_again() {
    let log = Log::new();
    let world = World::with(log.server());
    // Of none of these it is known that it may run twice, or nobody asked for that.
    let channel = connected(&world, |builder| builder.retry(Retry::default().resend(5))).await;
    let calls: Vec<InProgress<u64>> = vec![
        wait(&channel, 1).start(),
        wait(&channel, 2).resend(9).start(),
        wait(&channel, 3).resend(0).idempotent().start(),
    ];
    log.reaches(3).await;
    world.cut();
    for call in calls {
        let failed = in_time(call).await.unwrap_err();
        assert!(matches!(failed, Error::ConnectionLost(_)), "{failed:?}");
        assert!(!failed.never_ran());
    }
    let next: u64 = in_time(channel.rpc("note", (4,))).await.unwrap();
    assert_eq!((next, log.tokens()), (4, vec![1, 2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_is_sent_again_if_asked() {
    let log = Log::new();
    let world = World::with(log.server());
    let channel = connected(&world, |builder| builder.retry(Retry::default().resend(1))).await;
    let by_channel = wait(&channel, 1).idempotent().start();
    let by_call = wait(&channel, 2).idempotent().resend(2).start();
    log.reaches(2).await;
    world.cut();
    log.reaches(4).await;
    assert_eq!(log.tokens(), [1, 2, 1, 2]);
    world.cut();
    // One of them had its last chance.
    let failed = in_time(by_channel).await.unwrap_err();
    assert!(matches!(failed, Error::ConnectionLost(_)), "{failed:?}");
    log.reaches(5).await;
    log.leave.add_permits(1);
    assert_eq!(in_time(by_call).await.unwrap(), 2);
    assert_eq!(log.tokens(), [1, 2, 1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_sent_again_keep_their_order_and_go_first() {
    let log = Log::new();
    let world = World::with(log.server());
    let channel = connected(&world, |builder| builder.retry(Retry::default().resend(1))).await;
    // Slots that are free again are not used in order.
    let gone: Vec<InProgress<u64>> = (0..4).map(|token| wait(&channel, token).start()).collect();
    log.reaches(4).await;
    drop(gone);
    let calls: Vec<InProgress<u64>> = (10..18)
        .map(|token| wait(&channel, token).idempotent().start())
        .collect();
    log.reaches(12).await;
    let mut watch = channel.watch_status();
    world.kill();
    lost(&mut watch).await;
    let later = wait(&channel, 20).start();
    world.serve(log.server());
    log.reaches(21).await;
    let expected: Vec<u64> = (10..18).chain([20]).collect();
    assert_eq!(log.tokens()[12..], expected);
    log.leave.add_permits(9);
    for (call, token) in calls.into_iter().zip(10..) {
        assert_eq!(in_time(call).await.unwrap(), token);
    }
    assert_eq!(in_time(later).await.unwrap(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_end_did_not_run_before_it_closed_goes_over_the_next_connection() {
    let log = Log::new();
    let world = World::with(log.server());
    let channel = connected(&world, |builder| builder).await;
    // The goodbye is on its way when these are sent: they were not run, whatever their function.
    let closing = tokio::spawn({
        let world = world.clone();
        async move { world.close().await }
    });
    tokio::task::yield_now().await;
    let again = channel.rpc::<u64, _>("note", (1,)).resend(1).start();
    let not = channel.rpc::<u64, _>("note", (2,)).start();
    in_time(closing).await.unwrap();
    world.serve(log.server());
    assert_eq!(in_time(again).await.unwrap(), 1);
    match in_time(not).await {
        Err(error) => {
            assert!(error.never_ran(), "{error:?}");
            assert_eq!(log.tokens(), [1]);
        }
        // It was made when the goodbye was there already, and waited.
        Ok(token) => assert_eq!((token, log.tokens()), (2, vec![1, 2])),
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_room_wait_for_the_next_connection_too() {
    let log = Log::new();
    let limits = Limits {
        max_calls: 1,
        ..Limits::default()
    };
    let world = World::with(log.server().limits(limits));
    let channel = connected(&world, |builder| builder).await;
    let first = wait(&channel, 1).start();
    let patient = wait(&channel, 2).start();
    let hasty = wait(&channel, 3).fail_fast().start();
    let detached = wait(&channel, 4).start();
    detached.detach();
    log.reaches(1).await;
    world.cut();
    assert!(matches!(
        in_time(first).await,
        Err(Error::ConnectionLost(_))
    ));
    // It was not sent, and was not to wait for a connection.
    assert!(matches!(in_time(hasty).await, Err(Error::NotConnected(_))));
    log.leave.add_permits(2);
    assert_eq!(in_time(patient).await.unwrap(), 2);
    log.reaches(3).await;
    assert_eq!(log.tokens(), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_to_be_sent_again_is_not_told_as_never_sent() {
    // It may have run the first time, whatever comes then.
    let log = Log::new();
    let world = World::with(log.server());
    let channel = connected(&world, |builder| builder.retry(Retry::default().resend(1))).await;
    let overdue = wait(&channel, 1)
        .idempotent()
        .timeout(Duration::from_secs(5))
        .start();
    let closed = wait(&channel, 2).idempotent().start();
    let dropped = wait(&channel, 3).idempotent().start();
    log.reaches(3).await;
    let mut watch = channel.watch_status();
    world.kill();
    lost(&mut watch).await;
    drop(dropped);
    let failed = in_time(overdue).await.unwrap_err();
    assert!(
        matches!(failed, Error::TimedOut { sent: true, .. }),
        "{failed:?}"
    );
    in_time(channel.close()).await;
    let failed = in_time(closed).await.unwrap_err();
    assert!(matches!(failed, Error::ConnectionLost(_)), "{failed:?}");
    assert_eq!(log.tokens(), [1, 2, 3]);
}
