use super::*;

fn all_kinds() -> Vec<Frame<'static>> {
    let head = CallHead {
        name: "track.play",
        depth: 3,
        remaining: Some(5_000_000),
        metadata: b"\x80",
        streams: 2,
    };
    vec![
        Frame::Call {
            id: 7,
            head,
            arguments: b"\x91\x01\x80",
        },
        Frame::Call {
            id: 0,
            head: CallHead::new("f"),
            arguments: b"\x90\x80",
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
            items: 1,
            bytes: 6,
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

#[test]
fn what_is_encoded_decodes_to_the_same() {
    for frame in all_kinds() {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let Ok(Split::Frame(body, consumed)) = split(&bytes, 1000) else {
            panic!("{frame:?}")
        };
        assert_eq!(consumed, bytes.len());
        assert_eq!(Frame::decode(body), Ok(frame));
        if let Frame::Call {
            head, arguments, ..
        } = frame
        {
            assert_eq!(Frame::overhead(&head) + arguments.len(), bytes.len());
        }
    }
}

#[test]
fn hostile_17_every_truncation_of_a_body_is_refused_or_a_shorter_payload() {
    for frame in all_kinds() {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        for end in LENGTH_BYTES..bytes.len() {
            assert_ne!(Frame::decode(&bytes[LENGTH_BYTES..end]), Ok(frame));
            assert_eq!(
                split(&bytes[..end], 1000),
                Ok(Split::Incomplete(bytes.len()))
            );
        }
    }
}

#[test]
fn hostile_15_bad_lengths_are_refused_before_the_body_comes() {
    for (length, max_frame) in [(0, 1000), (1001, 1000), (u32::MAX, 1000)] {
        let bytes = length.to_be_bytes();
        assert_eq!(
            split(&bytes, max_frame),
            Err(Violation::FrameLength { length, max_frame })
        );
    }
}

#[test]
fn hostile_21_unknown_kinds_flags_and_left_overs_are_refused() {
    assert_eq!(Frame::decode(&[99]), Err(Violation::UnknownFrame(99)));
    assert!(Frame::decode(&[CALL, 0, 0, 0, 1, 0x80, 0, 0, 1, b'f']).is_err());
    assert!(Frame::decode(&[CANCEL, 0, 0, 0, 1, 0]).is_err());
    assert!(Frame::decode(&[ONEWAY, 0, 0, 0, 0]).is_err());
    assert!(Frame::decode(&[ONEWAY, 0, 0, 0, 1, 0xff]).is_err());
    assert!(Frame::decode(&[ONEWAY, 4, 0, 0, 1, 1, b'f', 0x90, 0x80]).is_err());
    assert!(Frame::decode(&[END, 0, 0, 0, 1, 0, 2]).is_err());
    assert!(Frame::decode(&[STOP, 0, 0, 0, 1]).is_err());
    assert!(Frame::decode(&[]).is_err());
}
