//! A reconnecting client and its server over simulated TCP that is slow, stalls, is cut and comes back,
//! while the server's machine crashes and restarts. What the client is told of each call is compared with
//! what the server noted.
//!
//! Each seed is one run, always the same. `KAA_SEEDS=FROM..TO` runs others than usual.

mod client;
mod faults;
mod random;
mod server;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::{Error, Secret};

use client::{Asked, Told};
use faults::Faults;
use random::Random;

/// Faults are over by then.
const MENDED: Duration = Duration::from_secs(8);

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// How often a call was run, by its token; at the server, over all its lives, or at the client.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<HashMap<u64, u32>>>);

impl Log {
    fn note(&self, token: u64) {
        *self.0.lock().unwrap().entry(token).or_default() += 1;
    }

    fn count(&self, token: u64) -> u32 {
        self.0.lock().unwrap().get(&token).copied().unwrap_or(0)
    }
}

/// What came up over all seeds, so that nothing is tested that never happens.
#[derive(Debug, Default)]
struct Met {
    good: u32,
    /// By what the error says, and whether the call had run all the same.
    bad: HashMap<(&'static str, bool), u32>,
    run_again: u32,
    connections: u32,
    waited: u32,
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(seeds) = std::env::var("KAA_SEEDS") else {
        return 0..50;
    };
    let (from, to) = seeds.split_once("..").expect("KAA_SEEDS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn each_call_ends_once_with_what_really_became_of_it() {
    let mut met = Met::default();
    for seed in seeds() {
        println!("seed {seed}");
        let (told, served, called_back) = run(seed);
        check(&told, &served, &called_back, &mut met);
    }
    println!("{met:#?}");
    // Each of these is told apart from the others, so each must occur.
    assert!(met.good > 100);
    for expected in [
        ("not connected", false),
        ("connection lost", true),
        ("connection lost", false),
        ("timed out, not sent", false),
        ("timed out", true),
    ] {
        assert!(met.bad.contains_key(&expected), "never met: {expected:?}");
    }
    assert!(met.run_again > 0 && met.waited > 0);
    assert!(met.connections > 2 * u32::try_from(seeds().count()).unwrap());
}

/// Runs the world once; gives what the client was told, and the logs of server and client.
fn run(seed: u64) -> (Told, Log, Log) {
    let mut random = Random::new(seed);
    let mut builder = turmoil::Builder::new();
    let (fast, slow) = (random.below(10), random.below(100));
    builder
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(1))
        .simulation_duration(Duration::from_secs(300))
        .min_message_latency(Duration::from_millis(fast))
        .max_message_latency(Duration::from_millis(fast + slow + 1))
        .enable_random_order();
    let mut sim = builder.build();

    let (served, called_back) = (Log::default(), Log::default());
    let log = served.clone();
    sim.host("server", move || server::serve(log.clone()));
    let told = Arc::new(Mutex::new(None));
    let (result, back) = (Arc::clone(&told), called_back.clone());
    sim.client("client", async move {
        let told = client::run(seed, back).await;
        *result.lock().unwrap() = Some(told);
        Ok(())
    });

    let mut faults = Faults::plan(&mut random);
    loop {
        faults.apply(&mut sim);
        match sim.step() {
            Ok(true) => break,
            Ok(false) => {}
            // A call that never ends shows here, too.
            Err(error) => panic!("{error}"),
        }
    }
    let told = told.lock().unwrap().take().unwrap();
    (told, served, called_back)
}

fn check(told: &Told, served: &Log, called_back: &Log, met: &mut Met) {
    assert_eq!(told.asked.len(), client::CALLS);
    met.connections += told.connections;
    for asked in &told.asked {
        let ran = served.count(asked.token);
        check_call(asked, ran, met);
        assert!(called_back.count(asked.token) <= ran, "{asked:?}");
        if ran > 1 {
            met.run_again += 1;
        }
    }
    for token in &told.dropped {
        assert!(served.count(*token) <= 1, "{token} ran twice");
    }
    for token in &told.oneway {
        assert!(served.count(*token) <= 1, "{token} ran twice");
    }
    for token in &told.oneway_refused {
        assert_eq!(served.count(*token), 0, "{token} was not to be sent");
    }
    // The hook ran for each connection, and its calls were not sent twice either.
    for token in client::HOOK..client::HOOK + u64::from(told.connections) {
        assert!(served.count(token) <= 1, "{token} ran twice");
    }
}

/// `ran`: so often, as the server knows.
fn check_call(asked: &Asked, ran: u32, met: &mut Met) {
    // Nothing is run twice, unless the user said that it may be.
    assert!(ran <= 1 + asked.may_run_again, "{asked:?} ran {ran} times");
    if asked.failing_fast && asked.unconnected {
        assert!(asked.outcome.is_err() && asked.took.is_zero(), "{asked:?}");
    }
    if let Some(timeout) = asked.timeout {
        assert!(
            asked.took <= timeout + Duration::from_millis(2),
            "{asked:?}"
        );
    }
    let error = match &asked.outcome {
        Ok(value) => {
            assert_eq!(*value, server::answer(asked.token));
            assert!(ran > 0, "{asked:?} has a result and did not run");
            met.good += 1;
            met.waited += u32::from(asked.unconnected);
            return;
        }
        Err(error) => error,
    };
    if error.never_ran() {
        assert_eq!(ran, 0, "{asked:?} ran");
    }
    let kind = match error {
        Error::NotConnected(_) => "not connected",
        Error::ConnectionLost(_) => "connection lost",
        Error::TimedOut { sent: false, .. } => "timed out, not sent",
        Error::TimedOut { .. } => "timed out",
        // A call back that failed.
        Error::Fault(_) if asked.calls_back => "fault",
        other => panic!("{other:?} of {asked:?}"),
    };
    *met.bad.entry((kind, ran > 0)).or_default() += 1;
}
