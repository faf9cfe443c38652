//! What sockets cost by themselves: an echo of frames, without anything that makes it a call.
//!
//! A frame is a header and a payload; with a short text it is 64 bytes, about what a call takes on the wire.

pub mod blocking;
pub mod cipher;
pub mod reading;
pub mod shared;
pub mod tokio;

/// Bytes of a header: the length of what follows, a number that tells frames apart, and padding.
const HEADER: usize = 32;

/// A buffer that has room for small frames, and grows with larger ones.
const ROOM: usize = 4 << 10;

/// Payloads up to this are written together with their header.
const TOGETHER: usize = 1 << 10;

/// The header of a payload of that length.
fn header(number: u32, length: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[4..8].copy_from_slice(&number.to_le_bytes());
    header
}

/// How long the frame is that begins so. `None` as long as its header is not all there.
fn frame_length(begin: &[u8]) -> Option<usize> {
    let header = begin.get(..HEADER)?;
    Some(HEADER + u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize)
}

/// The number of a frame, the header of which is all there.
fn number(frame: &[u8]) -> u32 {
    u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]])
}

/// How many bytes are missing of the frame that begins so, as far as is known.
fn missing(begin: &[u8]) -> usize {
    frame_length(begin)
        .unwrap_or(HEADER)
        .saturating_sub(begin.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_how_long_it_is_and_which() {
        let frame = [header(7, 5).as_slice(), b"hello"].concat();
        assert_eq!(frame_length(&frame[..HEADER - 1]), None);
        assert_eq!(frame_length(&frame), Some(frame.len()));
        assert_eq!(number(&frame), 7);
        assert_eq!(missing(&[]), HEADER);
        assert_eq!(missing(&frame[..HEADER]), 5);
        assert_eq!(missing(&frame), 0);
    }
}
