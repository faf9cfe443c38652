//! Sound frames whose payload is not: such a call fails, and its channel and all others go on.

use kaa_rpc_proto::FailureKind;
use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_runtime::{Bytes, Limits, Value, params};
use serde::Deserialize;

use crate::calls::failure;
use crate::common::multi_threaded;
use crate::stage::Stage;

#[derive(Debug, Deserialize)]
struct Point {
    x: i64,
    #[serde(default)]
    y: i64,
}

#[derive(Debug, Deserialize)]
enum Level {
    Low,
    High { by: u8 },
}

/// 256 bytes that take one on the wire when they are not there.
type Wide = Vec<Option<[[u64; 16]; 2]>>;

/// What a call with this argument must come to.
enum Comes {
    /// This result.
    Result(&'static [u8]),
    /// Bad arguments, and this is said of them.
    Refused(&'static str),
}
use Comes::{Refused, Result};

/// A function, its argument as it travels, and what must come of it.
type Case = (&'static str, Vec<u8>, Comes);

fn stage() -> Stage {
    Stage::with(multi_threaded(), Limits::default(), |server| {
        let point = async |point: Point| Ok(point.x + point.y);
        let level = async |level: Level| {
            Ok(match level {
                Level::Low => 0,
                Level::High { by } => by,
            })
        };
        server
            .register_fn("any", params(["value"], async |_: Value| Ok(0)))
            .register_fn("text", params(["value"], async |_: String| Ok(0)))
            .register_fn("bytes", params(["value"], async |_: Bytes| Ok(0)))
            .register_fn("wide", params(["value"], async |_: Wide| Ok(0)))
            .register_fn("whole", params(["value"], async |whole: i64| Ok(whole)))
            .register_fn("float", params(["value"], async |float: f64| Ok(float)))
            .register_fn("single", params(["value"], async |float: f32| Ok(float)))
            .register_fn("point", params(["value"], point))
            .register_fn("level", params(["value"], level))
    })
}

/// Makes all the calls over one connection, which is still of use after each.
fn come(cases: &[Case]) {
    let mut stage = stage();
    let mut guest = stage.guest();
    for (name, argument, comes) in cases {
        let short = &argument[..argument.len().min(40)];
        guest.peer.send(&Frame::Call {
            id: 0,
            head: CallHead::new(name),
            arguments: &[b"\x91", &argument[..], b"\x80"].concat(),
        });
        let came = guest.peer.receive().unwrap();
        match comes {
            Result(value) => {
                assert_eq!(
                    came.frame(),
                    Frame::Result { id: 0, value },
                    "{name} {short:x?}"
                );
            }
            Refused(told) => {
                let failure = failure(&came);
                let told_of = format!("{failure:?}");
                assert_eq!(failure.kind, FailureKind::BadArguments, "{told_of}");
                assert!(told_of.contains(told), "{name} {short:x?}: {told_of}");
            }
        }
        guest.peer.call(0, "add", (1, 2));
        let sum = guest.peer.receive().unwrap();
        assert_eq!(sum.frame(), Frame::Result { id: 0, value: &[3] });
    }
    assert!(!guest.channel.is_closed());
    stage.assert_honest_is_served();
}

#[test]
fn hostile_22_nesting_fails_its_call() {
    let deep = |head: &[u8], depth: usize| [head.repeat(depth), vec![0xc0]].concat();
    let mut cases: Vec<Case> = vec![("any", deep(b"\x91", 60), Result(&[0]))];
    for depth in [65, 511, 767, 100_000] {
        cases.push(("any", deep(b"\x91", depth), Refused("max_nesting")));
        cases.push(("any", deep(b"\x81\x01", depth), Refused("max_nesting")));
        // Where nobody looks at the value, too.
        let unknown = [b"\x82\xa1x\x01\xa1u", &deep(b"\x91", depth)[..]].concat();
        cases.push(("point", unknown, Refused("max_nesting")));
    }
    come(&cases);
}

#[test]
fn hostile_23_heads_that_claim_more_than_came_fail_their_call() {
    come(&[
        ("any", b"\xdd\x00\xff\xff\xff".repeat(100), Refused("")),
        ("any", b"\xdf\x80\x00\x00\x00".repeat(10), Refused("")),
        ("any", b"\xdd\xff\xff\xff\xff".to_vec(), Refused("")),
    ]);
}

#[test]
fn hostile_24_a_crowd_of_small_items_fails_its_call() {
    let nils = |count: u32| {
        let mut bytes = vec![0xdd];
        bytes.extend(count.to_be_bytes());
        bytes.resize(5 + count as usize, 0xc0);
        bytes
    };
    come(&[
        ("wide", nils(1000), Result(&[0])),
        ("wide", nils(1 << 20), Refused("max_items")),
    ]);
}

#[test]
fn hostile_25_texts_that_claim_4_gib_fail_their_call() {
    come(&[
        ("text", b"\xdb\xff\xff\xff\xffabc".to_vec(), Refused("")),
        ("bytes", b"\xc6\xff\xff\xff\xffabc".to_vec(), Refused("")),
        ("any", b"\xc9\xff\xff\xff\xff\xffabc".to_vec(), Refused("")),
    ]);
}

#[test]
fn hostile_26_bytes_behind_the_arguments_fail_their_call() {
    // Whole arguments, and one more value or a part of one before their end.
    come(&[
        ("whole", b"\x05\x05".to_vec(), Refused("")),
        ("whole", b"\x05\x80\x05".to_vec(), Refused("")),
        ("whole", b"\x05\x80\xdb".to_vec(), Refused("")),
        ("text", b"\xa1a\xa1b".to_vec(), Refused("")),
    ]);
}

#[test]
fn hostile_27_what_is_no_value_fails_its_call() {
    come(&[
        ("any", b"\xc1".to_vec(), Refused("")),
        ("any", b"\x91\xc1".to_vec(), Refused("")),
        ("any", b"\xd4\x05\x00".to_vec(), Refused("")),
        ("any", b"\xd4\xff\x00".to_vec(), Refused("")),
        ("any", b"\xd6\xff\x00\x00\x00\x01".to_vec(), Result(&[0])),
        ("text", b"\xa2\xff\xfe".to_vec(), Refused("UTF-8")),
        ("point", b"\x81\xa1\xff\x01".to_vec(), Refused("")),
    ]);
}

#[test]
fn hostile_28_fields_twice_and_lists_for_structs_fail_their_call() {
    come(&[
        ("point", b"\x82\xa1x\x01\xa1y\x02".to_vec(), Result(&[3])),
        ("point", b"\x82\xa1x\x01\xa1x\x02".to_vec(), Refused("`x`")),
        ("point", b"\x92\x01\x02".to_vec(), Refused("a list")),
        ("point", b"\x91\x01".to_vec(), Refused("a list")),
        ("wide", b"\x91\x91\x90".to_vec(), Refused("")),
        ("any", b"\x82\xa1x\x01\xa1x\x02".to_vec(), Refused("")),
    ]);
}

#[test]
fn hostile_29_unknown_fields_are_passed_over() {
    let unknown = b"\x83\xa1x\x01\xa1u\x92\xc0\x81\xa1v\xcb\0\0\0\0\0\0\0\0\xa1y\x02";
    come(&[
        ("point", unknown.to_vec(), Result(&[3])),
        ("point", b"\x82\xa1x\x01\xa1u\xc1".to_vec(), Refused("")),
    ]);
}

#[test]
fn hostile_30_variants_by_number_fail_their_call() {
    come(&[
        ("level", b"\xa3Low".to_vec(), Result(&[0])),
        (
            "level",
            b"\x81\xa4High\x81\xa2by\x07".to_vec(),
            Result(&[7]),
        ),
        ("level", b"\x00".to_vec(), Refused("an integer")),
        ("level", b"\x81\x01\x81\xa2by\x07".to_vec(), Refused("")),
        ("level", b"\x81\xa4High\x91\x07".to_vec(), Refused("")),
        (
            "level",
            b"\x82\xa3Low\xc0\xa4High\xc0".to_vec(),
            Refused(""),
        ),
    ]);
}

#[test]
fn hostile_31_numbers_arrive_as_they_are_or_fail_their_call() {
    come(&[
        // Longer than need be.
        ("whole", b"\xcf\0\0\0\0\0\0\0\x05".to_vec(), Result(&[5])),
        ("whole", b"\xd3\0\0\0\0\0\0\0\x05".to_vec(), Result(&[5])),
        (
            "whole",
            b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            Refused("out of its range"),
        ),
        (
            "whole",
            b"\xcb\x3f\xf0\0\0\0\0\0\0".to_vec(),
            Refused("a float"),
        ),
        (
            "float",
            b"\xcb\x80\0\0\0\0\0\0\0".to_vec(),
            Result(b"\xcb\x80\0\0\0\0\0\0\0"),
        ),
        (
            "float",
            b"\xcb\x7f\xf8\0\0\0\0\0\x01".to_vec(),
            Result(b"\xcb\x7f\xf8\0\0\0\0\0\x01"),
        ),
        // 2⁵³ + 1
        ("float", b"\xcf\0\x20\0\0\0\0\0\x01".to_vec(), Refused("")),
        (
            "single",
            b"\xcb\x7e\x37\xe4\x3c\x88\0\x75\x9c".to_vec(),
            Refused("out of its range"),
        ),
    ]);
}
