//! Values and arguments as MessagePack: strict decoding, bounded scanning, encoding.
//!
//! The bytes of a call or of its result pass three rooms:
//!
//! 1. [`scan`] and [`ArgumentReader::new`] walk them without recursion or allocation and check what
//!    protects the process: nesting, number of items, claimed against present bytes, extensions,
//!    an exact end.
//! 2. [`Decoder`] gives them to serde. It accepts fewer forms than other MessagePack libraries, so
//!    that two implementations never read one message differently, and tells errors in the words
//!    of the schema: "expected i64, got a string".
//! 3. [`encode`] and [`Encoder`] write them; `rmp-serde` chooses the bytes of each scalar, this
//!    module sees to nesting and lengths.
//!
//! docs/protocol.md has the table of what each type accepts.

mod arguments;
mod de;
mod encode;
mod error;
mod key;
mod scan;
mod shape;
mod shared;
mod timestamp;
mod token;
mod value;

pub use arguments::{ArgumentError, ArgumentReader, Arguments, Encoder, Kwargs, encode_arguments};
pub use de::{Decoder, FIELD_NAME, from_slice};
pub use encode::{AsBytes, EncodeError, Encoded, Part, encode, encode_measured, to_vec};
pub use error::{DecodeError, NOT_UTF8};
pub use scan::{ScanError, ScanLimits, scan, scan_arguments, skip};
pub use shape::{Exceeded, Shape};
pub use shared::{Bytes, BytesArgument, Owner};
pub use timestamp::{ParseTimestampError, Timestamp, TimestampOutOfRange};
pub use value::{Integer, Value};

/// How many lists and maps may stand inside each other: a scalar has none, `[]` has one.
///
/// Neither end can raise it, since a decoder that recurses needs stack for each level. It holds for
/// each argument by itself.
pub const MAX_NESTING: u32 = 64;
