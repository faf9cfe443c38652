//! Bytes that are shared rather than copied.

use std::collections::BTreeMap;

use kaa_rpc_proto::LARGE_PAYLOAD;
use kaa_rpc_proto::msgpack::{
    Arguments, Bytes, BytesArgument, EncodeError, Encoded, Encoder, Owner, Part, encode_arguments,
    from_slice, to_vec,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize, Serializer};

fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn shared(encoded: &Encoded) -> Vec<*const u8> {
    let parts = encoded.parts().filter_map(|part| match part {
        Part::Shared(bytes) => Some(bytes.as_ptr()),
        Part::Copied(_) => None,
    });
    parts.collect()
}

fn value<T: Serialize>(value: &T) -> Encoded {
    let mut encoded = Encoded::default();
    let shape = encoded.value(value).unwrap();
    let copied = to_vec(value).unwrap();
    assert!(encoded.contiguous() == copied);
    assert_eq!(encoded.len(), copied.len());
    let mut out = Vec::new();
    let measured = kaa_rpc_proto::msgpack::encode_measured(&mut out, value).unwrap();
    assert_eq!(measured, shape);
    encoded
}

#[test]
fn large_ones_are_not_copied_and_small_ones_are() {
    let (small, large) = (bytes(LARGE_PAYLOAD - 1), bytes(LARGE_PAYLOAD));
    assert_eq!(shared(&value(&small)), []);
    assert_eq!(shared(&value(&large)), [large.as_ptr()]);
    let both = vec![Some(large.clone()), None, Some(small), Some(large.clone())];
    assert_eq!(shared(&value(&both)), [large.as_ptr(); 2]);
    let argument = BytesArgument::from(&large);
    assert_eq!(shared(&value(&argument)), [large.as_ptr()]);
    let argument = BytesArgument::from(&large[..]);
    assert_eq!(shared(&value(&argument)), []);
}

/// An iterator that does not say how long it is: the head is written at its end.
struct Unsized<T>(Vec<T>);

impl<T: Serialize> Serialize for Unsized<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter(|_| true))
    }
}

proptest! {
    #[test]
    fn they_stand_where_they_belong(lengths in prop::collection::vec(
        prop::collection::vec(prop_oneof![
            3 => 0..40_usize,
            1 => LARGE_PAYLOAD - 1..LARGE_PAYLOAD + 2,
        ], 0..20),
        0..20,
    )) {
        let lists = lengths.iter().map(|list| Unsized(list.iter().map(|&length| bytes(length)).collect()));
        let large = lengths.iter().flatten().filter(|length| **length >= LARGE_PAYLOAD);
        prop_assert_eq!(shared(&value(&Unsized(lists.collect()))).len(), large.count());
    }
}

/// So many positional arguments, then named ones.
struct Many<'a>(usize, &'a [&'a str], &'a Bytes);

impl Arguments for Many<'_> {
    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
        (0..self.0).try_for_each(|_| out.positional(self.2))?;
        self.1.iter().try_for_each(|name| out.named(name, self.2))
    }
}

#[test]
fn arguments_are_the_same_shared_or_not() {
    let large = bytes(LARGE_PAYLOAD);
    for count in [0, 1, 15, 16, 40] {
        for names in [&[][..], &["a"], &["a", "b"]] {
            let arguments = Many(count, names, &large);
            let mut encoded = Encoded::default();
            let shape = encoded.arguments(&arguments).unwrap();
            let mut copied = vec![1];
            assert_eq!(encode_arguments(&mut copied, &arguments), Ok(shape));
            assert!(*encoded.contiguous() == copied[1..], "{count} {names:?}");
            let of_list = Many(count, names, &Bytes::from_static(b"x"));
            let length = encode_arguments(&mut Vec::new(), &of_list).map(|shape| shape.items);
            assert_eq!(length, Ok(shape.items));
            // Whether a name is given twice can be seen only where all of them stand.
            assert_eq!(
                encoded.is_shared(),
                names.len() < 2 && count + names.len() > 0
            );
        }
    }
    let mut encoded = Encoded::default();
    let twice = encoded.arguments(&Many(2, &["a", "b", "a"], &large));
    assert_eq!(twice, Err(EncodeError::NameTwice("a".to_owned())));
    assert!(encoded.is_empty());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    #[serde(flatten)]
    inner: BTreeMap<String, Bytes>,
}

#[test]
fn other_formats_have_them_as_bytes() {
    let large = bytes(3 * LARGE_PAYLOAD);
    let json = serde_json::to_string(&large).unwrap();
    assert_eq!(json, serde_json::to_string(&large[..]).unwrap());
    assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap(), large);
    let text: Bytes = serde_json::from_str("\"abc\"").unwrap();
    assert_eq!(text, b"abc");
    // What serde puts in between does no harm.
    let holder = Holder {
        inner: [("a".to_owned(), large)].into(),
    };
    let encoded = to_vec(&holder).unwrap();
    assert_eq!(from_slice::<Holder>(&encoded).unwrap(), holder);
}

/// Writes itself as JSON, inside of MessagePack.
struct Json<'a>(&'a Bytes);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(self.0).unwrap())
    }
}

#[test]
fn another_format_inside_gets_its_own() {
    let large = bytes(LARGE_PAYLOAD);
    let encoded = value(&(&large, Json(&large), &large));
    assert_eq!(shared(&encoded), [large.as_ptr(); 2]);
}

/// Decodes `T` out of `encoded`, which is lent as part of so much memory.
fn lent<T: for<'de> Deserialize<'de>>(encoded: &bytes::Bytes, holds: usize) -> T {
    Owner::new(encoded.clone(), holds).lend(|| from_slice(encoded).unwrap())
}

fn is_part(part: &[u8], whole: &[u8]) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr())
}

#[test]
fn what_is_decoded_is_a_part_if_it_is_large_and_half_of_the_memory() {
    for (length, holds, part) in [
        (LARGE_PAYLOAD - 1, LARGE_PAYLOAD, false),
        (LARGE_PAYLOAD, LARGE_PAYLOAD + 3, true),
        (LARGE_PAYLOAD, 2 * LARGE_PAYLOAD, true),
        (LARGE_PAYLOAD, 2 * LARGE_PAYLOAD + 1, false),
    ] {
        let value = bytes(length);
        let encoded = bytes::Bytes::from(to_vec(&value).unwrap());
        let decoded: Bytes = lent(&encoded, holds);
        assert_eq!(decoded, value);
        assert_eq!(is_part(&decoded, &encoded), part, "{length} of {holds}");
        // Nothing is lent any more.
        assert!(!is_part(&from_slice::<Bytes>(&encoded).unwrap(), &encoded));
        // Other bytes are none of it.
        let other = to_vec(&value).unwrap();
        let owner = Owner::new(encoded, holds);
        let decoded = owner.lend(|| from_slice::<Bytes>(&other).unwrap());
        assert!(!is_part(&decoded, &other));
    }
}

#[test]
fn a_panic_ends_the_loan() {
    let encoded = bytes::Bytes::from(to_vec(&bytes(LARGE_PAYLOAD)).unwrap());
    let panicked = std::panic::catch_unwind(|| {
        Owner::new(encoded.clone(), encoded.len()).lend(|| panic!("in a value"));
    });
    assert!(panicked.is_err());
    assert!(!is_part(&from_slice::<Bytes>(&encoded).unwrap(), &encoded));
}

#[test]
fn they_are_shown_in_short() {
    assert_eq!(
        format!("{:?}", Bytes::from_static(b"a\"\xff")),
        r#"b"a\"\xff""#
    );
    let shown = format!("{:?}", Bytes::from(vec![b'x'; 1 << 20]));
    assert_eq!(
        shown,
        format!("b\"{}\"… {} more", "x".repeat(32), (1 << 20) - 32)
    );
}

#[test]
fn a_vector_comes_back_without_a_copy() {
    let vector = vec![1; 100];
    let address = vector.as_ptr();
    let bytes = Bytes::from(vector);
    let clone = bytes.clone();
    assert_eq!(clone, bytes);
    drop(clone);
    let vector = Vec::from(bytes);
    assert_eq!(vector.as_ptr(), address);
}
