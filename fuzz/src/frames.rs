//! The frames of an open connection.

use kaa_rpc_proto::frame::{Frame, LENGTH_BYTES, Split, split};

const MAX_FRAME: u32 = 64 << 10;

/// The bytes are what came from the other end, as far as it has come.
pub fn frames(data: &[u8]) {
    let mut rest = data;
    loop {
        match split(rest, MAX_FRAME) {
            Ok(Split::Frame(body, consumed)) => {
                assert_eq!(body.len() + LENGTH_BYTES, consumed);
                assert_eq!(split(&rest[..consumed], MAX_FRAME), split(rest, MAX_FRAME));
                assert!(matches!(
                    split(&rest[..consumed - 1], MAX_FRAME),
                    Ok(Split::Incomplete(needs)) if needs == consumed
                ));
                body_of(body);
                rest = &rest[consumed..];
            }
            Ok(Split::Incomplete(needs)) => {
                assert!(rest.len() < needs && needs <= LENGTH_BYTES + MAX_FRAME as usize);
                break;
            }
            Err(violation) => {
                assert!(!violation.to_string().is_empty());
                break;
            }
        }
    }
    body_of(data);
}

/// A frame that can be read can be written, and is the same then.
fn body_of(body: &[u8]) {
    let frame = match Frame::decode(body) {
        Ok(frame) => frame,
        Err(violation) => {
            assert!(!violation.to_string().is_empty());
            return;
        }
    };
    let mut encoded = Vec::new();
    frame.encode(&mut encoded);
    let again = &encoded[LENGTH_BYTES..];
    assert_eq!(Frame::decode(again), Ok(frame));
    // There is one way to write a frame, but for metadata and streams that are there and none.
    let more = body.len() - again.len();
    let (metadata, streams) = match frame {
        Frame::Call { head, .. } | Frame::Oneway { head, .. } => {
            (head.metadata.is_empty(), head.streams == 0)
        }
        _ => (false, false),
    };
    assert!(match more {
        0 => again == body,
        1 => streams,
        4 => metadata,
        5 => streams && metadata,
        _ => false,
    });
    if let Frame::Call {
        head, arguments, ..
    } = frame
    {
        assert_eq!(Frame::overhead(&head) + arguments.len(), encoded.len());
    }
}
