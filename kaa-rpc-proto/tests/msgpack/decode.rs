//! Which forms each type accepts, and what is said about the others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use kaa_rpc_proto::msgpack::{Bytes, Decoder, Timestamp, Value, from_slice, to_vec};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{decoded, hex, refused};

/// One value of each kind of thing: its name in errors, and its bytes.
const KINDS: [(&str, &str); 10] = [
    ("null", "c0"),
    ("a bool", "c3"),
    ("an integer", "05"),
    ("a float", "cb 3ff8000000000000"),
    ("a string", "a1 61"),
    ("bytes", "c4 01 61"),
    ("a list", "91 05"),
    ("a map", "81 a1 61 05"),
    ("a timestamp", "d6 ff 00000001"),
    ("a float", "ca 3fc00000"),
];

/// Checks that `T` refuses every kind of thing but those, in the words of the schema.
#[track_caller]
fn only<T: DeserializeOwned + std::fmt::Debug>(expected: &str, kinds: &[&str]) {
    for (kind, bytes) in KINDS {
        if kinds.contains(&kind) {
            decoded::<T>(bytes).unwrap_or_else(|e| panic!("{expected} from {kind}: {e}"));
        } else {
            assert_eq!(
                refused::<T>(bytes),
                format!("expected {expected}, got {kind}")
            );
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Track {
    id: u64,
    #[serde(default)]
    a: Option<u8>,
}

#[derive(Debug, Deserialize)]
struct Empty {}

#[derive(Debug, Deserialize)]
struct Nothing;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    File {
        path: String,
    },
    Url {
        address: String,
        bitrate: Option<u32>,
    },
    Quality {
        level: Option<u8>,
    },
    Number(u8),
    Pair(u8, u8),
    Silence,
}

#[test]
fn each_type_refuses_the_other_kinds_in_the_words_of_the_schema() {
    only::<i8>("i8", &["an integer"]);
    only::<i16>("i16", &["an integer"]);
    only::<i32>("i32", &["an integer"]);
    only::<i64>("i64", &["an integer"]);
    only::<u8>("u8", &["an integer"]);
    only::<u16>("u16", &["an integer"]);
    only::<u32>("u32", &["an integer"]);
    only::<u64>("u64", &["an integer"]);
    only::<f32>("f32", &["an integer", "a float"]);
    only::<f64>("f64", &["an integer", "a float"]);
    only::<bool>("bool", &["a bool"]);
    only::<String>("string", &["a string"]);
    only::<char>("a string of one character", &["a string"]);
    only::<Bytes>("bytes", &["bytes"]);
    only::<Timestamp>("timestamp", &["a timestamp"]);
    only::<()>("null", &["null"]);
    only::<Nothing>("null", &["null"]);
    only::<Vec<u8>>("list", &["a list"]);
    only::<(u8,)>("a list of 1", &["a list"]);
    only::<BTreeMap<String, u8>>("map", &["a map"]);
    only::<Empty>("Empty", &["a map"]);
    only::<Option<String>>("string", &["null", "a string"]);
}

#[test]
fn integers_come_in_any_form_that_holds_them() {
    let fives = [
        "05",
        "cc05",
        "cd0005",
        "ce00000005",
        "cf0000000000000005",
        "d005",
        "d10005",
    ];
    for bytes in fives
        .into_iter()
        .chain(["d200000005", "d30000000000000005"])
    {
        assert_eq!(decoded::<i8>(bytes).unwrap(), 5, "{bytes}");
        assert_eq!(decoded::<u8>(bytes).unwrap(), 5, "{bytes}");
        assert_eq!(decoded::<i128>(bytes).unwrap(), 5, "{bytes}");
        assert_eq!(decoded::<f32>(bytes).unwrap(), 5.0, "{bytes}");
        assert_eq!(decoded::<f64>(bytes).unwrap(), 5.0, "{bytes}");
    }
    for bytes in ["fe", "d0fe", "d1fffe", "d2fffffffe", "d3fffffffffffffffe"] {
        assert_eq!(decoded::<i8>(bytes).unwrap(), -2, "{bytes}");
        assert_eq!(
            refused::<u64>(bytes),
            "expected u64, got an integer out of its range"
        );
        assert_eq!(decoded::<f64>(bytes).unwrap(), -2.0, "{bytes}");
    }
}

#[test]
fn integers_out_of_range_are_refused() {
    for bytes in ["cc80", "d17fff"] {
        assert_eq!(
            refused::<i8>(bytes),
            "expected i8, got an integer out of its range"
        );
    }
    assert_eq!(
        refused::<u8>("cd0100"),
        "expected u8, got an integer out of its range"
    );
    assert_eq!(decoded::<i64>("d38000000000000000").unwrap(), i64::MIN);
    assert_eq!(decoded::<u64>("cfffffffffffffffff").unwrap(), u64::MAX);
    assert_eq!(
        refused::<i64>("cf8000000000000000"),
        "expected i64, got an integer out of its range"
    );
}

#[test]
fn floats_take_exactly_what_they_can_hold() {
    assert_eq!(decoded::<f64>("ca3fc00000").unwrap(), 1.5);
    assert_eq!(decoded::<f32>("cb3ff8000000000000").unwrap(), 1.5);
    assert_eq!(
        decoded::<f64>("cf0020000000000000").unwrap(),
        9_007_199_254_740_992.0
    );
    for (bytes, what) in [
        ("cf0020000000000001", "2^53 + 1"),
        ("cfffffffffffffffff", "2^64 - 1"),
        ("d38000000000000001", "1 - 2^63"),
    ] {
        let message = "expected f64, got an integer that it cannot hold exactly";
        assert_eq!(refused::<f64>(bytes), message, "{what}");
    }
    assert_eq!(
        decoded::<f64>("d38000000000000000").unwrap(),
        -9_223_372_036_854_775_808.0
    );
    assert_eq!(decoded::<f32>("ce01000000").unwrap(), 16_777_216.0);
    assert_eq!(
        refused::<f32>("ce01000001"),
        "expected f32, got an integer that it cannot hold exactly"
    );
    let message = "expected f32, got a float out of its range";
    assert_eq!(refused::<f32>("cb7e37e43c8800759c"), message, "1e300");
    assert_eq!(decoded::<f32>("cb3fb999999999999a").unwrap(), 0.1);
}

#[test]
fn special_floats_survive() {
    for float in [
        f64::NAN,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
    ] {
        let back: f64 = from_slice(&to_vec(&float).unwrap()).unwrap();
        assert_eq!(back.to_bits(), float.to_bits());
    }
    assert!(decoded::<f32>("cb7ff8000000000000").unwrap().is_nan());
    assert_eq!(
        decoded::<f32>("cb8000000000000000").unwrap().to_bits(),
        (-0.0_f32).to_bits()
    );
    assert_eq!(decoded::<f32>("cb7ff0000000000000").unwrap(), f32::INFINITY);
}

#[test]
fn integers_of_128_bits_are_16_bytes_beyond_64_bits() {
    for n in [
        i128::MIN,
        i128::from(i64::MIN) - 1,
        -1,
        0,
        i128::from(u64::MAX),
        i128::MAX,
    ] {
        assert_eq!(from_slice::<i128>(&to_vec(&n).unwrap()).unwrap(), n);
    }
    for n in [0, u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX] {
        assert_eq!(from_slice::<u128>(&to_vec(&n).unwrap()).unwrap(), n);
    }
    assert_eq!(
        refused::<u128>("ff"),
        "expected u128, got an integer out of its range"
    );
    assert_eq!(
        refused::<i128>("c40161"),
        "expected i128, got bytes, not 16 of them"
    );
}

#[test]
fn texts_come_in_any_form_and_are_utf8() {
    for bytes in ["a161", "d90161", "da000161", "db0000000161"] {
        assert_eq!(decoded::<String>(bytes).unwrap(), "a");
        assert_eq!(from_slice::<&str>(&hex(bytes)).unwrap(), "a", "borrowed");
        assert_eq!(decoded::<char>(bytes).unwrap(), 'a');
    }
    assert_eq!(
        refused::<String>("a1ff"),
        "expected string, got a string that is not UTF-8"
    );
    let message = "expected a string of one character, got another string";
    assert_eq!(refused::<char>("a0"), message);
    assert_eq!(refused::<char>("a26161"), message);
}

#[test]
fn bytes_come_in_any_form_of_bytes() {
    for bytes in ["c40161", "c5000161", "c60000000161"] {
        assert_eq!(decoded::<Bytes>(bytes).unwrap(), "a");
        assert_eq!(from_slice::<&[u8]>(&hex(bytes)).unwrap(), b"a", "borrowed");
    }
}

#[test]
fn tuples_have_an_exact_length() {
    assert_eq!(decoded::<(u8, bool)>("9205c3").unwrap(), (5, true));
    assert_eq!(decoded::<[u8; 2]>("dc00020506").unwrap(), [5, 6]);
    assert_eq!(
        refused::<(u8, bool)>("9105"),
        "expected 2 items, got a list of 1"
    );
    assert_eq!(
        refused::<(u8, bool)>("9305c3c3"),
        "expected 2 items, got a list of 3"
    );
}

#[test]
fn maps_have_each_key_once_however_it_is_written() {
    type Map = BTreeMap<i64, u8>;
    assert_eq!(
        decoded::<Map>("8205010602").unwrap(),
        Map::from([(5, 1), (6, 2)])
    );
    assert_eq!(
        decoded::<Map>("8206020501").unwrap(),
        Map::from([(5, 1), (6, 2)]),
        "any order"
    );
    assert_eq!(
        refused::<Map>("8205010502"),
        "[5]: expected each key once, got one twice"
    );
    assert_eq!(
        refused::<Map>("820501cc0502"),
        "[5]: expected each key once, got one twice"
    );
    assert_eq!(
        refused::<Map>("82ff01d1ffff02"),
        "-1: expected each key once, got one twice"
    );
    let texts = "83 a161 01 a162 02 d90161 03";
    assert_eq!(
        refused::<BTreeMap<String, u8>>(texts),
        "a: expected each key once, got one twice"
    );
    assert_eq!(
        refused::<Value>(texts),
        "a: expected each key once, got one twice"
    );
    // Also inside lists and maps that are keys.
    let twice = "expected each key once, got one twice";
    for (one, other) in [
        ("9105", "91cc05"),
        ("9105", "dc000105"),
        ("9181a16105", "9181d90161cc05"),
        ("81a16105", "de0001a16105"),
        ("82c091ff05d061", "82c091d1ffff0561"),
    ] {
        let message = refused::<Value>(&format!("82{one}01{other}02"));
        assert!(message.ends_with(twice), "{one} {other}: {message}");
    }
    for (one, other) in [
        ("9105", "9106"),
        ("9105", "920500"),
        ("8105c0", "9105"),
        ("90", "80"),
    ] {
        assert!(
            decoded::<Value>(&format!("82{one}01{other}02")).is_ok(),
            "{one} {other}"
        );
    }
    let many: String = (0..20)
        .rev()
        .chain([7])
        .map(|n| format!("{n:02x}00"))
        .collect();
    let message = "[7]: expected each key once, got one twice";
    assert_eq!(refused::<Map>(&format!("de0015{many}")), message);
}

#[test]
fn structs_are_maps_by_name() {
    assert_eq!(
        decoded::<Track>("81a2696407").unwrap(),
        Track { id: 7, a: None }
    );
    assert_eq!(
        decoded::<Track>("82a2696407a16105").unwrap(),
        Track { id: 7, a: Some(5) }
    );
    assert_eq!(refused::<Track>("9107"), "expected Track, got a list");
    assert_eq!(
        refused::<Track>("80"),
        "expected field `id`, got a map without it"
    );
    assert_eq!(
        refused::<Track>("82a2696407a2696407"),
        "expected field `id` once, got it twice"
    );
    assert_eq!(
        refused::<Track>("81a26964a17a"),
        "id: expected u64, got a string"
    );
    assert_eq!(
        refused::<Track>("810007"),
        "expected a string as name of a field or variant, got an integer"
    );
}

#[test]
fn std_types_have_the_forms_that_serde_gives_them() {
    let duration = Duration::new(7, 5);
    let bytes = to_vec(&duration).unwrap();
    assert_eq!(bytes, hex("82 a473656373 07 a56e616e6f73 05"));
    assert_eq!(from_slice::<Duration>(&bytes).unwrap(), duration);
    assert_eq!(
        refused::<Duration>("07"),
        "expected duration, got an integer"
    );
    assert_eq!(
        refused::<Duration>("920705"),
        "expected duration, got a list"
    );
    for address in ["127.0.0.1", "2001:db8::1"] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(
            from_slice::<IpAddr>(&to_vec(&address).unwrap()).unwrap(),
            address
        );
    }
}

#[test]
fn variants_go_by_name() {
    let url = Source::Url {
        address: "x".into(),
        bitrate: None,
    };
    assert_eq!(
        decoded::<Source>("81 a3 75726c 81 a7 61646472657373 a178").unwrap(),
        url
    );
    assert_eq!(
        decoded::<Source>("a773696c656e6365").unwrap(),
        Source::Silence
    );
    assert_eq!(
        decoded::<Source>("81a66e756d62657205").unwrap(),
        Source::Number(5)
    );
    assert_eq!(
        decoded::<Source>("81a470616972920506").unwrap(),
        Source::Pair(5, 6)
    );
    let variants = "one of `file`, `url`, `quality`, `number`, `pair`, `silence`";
    assert_eq!(
        refused::<Source>("a161"),
        format!("expected {variants}, got another variant")
    );
    assert_eq!(refused::<Source>("05"), "expected Source, got an integer");
    assert_eq!(refused::<Source>("92 05 06"), "expected Source, got a list");
    assert_eq!(
        refused::<Source>("80"),
        "expected Source, got a map of 0 entries, not of one"
    );
    assert_eq!(
        refused::<Source>("810505"),
        "expected a string as name of a variant, got an integer"
    );
    assert_eq!(
        refused::<Source>("81a470616972 9105"),
        "pair: expected 2 items, got a list of 1"
    );
    assert_eq!(
        refused::<Source>("a6 6e756d626572"),
        "expected variant `number` as a map, with its content, got its name alone"
    );
}

#[test]
fn a_variant_whose_fields_may_all_be_absent_has_two_forms() {
    let quality = || Source::Quality { level: None };
    assert_eq!(decoded::<Source>("a7 7175616c697479").unwrap(), quality());
    assert_eq!(
        decoded::<Source>("81 a7 7175616c697479 80").unwrap(),
        quality()
    );
    assert_eq!(
        decoded::<Source>("81 a7 73696c656e6365 81 a161 05").unwrap(),
        Source::Silence
    );
    assert_eq!(
        refused::<Source>("81 a7 73696c656e6365 05"),
        "silence: expected fields, or the name alone, got an integer"
    );
    assert_eq!(
        refused::<Source>("a3 75726c"),
        "url: expected field `address`, got a map without it"
    );
}

#[test]
fn an_error_says_where() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only decoded")]
    struct Playlist {
        tracks: Vec<Track>,
        by_name: BTreeMap<String, (u8, Source)>,
    }
    let error = refused::<Playlist>("81 a6747261636b73 92 81a2696401 81a26964a178");
    assert_eq!(error, "tracks[1].id: expected u64, got a string");
    let error = refused::<Playlist>("81 a7 62795f6e616d65 81 a3612062 92 05 81a37 5726c c0");
    assert_eq!(
        error,
        "by_name[\"a b\"][1].url: expected the fields of the variant, got null"
    );
}

#[test]
fn an_error_never_shows_the_value() {
    let secret = to_vec("hunter2").unwrap();
    for error in [
        from_slice::<u8>(&secret).unwrap_err(),
        from_slice::<Source>(&secret).unwrap_err(),
        from_slice::<char>(&secret).unwrap_err(),
        from_slice::<Vec<u8>>(&secret).unwrap_err(),
        from_slice::<Timestamp>(&secret).unwrap_err(),
        from_slice::<Track>(&secret).unwrap_err(),
    ] {
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn a_type_may_refuse_in_its_own_words() {
    #[derive(Debug)]
    struct Even;
    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match u8::deserialize(deserializer)? % 2 {
                0 => Ok(Self),
                _ => Err(serde::de::Error::custom("must be even")),
            }
        }
    }
    let error = decoded::<Vec<Even>>("92 02 03").unwrap_err();
    assert_eq!(error.to_string(), "[1]: must be even");
    assert_eq!(error.expected(), "a valid value");
    assert_eq!(error.got(), "one that is not: must be even");
}

#[test]
fn a_key_in_an_error_is_cut_and_escaped() {
    let entry = BTreeMap::from([(format!("\x1b[31m{}", "k".repeat(500)), "x")]);
    let error = from_slice::<BTreeMap<String, u8>>(&to_vec(&entry).unwrap()).unwrap_err();
    assert!(error.path().len() < 100, "{error}");
    assert!(!error.to_string().contains('\x1b'));
}

#[test]
fn what_is_ignored_is_skipped() {
    for (_, bytes) in KINDS {
        decoded::<IgnoredAny>(bytes).unwrap();
    }
    let unknown = "82 a2 6964 07 a178 92 81 a161 90 c403010203";
    assert_eq!(decoded::<Track>(unknown).unwrap(), Track { id: 7, a: None });
}

#[test]
fn values_are_decoded_one_after_the_other() {
    let bytes = hex("05 a161 c0");
    let mut decoder = Decoder::new(&bytes);
    assert_eq!(decoder.decode::<u8>().unwrap(), 5);
    assert_eq!(decoder.decode::<&str>().unwrap(), "a");
    assert_eq!(decoder.remaining(), [0xc0]);
    assert_eq!(decoder.decode::<Option<u8>>().unwrap(), None);
    let error = decoder.decode::<u8>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected well-formed MessagePack, got bytes that end inside a value"
    );
}

#[test]
fn flattened_and_untagged_types_work() {
    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    struct Outer {
        id: u8,
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
    }
    let more = BTreeMap::from([("at".to_owned(), Value::from(Timestamp::UNIX_EPOCH))]);
    let outer = Outer { id: 1, more };
    assert_eq!(
        from_slice::<Outer>(&to_vec(&outer).unwrap()).unwrap(),
        outer
    );

    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Time(Timestamp),
        Text(String),
    }
    let time = Either::Time(Timestamp::new(1 << 40, 5).unwrap());
    assert_eq!(from_slice::<Either>(&to_vec(&time).unwrap()).unwrap(), time);
}
