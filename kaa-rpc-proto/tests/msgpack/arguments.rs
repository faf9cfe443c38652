//! The arguments of a call.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kaa_rpc_proto::kwargs;
use kaa_rpc_proto::msgpack::{
    ArgumentError, ArgumentReader, Arguments, EncodeError, Encoder, Kwargs, ScanLimits, Value,
    encode_arguments, scan_arguments,
};
use serde::{Serialize, Serializer};

use crate::{hex, to_hex};

fn bytes(arguments: impl Arguments) -> Vec<u8> {
    let mut out = Vec::new();
    encode_arguments(&mut out, &arguments).unwrap();
    scan_arguments(&out, &ScanLimits::default()).unwrap();
    out
}

fn reader(bytes: &[u8]) -> ArgumentReader<'_> {
    ArgumentReader::new(bytes, &ScanLimits::default()).unwrap()
}

/// `fn play(id: u64, at: duration = 0s, title: string?)`
fn play(arguments: impl Arguments) -> Result<(u64, Duration, Option<String>), ArgumentError> {
    let bytes = bytes(arguments);
    let mut arguments = reader(&bytes);
    let id = arguments.required("id")?;
    let at = arguments.or_else("at", || Duration::ZERO)?;
    let title = arguments.optional("title")?;
    arguments.finish()?;
    Ok((id, at, title))
}

type Logged = (String, Vec<i64>, Option<u8>, BTreeMap<String, Value>);

/// `fn log(message: string, *args: i64, level: u8?, **fields: any)`
fn log(arguments: impl Arguments) -> Result<Logged, ArgumentError> {
    let bytes = bytes(arguments);
    let mut arguments = reader(&bytes);
    let message = arguments.required("message")?;
    let args = arguments.rest("args")?;
    let level = arguments.optional("level")?;
    let fields = arguments.kwargs("fields")?;
    arguments.finish()?;
    Ok((message, args, level, fields))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ArgumentError>) -> String {
    let error = result.unwrap_err();
    let wire = ArgumentError::from_wire(error.parameter(), error.expected(), error.got());
    assert_eq!(wire, error, "the three texts are the whole of it");
    error.to_string()
}

#[test]
fn they_are_a_list_and_a_map() {
    assert_eq!(to_hex(&bytes(())), "9080");
    assert_eq!(to_hex(&bytes((6,))), "910680");
    assert_eq!(
        to_hex(&bytes(kwargs! { foo: 4 })),
        to_hex(&hex("90 81 a3666f6f 04"))
    );
    assert_eq!(
        to_hex(&bytes((6, kwargs! { a: true }))),
        to_hex(&hex("9106 81a161c3"))
    );
    assert_eq!(bytes((6, kwargs! {})), bytes((6,)));
    assert_eq!(bytes((kwargs! { a: 1 },)), bytes(kwargs! { a: 1 }));
    assert_eq!(bytes((1, 2, 3, 4, 5, 6, 7, 8)).len(), 10);
    assert_eq!(bytes((1, 2, 3, 4, 5, 6, 7, kwargs! { a: 1 })).len(), 12);
    let borrowed: &dyn Arguments = &(6, "x");
    assert_eq!(bytes(borrowed), bytes((6, "x")));
}

#[test]
fn heads_grow_with_the_number() {
    for count in [0_usize, 1, 15, 16, 17, 300, 65_535, 65_536] {
        let mut encoder = Encoder::new(vec![1, 2, 3]);
        for n in 0..count {
            encoder.positional(&n).unwrap();
        }
        for n in 0..count {
            encoder.named(&format!("n{n}"), &n).unwrap();
        }
        let out = encoder.finish().unwrap();
        assert_eq!(out[..3], [1, 2, 3], "what was there before stays");
        let limits = ScanLimits {
            max_items: 1 << 20,
            ..ScanLimits::default()
        };
        let mut arguments = ArgumentReader::new(&out[3..], &limits).unwrap();
        let positional: Vec<usize> = arguments.rest("args").unwrap();
        let named: BTreeMap<String, usize> = arguments.kwargs("fields").unwrap();
        arguments.finish().unwrap();
        assert_eq!(positional, (0..count).collect::<Vec<_>>());
        assert_eq!(named, (0..count).map(|n| (format!("n{n}"), n)).collect());
    }
}

#[test]
fn parameters_take_them_by_position_and_by_name() {
    let minute = Duration::from_secs(60);
    assert_eq!(play((7,)), Ok((7, Duration::ZERO, None)));
    assert_eq!(play((7, minute)), Ok((7, minute, None)));
    assert_eq!(play((7, minute, "x")), Ok((7, minute, Some("x".into()))));
    assert_eq!(play(kwargs! { id: 7 }), Ok((7, Duration::ZERO, None)));
    assert_eq!(
        play((7, kwargs! { title: "x" })),
        Ok((7, Duration::ZERO, Some("x".into())))
    );
    let any_order = kwargs! { title: "x", at: minute, id: 7 };
    assert_eq!(play(any_order), Ok((7, minute, Some("x".into()))));
}

#[test]
fn nil_is_absent_where_absence_is_legal() {
    let absent = Ok((7, Duration::ZERO, None));
    assert_eq!(play((7, (), ())), absent);
    assert_eq!(play((7, kwargs! { at: (), title: () })), absent);
    assert_eq!(
        refused(play(((),))),
        "argument `id`: expected u64, got null"
    );
    let nil = bytes(((),));
    let any: Value = reader(&nil).required("any").unwrap();
    assert!(any.is_null(), "a required `any` accepts nil");
}

#[test]
fn rest_and_kwargs_take_what_is_left() {
    let (message, args, level, fields) = log(("hi", 1, 2, kwargs! { x: true, level: 3 })).unwrap();
    assert_eq!((message.as_str(), args, level), ("hi", vec![1, 2], Some(3)));
    assert_eq!(fields, BTreeMap::from([("x".to_owned(), true.into())]));
    let (.., fields) = log(("hi", kwargs! { args: 1, fields: 2 })).unwrap();
    assert_eq!(
        fields.len(),
        2,
        "only `*` and `**` are called so, no parameter"
    );
}

#[test]
fn a_wrong_type_is_told_by_parameter() {
    assert_eq!(
        refused(play(("x",))),
        "argument `id`: expected u64, got a string"
    );
    assert_eq!(
        refused(play(kwargs! { id: "x" })),
        "argument `id`: expected u64, got a string"
    );
    let at = BTreeMap::from([("secs", "x")]);
    assert_eq!(
        refused(play((7, at))),
        "argument `at`: expected u64, got a string at `at.secs`"
    );
    assert_eq!(
        refused(log(("hi", 1, "x"))),
        "argument `args`: expected i64, got a string at `args[1]`"
    );
    let bytes = bytes(kwargs! { a: 1, b: "x" });
    let error = reader(&bytes).kwargs::<u8>("fields");
    assert_eq!(
        refused(error),
        "argument `fields`: expected u8, got a string at `fields.b`"
    );
    let error = play(("x",)).unwrap_err();
    assert_eq!(
        (error.parameter(), error.expected(), error.got()),
        ("id", "u64", "a string")
    );
}

#[test]
fn a_missing_one_is_told() {
    assert_eq!(
        refused(play(())),
        "argument `id`: expected an argument, got none"
    );
    assert_eq!(
        refused(play(kwargs! { ids: 1 })),
        "argument `id`: expected an argument, got none (but one for `ids`)"
    );
}

#[test]
fn too_many_are_told() {
    let error = play((7, (), (), 8)).unwrap_err();
    assert_eq!(error.parameter(), "");
    assert_eq!(
        refused::<()>(Err(error)),
        "expected at most 3 positional arguments, got 4"
    );
    let bytes = bytes((1,));
    assert_eq!(
        refused(reader(&bytes).finish()),
        "expected at most 0 positional arguments, got 1"
    );
}

#[test]
fn an_unknown_name_is_told_with_the_closest() {
    assert_eq!(
        refused(play((7, kwargs! { titel: "x" }))),
        "argument `titel`: expected a parameter of the function, such as `title`, got an unknown name"
    );
    assert_eq!(
        refused(play((7, kwargs! { whatever: "x" }))),
        "argument `whatever`: expected a parameter of the function, got an unknown name"
    );
    let hostile = Kwargs::new().with(format!("\u{1b}[31m{}", "x".repeat(1000)), 1);
    let error = refused(play((7, hostile)));
    assert!(error.len() < 200 && !error.contains('\u{1b}'), "{error}");
}

#[test]
fn one_that_is_given_twice_is_told() {
    assert_eq!(
        refused(play((7, kwargs! { id: 7 }))),
        "argument `id`: expected one argument, got one by position and one by name"
    );
    assert_eq!(
        refused(log(("hi", kwargs! { message: 7 }))),
        "argument `message`: expected one argument, got one by position and one by name"
    );
    let twice = [
        ("90 82 a26964 07 a26964 08", "id"),
        ("91 07 82 a57469746c65 a178 a57469746c65 a179", "title"),
    ];
    for (bytes, name) in twice {
        let bytes = hex(bytes);
        let mut arguments = reader(&bytes);
        arguments.required::<u64>("id").unwrap();
        arguments.optional::<String>("title").unwrap();
        assert_eq!(
            refused(arguments.finish()),
            format!("argument `{name}`: expected one argument, got two by name")
        );
        let mut arguments = reader(&bytes);
        arguments.required::<u64>("id").unwrap();
        let error = refused(arguments.kwargs::<Value>("fields"));
        assert_eq!(
            error,
            format!("argument `{name}`: expected one argument, got two by name")
        );
    }
}

#[test]
fn many_parameters_are_all_known() {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let bytes = bytes(NAMES.iter().rev().zip(0_u8..).collect::<Kwargs>());
    let mut arguments = reader(&bytes);
    for (name, n) in NAMES.into_iter().zip((0..12).rev()) {
        assert_eq!(arguments.required::<u8>(name).unwrap(), n);
    }
    arguments.finish().unwrap();
}

#[test]
fn the_encoder_refuses_what_the_other_end_would() {
    let mut encoder = Encoder::new(Vec::new());
    encoder.named("a", &1).unwrap();
    assert_eq!(
        encoder.positional(&2),
        Err(EncodeError::PositionalAfterNamed)
    );
    encoder.optional("b", Some(1)).unwrap();
    encoder.optional("c", None::<u8>).unwrap();
    encoder.kwargs(&kwargs! { a: 2 }).unwrap();
    assert_eq!(encoder.finish(), Err(EncodeError::NameTwice("a".into())));
}

struct Fails(bool);

impl Serialize for Fails {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            true => panic!("in user code"),
            false => serializer
                .collect_str(&format_args!("{}", Self(true).0))
                .and(Err(serde::ser::Error::custom("no disc"))),
        }
    }
}

#[test]
fn a_failure_leaves_the_buffer_as_it_was() {
    let mut out = vec![1, 2];
    let error = encode_arguments(&mut out, &(1, Fails(false))).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), out.as_slice()),
        ("no disc", [1, 2].as_slice())
    );
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        encode_arguments(&mut out, &(1, Fails(true)))
    }));
    assert!(panicked.is_err());
    assert_eq!(out, [1, 2]);
    let kwargs = Kwargs::new().with("a", 1).with("b", Fails(false));
    assert!(
        encode_arguments(&mut out, &kwargs).is_err(),
        "it shows where the call is made"
    );
    assert_eq!(format!("{kwargs:?}"), "Kwargs(no disc)");
}

#[test]
fn kwargs_are_built_in_several_ways() {
    let x = String::from("text");
    let literal = kwargs! { foo: 4, "any name": x, r#type: true, fn: x, };
    assert_eq!(x, "text", "values are borrowed");
    let mut built = Kwargs::new();
    built.insert("foo", 4).insert("any name", "text");
    built.extend([("type", true)]);
    let built = built.with("fn", "text");
    assert_eq!(format!("{literal:?}"), format!("{built:?}"));
    assert_eq!(
        literal.names().collect::<Vec<_>>(),
        ["foo", "any name", "type", "fn"]
    );
    assert_eq!((literal.len(), literal.is_empty()), (4, false));
    assert!(kwargs! {}.is_empty());
}
