//! Each test is a few lines: what is served, what is called, and what comes of it.

use std::error::Error;

use kaa_examples::tally::{
    CountError, CountingClient, CountingService, Tally, TallyClient, WatchingClient,
    WatchingService,
};
use kaa_rpc_runtime::{CallError, Channel, Secret, Server};

use crate::counter::Counter;
use crate::watch::{Watcher, watcher};

type TestResult = Result<(), Box<dyn Error>>;

/// One interface by itself: the two ends of a pair are all that is needed.
#[tokio::test]
async fn the_watcher_tells_when_the_goal_is_reached() -> TestResult {
    let (watcher, mut news) = watcher(10);
    let (_there, here) = Channel::pair(
        |side| side.register(WatchingService::new(watcher)),
        |side| side,
    )
    .await?;
    let watching = WatchingClient::new(&here);
    for sum in [9, 10, 11] {
        watching.changed(sum).await?;
    }
    assert_eq!((news.recv().await, news.recv().await), (Some(10), Some(11)));
    Ok(())
}

#[tokio::test]
async fn a_sum_that_does_not_fit_is_refused() -> TestResult {
    let counting = CountingService::new(Counter::default());
    let (_there, here) = Channel::pair(|side| side.register(counting), |side| side).await?;
    let counting = CountingClient::new(&here);
    assert_eq!(counting.add(u32::MAX).await?, u32::MAX);
    let refused = counting.add(1).await;
    assert!(matches!(
        refused,
        Err(CallError::Declared(CountError::Overflow))
    ));
    assert_eq!(counting.add(0).await?, u32::MAX);
    Ok(())
}

/// The program's own server, with as many clients as a test wants.
struct World {
    server: Server<kaa_examples::tally::TallyPeer>,
    secret: Secret,
}

impl World {
    fn new() -> Result<Self, Box<dyn Error>> {
        let secret = Secret::generate()?;
        let server = Tally::server(secret.clone(), Counter::default()).unbound()?;
        Ok(Self { server, secret })
    }

    async fn client(&self, watcher: Watcher) -> Result<TallyClient, Box<dyn Error>> {
        let (here, there) = tokio::io::duplex(4096);
        self.server.accept(there, &[]).await;
        Ok(Tally::client(&self.secret, watcher)
            .connect_over(here, &[])
            .await?)
    }
}

#[tokio::test]
async fn all_clients_are_told_of_each_others_doings() -> TestResult {
    let world = World::new()?;
    let (one, mut told_one) = watcher(0);
    let (other, mut told_other) = watcher(5);
    let one = world.client(one).await?;
    let other = world.client(other).await?;
    // Once it has called, it is there.
    other.counting.add(0).await?;
    assert_eq!(one.counting.add(4).await?, 4);
    assert_eq!(other.counting.add(3).await?, 7);
    for sum in [0, 4, 7] {
        assert_eq!(told_one.recv().await, Some(sum));
    }
    assert_eq!(told_other.recv().await, Some(7));
    Ok(())
}

/// A client that is gone harms nobody.
#[tokio::test]
async fn a_client_may_vanish() -> TestResult {
    let world = World::new()?;
    let (one, _told_one) = watcher(0);
    let (other, mut told_other) = watcher(0);
    let one = world.client(one).await?;
    let other = world.client(other).await?;
    one.counting.add(1).await?;
    one.channel.abort();
    assert_eq!(other.counting.add(1).await?, 2);
    while told_other.recv().await != Some(2) {}
    Ok(())
}
