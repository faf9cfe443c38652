//! A model of the runtime: two real ends under random schedules, with a wire between them that sees each
//! frame and a log of what each caller, function and stream has seen itself. Both must agree.
//!
//! `PROPTEST_CASES` says how many schedules are tried in memory, where time is paused; over sockets, where
//! it is not, it is a twentieth.

#[path = "../common/mod.rs"]
mod common;

mod flaws;
mod judge;
mod log;
mod observer;
mod party;
mod run;
mod schedule;
mod sources;
mod streams;
mod wire;

use proptest::prelude::*;
use proptest::test_runner::Config;
use tokio::runtime::Builder;

use common::{Over, multi_threaded, single_threaded};
use flaws::Flaw;
use observer::Objection;
use schedule::{Schedule, schedule};

/// In memory, where tokio's time goes on when nothing else is to be done, so that what hangs is found at
/// once; or over Unix sockets in real time.
fn check(schedule: &Schedule, over: Over, flaw: Option<Flaw>) -> Result<(), Objection> {
    let runtime = match over {
        Over::Memory => Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap(),
        Over::Unix if schedule.steps.len().is_multiple_of(2) => multi_threaded(),
        Over::Unix => single_threaded(),
    };
    runtime.block_on(run::run(schedule, over, flaw))
}

proptest! {
    #[test]
    fn what_callers_are_told_is_what_functions_did(schedule in schedule()) {
        check(&schedule, Over::Memory, None).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(Config {
        cases: Config::default().cases / 20,
        // Each takes its time.
        max_shrink_iters: 200,
        ..Config::default()
    })]

    #[test]
    fn and_over_sockets(schedule in schedule()) {
        check(&schedule, Over::Unix, None).map_err(TestCaseError::fail)?;
    }
}
