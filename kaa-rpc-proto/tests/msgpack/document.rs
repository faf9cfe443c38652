//! The test vectors of docs/protocol.md hold.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use kaa_rpc_proto::msgpack::{
    ArgumentReader, Bytes, ScanLimits, Timestamp, Value, from_slice, scan, scan_arguments, to_vec,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{hex, to_hex};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

#[derive(Debug, Serialize, Deserialize)]
struct Point {
    x: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Url {
        address: String,
    },
    Quality {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<u8>,
    },
    Silence,
}

/// The rows of all tables under a heading, without their heads.
fn rows(heading: &str, columns: usize) -> Vec<Vec<&'static str>> {
    let (_, section) = DOCUMENT
        .split_once(&format!("\n### {heading}\n"))
        .expect(heading);
    let section = section.split("\n#").next().unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| {
            line.split(" | ")
                .map(|cell| cell.trim().trim_matches('`'))
                .collect()
        })
        .filter(|row: &Vec<&str>| row.len() == columns && !row[0].starts_with("---"))
        .collect();
    assert!(!rows.is_empty(), "no table under {heading}");
    rows
}

fn check<T: DeserializeOwned + Serialize + Debug>(row: &[&str]) {
    let (bytes, expected) = (hex(row[1]), row[3]);
    let decoded = from_slice::<T>(&bytes);
    match (row[2], decoded) {
        ("refused", decoded) => assert!(decoded.is_err(), "{row:?} gave {decoded:?}"),
        (_, Err(error)) => panic!("{row:?}: {error}"),
        (how, Ok(value)) => {
            scan(&bytes, &ScanLimits::default()).unwrap();
            assert_eq!(
                Value::from_serialize(&value).unwrap().to_string(),
                expected,
                "{row:?}"
            );
            let same = to_hex(&to_vec(&value).unwrap()) == to_hex(&bytes);
            assert_eq!(same, how == "written", "{row:?}");
        }
    }
}

#[test]
fn the_vectors_for_values_hold() {
    let rows = rows("Test vectors for values", 4);
    let mut checked = 0;
    for row in &rows {
        match row[0] {
            "type" => continue,
            "bool" => check::<bool>(row),
            "i8" => check::<i8>(row),
            "u8" => check::<u8>(row),
            "i64" => check::<i64>(row),
            "u64" => check::<u64>(row),
            "f32" => check::<f32>(row),
            "f64" => check::<f64>(row),
            "string" => check::<String>(row),
            "bytes" => check::<Bytes>(row),
            "timestamp" => check::<Timestamp>(row),
            "duration" => check::<Duration>(row),
            "any" => check::<Value>(row),
            "u8?" => check::<Option<u8>>(row),
            "list<u8>" => check::<Vec<u8>>(row),
            "map<string, u8>" => check::<BTreeMap<String, u8>>(row),
            "(u8, bool)" => check::<(u8, bool)>(row),
            "Point" => check::<Point>(row),
            "Source" => check::<Source>(row),
            other => panic!("no type for {other}"),
        }
        checked += 1;
    }
    assert!(checked > 70, "only {checked} rows were found");
}

#[test]
fn the_vectors_for_arguments_hold() {
    let mut checked = 0;
    for row in rows("Test vectors for arguments", 3) {
        if row[0] == "bytes" {
            continue;
        }
        let bytes = hex(row[0]);
        let mut arguments = ArgumentReader::new(&bytes, &ScanLimits::default()).unwrap();
        let positional: Vec<Value> = arguments.rest("args").unwrap();
        assert_eq!(Value::List(positional).to_string(), row[1]);
        let named: BTreeMap<String, Value> = arguments.kwargs("fields").unwrap();
        let expected: BTreeMap<String, Value> = serde_json::from_str(row[2]).unwrap();
        assert_eq!(named, expected);
        checked += 1;
    }
    for row in rows("Test vectors for arguments", 2) {
        if row[0] == "bytes" {
            continue;
        }
        assert!(
            scan_arguments(&hex(row[0]), &ScanLimits::default()).is_err(),
            "{row:?}"
        );
        checked += 1;
    }
    assert_eq!(checked, 11);
}
