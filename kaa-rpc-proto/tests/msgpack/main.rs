//! The MessagePack codec, by what it accepts, gives and says.

mod arguments;
mod decode;
mod document;
mod encode;
mod hostile;
mod properties;
mod shape;
mod shared;
mod timestamp;
mod value;

use kaa_rpc_proto::msgpack::{DecodeError, from_slice};
use serde::de::DeserializeOwned;

/// The bytes that hexadecimal digits say; spaces do not matter.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap())
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What decoding these bytes gives.
fn decoded<T: DeserializeOwned>(bytes: &str) -> Result<T, DecodeError> {
    from_slice(&hex(bytes))
}

/// What decoding these bytes says is wrong.
#[track_caller]
fn refused<T: DeserializeOwned + std::fmt::Debug>(bytes: &str) -> String {
    decoded::<T>(bytes).unwrap_err().to_string()
}
