//! Ends with one flaw each, to show that the model sees them: the wire changes what they send, so that
//! nothing in the runtime is there for this.

use std::collections::BTreeSet;

use kaa_rpc_proto::frame::Frame;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::schedule::schedule;
use crate::{Over, check};

/// What is wrong with both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Uses the id of a call again that it has just cancelled.
    FreesAtCancel,
    /// Does not say that it has cancelled.
    ForgetsCancel,
    /// Gives back twice what was taken: of what a call yields, of a stream.
    CreditsTwice,
    GrantsTwice,
    /// Loses an item: of what a call yields, of a stream.
    LosesYield,
    LosesItem,
    AnswersTwice,
    /// Does not answer.
    NeverAnswers,
    /// Answers with what belongs to another call.
    AnswersAnother,
    /// Does not give oneway calls back.
    KeepsOneways,
    /// Sends a call twice.
    CallsTwice,
    /// Says that a stream is complete that is broken off.
    CallsItComplete,
}

pub(crate) struct Injector {
    flaw: Flaw,
    /// The ids that an end has cancelled and that may be live.
    cancelled: [BTreeSet<u32>; 2],
    /// Only the first of them.
    done: bool,
    /// The last result, to be told to another call.
    last: Option<Vec<u8>>,
}

fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

impl Injector {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            flaw,
            cancelled: Default::default(),
            done: false,
            last: None,
        }
    }

    /// What an end with the flaw would send instead of this frame.
    pub(crate) fn change(&mut self, from: usize, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let Ok(frame) = crate::wire::decode(&bytes) else {
            return vec![bytes];
        };
        let twice = |bytes: &Vec<u8>| vec![bytes.clone(), bytes.clone()];
        match (self.flaw, frame) {
            (Flaw::FreesAtCancel, Frame::Cancel { id }) => {
                self.cancelled[from].insert(id);
            }
            // Calls after it have no final frame.
            (Flaw::FreesAtCancel, Frame::Goodbye { .. }) => self.done = true,
            (Flaw::FreesAtCancel, Frame::Result { id, .. } | Frame::Error { id, .. }) => {
                self.cancelled[1 - from].remove(&id);
            }
            (
                Flaw::FreesAtCancel,
                Frame::Call {
                    head, arguments, ..
                },
            ) => {
                if !self.done
                    && let Some(id) = self.cancelled[from].pop_first()
                {
                    return vec![encoded(&Frame::Call {
                        id,
                        head,
                        arguments,
                    })];
                }
            }
            (Flaw::ForgetsCancel, Frame::Cancel { .. })
            | (Flaw::KeepsOneways, Frame::Done { .. }) => return Vec::new(),
            (Flaw::LosesYield, Frame::Yield { .. })
            | (Flaw::LosesItem, Frame::Item { .. })
            | (Flaw::NeverAnswers, Frame::Result { .. })
                if !self.done =>
            {
                self.done = true;
                return Vec::new();
            }
            (Flaw::CreditsTwice, Frame::Credit { .. })
            | (Flaw::GrantsTwice, Frame::Grant { .. })
            | (Flaw::AnswersTwice, Frame::Result { .. }) => return twice(&bytes),
            (Flaw::AnswersAnother, Frame::Result { id, value }) => {
                let own = value.to_vec();
                let value = self.last.replace(own.clone()).unwrap_or(own);
                return vec![encoded(&Frame::Result { id, value: &value })];
            }
            (
                Flaw::CallsTwice,
                Frame::Call {
                    id,
                    head,
                    arguments,
                },
            ) => {
                let id = id + 1;
                return vec![
                    bytes.clone(),
                    encoded(&Frame::Call {
                        id,
                        head,
                        arguments,
                    }),
                ];
            }
            (Flaw::CallsItComplete, Frame::End { id, stream, .. }) => {
                let broken = false;
                return vec![encoded(&Frame::End { id, stream, broken })];
            }
            _ => {}
        }
        vec![bytes]
    }
}

/// What the same test says of ends with a flaw.
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
        check(&schedule, Over::Memory, Some(flaw)).map_err(TestCaseError::fail)
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
fn the_model_sees_a_cancel_that_is_not_said() {
    assert_seen(Flaw::ForgetsCancel, "hangs");
}

#[test]
fn the_model_sees_what_is_given_back_twice() {
    assert_seen(Flaw::CreditsTwice, "given back");
    assert_seen(Flaw::GrantsTwice, "given back");
}

#[test]
fn the_model_sees_an_item_that_is_lost() {
    assert_seen(Flaw::LosesYield, "item");
    assert_seen(Flaw::LosesItem, "item");
}

#[test]
fn the_model_sees_a_second_answer() {
    assert_seen(Flaw::AnswersTwice, "which does not run");
}

#[test]
fn the_model_sees_a_call_that_is_not_answered() {
    assert_seen(Flaw::NeverAnswers, "before all its calls had ended");
}

#[test]
fn the_model_sees_an_answer_of_another_call() {
    assert_seen(Flaw::AnswersAnother, "was told the value of");
}

#[test]
fn the_model_sees_oneway_calls_that_are_not_given_back() {
    assert_seen(Flaw::KeepsOneways, "misses");
}

#[test]
fn the_model_sees_a_call_that_is_sent_twice() {
    assert_seen(Flaw::CallsTwice, "was sent twice");
}

#[test]
fn the_model_sees_a_stream_that_is_called_complete() {
    assert_seen(Flaw::CallsItComplete, "is not complete");
}
