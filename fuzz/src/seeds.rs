//! What the fuzzers start from: sound inputs, and near misses that others have found.

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::handshake::Transport;
use kaa_rpc_proto::kwargs;
use kaa_rpc_proto::msgpack::{Timestamp, Value, encode_arguments, to_vec};
use kaa_rpc_proto::{Failure, FailureKind, Secret};

use crate::handshake::honest;
use crate::values::sample;

/// A file in the corpus of a target.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// Which one it is.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// All seeds.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, all: Vec<(&str, Vec<u8>)>| {
        seeds.extend(all.into_iter().map(|(name, bytes)| Seed {
            target,
            name: name.to_owned(),
            bytes,
        }));
    };
    add("handshake", handshakes());
    add("records", records());
    add("frames", frames());
    add("values", values());
    add("generated", generated());
    add("arguments", arguments());
    add("connection", connections());
    add("schema", schemas());
    seeds
}

fn handshakes() -> Vec<(&'static str, Vec<u8>)> {
    let (to_server, to_client) = honest(Transport::Unix);
    let (to_tcp_server, to_tcp_client) = honest(Transport::Tcp);
    let at_server = |bytes: &[u8]| [&[0], bytes].concat();
    let mut unknown = at_server(to_server);
    unknown[1 + 16] = b'x';
    let line = Secret::from([7; 32]).to_line();
    vec![
        ("client", at_server(to_server)),
        ("server", [&[1], to_client.as_slice()].concat()),
        ("unknown-key", unknown),
        ("preamble", at_server(&to_server[..64])),
        ("hello", at_server(&to_server[..200])),
        (
            "http",
            at_server(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ),
        (
            "tls",
            at_server(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ),
        ("untouched", vec![2]),
        (
            "changed",
            b"\x02\x00\x09\x03\x00\x50\x01\x01\x90\x80".to_vec(),
        ),
        ("secret", [b"\x03", line.as_bytes(), b"\n"].concat()),
        ("no-secret", b"\x03kaa-secret-2 AAAA".to_vec()),
        ("tcp-client", [&[4], to_tcp_server.as_slice()].concat()),
        ("tcp-message-1", [&[4], &to_tcp_server[..112]].concat()),
        ("tcp-server", [&[5], to_tcp_client.as_slice()].concat()),
        ("tcp-untouched", vec![6]),
        ("tcp-reserved", b"\x06\x00\x0c\x01".to_vec()),
        ("tcp-changed-record", b"\x06\x00\xff\x40".to_vec()),
    ]
}

/// Steps are numbered as in the target; the client's are even, the server's odd.
fn records() -> Vec<(&'static str, Vec<u8>)> {
    let [
        seal,
        large,
        pass,
        all,
        skip,
        back,
        after,
        before,
        change,
        other,
    ] = [0, 2, 4, 8, 10, 12, 14, 16, 18, 20];
    let steps = |steps: &[&[u8]]| steps.concat();
    let three: &[u8] = &[seal, 3, 1, 2, 3, seal, 2, 4, 5, seal, 1, 6];
    vec![
        (
            "both-ways",
            steps(&[three, &[all, seal + 1, 2, 7, 8, all + 1, seal, 1, 9, all]]),
        ),
        (
            "pieces",
            steps(&[three, &[pass, 1, pass, 20, pass, 0, pass, 25]]),
        ),
        ("changed", steps(&[three, &[pass, 30, change, 1, all]])),
        (
            "changed-then-right",
            steps(&[three, &[pass, 20, change, 1, before, all]]),
        ),
        (
            "length",
            steps(&[three, &[change, 0xff, all, seal, 1, 1, all]]),
        ),
        (
            "same",
            steps(&[three, &[change, 0, pass, 5, change, 0, all]]),
        ),
        ("dropped", steps(&[three, &[after, all, before, all]])),
        ("repeated", steps(&[three, &[pass, 21, before, all]])),
        (
            "moved",
            steps(&[three, &[after, pass, 20, before, before, all]]),
        ),
        (
            "shifted",
            steps(&[three, &[skip, 1, pass, 9, back, 4, all]]),
        ),
        ("reflected", steps(&[three, &[other + 1, 255, all]])),
        (
            "made-up",
            steps(&[&[other, 20, 0, 18], &[7; 18], three, &[all]]),
        ),
        ("too-short", steps(&[&[other, 2, 0, 16], three, &[all]])),
        (
            "largest",
            steps(&[&[large, 0xff, 0xef, all, large, 0xff, 0xf0, all]]),
        ),
        ("empty", steps(&[&[seal, 0, all, large, 0, 0, all], three])),
    ]
}

fn all_frames() -> Vec<Frame<'static>> {
    let head = CallHead {
        name: "track.play",
        depth: 3,
        remaining: Some(5_000_000),
        metadata: b"\x81\xa1a\xa1b",
        streams: 2,
    };
    vec![
        Frame::Call {
            id: 7,
            head,
            arguments: b"\x91\x01\x80",
        },
        Frame::Oneway {
            head: CallHead::new("log"),
            arguments: b"\x90\x80",
        },
        Frame::Result {
            id: 1,
            value: b"\xc0",
        },
        Frame::Error {
            id: 2,
            failure: b"\x80",
        },
        Frame::Yield {
            id: 7,
            value: b"\x2a",
        },
        Frame::Credit {
            id: 7,
            items: 2,
            bytes: 12,
        },
        Frame::Item {
            id: 7,
            stream: 1,
            value: b"\x2a",
        },
        Frame::End {
            id: 7,
            stream: 0,
            broken: true,
        },
        Frame::Grant {
            id: 7,
            stream: 1,
            items: 1,
            bytes: 7,
        },
        Frame::Stop { id: 7, stream: 1 },
        Frame::Metadata {
            id: 7,
            metadata: b"\x81\xa1a\xa1b",
        },
        Frame::Cancel { id: 3 },
        Frame::Done {
            calls: 4,
            bytes: 99,
        },
        Frame::Ping { token: 5 },
        Frame::Pong { token: 6 },
        Frame::Goodbye { calls: 8 },
    ]
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    for frame in all_frames() {
        frame.encode(&mut all);
    }
    let mut call = Vec::new();
    all_frames()[0].encode(&mut call);
    vec![
        ("all", all),
        ("call", call[4..].to_vec()),
        ("zero", vec![0; 4]),
        ("huge", vec![0xff; 5]),
        ("unknown", vec![0, 0, 0, 1, 16]),
        (
            "no-streams",
            b"\x01\0\0\0\x07\x04\0\0\0\x01f\x90\x80".to_vec(),
        ),
        ("oneway-streams", b"\x02\x04\0\0\x01\x01f\x90\x80".to_vec()),
        ("neither", b"\x0d\0\0\0\x07\0\x02".to_vec()),
        ("trailing", vec![0, 0, 0, 6, 7, 0, 0, 0, 1, 0]),
    ]
}

fn values() -> Vec<(&'static str, Vec<u8>)> {
    let time = Timestamp::new(-1, 500_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
    let any = Value::from_serialize(&(1, -40, 1.5_f32, "é", (), true, [300, 70_000]));
    let mut failure = Failure::new(FailureKind::BadArguments, "no");
    failure.causes = vec!["because".to_owned()];
    failure.value = Some(b"\xa4busy".to_vec());
    let mut failed = Vec::new();
    failure.encode(&mut failed);
    vec![
        ("sample", sample()),
        (
            "choice",
            b"\x81\xa5Named\x81\xa5inner\x81\xa6Number\x07".to_vec(),
        ),
        ("any", any.and_then(|any| to_vec(&any)).unwrap_or_default()),
        ("time", to_vec(&time).unwrap_or_default()),
        (
            "duration",
            b"\x82\xa4secs\x05\xa5nanos\xce\x3b\x9a\xca\x00".to_vec(),
        ),
        (
            "map",
            b"\x82\xa1a\x92\x05\xcc\x80\xa1b\x92\xd0\x80\x00".to_vec(),
        ),
        (
            "list",
            b"\x93\xc0\x92\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x90".to_vec(),
        ),
        ("failure", failed),
        ("text", b"2026-11-22T15:04:05.5+01:00".to_vec()),
        (
            "claims",
            [b"\xdd\x00\x00\xff\xff".repeat(20), vec![0xc0; 20]].concat(),
        ),
        ("deep", vec![0x91; 70]),
        ("long", b"\xdb\xff\xff\xff\xffabc".to_vec()),
        ("extension", b"\xd4\x05\x00".to_vec()),
        ("reserved", b"\x92\x01\xc1".to_vec()),
    ]
}

fn arguments() -> Vec<(&'static str, Vec<u8>)> {
    let mut both = Vec::new();
    let named = kwargs! { at: 1.5, deep: [[1, -2]], level: 3, other: "x" };
    let encoded = encode_arguments(&mut both, &(7_u64, "title", named));
    debug_assert!(encoded.is_ok());
    vec![
        ("both", both),
        ("none", b"\x90\x80".to_vec()),
        (
            "numbers",
            b"\x93\x01\xd0\x80\xce\x00\x01\x00\x00\x80".to_vec(),
        ),
        ("named", b"\x90\x82\xa2id\x07\xa5title\xa1x".to_vec()),
        (
            "message",
            b"\x92\xa1m\xc3\x82\xa5level\x05\xa1y\xc0".to_vec(),
        ),
        ("twice", b"\x91\x07\x82\xa2id\x07\xa2id\x08".to_vec()),
        ("no-map", b"\x91\x06".to_vec()),
        ("trailing", b"\x90\x80\x00".to_vec()),
        (
            "list-as-key",
            b"\x91\x82\x91\x07\xc0\x91\xcc\x07\xc0\x80".to_vec(),
        ),
        ("no-text", b"\x90\x81\xa1\xff\x07".to_vec()),
    ]
}

fn generated() -> Vec<(&'static str, Vec<u8>)> {
    let scalars =
        b"\xde\0\x10\xa4flag\xc3\xa1a\xff\xa1b\x7f\xa1c\x01\xa1d\x02\xa1e\x03\xa1f\x04\xa1g\x05\
        \xa1h\x06\xa1x\xca\x3f\x80\0\0\xa1y\xcb\x3f\xf0\0\0\0\0\0\0\xa1s\xa1t\xa3bin\xc4\x01\0\
        \xa2at\xd6\xff\0\0\0\x05\xa6length\x82\xa4secs\x05\xa5nanos\x07\xa5thing\x91\xc0";
    let node =
        b"\x83\xa8children\x91\x81\xa8children\x90\xa4next\x81\xa8children\x90\xa4tree\xa4leaf";
    let branch = b"\x81\xa6branch\x82\xa4left\x81\xa8children\x90\xa5right\x81\xa8children\x90";
    let nested = b"\x88\xa5maybe\x92\x01\xc0\xa5table\x81\xff\x91\x92\x01\xc0\xa5flags\x81\xc3\x80\
        \xa4pair\x92\xca\0\0\0\0\xca\0\0\0\0\xa6triple\x93\xa1a\xa3red\x92\x01\xc4\0\
        \xa5pairs\x91\x92\xa1p\x02\xa3url\x81\xa7address\xa1u\xa4side\xa4left";
    let custom = b"\x81\xa6custom\x82\xa1r\x01\xa5alpha\xca\x3f\x80\0\0";
    let with_field =
        b"\x81\xaawith_field\x83\xa4what\xa1w\xa5count\x03\xa4wait\x82\xa4secs\x01\xa5nanos\0";
    vec![
        ("scalars", scalars.to_vec()),
        ("node", node.to_vec()),
        ("branch", branch.to_vec()),
        ("nested", nested.to_vec()),
        ("custom", custom.to_vec()),
        ("unknown-variant", b"\x81\xa5other\x91\x01".to_vec()),
        ("plain", b"\xa5plain".to_vec()),
        ("with-field", with_field.to_vec()),
        ("defaults", b"\x82\xa4lamp\xa2on\xa4list\x90".to_vec()),
        ("twice", b"\x82\xa4flag\xc3\xa4flag\xc3".to_vec()),
        (
            "newer",
            b"\x82\xa8children\x90\xa5newer\x81\x01\x90".to_vec(),
        ),
        (
            "dimmed",
            b"\x81\xa6dimmed\x81\xa5level\xcb\x3f\xf0\0\0\0\0\0\0".to_vec(),
        ),
    ]
}

/// Steps are numbered as in the target.
fn connections() -> Vec<(&'static str, Vec<u8>)> {
    let [
        call,
        call_with_streams,
        oneway,
        forget,
        answer,
        ping,
        goodbye,
        write,
        done,
        raw,
        frame,
        items,
    ] = [0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 16];
    let [give, send, end, take_yields, take_items, stop] = [0, 1, 2, 3, 4, 5];
    let steps = |steps: &[&[u8]]| [&[3, 0, 3, 0], &steps.concat()[..]].concat();
    // With room for some streams of three items.
    let wide = |steps: &[&[u8]]| [&[3, 254, 3, 254], &steps.concat()[..]].concat();
    vec![
        (
            "answered",
            steps(&[&[call, 2, 0x90, 0x80, write, 255, frame, 4, 0, 1, 0xc0]]),
        ),
        (
            "oneways",
            steps(&[&[oneway, 0, oneway, 0, write, 255, frame, 9, 2, 0, 16]]),
        ),
        (
            "served",
            steps(&[&[frame, 0, 1, 2, 0x90, 0x80, answer, 0, 1, 0xc0, write, 255]]),
        ),
        (
            "served-oneway",
            steps(&[&[frame, 3, 0, 0, done, write, 255]]),
        ),
        (
            "cancelled",
            steps(&[&[call, 0, write, 9, forget, 0, write, 255, frame, 6, 0, 0]]),
        ),
        (
            "they-cancel",
            steps(&[&[frame, 0, 5, 0, frame, 8, 5, answer, 1, 0, frame, 8, 5]]),
        ),
        (
            "pings",
            steps(&[&[ping, write, 255, frame, 10, 1, frame, 10, 2, write, 255]]),
        ),
        (
            "goodbye",
            steps(&[
                &[call, 0, goodbye, write, 255, frame, 11, 0],
                &[frame, 0, 1, 0, write, 255],
            ]),
        ),
        (
            "large",
            steps(&[&[call, 250, write, 255, frame, 0, 0, 244, answer, 0, 252]]),
        ),
        (
            "raw",
            steps(&[&[
                raw, 6, 0, 0, 0, 9, 9, 0, raw, 7, 0, 0, 0, 0, 0, 0, 3, write, 3,
            ]]),
        ),
        (
            "flood",
            steps(&[&[
                frame, 0, 0, 0, frame, 0, 1, 0, frame, 0, 2, 0, frame, 0, 3, 0,
            ]]),
        ),
        ("flood-oneway", steps(&[&[frame, 3, 0, 0].repeat(6)])),
        (
            "yields",
            wide(&[
                &[frame, 0, 1, 2, 0x90, 0x80],
                &[items, give, 0, 1, 0x2a].repeat(3),
                &[write, 255, frame, 16, 1 + 8, 0, 6, items, give, 0, 1, 0x2a],
                &[answer, 0, 1, 0xc0, items, give, 0, 1, 0x2a, write, 255],
                &[frame, 16, 1 + 8, 0, 6],
            ]),
        ),
        (
            "they-yield",
            wide(&[
                &[call, 0, write, 255, frame, 12, 0, 1, 0x2a],
                &[items, take_yields, 0, 1, write, 255],
                &[frame, 12, 0, 1, 0x2a, frame, 4, 0, 1, 0xc0],
            ]),
        ),
        (
            "streams",
            wide(&[
                &[call_with_streams, 2, 0, write, 255],
                &[items, send, 0, 1, 0x2a, items, send, 8, 1, 0x2a],
                &[items, end, 8, 0, write, 255],
                &[frame, 17, 32, 0, 7, items, send, 0, 1, 0x2a, frame, 19, 0],
                &[items, send, 0, 1, 0x2a, frame, 4, 0, 1, 0xc0],
            ]),
        ),
        (
            "they-stream",
            wide(&[
                &[frame, 2, 1 + 16, 2, 0x90, 0x80, frame, 14, 1, 1, 0x2a],
                &[items, take_items, 0, 1, write, 255, frame, 14, 1 + 8, 1, 7],
                &[items, stop, 8, frame, 14, 1 + 8, 1, 7, frame, 18, 1],
                &[answer, 0, 1, 0xc0, frame, 14, 1 + 8, 1, 7, write, 255],
                &[items, take_items, 0, 1, frame, 18, 1 + 8, frame, 14, 1, 0],
            ]),
        ),
        (
            "after-end",
            wide(&[&[frame, 2, 1 + 8, 0, frame, 18, 1, frame, 14, 1, 0]]),
        ),
        (
            "credit-twice",
            wide(&[
                &[call, 0, write, 255],
                &[frame, 12, 0, 0].repeat(3),
                &[items, take_yields, 0, 3, write, 255],
                &[frame, 12, 0, 0, frame, 12, 0, 0],
                &[items, take_yields, 0, 2, write, 255],
            ]),
        ),
        (
            "granted-twice",
            wide(&[
                &[frame, 2, 1 + 8, 0],
                &[frame, 14, 1, 0].repeat(3),
                &[items, take_items, 0, 3, write, 255],
                &[frame, 14, 1, 0, frame, 14, 1, 0],
                &[items, take_items, 0, 2, write, 255],
            ]),
        ),
        (
            "before-credit-is-written",
            wide(&[
                &[call, 0, write, 255],
                &[frame, 12, 0, 0].repeat(3),
                &[items, take_yields, 0, 3, write, 4, frame, 12, 0, 0],
            ]),
        ),
        (
            "beyond-credit",
            wide(&[&[frame, 2, 1 + 8, 0], &[frame, 14, 1, 1, 0x2a].repeat(4)]),
        ),
        (
            "they-cancel-a-stream",
            wide(&[
                &[frame, 2, 1 + 8, 0, frame, 14, 1, 1, 0x2a, frame, 8, 1],
                &[items, give, 0, 1, 0x2a, frame, 14, 1, 1, 0x2a],
            ]),
        ),
        ("busy", steps(&[&[frame, 0, 1, 0, frame, 0, 1, 0]])),
    ]
}

/// Small ones; the corpus has larger ones beside them that are not made here.
fn schemas() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "hello",
            text("package a;\ninterface A { fn f(x: u8) -> u8?; }\n"),
        ),
        (
            "wrong",
            text("package a;\nstruct S { a: Missing, a: list<u8 }\n"),
        ),
        (
            "import",
            text("package a;\nimport \"b.kidl\";\ntype T = b.S;\0package b;\nstruct S {}\n"),
        ),
        (
            "cycle",
            text("package a;\nimport \"b.kidl\";\0package b;\nimport \"a.kidl\";\n"),
        ),
        (
            "nested",
            text("package a;\ntype T = list<list<map<string, (u8, list<T>)>>>;\n"),
        ),
    ]
}
