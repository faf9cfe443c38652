//! An end that lives on while its peer sends frames at random: sound ones, and in no order.

use std::collections::BTreeSet;

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::{Token, Violation};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::pair::{End, NO_ARGUMENTS, Seen, handshake, window};

const WINDOW: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Hear(Heard),
    Call,
    Oneway,
    Cancel(u32),
    /// The number chooses among the calls that run.
    Answer(usize),
    OnewayDone,
    Ping,
    Goodbye,
    Write(usize),
}

#[derive(Clone, Debug)]
enum Heard {
    Call(u32),
    Oneway,
    Result(u32),
    Error(u32),
    Cancel(u32),
    Done(u32, u64),
    Ping(u64),
    Pong(u64),
    Goodbye(u64),
}

impl Heard {
    fn frame(&self) -> Frame<'static> {
        let (head, arguments) = (CallHead::new("f"), NO_ARGUMENTS);
        match *self {
            Self::Call(id) => Frame::Call {
                id,
                head,
                arguments,
            },
            Self::Oneway => Frame::Oneway { head, arguments },
            Self::Result(id) => Frame::Result { id, value: b"\xc0" },
            Self::Error(id) => Frame::Error {
                id,
                failure: b"\x80",
            },
            Self::Cancel(id) => Frame::Cancel { id },
            Self::Done(calls, bytes) => Frame::Done { calls, bytes },
            Self::Ping(token) => Frame::Ping { token },
            Self::Pong(token) => Frame::Pong { token },
            Self::Goodbye(calls) => Frame::Goodbye { calls },
        }
    }
}

fn heard() -> impl Strategy<Value = Heard> {
    let id = || prop_oneof![20 => 0..WINDOW, 1 => Just(WINDOW), 1 => any::<u32>()];
    let number = || prop_oneof![20 => 0..4_u64, 1 => any::<u64>()];
    let done = prop_oneof![
        10 => (1..3_u32).prop_map(|calls| (calls, u64::from(calls) * 8)),
        1 => (any::<u32>(), any::<u64>()),
    ];
    prop_oneof![
        8 => id().prop_map(Heard::Call),
        5 => Just(Heard::Oneway),
        5 => id().prop_map(Heard::Result),
        2 => id().prop_map(Heard::Error),
        3 => id().prop_map(Heard::Cancel),
        2 => done.prop_map(|(calls, bytes)| Heard::Done(calls, bytes)),
        2 => any::<u64>().prop_map(Heard::Ping),
        1 => number().prop_map(Heard::Pong),
        1 => number().prop_map(Heard::Goodbye),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => heard().prop_map(Step::Hear),
        6 => Just(Step::Call),
        3 => Just(Step::Oneway),
        2 => (0..WINDOW).prop_map(Step::Cancel),
        6 => any::<usize>().prop_map(Step::Answer),
        4 => Just(Step::OnewayDone),
        1 => Just(Step::Ping),
        1 => Just(Step::Goodbye),
        10 => (0..60_usize).prop_map(Step::Write),
    ]
}

/// An end, and the tokens that are out.
struct Victim {
    end: End,
    next: Token,
    waiting: BTreeSet<Token>,
    runs: Vec<u32>,
    oneways: Vec<u32>,
}

impl Victim {
    fn step(&mut self, step: &Step) -> Result<(), Violation> {
        let connection = &mut self.end.connection;
        let head = CallHead::new("f");
        match step {
            Step::Hear(heard) => {
                let seen = self.end.hear(&heard.frame())?;
                self.see(seen);
            }
            Step::Call => {
                if connection.call(self.next, &head, NO_ARGUMENTS).is_ok() {
                    self.waiting.insert(self.next);
                    self.next += 1;
                }
            }
            Step::Oneway => {
                let _ = connection.oneway(&head, NO_ARGUMENTS);
            }
            // Its token may still be among those that wait: then it just does not come back.
            Step::Cancel(id) => connection.cancel(*id),
            Step::Answer(which) => {
                if !self.runs.is_empty() {
                    let id = self.runs.swap_remove(which % self.runs.len());
                    connection.result(id, b"\xc0").unwrap();
                }
            }
            Step::OnewayDone => {
                if let Some(cost) = self.oneways.pop() {
                    connection.oneway_done(cost);
                }
            }
            Step::Ping => connection.ping(),
            Step::Goodbye => connection.goodbye(),
            Step::Write(count) => drop(self.end.write(*count)),
        }
        Ok(())
    }

    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Call { id: Some(id), .. } => self.runs.push(id),
            Seen::Call { cost, .. } => self.oneways.push(cost),
            Seen::Result(token, _) | Seen::Error(token, _) => self.come_back(token),
            Seen::Goodbye(tokens) => self.come_back(tokens),
            Seen::Cancel(id) => assert!(self.runs.contains(&id)),
            Seen::Freed | Seen::Liveness | Seen::Refused => {}
            items => panic!("no call has streams or yields: {items:?}"),
        }
    }

    fn come_back(&mut self, tokens: impl IntoIterator<Item = Token>) {
        for token in tokens {
            assert!(self.waiting.remove(&token), "{token} came back twice");
        }
    }
}

proptest! {
    #[test]
    fn hostile_40_no_peer_gets_beyond_a_window_or_a_token_twice(
        steps in vec(step(), 0..200),
    ) {
        let mut victim = Victim {
            end: End::new(handshake(window(WINDOW), window(WINDOW)).1),
            next: 0,
            waiting: BTreeSet::new(),
            runs: Vec::new(),
            oneways: Vec::new(),
        };
        for step in &steps {
            let refused = victim.step(step).is_err();
            prop_assert!(victim.runs.len() + victim.oneways.len() <= WINDOW as usize);
            prop_assert!(victim.end.connection.calls_in_flight() <= WINDOW);
            if refused {
                break;
            }
        }
        let left = victim.end.connection.abandon();
        victim.come_back(left.into_iter().map(|(token, _)| token));
        prop_assert_eq!(victim.end.connection.abandon(), []);
    }

    #[test]
    fn hostile_21_any_bytes_are_frames_or_a_violation(bytes in vec(any::<u8>(), 0..200)) {
        let mut victim = End::new(handshake(window(WINDOW), window(WINDOW)).1);
        let _ = victim.read(&bytes);
        // The same with a sound length in front.
        let mut victim = End::new(handshake(window(WINDOW), window(WINDOW)).1);
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let _ = victim.read(&[&length[..], &bytes].concat());
        // And with a sound kind.
        if let Some((kind, body)) = bytes.split_first() {
            let _ = Frame::decode(&[&[kind % 17], body].concat());
        }
    }
}
