//! The one place that reads MessagePack's markers.

use rmp::Marker;

use super::ScanError;

/// The type of MessagePack's timestamp extension.
pub(super) const TIMESTAMP: i8 = -1;

/// A scalar, or the head of a list or map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool(bool),
    /// An integer that is not negative, from any form.
    Uint(u64),
    /// A negative integer, from any form.
    Int(i64),
    F32(f32),
    F64(f64),
    /// Not yet known to be UTF-8.
    Str(&'a [u8]),
    Bin(&'a [u8]),
    /// The number of items.
    List(u32),
    /// The number of entries.
    Map(u32),
    /// 4, 8 or 12 bytes.
    Timestamp(&'a [u8]),
}

impl Token<'_> {
    /// What an error calls it.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Nil => "null",
            Self::Bool(_) => "a bool",
            Self::Uint(_) | Self::Int(_) => "an integer",
            Self::F32(_) | Self::F64(_) => "a float",
            Self::Str(_) => "a string",
            Self::Bin(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Timestamp(_) => "a timestamp",
        }
    }
}

/// Takes one token from the front of `input`.
#[inline]
pub(super) fn next<'a>(input: &mut &'a [u8]) -> Result<Token<'a>, ScanError> {
    let (&first, rest) = input.split_first().ok_or(ScanError::Truncated)?;
    *input = rest;
    Ok(match Marker::from_u8(first) {
        Marker::FixPos(n) => Token::Uint(n.into()),
        Marker::FixNeg(n) => Token::Int(n.into()),
        Marker::Null => Token::Nil,
        Marker::False => Token::Bool(false),
        Marker::True => Token::Bool(true),
        Marker::U8 => Token::Uint(u8::from_be_bytes(chunk(input)?).into()),
        Marker::U16 => Token::Uint(u16::from_be_bytes(chunk(input)?).into()),
        Marker::U32 => Token::Uint(u32::from_be_bytes(chunk(input)?).into()),
        Marker::U64 => Token::Uint(u64::from_be_bytes(chunk(input)?)),
        Marker::I8 => signed(i8::from_be_bytes(chunk(input)?).into()),
        Marker::I16 => signed(i16::from_be_bytes(chunk(input)?).into()),
        Marker::I32 => signed(i32::from_be_bytes(chunk(input)?).into()),
        Marker::I64 => signed(i64::from_be_bytes(chunk(input)?)),
        Marker::F32 => Token::F32(f32::from_be_bytes(chunk(input)?)),
        Marker::F64 => Token::F64(f64::from_be_bytes(chunk(input)?)),
        Marker::FixStr(n) => Token::Str(take(input, n.into())?),
        Marker::Str8 => Token::Str(take_u8(input)?),
        Marker::Str16 => Token::Str(take_u16(input)?),
        Marker::Str32 => Token::Str(take_u32(input)?),
        Marker::Bin8 => Token::Bin(take_u8(input)?),
        Marker::Bin16 => Token::Bin(take_u16(input)?),
        Marker::Bin32 => Token::Bin(take_u32(input)?),
        Marker::FixArray(n) => Token::List(n.into()),
        Marker::Array16 => Token::List(u16::from_be_bytes(chunk(input)?).into()),
        Marker::Array32 => Token::List(u32::from_be_bytes(chunk(input)?)),
        Marker::FixMap(n) => Token::Map(n.into()),
        Marker::Map16 => Token::Map(u16::from_be_bytes(chunk(input)?).into()),
        Marker::Map32 => Token::Map(u32::from_be_bytes(chunk(input)?)),
        Marker::FixExt1 => extension(input, 1)?,
        Marker::FixExt2 => extension(input, 2)?,
        Marker::FixExt4 => extension(input, 4)?,
        Marker::FixExt8 => extension(input, 8)?,
        Marker::FixExt16 => extension(input, 16)?,
        Marker::Ext8 => {
            let length = u8::from_be_bytes(chunk(input)?).into();
            extension(input, length)?
        }
        Marker::Ext16 => {
            let length = u16::from_be_bytes(chunk(input)?).into();
            extension(input, length)?
        }
        Marker::Ext32 => {
            let length = u32::from_be_bytes(chunk(input)?);
            extension(input, length)?
        }
        Marker::Reserved => return Err(ScanError::Reserved),
    })
}

/// For each first byte of a scalar of fixed size: how many bytes that takes. Else [`OTHER`].
#[allow(
    clippy::indexing_slicing,
    reason = "it is done by the compiler, which would notice"
)]
const FIXED: [u8; 256] = {
    let mut sizes = [OTHER; 256];
    let mut first: u8 = 0;
    loop {
        sizes[first as usize] = match Marker::from_u8(first) {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::False | Marker::True => {
                1
            }
            Marker::U8 | Marker::I8 => 2,
            Marker::U16 | Marker::I16 => 3,
            Marker::U32 | Marker::I32 | Marker::F32 => 5,
            Marker::U64 | Marker::I64 | Marker::F64 => 9,
            Marker::FixStr(length) => 1 + length,
            _ => OTHER,
        };
        if first == u8::MAX {
            break sizes;
        }
        first += 1;
    }
};

const OTHER: u8 = 0;

/// The first byte of a string of 32 to 255 bytes.
const STR8: u8 = 0xd9;

/// Takes a scalar from the front of `input` if it is there, whole, and of fixed size or a string of at most 255 bytes:
/// most are, and this is faster than [`next`].
#[inline]
pub(super) fn skip_short(input: &mut &[u8]) -> bool {
    let Some(&first) = input.first() else {
        return false;
    };
    let size = FIXED.get(usize::from(first)).copied().unwrap_or(OTHER);
    if size == OTHER {
        return first == STR8 && next_if_short_str(input).is_some();
    }
    match input.get(usize::from(size)..) {
        Some(rest) => {
            *input = rest;
            true
        }
        None => false,
    }
}

/// Takes a string of at most 255 bytes from the front of `input` if it is there and whole: nearly all are so short, and
/// this is faster than [`next`].
#[inline]
pub(super) fn next_if_short_str<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = match **input {
        [first @ 0xa0..=0xbf, ref rest @ ..] => (first & 0x1f, rest),
        [STR8, length, ref rest @ ..] => (length, rest),
        _ => return None,
    };
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    *input = rest;
    Some(text)
}

/// Takes an integer from 0 to 255 from the front of `input` if it is there in one of its two shortest forms.
#[inline]
pub(super) fn next_if_small(input: &mut &[u8]) -> Option<u8> {
    let ([number @ 0..=0x7f, ref rest @ ..] | [0xcc, number, ref rest @ ..]) = **input else {
        return None;
    };
    *input = rest;
    Some(number)
}

/// Takes the head of a map of at most 15 entries, as most structs are, from the front of `input` if it is there.
#[inline]
pub(super) fn next_if_small_map(input: &mut &[u8]) -> Option<u32> {
    next_if_small_head(input, 0x80)
}

/// Takes the head of a list of at most 15 items, as arguments are, from the front of `input` if it is there.
#[inline]
pub(super) fn next_if_small_list(input: &mut &[u8]) -> Option<u32> {
    next_if_small_head(input, 0x90)
}

#[inline]
fn next_if_small_head(input: &mut &[u8], empty: u8) -> Option<u32> {
    let (first, rest) = input.split_first()?;
    let count = first ^ empty;
    if count > 0x0f {
        return None;
    }
    *input = rest;
    Some(count.into())
}

/// Takes a bool from the front of `input` if it is there.
#[inline]
pub(super) fn next_if_bool(input: &mut &[u8]) -> Option<bool> {
    let [first @ (0xc2 | 0xc3), ref rest @ ..] = **input else {
        return None;
    };
    *input = rest;
    Some(first == 0xc3)
}

/// Takes nil from the front of `input` if it is there.
#[inline]
pub(super) fn next_if_nil(input: &mut &[u8]) -> bool {
    match input.split_first() {
        Some((0xc0, rest)) => {
            *input = rest;
            true
        }
        _ => false,
    }
}

fn signed<'a>(n: i64) -> Token<'a> {
    u64::try_from(n).map_or(Token::Int(n), Token::Uint)
}

fn extension<'a>(input: &mut &'a [u8], length: u32) -> Result<Token<'a>, ScanError> {
    let tag = i8::from_be_bytes(chunk(input)?);
    if tag != TIMESTAMP || !matches!(length, 4 | 8 | 12) {
        return Err(ScanError::Extension { tag, length });
    }
    Ok(Token::Timestamp(take(input, length)?))
}

#[inline]
fn chunk<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], ScanError> {
    let (chunk, rest) = input.split_first_chunk().ok_or(ScanError::Truncated)?;
    *input = rest;
    Ok(*chunk)
}

#[inline]
fn take<'a>(input: &mut &'a [u8], length: u32) -> Result<&'a [u8], ScanError> {
    let length = usize::try_from(length).map_err(|_| ScanError::Truncated)?;
    let (taken, rest) = input.split_at_checked(length).ok_or(ScanError::Truncated)?;
    *input = rest;
    Ok(taken)
}

fn take_u8<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], ScanError> {
    let length = u8::from_be_bytes(chunk(input)?);
    take(input, length.into())
}

fn take_u16<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], ScanError> {
    let length = u16::from_be_bytes(chunk(input)?);
    take(input, length.into())
}

fn take_u32<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], ScanError> {
    let length = u32::from_be_bytes(chunk(input)?);
    take(input, length)
}
