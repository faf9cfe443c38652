//! Points in time.

use std::time::{Duration, SystemTime};

use kaa_rpc_proto::msgpack::{Timestamp, Value, from_slice, to_vec};

use crate::{decoded, hex, refused};

fn at(secs: i64, nanos: u32) -> Timestamp {
    Timestamp::new(secs, nanos).unwrap()
}

#[test]
fn the_shortest_of_three_sizes_is_written() {
    for (time, bytes) in [
        (at(0, 0), "d6ff 00000000"),
        (at(0xffff_ffff, 0), "d6ff ffffffff"),
        (at(1 << 32, 0), "d7ff 0000000100000000"),
        (at(0, 1), "d7ff 0000000400000000"),
        (at((1 << 34) - 1, 999_999_999), "d7ff ee6b27ffffffffff"),
        (at(1 << 34, 0), "c70cff 00000000 0000000400000000"),
        (at(-1, 5), "c70cff 00000005 ffffffffffffffff"),
        (at(i64::MIN, 0), "c70cff 00000000 8000000000000000"),
        (
            at(i64::MAX, 999_999_999),
            "c70cff 3b9ac9ff 7fffffffffffffff",
        ),
    ] {
        assert_eq!(to_vec(&time).unwrap(), hex(bytes), "{time}");
        assert_eq!(decoded::<Timestamp>(bytes).unwrap(), time);
        assert_eq!(decoded::<Value>(bytes).unwrap(), Value::Timestamp(time));
    }
}

#[test]
fn every_size_and_head_is_read() {
    for bytes in [
        "d6ff 00000005",
        "c704ff 00000005",
        "c80004ff 00000005",
        "c900000004ff 00000005",
        "d7ff 0000000000000005",
        "c708ff 0000000000000005",
        "c70cff 00000000 0000000000000005",
        "c8000cff 00000000 0000000000000005",
    ] {
        assert_eq!(decoded::<Timestamp>(bytes).unwrap(), at(5, 0), "{bytes}");
    }
}

#[test]
fn a_whole_second_of_nanoseconds_is_refused() {
    let message = "expected timestamp with less than 1000000000 nanoseconds, got something else";
    assert_eq!(refused::<Timestamp>("d7ff ee6b280000000000"), message);
    assert_eq!(
        refused::<Timestamp>("c70cff 3b9aca00 0000000000000000"),
        message
    );
    assert_eq!(
        refused::<Value>("c70cff ffffffff 0000000000000000"),
        message
    );
    assert_eq!(Timestamp::new(0, 1_000_000_000), None);
}

#[test]
fn texts_are_those_of_rfc_3339() {
    for (time, text) in [
        (at(0, 0), "1970-01-01T00:00:00Z"),
        (at(1_000_000_000, 500_000_000), "2001-09-09T01:46:40.5Z"),
        (at(951_782_400, 0), "2000-02-29T00:00:00Z"),
        (at(-1, 999_999_999), "1969-12-31T23:59:59.999999999Z"),
        (at(-62_167_219_200, 0), "0000-01-01T00:00:00Z"),
        (at(253_402_300_799, 0), "9999-12-31T23:59:59Z"),
        (at(253_402_300_800, 0), "+10000-01-01T00:00:00Z"),
        (at(-62_167_219_201, 0), "-0001-12-31T23:59:59Z"),
        (at(i64::MAX, 0), "+292277026596-12-04T15:30:07Z"),
        (at(i64::MIN, 0), "-292277022657-01-27T08:29:52Z"),
    ] {
        assert_eq!(time.to_string(), text);
        assert_eq!(text.parse(), Ok(time), "{text}");
    }
    assert_eq!(
        "2026-11-22t16:00:00.25+01:30".parse(),
        "2026-11-22T14:30:00.25Z".parse::<Timestamp>()
    );
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "now",
        "2026-11-22",
        "2026-11-22T14:30:00",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T00:00:60Z",
        "2026-11-22T00:00:00.Z",
        "2026-11-22T00:00:00.1234567890Z",
        "2026-11-22T00:00:00Z ",
        "+999999999999-01-01T00:00:00Z",
        "2026-11-22T00:00:00+1:00",
        "é026-11-22T00:00:00Z",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn system_times_come_back() {
    let half = Duration::from_millis(500);
    for (system, time) in [
        (SystemTime::UNIX_EPOCH, at(0, 0)),
        (SystemTime::UNIX_EPOCH + half, at(0, 500_000_000)),
        (SystemTime::UNIX_EPOCH - half, at(-1, 500_000_000)),
        (SystemTime::UNIX_EPOCH - half * 2, at(-1, 0)),
    ] {
        assert_eq!(Timestamp::from(system), time);
        assert_eq!(SystemTime::try_from(time), Ok(system));
    }
    let now = Timestamp::now();
    assert!(now > at(1_700_000_000, 0));
    assert_eq!(
        from_slice::<Timestamp>(&to_vec(&now).unwrap()).unwrap(),
        now
    );
}

#[test]
fn in_json_it_is_a_text() {
    let json = serde_json::to_string(&at(0, 0)).unwrap();
    assert_eq!(json, "\"1970-01-01T00:00:00Z\"");
    assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at(0, 0));
    assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
}
