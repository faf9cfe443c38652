//! Values as JSON, and back.
//!
//! What JSON has goes as it is. For the rest, an object whose only key begins with `$` stands for
//! something else:
//!
//! | JSON | value |
//! | --- | --- |
//! | `{"$bytes": "AAEC"}` | bytes, in base64 |
//! | `{"$timestamp": "2026-01-31T23:59:59.5Z"}` | a timestamp, as in RFC 3339 |
//! | `{"$duration": "250ms"}` | a duration, in ms, s, m or h |
//! | `{"$map": [[1, "one"], [2, "two"]]}` | a map with keys that are not strings, or with one key that begins with `$` |
//! | `{"$float": "nan"}` | a float that is `nan`, `inf` or `-inf` |
//!
//! Whatever is written reads back as the same value, with two exceptions: an f32 reads back as an f64
//! that rounds to it (so that it fits an f32 parameter), and a NaN as a plain NaN. A
//! duration is written as it travels, as `{"secs": 5, "nanos": 0}`, which reads back as what it was.

mod read;
mod write;

pub(crate) use read::{NotRead, read};
pub(crate) use write::{needs_escapes, write_compact, write_pretty};

/// The keys of objects that stand for something else.
mod key {
    pub(super) const BYTES: &str = "$bytes";
    pub(super) const TIMESTAMP: &str = "$timestamp";
    pub(super) const DURATION: &str = "$duration";
    pub(super) const MAP: &str = "$map";
    pub(super) const FLOAT: &str = "$float";
}

#[cfg(test)]
mod tests {
    use kaa_rpc_runtime::{Bytes, Timestamp, Value};

    use super::*;

    fn compact(value: &Value) -> String {
        write_compact(value)
    }

    #[track_caller]
    fn both_ways(value: impl Into<Value>, json: &str) {
        let value = value.into();
        assert_eq!(compact(&value), json);
        assert_eq!(read(json).unwrap(), value);
    }

    #[test]
    fn what_json_has() {
        both_ways((), "null");
        both_ways(true, "true");
        both_ways(i64::MIN, "-9223372036854775808");
        both_ways(u64::MAX, "18446744073709551615");
        both_ways((1_u64 << 53) + 1, "9007199254740993");
        both_ways(5.0, "5.0");
        both_ways(0.1, "0.1");
        both_ways("a\"b\n", r#""a\"b\n""#);
        both_ways(vec![1, 2], "[1,2]");
        both_ways(
            Value::Map(vec![("b".into(), 1.into()), ("a".into(), ().into())]),
            r#"{"b":1,"a":null}"#,
        );
        both_ways(Value::Map(Vec::new()), "{}");
    }

    #[test]
    fn what_json_has_not() {
        both_ways(
            Bytes::from_static(&[0, 1, 2, 255]),
            r#"{"$bytes":"AAEC/w=="}"#,
        );
        both_ways(Bytes::new(), r#"{"$bytes":""}"#);
        both_ways(
            Timestamp::new(1, 5_000_000).unwrap(),
            r#"{"$timestamp":"1970-01-01T00:00:01.005Z"}"#,
        );
        both_ways(f64::INFINITY, r#"{"$float":"inf"}"#);
        both_ways(f64::NEG_INFINITY, r#"{"$float":"-inf"}"#);
        both_ways(f64::NAN, r#"{"$float":"nan"}"#);
        both_ways(
            Value::Map(vec![(1.into(), "one".into())]),
            r#"{"$map":[[1,"one"]]}"#,
        );
        both_ways(
            Value::Map(vec![("$bytes".into(), 1.into())]),
            r#"{"$map":[["$bytes",1]]}"#,
        );
        both_ways(
            Value::Map(vec![("$a".into(), 1.into()), ("b".into(), 2.into())]),
            r#"{"$a":1,"b":2}"#,
        );
        both_ways(std::time::Duration::new(5, 7), r#"{"secs":5,"nanos":7}"#);
        assert_eq!(
            read(r#"{"$duration": "1500ms"}"#).unwrap(),
            std::time::Duration::from_millis(1500).into()
        );
    }

    #[test]
    fn an_f32_keeps_its_number() {
        let json = compact(&0.1_f32.into());
        assert_eq!(json, "0.1");
        assert_eq!(read(&json).unwrap().to_typed::<f32>().unwrap(), 0.1);
    }

    #[test]
    fn integers_are_never_rounded() {
        for text in [
            "18446744073709551616",
            "[1, {\"a\": -9223372036854775809}]",
            "99999999999999999999999999999999999999999999999999",
        ] {
            let NotRead::Value(message) = read(text).unwrap_err() else {
                panic!("{text} is JSON");
            };
            assert!(message.contains("64 bits"), "{message}");
        }
        assert_eq!(
            read(r#""\"18446744073709551616""#).unwrap(),
            "\"18446744073709551616".into()
        );
        assert_eq!(read("1e20").unwrap(), 1e20.into());
    }

    #[test]
    fn mistakes_are_told() {
        let told = |text: &str| match read(text).unwrap_err() {
            NotRead::Json(message) | NotRead::Value(message) => message,
        };
        assert!(told(r#"{"$byte": "AA=="}"#).contains("`$byte`"));
        assert!(told(r#"{"$bytes": "AA="}"#).contains("base64"));
        assert!(told(r#"{"$bytes": 1}"#).contains("base64"));
        assert!(told(r#"{"$timestamp": "now"}"#).contains("RFC 3339"));
        assert!(told(r#"{"$map": [[1]]}"#).contains("pairs"));
        assert!(told(r#"{"$map": [[1, 2], [1, 3]]}"#).contains("twice"));
        assert!(told(r#"{"a": 1, "a": 2}"#).contains("`\"a\"` twice"));
        assert!(matches!(read("hello"), Err(NotRead::Json(_))));
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let json = compact(&"\u{1b}[31m\u{7f}\u{9b}\u{202e}ü".into());
        assert_eq!(json, "\"\\u001b[31m\\u007f\\u009b\\u202eü\"");
        assert_eq!(
            read(&json).unwrap(),
            "\u{1b}[31m\u{7f}\u{9b}\u{202e}ü".into()
        );
    }
}
