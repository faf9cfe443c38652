//! The vectors of the chapters on frames, failures and closing in `docs/protocol.md`.

use kaa_rpc_proto::frame::{self, CallHead, Frame, Split};
use kaa_rpc_proto::msgpack::ScanLimits;
use kaa_rpc_proto::{CannotSend, Connection, Failure, FailureKind, Limits, Violation};

use crate::pair::{ALL, End, Seen, handshake, window};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");

/// The cells of each table under a heading, one table after the other, without their heads.
fn tables(heading: &str) -> Vec<Vec<Vec<String>>> {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (_, rest) = document
        .split_once(&format!("\n### {heading}\n"))
        .unwrap_or_else(|| panic!("there is no chapter {heading}"));
    let chapter = rest.split("\n#").next().unwrap();
    let mut tables = Vec::new();
    for block in chapter
        .split("\n\n")
        .filter(|block| block.trim().starts_with('|'))
    {
        let rows = block.trim().lines().skip(2);
        tables.push(
            rows.map(|row| {
                let row = row.trim_matches('|');
                row.split('|').map(|cell| cell.trim().to_owned()).collect()
            })
            .collect(),
        );
    }
    tables
}

fn hex(text: &str) -> Vec<u8> {
    text.trim_matches('`')
        .split_whitespace()
        .map(|byte| {
            assert_eq!(byte.len(), 2, "{text}");
            u8::from_str_radix(byte, 16).unwrap()
        })
        .collect()
}

/// The fields of a row, `name value` each.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(text: &str) -> Self {
        let fields = text.split(", ").map(|field| {
            let (name, value) = field.split_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        });
        Self(fields.collect())
    }

    fn all(&self, name: &str) -> Vec<String> {
        let fields = self.0.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.clone()).collect()
    }

    fn text(&self, name: &str) -> String {
        self.all(name).pop().unwrap_or_default()
    }

    fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str) -> T {
        self.text(name).parse().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex(&self.text(name))
    }
}

fn decode(bytes: &[u8]) -> Result<Frame<'_>, Violation> {
    match frame::split(bytes, Limits::default().max_frame)? {
        Split::Frame(body, consumed) => {
            assert_eq!(consumed, bytes.len());
            Frame::decode(body)
        }
        Split::Incomplete(_) => panic!("the row is not a whole frame"),
    }
}

#[test]
fn frames_are_as_the_document_shows() {
    let rows = &tables("Test vectors for frames")[0];
    let mut kinds = Vec::new();
    for row in rows {
        let [kind, bytes, fields] = row.as_slice() else {
            panic!("{row:?}")
        };
        let fields = Fields::parse(fields);
        let (name, metadata) = (fields.text("name"), fields.bytes("metadata"));
        let payload = ["arguments", "value", "failure"].map(|name| fields.bytes(name));
        let [arguments, value, failure] = payload.each_ref().map(Vec::as_slice);
        let head = CallHead {
            name: &name,
            depth: fields.text("depth").parse().unwrap_or(0),
            remaining: fields.text("remaining").parse().ok(),
            metadata: &metadata,
            streams: fields.text("streams").parse().unwrap_or(0),
        };
        let frame = match kind.as_str() {
            "call" => Frame::Call {
                id: fields.number("id"),
                head,
                arguments,
            },
            "oneway" => Frame::Oneway { head, arguments },
            "result" => Frame::Result {
                id: fields.number("id"),
                value,
            },
            "error" => Frame::Error {
                id: fields.number("id"),
                failure,
            },
            "yield" => Frame::Yield {
                id: fields.number("id"),
                value,
            },
            "credit" => Frame::Credit {
                id: fields.number("id"),
                items: fields.number("items"),
                bytes: fields.number("bytes"),
            },
            "item" => Frame::Item {
                id: fields.number("id"),
                stream: fields.number("stream"),
                value,
            },
            "end" => Frame::End {
                id: fields.number("id"),
                stream: fields.number("stream"),
                broken: fields.number::<u8>("broken") == 1,
            },
            "grant" => Frame::Grant {
                id: fields.number("id"),
                stream: fields.number("stream"),
                items: fields.number("items"),
                bytes: fields.number("bytes"),
            },
            "stop" => Frame::Stop {
                id: fields.number("id"),
                stream: fields.number("stream"),
            },
            "metadata" => Frame::Metadata {
                id: fields.number("id"),
                metadata: &metadata,
            },
            "cancel" => Frame::Cancel {
                id: fields.number("id"),
            },
            "done" => Frame::Done {
                calls: fields.number("calls"),
                bytes: fields.number("bytes"),
            },
            "ping" => Frame::Ping {
                token: fields.number("token"),
            },
            "pong" => Frame::Pong {
                token: fields.number("token"),
            },
            "goodbye" => Frame::Goodbye {
                calls: fields.number("calls"),
            },
            kind => panic!("kind {kind}"),
        };
        let bytes = hex(bytes);
        let mut written = Vec::new();
        frame.encode(&mut written);
        assert_eq!(written, bytes, "{row:?}");
        assert_eq!(decode(&bytes), Ok(frame), "{row:?}");
        kinds.push(bytes[4]);
    }
    kinds.dedup();
    assert_eq!(kinds, (1..=16).collect::<Vec<u8>>(), "each kind is shown");
}

#[test]
fn hostile_21_what_the_document_calls_a_violation_is_one() {
    let rows = &tables("Test vectors for frames")[1];
    assert!(rows.len() > 10);
    for row in rows {
        let bytes = hex(&row[0]);
        let mut victim = End::new(handshake(window(4), window(4)).1);
        assert!(victim.read(&bytes).is_err(), "{row:?}");
        // It is refused for its reason, not because its length is wrong.
        if let Some((length, body)) = bytes
            .split_first_chunk::<4>()
            .filter(|(_, b)| !b.is_empty())
        {
            assert_eq!(u32::from_be_bytes(*length) as usize, body.len(), "{row:?}");
        }
    }
}

fn failure(text: &str) -> Failure {
    let fields = Fields::parse(text);
    let kinds = [
        FailureKind::Fault,
        FailureKind::Declared,
        FailureKind::Panic,
        FailureKind::Cancelled,
        FailureKind::BadArguments,
    ];
    let kind = kinds
        .into_iter()
        .find(|kind| kind.as_str() == fields.text("kind"));
    Failure {
        kind: kind.unwrap(),
        message: fields.text("message"),
        name: fields.text("name"),
        value: Some(fields.bytes("value")).filter(|value| !value.is_empty()),
        causes: fields.all("cause"),
        trace: fields.all("trace"),
        parameter: fields.text("parameter"),
        expected: fields.text("expected"),
        got: fields.text("got"),
    }
}

#[test]
fn failures_are_as_the_document_shows() {
    let [written, accepted] = tables("Test vectors for failures").try_into().unwrap();
    for row in &written {
        let failure = failure(&row[1]);
        let bytes = hex(&row[0]);
        assert_eq!(Failure::decode(&bytes, &ScanLimits::default()), failure);
        let mut encoded = Vec::new();
        failure.encode(&mut encoded);
        assert_eq!(sorted(&encoded), sorted(&bytes), "{row:?}");
    }
    for row in &accepted {
        let decoded = Failure::decode(&hex(&row[0]), &ScanLimits::default());
        assert_eq!(decoded, failure(&row[1]), "{row:?}");
    }
}

/// The keys of a map may stand in any order; all bytes are the same in the end.
fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_owned();
    bytes.sort_unstable();
    bytes
}

#[test]
fn hostile_37_failures_that_cannot_be_read_are_faults_all_the_same() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (_, rest) = document.split_once("no byte at all, ").unwrap();
    let (list, _) = rest.split_once("\n\n").unwrap();
    let mut unreadable: Vec<_> = list.split('`').skip(1).step_by(2).map(hex).collect();
    assert_eq!(unreadable.len(), 5);
    unreadable.push(Vec::new());
    for bytes in unreadable {
        let failure = Failure::decode(&bytes, &ScanLimits::default());
        assert_eq!(failure.kind, FailureKind::Fault);
        assert!(failure.message.contains("no readable reason"), "{bytes:x?}");
    }
}

/// What both ends do for each frame of the conversation, before it is sent.
fn act(row: usize, client: &mut Connection, server: &mut Connection) {
    let f = CallHead::new("f");
    let mut cancelled = Vec::new();
    Failure::new(FailureKind::Cancelled, "").encode(&mut cancelled);
    match row {
        0 => assert_eq!(client.call(10, &f, b"\x91\x01\x80"), Ok(0)),
        1 => client
            .oneway(&CallHead::new("g"), b"\x91\xa3abc\x80")
            .unwrap(),
        2 => {
            client.cancel(0);
            assert!(client.call(11, &f, b"\x90\x80").is_err());
        }
        3 => server.oneway_done(12),
        4 => assert_eq!(client.call(11, &f, b"\x90\x80"), Ok(1)),
        5 => server.error(0, &cancelled).unwrap(),
        6 => assert_eq!(client.call(12, &f, b"\x90\x80"), Ok(0)),
        7 => server.goodbye(),
        8 => client.goodbye(),
        9 => server.result(1, b"\xc0").unwrap(),
        _ => panic!("there are more rows than known"),
    }
}

#[test]
fn the_conversation_goes_as_the_document_shows() {
    let (client, server) = handshake(window(4), window(2));
    let (mut client, mut server) = (End::new(client), End::new(server));
    let mut late = Vec::new();
    let mut seen = Vec::new();
    for (number, row) in tables("A conversation")[0].iter().enumerate() {
        act(number, &mut client.connection, &mut server.connection);
        let from_client = row[0] == "→";
        let (from, to) = if from_client {
            (&mut client, &mut server)
        } else {
            (&mut server, &mut client)
        };
        let bytes = from.write(ALL);
        assert_eq!(bytes, hex(&row[1]), "{row:?}");
        // The last call crosses the goodbye.
        if number == 6 {
            late = bytes;
        } else {
            seen.extend(to.read(&bytes).unwrap());
        }
        if number == 7 {
            assert_eq!(server.read(&late), Ok(vec![Seen::Refused]));
        }
    }
    assert_eq!(seen.len(), 9);
    assert!(seen.contains(&Seen::Cancel(0)));
    assert!(seen.contains(&Seen::Goodbye(vec![12])));
    assert!(seen.contains(&Seen::Result(Some(11), vec![0xc0])));
    for end in [client, server] {
        assert!(end.connection.is_finished());
    }
}

/// The same for the conversation with items.
fn act_with_items(row: usize, client: &mut Connection, server: &mut Connection) {
    let head = CallHead {
        streams: 1,
        ..CallHead::new("f")
    };
    match row {
        0 => assert_eq!(client.call(10, &head, b"\x91\x00\x80"), Ok(0)),
        1 => client.send_item(0, 0, b"\x0a").unwrap(),
        2 => {
            client.send_item(0, 0, b"\x0b").unwrap();
            let full = client.send_item(0, 0, b"\x0c");
            assert_eq!(full, Err(CannotSend::NoCredit));
        }
        3 => server.items_taken((0, 1), 0, 1, 1),
        4 => server.give_item(0, 1, b"\x14").unwrap(),
        5 => {
            server.give_item(0, 1, b"\x15").unwrap();
            let full = server.give_item(0, 1, b"\x16");
            assert_eq!(full, Err(CannotSend::NoCredit));
        }
        6 => client.yields_taken(0, 2, 2),
        7 => client.send_item(0, 0, b"\x0c").unwrap(),
        8 => server.stop_stream((0, 1), 0),
        9 => server.give_item(0, 1, b"\x16").unwrap(),
        10 => server.result(0, b"\x03").unwrap(),
        11 => client.end_stream(0, 0, false),
        12 => client.cancel(0),
        _ => panic!("there are more rows than known"),
    }
}

#[test]
fn the_conversation_with_items_goes_as_the_document_shows() {
    let limits = Limits {
        max_stream_items: 2,
        max_stream_bytes: 64 << 10,
        ..window(2)
    };
    let (client, server) = handshake(limits, limits);
    let (mut client, mut server) = (End::new(client), End::new(server));
    let (mut late, mut at_client, mut at_server) = (Vec::new(), Vec::new(), Vec::new());
    let rows = &tables("A conversation with items")[0];
    for (number, row) in rows.iter().enumerate() {
        act_with_items(number, &mut client.connection, &mut server.connection);
        let from_client = row[0] == "→";
        let from = if from_client {
            &mut client
        } else {
            &mut server
        };
        let bytes = from.write(ALL);
        assert_eq!(bytes, hex(&row[1]), "{row:?}");
        if from_client {
            at_server.extend(server.read(&bytes).unwrap());
        } else if number >= 8 {
            // The last frames of both cross.
            late.extend(bytes);
        } else {
            at_client.extend(client.read(&bytes).unwrap());
        }
    }
    assert_eq!(rows.len(), 13);
    let yielded = |value| Seen::Yield(10, vec![value]);
    assert_eq!(at_client, [Seen::Grant(10, 0), yielded(20), yielded(21)]);
    let item = |value| Seen::Item {
        call: (0, 1),
        stream: 0,
        value: vec![value],
    };
    let [credit, ignored] = [Seen::Credit(0), Seen::Liveness];
    assert_eq!(
        at_server[1..],
        [
            item(10),
            item(11),
            credit,
            item(12),
            ignored.clone(),
            ignored.clone()
        ]
    );
    let crossed = client.read(&late).unwrap();
    assert_eq!(
        crossed,
        [ignored.clone(), ignored, Seen::Result(None, vec![3])]
    );
    assert!(client.connection.is_idle() && server.connection.is_idle());
}

#[test]
fn every_chapter_that_is_referred_to_exists() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let anchors: Vec<String> = document
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect();
    for (at, _) in document.match_indices("](#") {
        let anchor = document[at + 3..].split(')').next().unwrap();
        assert!(anchors.iter().any(|known| known == anchor), "#{anchor}");
    }
}
