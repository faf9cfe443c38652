//! Values: the scan that stands before, the decoder, and what is made of the result.

use std::collections::BTreeMap;
use std::time::Duration;

use kaa_rpc_proto::Failure;
use kaa_rpc_proto::msgpack::{Bytes, ScanLimits, Timestamp, Value, from_slice, scan, skip, to_vec};
use serde::{Deserialize, Serialize};

/// Some of everything that serde can derive and a schema can say.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    byte: u8,
    negative: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    float: Option<f32>,
    text: String,
    #[serde(default)]
    bytes: Bytes,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    length: Option<Duration>,
    #[serde(default)]
    list: Vec<(bool, Choice)>,
    #[serde(default)]
    map: BTreeMap<i32, Vec<Sample>>,
    #[serde(default)]
    any: Value,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Choice {
    Nothing,
    Number(u16),
    Both(f64, String),
    Named { inner: Option<Box<Choice>> },
}

/// A value of the type that has everything.
pub(crate) fn sample() -> Vec<u8> {
    let sample = |map, list| Sample {
        byte: 200,
        negative: -5_000_000_000,
        float: Some(1.5),
        text: "é".to_owned(),
        bytes: Bytes::from_static(b"\0\xff"),
        at: Timestamp::new(5, 7),
        length: Some(Duration::new(3, 4)),
        list,
        map,
        any: Value::from(vec![1, 2]),
    };
    let choices = vec![
        (true, Choice::Nothing),
        (false, Choice::Number(300)),
        (true, Choice::Both(0.5, "x".to_owned())),
        (true, Choice::Named { inner: None }),
    ];
    let inner = sample(BTreeMap::new(), choices);
    let outer = sample(BTreeMap::from([(-3, vec![inner])]), Vec::new());
    to_vec(&outer).expect("it can be encoded")
}

/// The bytes are one value, or a text that stands for a time.
pub fn values(data: &[u8]) {
    let limits = ScanLimits::default();
    let scanned = scan(data, &limits);
    let value = from_slice::<Value>(data);
    match (&scanned, &value) {
        (Ok(()), _) => {
            assert_eq!(skip(data, &limits), Ok(data.len()));
            let items = u32::try_from(data.len()).unwrap_or(u32::MAX);
            assert_eq!(
                scan(
                    data,
                    &ScanLimits {
                        max_items: items,
                        ..limits
                    }
                ),
                Ok(())
            );
        }
        // The decoder does not count items; all else that the scan refuses it refuses too.
        (Err(error), Ok(_)) => assert_eq!(
            error.to_string(),
            format!("more than {} items (max_items)", limits.max_items)
        ),
        (Err(scan_error), Err(error)) => {
            assert!(!scan_error.to_string().is_empty() && !error.to_string().is_empty());
        }
    }
    if let Ok(value) = &value {
        comes_back(value, data.len());
    }
    if scanned.is_ok() {
        typed::<Sample>(data);
        typed::<Choice>(data);
        typed::<Vec<Option<Vec<u64>>>>(data);
        typed::<BTreeMap<String, (i8, u64)>>(data);
        typed::<Option<Timestamp>>(data);
        typed::<Duration>(data);
    }
    failure(data, &limits);
    time(data);
}

/// Encoding gives bytes that decode to the same, and which are no longer than they need be.
fn comes_back(value: &Value, length: usize) {
    let encoded = to_vec(value).expect("what was decoded can be encoded");
    assert!(encoded.len() <= length);
    if has_container_as_key(value) {
        return;
    }
    assert_eq!(from_slice::<Value>(&encoded).as_ref(), Ok(value));
    assert_eq!(value.to_typed::<Value>().as_ref(), Ok(value));
    let shown = value.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(shown.len() < 16 << 10, "{} bytes", shown.len());
}

/// Lists and maps as keys are compared as they are written: two that were written in different ways
/// are the same once they are encoded again, and then refused.
pub(crate) fn has_container_as_key(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(has_container_as_key),
        Value::Map(entries) => entries.iter().any(|(key, value)| {
            matches!(key, Value::List(_) | Value::Map(_)) || has_container_as_key(value)
        }),
        _ => false,
    }
}

fn typed<T: Serialize + for<'de> Deserialize<'de> + PartialEq>(data: &[u8]) {
    match from_slice::<T>(data) {
        Ok(value) => {
            let encoded = to_vec(&value).expect("what was decoded can be encoded");
            let again = from_slice::<T>(&encoded).expect("it decodes again");
            // A NaN does not equal itself, but is written alike.
            assert_eq!(to_vec(&again), Ok(encoded));
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(
                !shown.is_empty() && !shown.chars().any(char::is_control),
                "{shown:?}"
            );
            assert!(shown.len() < 4096, "{} bytes", shown.len());
        }
    }
}

/// A failure stays one, and what is understood of it comes back.
fn failure(data: &[u8], limits: &ScanLimits) {
    let failure = Failure::decode(data, limits);
    let mut encoded = Vec::new();
    failure.encode(&mut encoded);
    assert_eq!(Failure::decode(&encoded, limits), failure);
}

fn time(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}
