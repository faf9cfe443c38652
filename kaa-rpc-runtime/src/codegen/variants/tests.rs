use kaa_rpc_proto::msgpack::{from_slice, to_vec};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    File { path: String },
    Url { bitrate: Option<u32> },
    Silence,
    Unknown(Unknown),
}

impl<'de> Variants<'de> for Source {
    const NAME: &'static str = "Source";
    const VARIANTS: &'static [&'static str] = &["file", "url", "silence"];

    fn plain(variant: usize) -> Option<Self> {
        match variant {
            1 => Some(Self::Url { bitrate: None }),
            2 => Some(Self::Silence),
            _ => None,
        }
    }

    fn read<A: MapAccess<'de>>(variant: usize, mut fields: Fields<A>) -> Result<Self, A::Error> {
        match variant {
            0 => {
                let mut path = None;
                while let Some(field) = fields.next(&["path"])? {
                    match field {
                        0 => fields.read(&mut path)?,
                        _ => fields.skip()?,
                    }
                }
                Ok(Self::File {
                    path: fields.required("path", path)?,
                })
            }
            1 => {
                let mut bitrate = None;
                while let Some(field) = fields.next(&["bitrate"])? {
                    match field {
                        0 => fields.read(&mut bitrate)?,
                        _ => fields.skip()?,
                    }
                }
                Ok(Self::Url {
                    bitrate: bitrate.flatten(),
                })
            }
            _ => read_plain(variant, fields),
        }
    }

    fn unknown(unknown: Unknown) -> Result<Self, Unknown> {
        Ok(Self::Unknown(unknown))
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_variant(deserializer)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File { path } => {
                let mut fields = write_variant(serializer, "Source", 0, "file", 1)?;
                fields.field("path", path)?;
                fields.end()
            }
            Self::Url { bitrate } => {
                let count = usize::from(bitrate.is_some());
                let mut fields = write_variant(serializer, "Source", 1, "url", count)?;
                fields.optional("bitrate", bitrate)?;
                fields.end()
            }
            Self::Silence => serializer.serialize_unit_variant("Source", 2, "silence"),
            Self::Unknown(unknown) => unknown.serialize(serializer),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Left,
    Right,
}

impl<'de> Variants<'de> for Side {
    const NAME: &'static str = "Side";
    const VARIANTS: &'static [&'static str] = &["left", "right"];

    fn plain(variant: usize) -> Option<Self> {
        [Self::Left, Self::Right].get(variant).copied()
    }
}

impl<'de> Deserialize<'de> for Side {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_variant(deserializer)
    }
}

fn read<T: de::DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[track_caller]
fn refused<T: de::DeserializeOwned + fmt::Debug>(json: &str, expected: &str) {
    let error = read::<T>(json).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn plain_variants_are_names_and_others_maps() {
    assert_eq!(read(r#""silence""#), Ok(Source::Silence));
    assert_eq!(
        read(r#"{"file": {"path": "/a"}}"#),
        Ok(Source::File {
            path: "/a".to_owned()
        })
    );
    assert_eq!(
        rmp_serde::to_vec_named(&Source::Silence).unwrap(),
        b"\xa7silence"
    );
    let url = Source::Url { bitrate: None };
    assert_eq!(rmp_serde::to_vec_named(&url).unwrap(), b"\x81\xa3url\x80");
    let url = Source::Url { bitrate: Some(9) };
    assert_eq!(
        rmp_serde::to_vec_named(&url).unwrap(),
        b"\x81\xa3url\x81\xa7bitrate\x09"
    );
    assert_eq!(
        rmp_serde::from_slice::<Source>(b"\x81\xa3url\x81\xa7bitrate\x09").unwrap(),
        url
    );
}

#[test]
fn variants_without_required_fields_come_in_both_forms() {
    assert_eq!(read(r#""url""#), Ok(Source::Url { bitrate: None }));
    assert_eq!(read(r#"{"url": {}}"#), Ok(Source::Url { bitrate: None }));
    assert_eq!(read(r#"{"silence": {}}"#), Ok(Source::Silence));
    assert_eq!(
        read(r#"{"silence": {"from": "newer"}}"#),
        Ok(Source::Silence)
    );
    assert_eq!(read(r#"{"left": {"from": "newer"}}"#), Ok(Side::Left));
}

#[test]
fn mistakes_are_told_by_name() {
    refused::<Source>(
        r#""file""#,
        "invalid type: unit variant, expected variant `file` with its fields",
    );
    refused::<Source>(r#"{"file": {}}"#, "missing field `path`");
    refused::<Source>(
        r#"{"file": null}"#,
        "expected a map of the fields of a variant of Source",
    );
    refused::<Source>(
        r#"{"file": ["/a"]}"#,
        "expected a map of the fields of a variant of Source",
    );
    refused::<Source>("{}", "invalid length 0, expected a map of one entry");
    refused::<Source>(
        r#"{"url": {}, "silence": {}}"#,
        "invalid length 2, expected a map of one entry",
    );
    refused::<Source>("2", "expected a variant of Source");
    refused::<Side>(
        r#""middle""#,
        "unknown variant `middle`, expected `left` or `right`",
    );
    refused::<Side>(
        r#"{"middle": {"x": 1}}"#,
        "unknown variant `middle`, expected `left` or `right`",
    );
}

#[test]
fn the_codec_says_where() {
    let told = |message: &[u8]| from_slice::<Source>(message).unwrap_err().to_string();
    assert_eq!(
        told(b"\x81\xa4file\x81\xa4path\x01"),
        "file.path: expected string, got an integer"
    );
    assert_eq!(
        told(b"\xa4file"),
        "expected variant `file` with its fields, got a variant"
    );
    let told = |message: &[u8]| from_slice::<Side>(message).unwrap_err().to_string();
    assert_eq!(
        told(b"\xa6middle"),
        "expected one of `left`, `right`, got another variant"
    );
}

#[test]
fn the_codec_passes_variants_on() {
    for message in [
        &b"\xa5radio"[..],
        b"\x81\xa5radio\x81\xa9frequency\xca\x42\xcb\x33\x33",
    ] {
        let source: Source = from_slice(message).unwrap();
        assert!(matches!(source, Source::Unknown(_)));
        assert_eq!(to_vec(&source).unwrap(), message);
    }
    for source in [Source::Silence, Source::Url { bitrate: Some(9) }] {
        assert_eq!(from_slice(&to_vec(&source).unwrap()), Ok(source));
    }
}

#[test]
fn indexes_are_refused() {
    assert!(rmp_serde::from_slice::<Side>(&[0x01]).is_err());
    assert!(rmp_serde::from_slice::<Source>(&[0x81, 0x01, 0x80]).is_err());
}

#[test]
fn unknown_variants_are_passed_on_as_they_came() {
    let messages: [&[u8]; 4] = [
        b"\xa5radio",
        b"\x81\xa5radio\x80",
        b"\x81\xa5radio\x82\xa9frequency\xcb\x40\x59\x66\x66\x66\x66\x66\x66\xa4tags\x91\xc0",
        b"\x81\xa5radio\xc4\x01\x07",
    ];
    for message in messages {
        let source: Source = rmp_serde::from_slice(message).unwrap();
        let Source::Unknown(unknown) = &source else {
            panic!("{source:?}")
        };
        assert_eq!(unknown.name(), "radio");
        assert_eq!(unknown.payload().is_some(), message.len() > 6);
        assert_eq!(rmp_serde::to_vec_named(&source).unwrap(), message);
    }
}

#[test]
fn unknown_variants_print_as_words() {
    let unknown = Unknown::new("no_such_disc".to_owned(), None);
    assert_eq!(unknown.to_string(), "no such disc");
    assert_eq!(format!("{unknown:?}"), r#"Unknown("no_such_disc")"#);
    assert_eq!(unknown.into_parts(), ("no_such_disc".to_owned(), None));
}
