//! Values of any type.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use kaa_rpc_proto::msgpack::{Bytes, Integer, Timestamp, Value, from_slice, to_vec};

use crate::{hex, to_hex};

fn sample() -> Value {
    Value::Map(vec![
        ("id".into(), 7.into()),
        ("ratio".into(), 0.5_f32.into()),
        ("tags".into(), vec!["a", "b"].into()),
        (1.into(), Bytes::from_static(&[0, 255]).into()),
        (true.into(), Value::Null),
        ("at".into(), Timestamp::UNIX_EPOCH.into()),
    ])
}

#[test]
fn the_bytes_of_a_value_come_back_unchanged() {
    for bytes in [
        "c0",
        "c2",
        "05",
        "ff",
        "ca3fc00000",
        "cb3ff8000000000000",
        "ca7fc00001",
        "a161",
        "c40161",
        "92 05 ca00000000",
        "82 a162 05 a161 06",
        "d6ff00000005",
        "cfffffffffffffffff",
        "d38000000000000000",
        "81 90 80",
    ] {
        let value: Value = from_slice(&hex(bytes)).unwrap();
        assert_eq!(to_hex(&to_vec(&value).unwrap()), to_hex(&hex(bytes)));
    }
    let value = sample();
    assert_eq!(
        from_slice::<Value>(&to_vec(&value).unwrap()).unwrap(),
        value
    );
}

#[test]
fn integers_are_one_type_with_one_order() {
    assert_eq!(Value::from(5_u8), Value::from(5_i64));
    assert_eq!(Integer::from(5_u64), Integer::from(5_i64));
    let mut integers = [
        u64::MAX.into(),
        0.into(),
        i64::MIN.into(),
        Integer::from(-1),
        1.into(),
    ];
    integers.sort();
    let texts: Vec<String> = integers.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "-9223372036854775808",
            "-1",
            "0",
            "1",
            "18446744073709551615"
        ]
    );
    assert_eq!(Integer::from(u64::MAX).as_i64(), None);
    assert_eq!(Integer::from(-1).as_u64(), None);
}

#[test]
fn floats_are_equal_by_their_bits() {
    assert_eq!(Value::from(f64::NAN), Value::from(f64::NAN));
    assert_ne!(Value::from(0.0), Value::from(-0.0));
    assert_ne!(Value::from(1.0_f32), Value::from(1.0_f64));
    let set = HashSet::from([Value::from(f64::NAN), Value::from(f64::NAN), Value::from(1)]);
    assert_eq!(set.len(), 2);
}

#[test]
fn accessors_give_what_is_there() {
    let value = sample();
    assert_eq!(value.get("id").and_then(Value::as_u64), Some(7));
    assert_eq!(value.get("ratio").and_then(Value::as_f64), Some(0.5));
    assert_eq!(
        value.get("tags").and_then(Value::as_list).unwrap()[1].as_str(),
        Some("b")
    );
    assert_eq!(
        value.get("at").and_then(Value::as_timestamp),
        Some(Timestamp::UNIX_EPOCH)
    );
    assert_eq!(value.get("none"), None);
    assert_eq!(Value::Null.get("id"), None);
    assert!(Value::default().is_null());
    assert_eq!(value.as_map().map(<[_]>::len), Some(6));
    assert_eq!(Value::from(true).as_bool(), Some(true));
    assert_eq!(Value::from(-1).as_i64(), Some(-1));
    assert_eq!(
        Value::from(Bytes::from_static(b"x")).as_bytes(),
        Some(b"x".as_slice())
    );
}

#[test]
fn typed_values_convert_through_their_bytes() {
    let map = BTreeMap::from([("a".to_owned(), Some(1_u8)), ("b".to_owned(), None)]);
    let value = Value::from_serialize(&map).unwrap();
    assert_eq!(value, Value::from(map.clone()));
    assert_eq!(
        value.to_typed::<BTreeMap<String, Option<u8>>>().unwrap(),
        map
    );
    let error = value.to_typed::<BTreeMap<String, bool>>().unwrap_err();
    assert_eq!(error.to_string(), "a: expected bool, got an integer");
    let second = Value::from(Duration::new(1, 5));
    assert_eq!(second.to_typed::<Duration>().unwrap(), Duration::new(1, 5));
    assert_eq!(Value::from_serialize(&Duration::new(1, 5)).unwrap(), second);
}

#[test]
fn it_prints_for_people() {
    let text = r#"{"id": 7, "ratio": 0.5, "tags": ["a", "b"], 1: 0x00ff, true: null, "at": 1970-01-01T00:00:00Z}"#;
    assert_eq!(sample().to_string(), text);
    assert_eq!(format!("{:?}", sample()), text);
    assert_eq!(
        Value::from("it's \"\n\u{1b}").to_string(),
        r#""it's \"\n\u{1b}""#
    );
    assert_eq!(Value::from(1.0).to_string(), "1.0");
}

#[test]
fn what_is_long_prints_short() {
    let list = Value::from(vec![1; 1_000_000]);
    assert!(list.to_string().ends_with("1, … 999801 more]"), "{list}");
    let text = Value::from("x".repeat(1_000_000));
    assert!(text.to_string().len() < 300);
    let bytes = Value::from(Bytes::from(vec![0; 1_000_000]));
    assert!(bytes.to_string().len() < 100);
    let wide = Value::List(vec![Value::from(vec![1; 1000]); 1000]);
    assert!(wide.to_string().len() < 2000);
}

#[test]
fn json_has_the_same_values() {
    let json = r#"{"a":[null,true,-5,18446744073709551615,1.5,"x"]}"#;
    let value: Value = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    assert_eq!(
        value.get("a"),
        Some(&Value::List(vec![
            Value::Null,
            true.into(),
            (-5).into(),
            u64::MAX.into(),
            1.5.into(),
            "x".into(),
        ]))
    );
}
