//! What a hostile sender can put into a frame. The numbers are those of the project's list of
//! hostile inputs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kaa_rpc_proto::msgpack::{
    ArgumentReader, Kwargs, ScanError, ScanLimits, Value, encode_arguments, from_slice, scan,
    scan_arguments, to_vec,
};
use serde::Deserialize;

use crate::{hex, refused};

fn limits() -> ScanLimits {
    ScanLimits::default()
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only decoded")]
enum Chain {
    Next(Box<Chain>),
    Struct { next: Option<Box<Chain>> },
    Many(Vec<Chain>),
}

#[test]
fn hostile_22_deep_nesting() {
    let arrays = |depth: usize| {
        let mut bytes = vec![0x91; depth];
        bytes.push(0xc0);
        bytes
    };
    scan(&arrays(64), &limits()).unwrap();
    for depth in [65, 767, 100_000] {
        let bytes = arrays(depth);
        assert_eq!(
            scan(&bytes, &limits()),
            Err(ScanError::TooDeep { limit: 64 })
        );
        let error = from_slice::<Value>(&bytes).unwrap_err().to_string();
        assert!(
            error.ends_with("lists and maps more than 64 deep (max_nesting)"),
            "{error}"
        );
        assert!(from_slice::<serde::de::IgnoredAny>(&bytes).is_err());
    }
    let maps = [0x81, 0x01].repeat(1000);
    assert_eq!(
        scan(&maps, &limits()),
        Err(ScanError::TooDeep { limit: 64 })
    );
    let narrow = ScanLimits {
        max_nesting: 2,
        ..limits()
    };
    assert_eq!(scan(&arrays(2), &narrow), Ok(()));
    assert_eq!(
        scan(&arrays(3), &narrow),
        Err(ScanError::TooDeep { limit: 2 })
    );
    let wide = ScanLimits {
        max_nesting: u32::MAX,
        ..limits()
    };
    assert_eq!(
        scan(&arrays(65), &wide),
        Err(ScanError::TooDeep { limit: 64 })
    );
}

/// The deepest value of each recursive type decodes, prints and is dropped on a small stack, also in
/// a debug build.
#[test]
fn hostile_22_the_deepest_values_need_little_stack() {
    let on_small_stack = std::thread::Builder::new().stack_size(512 << 10).spawn(|| {
        let mut bytes = vec![0x91; 64];
        bytes.push(0xc0);
        let value: Value = from_slice(&bytes).unwrap();
        assert_eq!(to_vec(&value).unwrap(), bytes);
        _ = value.clone().to_string();
        let mut enums = hex("81 a44e657874").repeat(62);
        enums.extend(hex("81 a44d616e79 90"));
        from_slice::<Chain>(&enums).unwrap();
        let mut enums = hex("81 a6537472756374 81 a46e657874").repeat(31);
        enums.extend(hex("a6537472756374"));
        from_slice::<Chain>(&enums).unwrap();
    });
    on_small_stack.unwrap().join().unwrap();
}

#[test]
fn hostile_23_heads_that_claim_what_is_not_there() {
    let heads = hex("dd00ffffff").repeat(100);
    let error = scan(&heads, &limits()).unwrap_err();
    assert!(matches!(error, ScanError::Overclaimed { .. }), "{error}");
    assert!(from_slice::<Value>(&heads).is_err(), "also without a scan");
    // Each claims no more than what is left, but together they do.
    let honest_alone = [vec![0xdc, 0, 50], vec![0xdc, 0, 50], vec![0xc0; 60]].concat();
    let error = scan(&honest_alone, &limits()).unwrap_err();
    assert_eq!(
        error,
        ScanError::Overclaimed {
            values: 99,
            bytes: 60
        }
    );
    let maps = hex("df80000000").repeat(10);
    assert!(matches!(
        scan(&maps, &limits()),
        Err(ScanError::Overclaimed { .. })
    ));
    let arguments = [hex("dc0003"), vec![0xc0, 0xc0], hex("80")].concat();
    assert!(matches!(
        scan_arguments(&arguments, &limits()),
        Err(ScanError::Overclaimed { .. })
    ));
}

#[test]
fn hostile_24_many_small_items() {
    let mut nils = hex("dd00100000");
    nils.resize(nils.len() + (1 << 20), 0xc0);
    assert_eq!(
        scan(&nils, &limits()),
        Err(ScanError::TooManyItems { limit: 65_536 })
    );
    let few = ScanLimits {
        max_items: 3,
        ..limits()
    };
    assert_eq!(scan(&hex("92c0c0"), &few), Ok(()));
    assert_eq!(
        scan(&hex("93c0c0c0"), &few),
        Err(ScanError::TooManyItems { limit: 3 })
    );
    assert_eq!(
        scan(&hex("9191 91c0"), &few),
        Err(ScanError::TooManyItems { limit: 3 })
    );
    assert_eq!(
        scan(&hex("82c0c001c0"), &few),
        Err(ScanError::TooManyItems { limit: 3 })
    );
    let arguments = hex("92 c0 91 c0 81 a161 c0");
    let just = ScanLimits {
        max_items: 7,
        ..limits()
    };
    assert_eq!(scan_arguments(&arguments, &just), Ok(()));
    let error = Err(ScanError::TooManyItems { limit: 6 });
    assert_eq!(
        scan_arguments(
            &arguments,
            &ScanLimits {
                max_items: 6,
                ..limits()
            }
        ),
        error
    );
}

#[test]
fn hostile_25_texts_and_bytes_that_claim_4_gib() {
    for bytes in ["dbffffffff61", "c6ffffffff61", "c9ffffffffff61"] {
        let bytes = hex(bytes);
        assert!(scan(&bytes, &limits()).is_err());
        assert!(from_slice::<Value>(&bytes).is_err());
    }
    assert_eq!(
        scan(&hex("dbffffffff61"), &limits()),
        Err(ScanError::Truncated)
    );
}

#[test]
fn hostile_26_bytes_after_the_value() {
    assert_eq!(
        scan(&hex("05c0c0"), &limits()),
        Err(ScanError::Trailing { bytes: 2 })
    );
    assert_eq!(
        refused::<u8>("05c0c0"),
        "expected well-formed MessagePack, got 2 bytes after the value"
    );
    assert_eq!(
        scan_arguments(&hex("9080c0"), &limits()),
        Err(ScanError::Trailing { bytes: 1 })
    );
}

#[test]
fn hostile_27_what_is_no_value() {
    assert_eq!(scan(&hex("c1"), &limits()), Err(ScanError::Reserved));
    assert_eq!(scan(&hex("92c0c1"), &limits()), Err(ScanError::Reserved));
    for (bytes, tag, length) in [
        ("d40500", 5, 1),
        ("d4ff00", -1, 1),
        ("d5ff0000", -1, 2),
        ("d60000000000", 0, 4),
        ("d8ff00000000000000000000000000000000", -1, 16),
        ("c703ff000000", -1, 3),
        ("c700ff", -1, 0),
    ] {
        assert_eq!(
            scan(&hex(bytes), &limits()),
            Err(ScanError::Extension { tag, length })
        );
        assert!(from_slice::<Value>(&hex(bytes)).is_err());
        assert!(from_slice::<serde::de::IgnoredAny>(&hex(bytes)).is_err());
    }
    for bytes in ["a1ff", "a2c328", "a3eda080", "91a1ff", "81a1ff00"] {
        assert!(refused::<Value>(bytes).ends_with("got a string that is not UTF-8"));
    }
    let name = ScanError::NotArguments("a string as the name of an argument");
    assert_eq!(scan_arguments(&hex("9081a1ff00"), &limits()), Err(name));
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only decoded")]
struct Point {
    x: u8,
    y: u8,
}

#[test]
fn hostile_28_fields_twice_and_lists_of_another_length() {
    assert_eq!(
        refused::<Point>("83 a17801 a17902 a17803"),
        "expected field `x` once, got it twice"
    );
    assert_eq!(
        refused::<Point>("81a17801"),
        "expected field `y`, got a map without it"
    );
    assert_eq!(
        refused::<[u8; 2]>("9101"),
        "expected 2 items, got a list of 1"
    );
    assert_eq!(
        refused::<[u8; 2]>("93010203"),
        "expected 2 items, got a list of 3"
    );
    let map = refused::<BTreeMap<String, u8>>("82 a17801 a17802");
    assert_eq!(map, "x: expected each key once, got one twice");
}

#[test]
fn hostile_29_unknown_fields_are_ignored_within_the_limits() {
    let with = |unknown: &[u8]| {
        let mut bytes = hex("83 a17801 a17902 a17a");
        bytes.extend(unknown);
        bytes
    };
    from_slice::<Point>(&with(&hex("93 c0 81 c0 c0 d6ff00000000"))).unwrap();
    let mut deep = vec![0x91; 64];
    deep.push(0xc0);
    assert_eq!(
        scan(&with(&deep), &limits()),
        Err(ScanError::TooDeep { limit: 64 })
    );
    assert!(
        from_slice::<Point>(&with(&deep)).is_err(),
        "also without a scan"
    );
    assert!(from_slice::<Point>(&with(&hex("c1"))).is_err());
}

#[test]
fn hostile_30_variants_by_number() {
    #[derive(Debug, Deserialize)]
    enum State {
        #[allow(dead_code, reason = "only decoded")]
        Stopped,
    }
    assert_eq!(refused::<State>("00"), "expected State, got an integer");
    assert_eq!(
        refused::<State>("8100c0"),
        "expected a string as name of a variant, got an integer"
    );
    assert_eq!(
        refused::<Point>("82 0001 0102"),
        "expected a string as name of a field or variant, got an integer"
    );
}

#[test]
fn hostile_31_numbers_at_their_edges() {
    for bits in [
        f64::NAN.to_bits(),
        (-0.0_f64).to_bits(),
        0x7ff0_0000_0000_0001,
        1,
    ] {
        let bytes = to_vec(&f64::from_bits(bits)).unwrap();
        assert_eq!(from_slice::<f64>(&bytes).unwrap().to_bits(), bits);
        assert_eq!(
            from_slice::<Value>(&bytes).unwrap(),
            Value::F64(f64::from_bits(bits))
        );
    }
    for n in [i64::MIN, -1, 0, i64::MAX] {
        assert_eq!(from_slice::<i64>(&to_vec(&n).unwrap()).unwrap(), n);
    }
    assert_eq!(
        from_slice::<u64>(&to_vec(&u64::MAX).unwrap()).unwrap(),
        u64::MAX
    );
    // Longer forms than needed mean the same number, also as a key.
    assert_eq!(from_slice::<u8>(&hex("d30000000000000007")).unwrap(), 7);
    assert_eq!(
        refused::<BTreeMap<u8, u8>>("82 07 00 cf0000000000000007 00"),
        "[7]: expected each key once, got one twice"
    );
}

/// Many named arguments cost at most the number of parameters times as much as reading them once.
#[test]
fn many_named_arguments_are_not_quadratic() {
    let kwargs: Kwargs = (0..30_000).map(|n| (format!("name{n}"), n)).collect();
    let mut bytes = Vec::new();
    encode_arguments(&mut bytes, &kwargs).unwrap();
    let started = Instant::now();
    let mut arguments = ArgumentReader::new(&bytes, &limits()).unwrap();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        assert_eq!(arguments.optional::<u8>(name).unwrap(), None);
    }
    let mut with_kwargs = arguments.clone();
    assert!(arguments.finish().is_err());
    assert_eq!(with_kwargs.kwargs::<u32>("rest").unwrap().len(), 30_000);
    with_kwargs.finish().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

/// The check for keys that come twice walks nested maps again at each level, not more.
#[test]
fn unordered_maps_inside_each_other_are_not_quadratic() {
    let mut value = Value::from(vec![0; 30_000]);
    for _ in 0..60 {
        value = Value::Map(vec![(2.into(), value), (1.into(), Value::Null)]);
    }
    let bytes = to_vec(&value).unwrap();
    let started = Instant::now();
    assert_eq!(from_slice::<Value>(&bytes).unwrap(), value);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}
