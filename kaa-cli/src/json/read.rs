//! JSON to values.

use std::collections::HashSet;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use kaa_rpc_runtime::{Bytes, Timestamp, Value};

use super::key;
use crate::time;

/// Why a text is no value.
#[derive(Debug)]
pub(crate) enum NotRead {
    /// It is not JSON.
    Json(String),
    /// It is, but stands for no value.
    Value(String),
}

/// Reads a value.
pub(crate) fn read(text: &str) -> Result<Value, NotRead> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| NotRead::Json(error.to_string()))?;
    if let Some(number) = find_rounded(text) {
        return Err(NotRead::Value(format!(
            "{number} does not fit into 64 bits; a float has a point or an exponent"
        )));
    }
    translate(value).map_err(NotRead::Value)
}

/// The first integer that JSON's reader had to make a float of, since no integer is so large.
fn find_rounded(text: &str) -> Option<&str> {
    let integers = i128::from(i64::MIN)..=i128::from(u64::MAX);
    let mut rest = text;
    loop {
        rest = &rest[rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?..];
        if let Some(string) = rest.strip_prefix('"') {
            rest = after_string(string);
            continue;
        }
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)))
            .unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let is_float = number.contains(['.', 'e', 'E']);
        if !is_float && !number.parse().is_ok_and(|n| integers.contains(&n)) {
            return Some(number);
        }
        rest = behind;
    }
}

/// What follows a string whose first quotation mark is gone.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Puts what objects with a `$` stand for into their places.
fn translate(value: Value) -> Result<Value, String> {
    match value {
        Value::List(items) => {
            let items: Result<_, _> = items.into_iter().map(translate).collect();
            items.map(Value::List)
        }
        Value::Map(mut entries) => match entries.as_mut_slice() {
            [(Value::String(name), value)] if name.starts_with('$') => {
                let value = std::mem::take(value);
                special(name, value)
            }
            _ => {
                let translated = entries
                    .into_iter()
                    .map(|(key, value)| Ok((key, translate(value)?)));
                map(translated.collect::<Result<_, String>>()?)
            }
        },
        other => Ok(other),
    }
}

fn special(name: &str, value: Value) -> Result<Value, String> {
    match name {
        key::BYTES => value
            .as_str()
            .and_then(|text| Base64::decode_vec(text).ok())
            .map(|bytes| Bytes::from(bytes).into())
            .ok_or_else(|| format!("{name}: expected a string of base64 with its padding")),
        key::TIMESTAMP => match value.as_str().map(str::parse::<Timestamp>) {
            Some(Ok(time)) => Ok(time.into()),
            _ => Err(format!(
                "{name}: expected a time as in RFC 3339, such as \"2026-01-31T23:59:59.5Z\""
            )),
        },
        key::DURATION => duration(&value).map_err(|error| format!("{name}: {error}")),
        key::FLOAT => match value.as_str() {
            Some("nan") => Ok(f64::NAN.into()),
            Some("inf") => Ok(f64::INFINITY.into()),
            Some("-inf") => Ok(f64::NEG_INFINITY.into()),
            _ => Err(format!("{name}: expected \"nan\", \"inf\" or \"-inf\"")),
        },
        key::MAP => pairs(value)
            .ok_or_else(|| format!("{name}: expected a list of pairs: [[1, \"one\"], …]"))?
            .into_iter()
            .map(|(key, value)| Ok((translate(key)?, translate(value)?)))
            .collect::<Result<_, _>>()
            .and_then(map),
        _ => Err(format!(
            "`{name}` stands for nothing: expected one of {}, {}, {}, {}, {} (a map of just this \
             key is {{\"{}\": [[\"{name}\", …]]}})",
            key::BYTES,
            key::TIMESTAMP,
            key::DURATION,
            key::MAP,
            key::FLOAT,
            key::MAP,
        )),
    }
}

fn duration(value: &Value) -> Result<Value, String> {
    let text = value.as_str().ok_or("expected a string, such as \"5s\"")?;
    time::parse(text).map(|time: Duration| time.into())
}

fn pairs(value: Value) -> Option<Vec<(Value, Value)>> {
    let Value::List(pairs) = value else {
        return None;
    };
    let pair = |pair| match pair {
        Value::List(pair) => <[Value; 2]>::try_from(pair).ok().map(Into::into),
        _ => None,
    };
    pairs.into_iter().map(pair).collect()
}

/// Receivers refuse a key that is there twice; here it can be told which.
fn map(entries: Vec<(Value, Value)>) -> Result<Value, String> {
    let mut keys = HashSet::new();
    if let Some((key, _)) = entries.iter().find(|(key, _)| !keys.insert(key)) {
        return Err(format!("an object has the key `{key}` twice"));
    }
    Ok(Value::Map(entries))
}
