//! Properties that hold for all values and for all bytes.

use std::collections::BTreeMap;

use kaa_rpc_proto::msgpack::{
    ArgumentReader, Bytes, Kwargs, ScanLimits, Timestamp, Value, encode_arguments, from_slice,
    scan, scan_arguments, skip, to_vec,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Source {
    File { path: String, size: Option<u64> },
    Link(String),
    Pair(i32, f32),
    Silence,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Track {
    id: u64,
    delta: i16,
    title: String,
    tags: Vec<Option<char>>,
    source: Source,
    by_number: BTreeMap<i32, (bool, u128)>,
    more: Vec<Track>,
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000_u32)
        .prop_map(|(secs, nanos)| Timestamp::new(secs, nanos).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        ".{0,40}".prop_map(Value::from),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(Bytes::from(bytes))),
        timestamp().prop_map(Value::from),
    ];
    scalar.prop_recursive(8, 128, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::List),
            vec(inner.clone(), 0..20).prop_map(|values| {
                Value::Map(
                    (0..)
                        .map(|n: i64| Value::from((n * 7) % 20 - 5))
                        .zip(values)
                        .collect(),
                )
            }),
            btree_map(".{0,8}", inner, 0..20).prop_map(Value::from),
        ]
    })
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        (".*", any::<Option<u64>>()).prop_map(|(path, size)| Source::File { path, size }),
        ".*".prop_map(Source::Link),
        (any::<i32>(), any::<f32>()).prop_map(|(a, b)| Source::Pair(a, b)),
        Just(Source::Silence),
    ]
}

fn track() -> impl Strategy<Value = Track> {
    let scalars = (
        any::<u64>(),
        any::<i16>(),
        ".*",
        vec(any::<Option<char>>(), 0..5),
    );
    let by_number = btree_map(any::<i32>(), any::<(bool, u128)>(), 0..5);
    let leaf =
        (scalars, source(), by_number).prop_map(|((id, delta, title, tags), source, by_number)| {
            Track {
                id,
                delta,
                title,
                tags,
                source,
                by_number,
                more: Vec::new(),
            }
        });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (inner.clone(), vec(inner, 0..3)).prop_map(|(track, more)| Track { more, ..track })
    })
}

/// Bytes that are nearly MessagePack: valid ones with a few changed, or any.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (
        value(),
        vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    )
        .prop_map(|(value, changes)| {
            let mut bytes = to_vec(&value).unwrap();
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            bytes
        });
    prop_oneof![damaged, vec(any::<u8>(), 0..200)]
}

fn roomy() -> ScanLimits {
    ScanLimits {
        max_items: u32::MAX,
        ..ScanLimits::default()
    }
}

proptest! {
    #[test]
    fn what_encoding_counts_is_what_a_scan_counts(value in value()) {
        crate::shape::value(&value);
    }

    #[test]
    fn values_come_back(value in value()) {
        let bytes = to_vec(&value).unwrap();
        scan(&bytes, &roomy()).unwrap();
        let back: Value = from_slice(&bytes).unwrap();
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(to_vec(&back).unwrap(), bytes);
    }

    #[test]
    fn structs_and_enums_come_back(track in track()) {
        let bytes = to_vec(&track).unwrap();
        scan(&bytes, &roomy()).unwrap();
        prop_assert_eq!(&from_slice::<Track>(&bytes).unwrap(), &track);
        let value = Value::from_serialize(&track).unwrap();
        prop_assert_eq!(value.to_typed::<Track>().unwrap(), track);
        prop_assert_eq!(to_vec(&value).unwrap(), bytes);
    }

    #[test]
    fn arguments_come_back(
        positional in vec(value(), 0..3),
        named in btree_map("[a-z]{1,3}", value(), 0..20),
    ) {
        let kwargs: Kwargs = named.iter().rev().collect();
        let mut out = Vec::new();
        match positional.as_slice() {
            [] => encode_arguments(&mut out, &kwargs),
            [a] => encode_arguments(&mut out, &(a, kwargs)),
            [a, b, ..] => encode_arguments(&mut out, &(a, b, kwargs)),
        }.unwrap();
        let mut arguments = ArgumentReader::new(&out, &roomy()).unwrap();
        prop_assert_eq!(arguments.rest::<Value>("args").unwrap(), positional);
        prop_assert_eq!(arguments.kwargs::<Value>("fields").unwrap(), named);
        arguments.finish().unwrap();
    }

    #[test]
    fn times_come_back_from_their_text(time in timestamp()) {
        prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in bytes()) {
        let sound = scan(&bytes, &roomy()).is_ok();
        _ = from_slice::<Track>(&bytes);
        _ = from_slice::<BTreeMap<i64, Source>>(&bytes);
        _ = skip(&bytes, &roomy());
        if let Ok(value) = from_slice::<Value>(&bytes) {
            prop_assert!(sound, "what decodes passes the scan");
            _ = value.to_string();
        }
        _ = scan_arguments(&bytes, &roomy());
        if let Ok(mut arguments) = ArgumentReader::new(&bytes, &roomy()) {
            _ = arguments.required::<Value>("a");
            _ = arguments.optional::<Track>("b");
            _ = arguments.rest::<i64>("args");
            _ = arguments.kwargs::<String>("fields");
            _ = arguments.finish();
        }
    }

    #[test]
    fn cutting_a_value_is_noticed(value in value(), at in any::<prop::sample::Index>()) {
        let bytes = to_vec(&value).unwrap();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(scan(cut, &roomy()).is_err());
        prop_assert!(from_slice::<Value>(cut).is_err());
        prop_assert_eq!(skip(&bytes, &roomy()), Ok(bytes.len()));
    }
}
