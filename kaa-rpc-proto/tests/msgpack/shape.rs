//! What encoding counts is what a receiver counts.

use std::collections::{BTreeMap, LinkedList};

use kaa_rpc_proto::kwargs;
use kaa_rpc_proto::msgpack::{
    Arguments, AsBytes, Kwargs, ScanError, ScanLimits, Shape, Timestamp, encode_arguments,
    encode_measured, scan, scan_arguments,
};
use serde::Serialize;
use serde::ser::SerializeSeq;

/// The bytes pass a scan with exactly these limits, and no smaller one.
#[track_caller]
fn exactly(bytes: &[u8], shape: Shape, scan: impl Fn(&[u8], &ScanLimits) -> Result<(), ScanError>) {
    let items = u32::try_from(shape.items).unwrap();
    let limits = |max_items, max_nesting| ScanLimits {
        max_nesting,
        max_items,
    };
    assert_eq!(scan(bytes, &limits(items, shape.nesting)), Ok(()));
    assert!(matches!(
        scan(bytes, &limits(items - 1, 64)),
        Err(ScanError::TooManyItems { .. })
    ));
    if let Some(less) = shape.nesting.checked_sub(1) {
        assert!(matches!(
            scan(bytes, &limits(items, less)),
            Err(ScanError::TooDeep { .. })
        ));
    }
}

#[track_caller]
pub(crate) fn value<T: Serialize + ?Sized>(value: &T) -> Shape {
    let mut bytes = b"before".to_vec();
    let shape = encode_measured(&mut bytes, value).unwrap();
    exactly(&bytes[6..], shape, scan);
    shape
}

#[track_caller]
fn arguments(arguments: impl Arguments) -> Shape {
    let mut bytes = Vec::new();
    let shape = encode_arguments(&mut bytes, &arguments).unwrap();
    exactly(&bytes, shape, scan_arguments);
    shape
}

#[derive(Serialize)]
struct Track {
    id: u64,
    tags: Vec<&'static str>,
    source: Option<Source>,
}

#[derive(Serialize)]
enum Source {
    Silence,
    Quality(u8),
    Pair(u8, Vec<u8>),
    Url { address: String, more: (u8, u8) },
}

/// A list that does not know its length.
struct Unknown(u8);

impl Serialize for Unknown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for n in 0..self.0 {
            list.serialize_element(&n)?;
        }
        list.end()
    }
}

fn shape(items: u64, nesting: u32) -> Shape {
    Shape { items, nesting }
}

#[test]
fn values_of_every_kind_are_counted_as_a_scan_counts_them() {
    assert_eq!(value(&5), shape(1, 0));
    assert_eq!(value("text"), shape(1, 0));
    assert_eq!(value(&AsBytes(&[0x91; 100])), shape(1, 0));
    assert_eq!(value(&None::<u8>), shape(1, 0));
    assert_eq!(value(&Timestamp::new(1, 2).unwrap()), shape(1, 0));
    assert_eq!(value(&[0_u8; 0]), shape(1, 1));
    assert_eq!(value(&vec![vec![1], vec![], vec![2, 3]]), shape(7, 2));
    assert_eq!(value(&Unknown(200)), shape(201, 1));
    assert_eq!(value(&BTreeMap::from([(1, "a"), (2, "b")])), shape(5, 1));
    assert_eq!(value(&LinkedList::from([(1, (2, 3))])), shape(6, 3));
    assert_eq!(value(&Source::Silence), shape(1, 0));
    assert_eq!(value(&Source::Quality(1)), shape(3, 1));
    assert_eq!(value(&Source::Pair(1, vec![2, 3])), shape(7, 3));
    let url = Source::Url {
        address: "x".to_owned(),
        more: (1, 2),
    };
    assert_eq!(value(&url), shape(9, 3));
    let track = Track {
        id: 1,
        tags: vec!["a", "b"],
        source: Some(url),
    };
    assert_eq!(value(&track), shape(17, 4));
    assert_eq!(value(&[track]).nesting, 5);
}

#[test]
fn arguments_are_counted_as_a_scan_counts_them() {
    assert_eq!(arguments(()), shape(2, 0));
    assert_eq!(arguments((1, "a", vec![1, 2])), shape(7, 1));
    assert_eq!(arguments(kwargs! { a: 1, b: vec![vec![1]] }), shape(8, 2));
    assert_eq!(arguments((1, kwargs! { a: (1, 2) })), shape(7, 1));
    let mut both = Kwargs::new().with("a", 1);
    both.append(Kwargs::new().with("b", [[2]]));
    assert_eq!(arguments(both), shape(8, 2));
}
