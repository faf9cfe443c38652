//! How values are written.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use kaa_rpc_proto::msgpack::{
    AsBytes, EncodeError, MAX_NESTING, Value, encode, from_slice, to_vec,
};
use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};

use crate::{hex, to_hex};

#[track_caller]
fn written<T: Serialize + ?Sized>(value: &T, bytes: &str) {
    assert_eq!(to_hex(&to_vec(value).unwrap()), to_hex(&hex(bytes)));
}

#[derive(Serialize)]
#[allow(dead_code, reason = "not all are built")]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(u8, bool),
    Struct { a: u8 },
}

#[test]
fn scalars_take_their_shortest_form() {
    for (n, bytes) in [
        (0_i64, "00"),
        (127, "7f"),
        (128, "cc80"),
        (256, "cd0100"),
        (65_536, "ce00010000"),
        (1 << 32, "cf0000000100000000"),
        (-1, "ff"),
        (-32, "e0"),
        (-33, "d0df"),
        (-129, "d1ff7f"),
        (-32_769, "d2ffff7fff"),
        (i64::MIN, "d38000000000000000"),
    ] {
        written(&n, bytes);
    }
    written(&u64::MAX, "cfffffffffffffffff");
    written(&1.5_f32, "ca3fc00000");
    written(&1.5_f64, "cb3ff8000000000000");
    written(&true, "c3");
    written(&(), "c0");
    written(&None::<u8>, "c0");
    written(&Some(5), "05");
    written("a", "a161");
    written(&'é', "a2c3a9");
    written(&AsBytes(b"a"), "c40161");
    written(&[1_u8, 2], "920102");
}

#[test]
fn structs_and_variants_go_by_name() {
    #[derive(Serialize)]
    struct Track {
        id: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
    }
    #[derive(Serialize)]
    struct Wrapper(u8);
    #[derive(Serialize)]
    struct Pair(u8, u8);
    #[derive(Serialize)]
    struct Nothing;

    written(&Track { id: 7, a: None }, "81a2696407");
    written(&Track { id: 7, a: Some(1) }, "82a2696407a16101");
    written(&Wrapper(5), "05");
    written(&Pair(5, 6), "920506");
    written(&Nothing, "c0");
    written(&Shape::Unit, "a4556e6974");
    written(&Shape::Newtype(5), "81 a74e657774797065 05");
    written(&Shape::Tuple(5, true), "81 a55475706c65 9205c3");
    written(&Shape::Struct { a: 5 }, "81 a6537472756374 81a16105");
}

/// Does not say how many items it has, or lies about it.
struct Items {
    said: Option<usize>,
    gives: u32,
}

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(self.said)?;
        for n in 0..self.gives {
            items.serialize_element(&n)?;
        }
        items.end()
    }
}

#[test]
fn collections_of_unknown_length_are_counted() {
    for gives in [0, 1, 15, 16, 65_535, 65_536] {
        let bytes = to_vec(&(Items { said: None, gives }, "end")).unwrap();
        let (items, end): (Vec<u32>, String) = from_slice(&bytes).unwrap();
        assert_eq!((items, end.as_str()), ((0..gives).collect(), "end"));
        assert_eq!(
            to_vec(&(
                Items {
                    said: Some(gives as usize),
                    gives
                },
                "end"
            ))
            .unwrap(),
            bytes
        );
    }
    struct Map(u32);
    impl Serialize for Map {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            for n in 0..self.0 {
                map.serialize_entry(
                    &n,
                    &Items {
                        said: None,
                        gives: 20,
                    },
                )?;
            }
            map.end()
        }
    }
    let map: BTreeMap<u32, Vec<u32>> = from_slice(&to_vec(&Map(20)).unwrap()).unwrap();
    assert!(map.len() == 20 && map.values().all(|items| items.len() == 20));
}

#[test]
fn a_collection_that_lies_about_its_length_is_an_error() {
    for (said, gives) in [(1, 2), (2, 1), (0, 1)] {
        let error = to_vec(&Items {
            said: Some(said),
            gives,
        })
        .unwrap_err();
        assert_eq!(
            error,
            EncodeError::Length {
                said: said as u32,
                gave: gives
            }
        );
    }
    struct Odd;
    impl Serialize for Odd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_key("a")?;
            map.end()
        }
    }
    assert!(to_vec(&Odd).is_err());
}

#[test]
fn texts_that_are_formatted_take_every_head() {
    struct Shown(usize);
    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..self.0).try_for_each(|_| f.write_str("x"))
        }
    }
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }
    for length in [0, 31, 32, 255, 256, 65_535, 65_536] {
        assert_eq!(
            to_vec(&Shown(length)).unwrap(),
            to_vec(&"x".repeat(length)).unwrap()
        );
    }
}

#[test]
fn an_error_leaves_the_buffer_as_it_was() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no disc"))
        }
    }
    let mut out = vec![1, 2];
    let error = encode(&mut out, &("some text", Fails)).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), out.as_slice()),
        ("no disc", [1, 2].as_slice())
    );
}

#[test]
fn another_extension_is_refused_where_it_is_made() {
    struct Extension(i8, usize);
    impl Serialize for Extension {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            struct Pair(i8, usize);
            impl Serialize for Pair {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let mut pair = serializer.serialize_tuple(2)?;
                    pair.serialize_element(&self.0)?;
                    pair.serialize_element(&AsBytes(&vec![0; self.1]))?;
                    pair.end()
                }
            }
            serializer.serialize_newtype_struct("_ExtStruct", &Pair(self.0, self.1))
        }
    }
    assert_eq!(
        to_vec(&Extension(-1, 8)).unwrap(),
        hex("d7ff 0000000000000000")
    );
    for (tag, length) in [(5, 8), (-1, 5), (-1, 16)] {
        assert_eq!(
            to_vec(&Extension(tag, length)).unwrap_err(),
            EncodeError::Extension
        );
    }
}

fn nested(depth: u32) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]))
}

#[test]
fn nesting_is_limited_as_in_decoding() {
    let deepest = nested(MAX_NESTING);
    assert_eq!(
        from_slice::<Value>(&to_vec(&deepest).unwrap()).unwrap(),
        deepest
    );
    assert_eq!(
        to_vec(&nested(MAX_NESTING + 1)).unwrap_err(),
        EncodeError::TooDeep
    );

    #[derive(Serialize)]
    enum Chain {
        End,
        Next(Box<Chain>),
        Struct { next: Box<Chain> },
        Tuple(Box<Chain>, u8),
    }
    let chain = |levels: u32, link: fn(Chain) -> Chain| {
        to_vec(&(0..levels).fold(Chain::End, |inner, _| link(inner)))
    };
    assert!(chain(64, |inner| Chain::Next(Box::new(inner))).is_ok());
    assert!(chain(65, |inner| Chain::Next(Box::new(inner))).is_err());
    // Two maps, or a map and a list, for each.
    assert!(
        chain(32, |inner| Chain::Struct {
            next: Box::new(inner)
        })
        .is_ok()
    );
    assert!(
        chain(33, |inner| Chain::Struct {
            next: Box::new(inner)
        })
        .is_err()
    );
    assert!(chain(32, |inner| Chain::Tuple(Box::new(inner), 0)).is_ok());
    assert!(chain(33, |inner| Chain::Tuple(Box::new(inner), 0)).is_err());
}

#[test]
fn containers_side_by_side_are_not_nested() {
    let lists = vec![vec![vec![0; 3]; 100]; 100];
    assert_eq!(
        from_slice::<Vec<Vec<Vec<u8>>>>(&to_vec(&lists).unwrap()).unwrap(),
        lists
    );
    let shapes: Vec<Shape> = (0..200).map(|a| Shape::Struct { a }).collect();
    to_vec(&shapes).unwrap();
    let mixed: HashMap<u8, Shape> = (0..200).map(|a| (a, Shape::Tuple(a, true))).collect();
    to_vec(&mixed).unwrap();
}
