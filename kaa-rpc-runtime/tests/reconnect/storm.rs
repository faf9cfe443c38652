//! Many clients whose server goes away and comes back.

use std::time::Duration;

use kaa_rpc_runtime::{Channel, Error, InProgress};
use tokio::time::Instant;

use crate::world::World;
use crate::{Log, connected, in_time};

const CLIENTS: usize = 200;

#[tokio::test(start_paused = true)]
async fn hostile_52_a_server_that_comes_back_is_not_hammered_and_no_call_is_replayed() {
    let log = Log::new();
    let world = World::with(log.server());
    let mut clients: Vec<Channel> = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(connected(&world, |builder| builder).await);
    }
    let running: Vec<InProgress<u64>> = clients
        .iter()
        .zip(0..)
        .map(|(client, token)| client.rpc("wait", (token,)).start())
        .collect();
    log.reaches(CLIENTS).await;
    let before = world.attempts().len();
    world.kill();
    let gone = Instant::now();
    for call in running {
        let failed = in_time(call).await.unwrap_err();
        assert!(matches!(failed, Error::ConnectionLost(_)), "{failed:?}");
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.serve(log.server());
    for client in &clients {
        in_time(client.opened()).await.unwrap();
    }

    // Bounds of the pauses: 0.1 s, 0.2 s, …, 6.4 s, 10 s, 10 s, …; they are half of that in the mean. So
    // there are about 7 attempts in the first 6.4 s and one each 5 s from then on, and all are back after
    // the longest pause.
    let times: Vec<Duration> = world
        .attempts()
        .iter()
        .skip(before)
        .map(|at| at.duration_since(gone))
        .collect();
    let during = |from: f64, to: f64| {
        let seconds = from..to;
        let attempts = times
            .iter()
            .filter(|time| seconds.contains(&time.as_secs_f64()));
        attempts.count()
    };
    assert_eq!(times.len(), during(0.0, 70.0));
    let each = times.len() as f64 / CLIENTS as f64;
    assert!(
        (12.0..25.0).contains(&each),
        "{each} attempts of each client"
    );
    // Once the pauses are long, the clients are spread: 200 in 5 s are 4 in 100 ms.
    for tenth in 200_u32..700 {
        let from = f64::from(tenth) / 10.0;
        let attempts = during(from, from + 0.1);
        assert!(attempts < 20, "{attempts} attempts at {from} s");
    }
    // Nor do they all come at once at the beginning.
    let first = during(0.0, 0.01);
    assert!(first < CLIENTS / 4, "{first} attempts in the first 10 ms");

    // What had been on its way was run once.
    let mut tokens = log.tokens();
    tokens.sort_unstable();
    assert_eq!(tokens, (0..CLIENTS as u64).collect::<Vec<_>>());
    for (client, token) in clients.iter().zip(1000..) {
        assert_eq!(
            in_time(client.rpc::<u64, _>("note", (token,)))
                .await
                .unwrap(),
            token
        );
    }
}
