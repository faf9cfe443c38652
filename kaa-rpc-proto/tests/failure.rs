//! Failures: what is cut, what is kept, and that nothing a peer sends is more than a failure.

use kaa_rpc_proto::failure::{MAX_LINES, MAX_LINES_TEXT, MAX_TEXT};
use kaa_rpc_proto::msgpack::{self, ScanLimits, Value};
use kaa_rpc_proto::{Failure, FailureKind};
use proptest::collection::vec;
use proptest::prelude::*;

fn encoded(failure: &Failure) -> Vec<u8> {
    let mut bytes = Vec::new();
    failure.encode(&mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Failure {
    Failure::decode(bytes, &ScanLimits::default())
}

fn kind() -> impl Strategy<Value = FailureKind> {
    prop::sample::select(vec![
        FailureKind::Fault,
        FailureKind::Declared,
        FailureKind::Panic,
        FailureKind::Cancelled,
        FailureKind::TimedOut,
        FailureKind::BadArguments,
        FailureKind::UnknownFunction,
        FailureKind::TooDeep,
        FailureKind::TooLarge,
    ])
}

fn failure() -> impl Strategy<Value = Failure> {
    let text = || ".{0,20}";
    (
        kind(),
        [text(), text(), text(), text(), text()],
        vec(text(), 0..5),
        vec(text(), 0..5),
        any::<Option<i64>>(),
    )
        .prop_map(|(kind, texts, causes, trace, value)| {
            let [message, name, parameter, expected, got] = texts;
            Failure {
                kind,
                message,
                name,
                value: value.map(|value| msgpack::to_vec(&value).unwrap()),
                causes,
                trace,
                parameter,
                expected,
                got,
            }
        })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(failure in failure()) {
        prop_assert_eq!(decode(&encoded(&failure)), failure);
    }

    #[test]
    fn hostile_37_anything_is_a_failure(bytes in vec(any::<u8>(), 0..100)) {
        let failure = decode(&bytes);
        prop_assert!(failure.message.len() <= MAX_TEXT);
    }

    #[test]
    fn hostile_37_a_changed_byte_is_still_a_failure(
        failure in failure(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encoded(&failure);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        decode(&bytes);
    }
}

#[test]
fn hostile_37_a_peer_that_does_not_cut_is_cut() {
    let text = "\u{1b}[31mä".repeat(MAX_TEXT);
    let lines = Value::List(vec![Value::from(text.as_str()); MAX_LINES + 1]);
    let keys = ["message", "name", "parameter", "expected", "got"];
    let mut map: Vec<(Value, Value)> = keys
        .iter()
        .map(|key| (Value::from(*key), Value::from(text.as_str())))
        .collect();
    map.push((Value::from("causes"), lines.clone()));
    map.push((Value::from("trace"), lines));
    let failure = decode(&msgpack::to_vec(&Value::Map(map)).unwrap());

    let mut texts = vec![
        &failure.message,
        &failure.name,
        &failure.parameter,
        &failure.expected,
        &failure.got,
    ];
    texts.extend(&failure.causes);
    texts.extend(&failure.trace);
    assert_eq!(texts.len(), 5 + 2 * MAX_LINES);
    for text in texts {
        assert!(text.len() <= MAX_TEXT && text.len() > MAX_TEXT - 4);
    }
}

#[test]
fn hostile_37_what_is_sent_is_bounded() {
    let text = "ä".repeat(MAX_TEXT);
    let failure = Failure {
        kind: FailureKind::Fault,
        message: text.clone(),
        name: text.clone(),
        value: None,
        causes: vec![text.clone(); 1000],
        trace: vec![text.clone(); 1000],
        parameter: text.clone(),
        expected: text.clone(),
        got: text,
    };
    let bytes = encoded(&failure);
    assert!(bytes.len() < 64 << 10, "it fits the smallest frame");
    let decoded = decode(&bytes);
    assert_eq!(decoded.causes.len(), MAX_LINES_TEXT / MAX_TEXT);
    assert_eq!(decoded.message.len(), MAX_TEXT);

    let short = Failure {
        trace: vec!["here".into(); 1000],
        ..Failure::default()
    };
    assert_eq!(decode(&encoded(&short)).trace.len(), MAX_LINES);
}

#[test]
fn hostile_22_a_value_that_is_too_deep_leaves_a_failure() {
    let map = |nesting: usize| {
        let mut bytes = b"\x82\xa4kind\xa8declared\xa5value".to_vec();
        bytes.extend(vec![0x91; nesting - 1]);
        bytes.push(0x90);
        decode(&bytes)
    };
    assert_eq!(map(63).kind, FailureKind::Declared);
    assert_eq!(map(64).kind, FailureKind::Fault);
}
