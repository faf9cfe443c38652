//! Records: pieces of an encrypted stream.

use std::fmt;

use snow::StatelessTransportState;

/// Seals the records of one direction and opens those of the other.
///
/// A record is a `u16` with the length of what follows, which is the ciphertext and its 16-byte tag.
/// Records have no number on the wire: each end counts, so one that was changed, left out, repeated or
/// moved does not open, and nothing opens after it.
pub struct Records {
    state: StatelessTransportState,
    sealed: u64,
    opened: u64,
    failed: Option<RecordError>,
}

/// What the beginning of received bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A record, without its length; it ends before what is said here.
    Record(&'a [u8], usize),
    /// More bytes are needed.
    Incomplete,
}

/// Why a record cannot be sealed or opened. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A length that no record has.
    Length {
        /// The length that came.
        got: u16,
    },
    /// The record is not the one that the other end sealed next.
    NotAuthentic,
    /// All 2⁶⁴ − 1 records of a direction were used.
    Exhausted,
}

impl Records {
    /// The size of the length in front of each record.
    pub const HEADER_LEN: usize = 2;
    /// The size of the tag at the end of each record.
    pub const TAG_LEN: usize = 16;
    /// The most bytes that one record carries.
    pub const MAX_PLAIN: usize = u16::MAX as usize - Self::TAG_LEN;

    pub(super) fn new(state: StatelessTransportState) -> Self {
        Self {
            state,
            sealed: 0,
            opened: 0,
            failed: None,
        }
    }

    /// Seals `plain` as one record and appends it to `out`.
    ///
    /// `plain` has 1 to [`Self::MAX_PLAIN`] bytes.
    ///
    /// # Errors
    ///
    /// [`RecordError::Exhausted`], and [`RecordError::Length`] for another number of bytes; `out` is
    /// as before then.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        let length = match u16::try_from(plain.len().saturating_add(Self::TAG_LEN)) {
            Ok(length) if !plain.is_empty() => length,
            other => {
                return Err(RecordError::Length {
                    got: other.unwrap_or(u16::MAX),
                });
            }
        };
        // The nonce 2⁶⁴ − 1 is not for messages.
        let next = self.sealed.checked_add(1).ok_or(RecordError::Exhausted)?;
        let begin = out.len();
        out.extend_from_slice(&length.to_be_bytes());
        let body = out.len();
        out.resize(body + usize::from(length), 0);
        let room = out.get_mut(body..).unwrap_or_default();
        if self.state.write_message(self.sealed, plain, room).is_err() {
            out.truncate(begin);
            return Err(RecordError::Exhausted);
        }
        self.sealed = next;
        Ok(())
    }

    /// Finds the first record in what was received.
    ///
    /// # Errors
    ///
    /// [`RecordError::Length`] as soon as the length is there, if no record has it. Whatever went wrong
    /// before is told again.
    pub fn split<'a>(&mut self, received: &'a [u8]) -> Result<Split<'a>, RecordError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Some((length, rest)) = received.split_first_chunk() else {
            return Ok(Split::Incomplete);
        };
        let got = u16::from_be_bytes(*length);
        let length = usize::from(got);
        if length <= Self::TAG_LEN {
            return Err(self.fail(RecordError::Length { got }));
        }
        Ok(match rest.get(..length) {
            Some(record) => Split::Record(record, Self::HEADER_LEN + length),
            None => Split::Incomplete,
        })
    }

    /// Opens a record into `out`, and gives the number of bytes that it carries.
    ///
    /// `out` has at least as many bytes as the record; what is in those beyond the result does not
    /// matter.
    ///
    /// # Errors
    ///
    /// [`RecordError::NotAuthentic`], and from then on always the same.
    pub fn open(&mut self, record: &[u8], out: &mut [u8]) -> Result<usize, RecordError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Some(next) = self.opened.checked_add(1) else {
            return Err(self.fail(RecordError::Exhausted));
        };
        match self.state.read_message(self.opened, record, out) {
            Ok(length) => {
                self.opened = next;
                Ok(length)
            }
            Err(_) => Err(self.fail(RecordError::NotAuthentic)),
        }
    }

    fn fail(&mut self, error: RecordError) -> RecordError {
        *self.failed.insert(error)
    }

    /// As if so many records had gone in either direction.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, count: u64) {
        self.sealed = count;
        self.opened = count;
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("sealed", &self.sealed)
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got } => write!(
                f,
                "an encrypted record of {got} bytes: expected {} to {}",
                Records::TAG_LEN + 1,
                u16::MAX
            ),
            Self::NotAuthentic => f.write_str(
                "an encrypted record is not what the other end sent next: something on the way changed, \
                 repeated, moved or left out data",
            ),
            Self::Exhausted => f.write_str(
                "the connection has used all its records: open a new one",
            ),
        }
    }
}

impl std::error::Error for RecordError {}
