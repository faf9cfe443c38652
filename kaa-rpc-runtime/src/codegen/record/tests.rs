use kaa_rpc_proto::msgpack::{from_slice, to_vec};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq)]
struct Track {
    id: u64,
    artist: Option<String>,
    rating: u8,
}

impl<'de> Record<'de> for Track {
    const NAME: &'static str = "Track";
    const FIELDS: &'static [&'static str] = &["id", "artist", "rating"];

    fn read<A: MapAccess<'de>>(mut fields: Fields<A>) -> Result<Self, A::Error> {
        let mut id = None;
        let mut artist = None;
        let mut rating = None;
        while let Some(field) = fields.next(Self::FIELDS)? {
            match field {
                0 => fields.read(&mut id)?,
                1 => fields.read(&mut artist)?,
                2 => fields.read(&mut rating)?,
                _ => fields.skip()?,
            }
        }
        Ok(Self {
            id: fields.required("id", id)?,
            artist: artist.flatten(),
            rating: rating.flatten().unwrap_or(3),
        })
    }
}

impl<'de> Deserialize<'de> for Track {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_record(deserializer)
    }
}

impl Serialize for Track {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = write_record(serializer, "Track", 2 + usize::from(self.artist.is_some()))?;
        fields.field("id", &self.id)?;
        fields.optional("artist", &self.artist)?;
        fields.field("rating", &self.rating)?;
        fields.end()
    }
}

fn read(json: &str) -> Result<Track, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(json: &str, expected: &str) {
    let error = read(json).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

fn track(id: u64, artist: Option<&str>, rating: u8) -> Result<Track, String> {
    Ok(Track {
        id,
        artist: artist.map(str::to_owned),
        rating,
    })
}

#[test]
fn fields_come_in_any_order() {
    assert_eq!(
        read(r#"{"id": 1, "artist": "a", "rating": 5}"#),
        track(1, Some("a"), 5)
    );
    assert_eq!(
        read(r#"{"rating": 5, "artist": "a", "id": 1}"#),
        track(1, Some("a"), 5)
    );
    assert_eq!(
        read(r#"{"artist": "a", "id": 1, "rating": 5}"#),
        track(1, Some("a"), 5)
    );
}

#[test]
fn absent_and_nil_are_the_same() {
    assert_eq!(read(r#"{"id": 1}"#), track(1, None, 3));
    assert_eq!(
        read(r#"{"id": 1, "artist": null, "rating": null}"#),
        track(1, None, 3)
    );
}

#[test]
fn unknown_fields_are_ignored() {
    assert_eq!(
        read(r#"{"id": 1, "new": {"id": [2]}, "rating": 4, "": 0}"#),
        track(1, None, 4)
    );
}

#[test]
fn keys_may_be_owned() {
    assert_eq!(read(r#"{"\u0069d": 1}"#), track(1, None, 3));
    let value = serde_json::json!({ "id": 1 });
    assert_eq!(
        serde_json::from_value::<Track>(value).unwrap(),
        track(1, None, 3).unwrap()
    );
}

#[test]
fn mistakes_are_told_by_name() {
    refused(r#"{"artist": "a"}"#, "missing field `id`");
    refused(r#"{"id": null}"#, "invalid type: null, expected u64");
    refused(r#"{"id": 1, "id": 1}"#, "duplicate field `id`");
    refused(
        r#"{"id": 1, "artist": null, "artist": "a"}"#,
        "duplicate field `artist`",
    );
    refused(
        r#"{"id": 1, "rating": 256}"#,
        "invalid value: integer `256`, expected u8",
    );
}

#[test]
fn the_codec_says_where() {
    let told = |message: &[u8]| from_slice::<Track>(message).unwrap_err().to_string();
    assert_eq!(told(b"\x81\xa2id\xa1x"), "id: expected u64, got a string");
    assert_eq!(told(b"\x80"), "expected field `id`, got a map without it");
    assert_eq!(
        told(b"\x82\xa2id\x01\xa2id\x01"),
        "expected field `id` once, got it twice"
    );
    assert_eq!(told(b"\x91\x01"), "expected Track, got a list");
    let no_name = "expected string, got a string that is not UTF-8";
    assert_eq!(told(b"\x81\xa2i\xff\x01"), no_name);
    assert_eq!(told(b"\x81\x01\x01"), "expected string, got an integer");
    assert_eq!(told(b"\x81\xc4\x02id\x01"), "expected string, got bytes");
    let track = Track {
        id: 1,
        artist: None,
        rating: 3,
    };
    assert_eq!(from_slice::<Track>(&to_vec(&track).unwrap()), Ok(track));
}

#[test]
fn only_maps_by_name_are_records() {
    refused(
        r#"[1, "a", 3]"#,
        "invalid type: sequence, expected a map of the fields of Track",
    );
    refused("7", "expected a map of the fields of Track");
    refused("null", "expected a map of the fields of Track");
    let array = rmp_serde::to_vec(&(1, "a", 3)).unwrap();
    assert!(rmp_serde::from_slice::<Track>(&array).is_err());
    let by_index = rmp_serde::to_vec(&std::collections::BTreeMap::from([(0, 1)])).unwrap();
    assert!(rmp_serde::from_slice::<Track>(&by_index).is_err());
    let by_bytes = [0x81, 0xc4, 0x02, b'i', b'd', 0x01];
    assert!(rmp_serde::from_slice::<Track>(&by_bytes).is_err());
}

#[test]
fn absent_fields_are_not_written() {
    let bytes = rmp_serde::to_vec_named(&track(1, None, 3).unwrap()).unwrap();
    assert_eq!(bytes, b"\x82\xa2id\x01\xa6rating\x03");
    let bytes = rmp_serde::to_vec_named(&track(1, Some("a"), 3).unwrap()).unwrap();
    assert_eq!(bytes, b"\x83\xa2id\x01\xa6artist\xa1a\xa6rating\x03");
    assert_eq!(
        rmp_serde::from_slice::<Track>(&bytes).unwrap(),
        track(1, Some("a"), 3).unwrap()
    );
}

#[test]
fn names_are_compared_whole() {
    let name = b"an_unusually_long_name_of_a_field";
    for length in 0..=name.len() {
        let (name, _) = name.split_at(length);
        assert!(same(name, name));
        assert!(!same(name, &[name, b"_"].concat()));
        for at in 0..length {
            let mut other = name.to_vec();
            other[at] ^= 1;
            assert!(!same(name, &other), "{length} bytes, another at {at}");
        }
    }
}
