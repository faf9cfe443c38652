//! Two honest ends under random schedules, watched by the [`crate::model::Model`]; and ends with one
//! flaw each, to show that it sees them.

use kaa_rpc_proto::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::pair::ALL;
use crate::simulation::run;

#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) limits: [Limits; 2],
    /// Each with the end that does it.
    pub(crate) steps: Vec<(usize, Step)>,
    /// The connection breaks after the steps; otherwise both ends say goodbye.
    pub(crate) breaks: bool,
}

/// `usize`s choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Call { size: usize, streams: u8 },
    Oneway { size: usize },
    Cancel(usize),
    Detach(usize),
    Result(usize, usize),
    Error(usize, usize),
    OnewayDone(usize),
    Ping,
    Goodbye,
    Items(ItemStep),
    Write(usize),
    Deliver(usize),
}

/// What is done with items.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ItemStep {
    Yield(usize, usize),
    Send(usize, usize),
    End(usize, bool),
    TakeYields(usize, usize),
    TakeItems(usize, usize),
    Stop(usize),
}

/// What is wrong with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Makes a new call with the id of one that it has just cancelled.
    FreesAtCancel,
    /// Does not answer what was cancelled.
    DropsCancelled,
    /// Does not give oneway calls back.
    KeepsOneways,
    /// Calls although the window is full.
    IgnoresWindow,
    /// Calls although it has said goodbye.
    CallsAfterGoodbye,
    /// Answers a second time.
    AnswersTwice,
    /// Sends an item although there is no room.
    IgnoresRoom,
    /// Gives back at once what will be given back later.
    GivesBackTwice,
    /// Gives nothing back.
    NeverGivesBack,
    /// Yields once more after the final frame.
    YieldsAfterFinal,
    /// Sends an item after the end of its stream.
    SendsAfterEnd,
    /// Sends an item after the call was cancelled.
    SpeaksAfterCancel,
}

fn limits() -> impl Strategy<Value = Limits> {
    let streams = (0..5_u64, 1..4_u32, 0..3_u32);
    (1..5_u32, 0..3_u64, streams).prop_map(|(max_calls, more, (streams, items, odd))| {
        let max_stream_bytes = (64 << 10) + odd;
        Limits {
            max_calls,
            max_frame: 64 << 10,
            max_request_bytes: (64 << 10) + (more << 15) + streams * u64::from(max_stream_bytes),
            max_stream_items: items,
            max_stream_bytes,
            ..Limits::default()
        }
    })
}

/// Mostly small, sometimes around what still fits.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..60_usize, 2 => 20_000..45_000_usize, 1 => 65_500..65_540_usize]
}

/// At least one byte; sometimes around what is allowed, which is half of a window, or half of that.
fn item_size() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 1..60_usize,
        2 => 10_000..30_000_usize,
        3 => 32_755..32_768_usize,
        3 => 16_377..16_382_usize,
    ]
}

fn item_step() -> impl Strategy<Value = ItemStep> {
    let which = any::<usize>;
    let count = || prop_oneof![3 => 1..3_usize, 1 => Just(ALL)];
    prop_oneof![
        10 => (which(), item_size()).prop_map(|(which, size)| ItemStep::Yield(which, size)),
        10 => (which(), item_size()).prop_map(|(which, size)| ItemStep::Send(which, size)),
        2 => (which(), any::<bool>()).prop_map(|(which, broken)| ItemStep::End(which, broken)),
        8 => (which(), count()).prop_map(|(which, count)| ItemStep::TakeYields(which, count)),
        8 => (which(), count()).prop_map(|(which, count)| ItemStep::TakeItems(which, count)),
        1 => which().prop_map(ItemStep::Stop),
    ]
}

/// Mostly a part of a frame.
fn count() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..30_usize, 2 => 30..3000_usize, 2 => Just(ALL)]
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>;
    prop_oneof![
        14 => size().prop_map(|size| Step::Call { size, streams: 0 }),
        6 => (size(), 1..4_u8).prop_map(|(size, streams)| Step::Call { size, streams }),
        40 => item_step().prop_map(Step::Items),
        10 => size().prop_map(|size| Step::Oneway { size }),
        6 => which().prop_map(Step::Cancel),
        2 => which().prop_map(Step::Detach),
        12 => (which(), size()).prop_map(|(which, size)| Step::Result(which, size)),
        5 => (which(), size()).prop_map(|(which, size)| Step::Error(which, size)),
        10 => which().prop_map(Step::OnewayDone),
        3 => Just(Step::Ping),
        1 => Just(Step::Goodbye),
        30 => count().prop_map(Step::Write),
        30 => count().prop_map(Step::Deliver),
    ]
}

fn schedule() -> impl Strategy<Value = Schedule> {
    (
        [limits(), limits()],
        vec((0..2_usize, step()), 0..300),
        any::<bool>(),
    )
        .prop_map(|(limits, steps, breaks)| Schedule {
            limits,
            steps,
            breaks,
        })
}

proptest! {
    // Each case is a hundred steps and more: fewer of them are as good.
    #![proptest_config(Config { cases: Config::default().cases / 2, ..Config::default() })]

    #[test]
    fn honest_ends_keep_every_promise_under_any_schedule(schedule in schedule()) {
        run(&schedule, None).map_err(TestCaseError::fail)?;
    }
}

/// What the same test says of an end with a flaw.
#[track_caller]
fn assert_seen(flaw: Flaw, expected: &str) {
    let config = Config {
        cases: 512,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&schedule(), |schedule| {
        run(&schedule, Some(flaw)).map_err(TestCaseError::fail)
    });
    let text = result
        .expect_err("the model does not see the flaw")
        .to_string();
    assert!(text.contains(expected), "{flaw:?} is seen as: {text}");
}

#[test]
fn the_model_sees_an_id_that_is_used_before_the_final_frame() {
    assert_seen(Flaw::FreesAtCancel, "is still live");
}

#[test]
fn the_model_sees_a_cancelled_call_that_is_not_answered() {
    assert_seen(Flaw::DropsCancelled, "does not finish");
}

#[test]
fn the_model_sees_oneway_calls_that_are_not_given_back() {
    assert_seen(Flaw::KeepsOneways, "does not finish");
}

#[test]
fn the_model_sees_a_call_beyond_the_window() {
    assert_seen(Flaw::IgnoresWindow, "window");
}

#[test]
fn the_model_sees_a_call_after_goodbye() {
    assert_seen(Flaw::CallsAfterGoodbye, "a call after goodbye");
}

#[test]
fn the_model_sees_a_second_answer() {
    assert_seen(Flaw::AnswersTwice, "which does not run");
}

#[test]
fn the_model_sees_an_item_without_room() {
    assert_seen(Flaw::IgnoresRoom, "exceeds its room");
}

#[test]
fn the_model_sees_what_is_given_back_twice() {
    assert_seen(Flaw::GivesBackTwice, "given back what was not taken");
}

#[test]
fn the_model_sees_a_stream_that_stands_still() {
    assert_seen(Flaw::NeverGivesBack, "stands still");
}

#[test]
fn the_model_sees_a_yield_after_the_final_frame() {
    assert_seen(Flaw::YieldsAfterFinal, "which does not run");
}

#[test]
fn the_model_sees_an_item_after_the_end() {
    assert_seen(Flaw::SendsAfterEnd, "after its end");
}

#[test]
fn the_model_sees_an_item_after_a_cancel() {
    assert_seen(Flaw::SpeaksAfterCancel, "after its cancel");
}
