//! Items that came and were not taken yet.

/// A buffer that grew beyond this is given back when it is empty.
const KEPT_CAPACITY: usize = 64 * 1024;

/// So many taken items are told at once, so that the sender goes on before all are taken.
const TOLD_ITEMS: u32 = 64;
/// Or so many bytes of them.
const TOLD_BYTES: u64 = 128 * 1024;

/// The encoded items of one stream, one after the other: no allocation for each. The protocol's window
/// bounds them.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    pub(super) fn push(&mut self, value: &[u8]) {
        // A value is a part of a frame, whose length is a u32.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value);
    }

    /// Hands over all that came. Says whether there was something. The reader must be empty.
    pub(super) fn hand_over(&mut self, reader: &mut Reader) -> bool {
        if self.bytes.is_empty() {
            return false;
        }
        std::mem::swap(&mut self.bytes, &mut reader.bytes);
        true
    }
}

/// Items that were handed over to who takes them: read without the connection's lock.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    at: usize,
    /// Read, and not yet told.
    items: u32,
    value_bytes: u64,
}

impl Reader {
    /// The next encoded item.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        if self.at >= self.bytes.len() {
            self.clear();
            return None;
        }
        let (length, rest) = self.bytes.get(self.at..)?.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let value = rest.get(..length)?;
        self.at += 4 + length;
        self.items += 1;
        self.value_bytes += length as u64;
        Some(value)
    }

    fn clear(&mut self) {
        self.at = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
    }

    /// Whether so many were read that the sender should know.
    pub(crate) fn is_due(&self) -> bool {
        self.items >= TOLD_ITEMS || self.value_bytes >= TOLD_BYTES
    }

    /// How many items were read since this was asked last, and the bytes of their values.
    pub(super) fn take_read(&mut self) -> Option<(u32, u64)> {
        let read = (
            std::mem::take(&mut self.items),
            std::mem::take(&mut self.value_bytes),
        );
        (read.0 > 0).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_as_they_went_in_and_are_counted() {
        let (mut inbox, mut reader) = (Inbox::default(), Reader::default());
        assert!(!inbox.hand_over(&mut reader));
        for round in 0..3 {
            for value in [&b"one"[..], b"", b"three"] {
                inbox.push(value);
            }
            assert!(inbox.hand_over(&mut reader));
            assert_eq!(reader.next(), Some(&b"one"[..]), "{round}");
            assert_eq!(reader.next(), Some(&b""[..]));
            assert_eq!(reader.take_read(), Some((2, 3)));
            assert_eq!(reader.next(), Some(&b"three"[..]));
            assert_eq!(reader.next(), None);
            assert_eq!(reader.take_read(), Some((1, 5)));
            assert_eq!(reader.take_read(), None);
        }
    }
}
