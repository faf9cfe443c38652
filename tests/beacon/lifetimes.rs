//! Processes that come, go, and are killed.

use kaa_rpc_runtime::{CallError, Channel, CloseReason, Error, Secret, kwargs};
use kaa_tests::beacon::{AttributeSpec, DatabaseError};
use kaa_tests::media_database::{HUNG, News, Viewer};

use crate::setup::{Place, TestResult, info};

#[tokio::test]
async fn several_clients_work_at_once() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut watching = place.connect().await?;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(place.client("work")?);
    }
    for client in &mut clients {
        let status = client.process.wait().await?;
        assert!(status.success(), "{status}");
    }
    for _ in 0..clients.len() {
        let told = watching.told().await;
        assert!(
            matches!(&told, News::Info(args) if args[0] == "gone".into()),
            "{told:?}"
        );
    }
    // Nothing is left over, so the next item is the one after theirs.
    let root = ("dir".to_owned(), 0);
    let (_, id) = watching.end.beacon.item_create("note", &root).await?;
    assert_eq!(id, 4 * 100 + 1);
    Ok(())
}

#[tokio::test]
async fn a_killed_client_frees_its_lock() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut waiting = place.connect().await?;
    let mut holding = place.client("lock")?;
    let line = holding.line().await?;
    let holder: i64 = line.strip_prefix("locked ").ok_or("not locked")?.parse()?;

    let refused = waiting.end.beacon.db_lock().await;
    assert!(
        matches!(
            refused,
            Err(CallError::Declared(DatabaseError::Locked { holder: number })) if number == holder
        ),
        "{refused:?}"
    );
    holding.process.kill().await?; // SIGKILL
    waiting
        .told_at_last(&info(["unlocked".into(), holder.into()]))
        .await;
    waiting.end.beacon.db_lock().await?;
    waiting.end.beacon.db_unlock().await?;
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_in_order_frees_its_lock_too() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut waiting = place.connect().await?;
    let holding = place.connect().await?;
    holding.end.beacon.db_lock().await?;
    holding.end.channel.close().await;
    let unlocked = info(["unlocked".into(), holding.number.into()]);
    assert_eq!(waiting.told().await, unlocked);
    waiting.end.beacon.db_lock().await?;
    Ok(())
}

#[tokio::test]
async fn a_daemon_killed_during_calls_is_a_lost_connection_for_each() -> TestResult {
    let place = Place::new()?;
    let mut daemon = place.daemon().await?;
    let mut first = place.connect().await?;
    let mut second = place.connect().await?;
    let typed = first.end.beacon.scan_directory(HUNG).start();
    let by_name = second
        .end
        .channel
        .rpc::<u64, _>("scan_directory", kwargs! { directory: HUNG })
        .start();
    let waiting = info(["waiting".into(), HUNG.into()]);
    assert_eq!(first.told().await, waiting);
    assert_eq!(second.told().await, waiting);

    daemon.process.kill().await?;
    let lost = typed.await;
    assert!(
        matches!(lost, Err(CallError::Failed(Error::ConnectionLost(_)))),
        "{lost:?}"
    );
    let lost = by_name.await;
    assert!(matches!(lost, Err(Error::ConnectionLost(_))), "{lost:?}");
    let reason = first.end.channel.closed().await;
    assert!(!reason.is_orderly(), "{reason}");
    let after = first.end.beacon.db_lock().await;
    assert!(
        matches!(after, Err(CallError::Failed(Error::NotConnected(_)))),
        "{after:?}"
    );

    // What the dead daemon left behind does not keep the next one from its address.
    let _daemon = place.daemon().await?;
    let third = place.connect().await?;
    assert_eq!(third.number, 1);
    Ok(())
}

#[tokio::test]
async fn shutdown_ends_the_daemon_in_order() -> TestResult {
    for by_name in [false, true] {
        let place = Place::new()?;
        let mut daemon = place.daemon().await?;
        let caller = place.connect().await?;
        let other = place.connect().await?;
        if by_name {
            caller
                .end
                .channel
                .rpc::<(), _>("shutdown", ())
                .oneway()
                .await?;
        } else {
            caller.end.beacon.shutdown().await?;
        }
        for client in [caller, other] {
            let reason = client.end.channel.closed().await;
            assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason}");
        }
        assert_eq!(daemon.line().await?, "bye");
        let status = daemon.process.wait().await?;
        assert!(status.success(), "{status}");
        assert!(!place.socket().exists());
        let refused = Channel::connect(&place.address, &place.secret).await;
        assert!(refused.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn another_secret_is_refused_and_harms_nobody() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let client = place.connect().await?;
    let stranger = Viewer::connect(&place.address, &Secret::generate()?).await;
    assert!(stranger.is_err());
    let spec = AttributeSpec::new("str");
    let call = client.end.beacon.register_file_type_attrs("track");
    call.attrs([("title", &spec)]).await?;
    Ok(())
}
