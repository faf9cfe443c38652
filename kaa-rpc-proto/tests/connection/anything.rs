//! An end that lives on while its peer sends frames at random: sound ones, and in no order.

use std::collections::{BTreeMap, BTreeSet};

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::{Limits, Token, Violation};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::pair::{End, NO_ARGUMENTS, Seen, handshake, window};

const WINDOW: u32 = 3;

/// How many items of a stream, and streams of a call.
const ITEMS: u32 = 2;
const STREAMS: u8 = 2;

/// Each item is one byte.
const ITEM: &[u8] = b"\x2a";

fn limits() -> Limits {
    Limits {
        max_request_bytes: 512 << 10,
        max_stream_items: ITEMS,
        max_stream_bytes: 64 << 10,
        ..window(WINDOW)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Hear(Heard),
    Call(u8),
    Oneway,
    Cancel(u32),
    /// The number chooses among the calls that run.
    Answer(usize),
    OnewayDone,
    Ping,
    Goodbye,
    Write(usize),
    /// The number chooses among the calls that run.
    Give(usize),
    Take(usize),
    Stop(usize),
    Send(u32, u8),
    End(u32, u8),
}

#[derive(Clone, Debug)]
enum Heard {
    Call(u32, u8),
    Oneway,
    Result(u32),
    Error(u32),
    Cancel(u32),
    Done(u32, u64),
    Ping(u64),
    Pong(u64),
    Goodbye(u64),
    Yield(u32),
    Credit(u32, u32),
    Item(u32, u8),
    End(u32, u8),
    Grant(u32, u8, u32),
    Stop(u32, u8),
    Metadata(u32),
}

impl Heard {
    fn frame(&self) -> Frame<'static> {
        let (head, arguments) = (CallHead::new("f"), NO_ARGUMENTS);
        match *self {
            Self::Call(id, streams) => Frame::Call {
                id,
                head: CallHead { streams, ..head },
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
            Self::Yield(id) => Frame::Yield { id, value: ITEM },
            Self::Credit(id, items) => Frame::Credit {
                id,
                items,
                bytes: u64::from(items) * 6,
            },
            Self::Item(id, stream) => Frame::Item {
                id,
                stream,
                value: ITEM,
            },
            Self::End(id, stream) => Frame::End {
                id,
                stream,
                broken: false,
            },
            Self::Grant(id, stream, items) => Frame::Grant {
                id,
                stream,
                items,
                bytes: u64::from(items) * 7,
            },
            Self::Stop(id, stream) => Frame::Stop { id, stream },
            Self::Metadata(id) => Frame::Metadata {
                id,
                metadata: b"\x80",
            },
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
    let stream = || prop_oneof![20 => 0..STREAMS, 1 => any::<u8>()];
    let items = || prop_oneof![10 => 1..=ITEMS, 1 => any::<u32>()];
    prop_oneof![
        8 => (id(), 0..=STREAMS).prop_map(|(id, streams)| Heard::Call(id, streams)),
        2 => id().prop_map(Heard::Yield),
        1 => (id(), items()).prop_map(|(id, items)| Heard::Credit(id, items)),
        4 => (id(), stream()).prop_map(|(id, stream)| Heard::Item(id, stream)),
        1 => (id(), stream()).prop_map(|(id, stream)| Heard::End(id, stream)),
        1 => (id(), stream(), items()).prop_map(|(id, stream, items)| Heard::Grant(id, stream, items)),
        1 => (id(), stream()).prop_map(|(id, stream)| Heard::Stop(id, stream)),
        1 => id().prop_map(Heard::Metadata),
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
        6 => (0..=STREAMS).prop_map(Step::Call),
        5 => any::<usize>().prop_map(Step::Give),
        5 => any::<usize>().prop_map(Step::Take),
        1 => any::<usize>().prop_map(Step::Stop),
        5 => (0..WINDOW, 0..STREAMS).prop_map(|(id, stream)| Step::Send(id, stream)),
        1 => (0..WINDOW, 0..STREAMS).prop_map(|(id, stream)| Step::End(id, stream)),
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
    /// Items that came and were not taken, by call and stream.
    held: BTreeMap<(u32, u64, u8), u32>,
    yielded: BTreeMap<Token, u32>,
    stopped: BTreeSet<(u32, u64, u8)>,
}

impl Victim {
    fn step(&mut self, step: &Step) -> Result<(), Violation> {
        let connection = &mut self.end.connection;
        let with = |streams| CallHead {
            streams,
            ..CallHead::new("f")
        };
        match step {
            Step::Hear(heard) => {
                let seen = self.end.hear(&heard.frame())?;
                self.see(seen);
            }
            Step::Call(streams) => {
                let head = with(*streams);
                if connection.call(self.next, &head, NO_ARGUMENTS).is_ok() {
                    self.waiting.insert(self.next);
                    self.next += 1;
                }
            }
            Step::Oneway => {
                let _ = connection.oneway(&with(0), NO_ARGUMENTS);
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
            Step::Give(which) => {
                // By a call of which items came, which may have ended.
                let calls: Vec<_> = self.held.keys().collect();
                if let Some(&&(id, number, _)) = calls.get(which % calls.len().max(1)) {
                    let _ = connection.give_item(id, number, ITEM);
                }
            }
            Step::Take(which) => {
                let keys: Vec<_> = self.held.keys().copied().collect();
                if let Some(key) = keys.get(which % keys.len().max(1)) {
                    let taken = self.held.insert(*key, 0).unwrap_or(0);
                    connection.items_taken((key.0, key.1), key.2, taken, taken.into());
                }
            }
            Step::Stop(which) => {
                let keys: Vec<_> = self.held.keys().copied().collect();
                if let Some(key) = keys.get(which % keys.len().max(1)) {
                    connection.stop_stream((key.0, key.1), key.2);
                    self.stopped.insert(*key);
                }
            }
            Step::Send(id, stream) => drop(connection.send_item(*id, *stream, ITEM)),
            Step::End(id, stream) => connection.end_stream(*id, *stream, false),
        }
        Ok(())
    }

    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Call { id: Some(id), .. } => self.runs.push(id),
            Seen::Call { cost, .. } => self.oneways.push(cost),
            Seen::Result(token, _) | Seen::Error(token, _) => self.come_back(token),
            Seen::Goodbye(tokens) => self.come_back(tokens),
            Seen::Cancel(id) | Seen::Credit(id) => assert!(self.runs.contains(&id)),
            Seen::Freed | Seen::Liveness | Seen::Refused => {}
            Seen::Yield(token, _) => {
                assert!(self.waiting.contains(&token));
                let held = self.yielded.entry(token).or_default();
                *held += 1;
                assert!(*held <= ITEMS, "nothing of it was taken");
            }
            Seen::Item {
                call: (id, number),
                stream,
                ..
            } => {
                let key = (id, number, stream);
                assert!(self.runs.contains(&id) && !self.stopped.contains(&key));
                let held = self.held.entry(key).or_default();
                *held += 1;
                assert!(*held <= ITEMS);
            }
            Seen::End {
                call: (id, number),
                stream,
                ..
            } => {
                // Nothing comes after it, as after a stop.
                assert!(self.runs.contains(&id));
                assert!(self.stopped.insert((id, number, stream)));
            }
            Seen::Grant(token, _) | Seen::Stop(token, _) | Seen::Metadata(token, _) => {
                assert!(self.waiting.contains(&token));
            }
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
            end: End::new(handshake(limits(), limits()).1),
            next: 0,
            waiting: BTreeSet::new(),
            runs: Vec::new(),
            oneways: Vec::new(),
            held: BTreeMap::new(),
            yielded: BTreeMap::new(),
            stopped: BTreeSet::new(),
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
