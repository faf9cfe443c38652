//! What a caller is told of what went wrong at the other end.

use std::fmt;

use kaa_rpc_runtime::codegen::{DeclaredError, Proxy};
use kaa_rpc_runtime::{
    CallError, Channel, Context, Error, Outcome, RemoteFault, Throws, Value, kwargs, params,
};
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use crate::common::{Ends, Exposing, Side, connect, everywhere, plain};

/// An error with a cause, which has one too.
#[derive(Debug)]
struct Broken(&'static str, Option<Box<Broken>>);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

fn broken() -> Broken {
    let inner = Broken("the disk is full", None);
    let outer = Broken("cannot write", Some(Box::new(inner)));
    Broken("cannot save", Some(Box::new(outer)))
}

/// As the generator makes it of `error PlayError { not_found { id: u64 }, busy }`.
#[derive(Debug, PartialEq)]
enum PlayError {
    NotFound { id: u64 },
    Busy,
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { id } => write!(f, "no track {id}"),
            Self::Busy => f.write_str("the player is busy"),
        }
    }
}

impl std::error::Error for PlayError {}

impl Serialize for PlayError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::NotFound { id } => {
                let fields = std::collections::BTreeMap::from([("id", id)]);
                serializer.serialize_newtype_variant("PlayError", 0, "not_found", &fields)
            }
            Self::Busy => serializer.serialize_unit_variant("PlayError", 1, "busy"),
        }
    }
}

impl<'de> Deserialize<'de> for PlayError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let id = value.get("not_found").and_then(|fields| fields.get("id"));
        match (value.as_str(), id.and_then(Value::as_u64)) {
            (Some("busy"), _) => Ok(Self::Busy),
            (_, Some(id)) => Ok(Self::NotFound { id }),
            _ => Err(serde::de::Error::custom("not a PlayError")),
        }
    }
}

impl DeclaredError for PlayError {
    const NAME: &'static str = "media.player.PlayError";
}

fn functions(side: Side) -> Side {
    let play = |functions: &mut kaa_rpc_runtime::codegen::Functions| {
        functions.add("play", &std::sync::Arc::new(()), |_, _cx, arguments| {
            let id: u64 = arguments.required("id")?;
            Ok(async move {
                let outcome: Outcome<u64, PlayError> = match id {
                    0 => Err(PlayError::Busy.into()),
                    1 => Ok(1),
                    2 => Err(broken().into()),
                    id => Err(PlayError::NotFound { id }.into()),
                };
                outcome
            })
        });
    };
    side.service(Exposing(play))
        .function(
            "save",
            params([], async || -> Outcome<()> { Err(broken())? }),
        )
        .function(
            "say",
            params(["what"], async |what: String| -> Outcome<()> {
                Err(what.into())
            }),
        )
        .function(
            "add",
            params(["a", "b?"], async |a: i64, b: Option<i64>| {
                Ok(a + b.unwrap_or(0))
            }),
        )
        .function("small", params(["n"], async |n: u8| Ok(n)))
        .function(
            "names",
            params(["names"], async |names: Vec<String>| Ok(names)),
        )
        .function("text", params([], async || Ok("text")))
}

async fn fault(channel: &Channel, name: &str) -> RemoteFault {
    match channel.rpc::<Value, _>(name, ()).await {
        Err(Error::Fault(fault)) => *fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fault_has_kind_message_causes_and_place() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let fault = fault(&ends.client, "save").await;
        assert!(fault.kind.ends_with("faults::Broken"), "{fault:?}");
        assert_eq!(fault.message, "cannot save");
        assert_eq!(fault.causes, ["cannot write", "the disk is full"]);
        assert_eq!(fault.trace.len(), 1);
        let place = &fault.trace[0];
        assert!(
            place.starts_with("save at ") && place.contains("faults.rs:"),
            "{place}"
        );
        let text = fault.to_string();
        assert!(
            text.contains("cannot save: cannot write: the disk is full"),
            "{text}"
        );
    });
}

/// client → server → client: the middle handler uses `?`.
#[test]
fn a_fault_that_is_handed_on_keeps_its_trace() {
    everywhere(async |over| {
        let relay = params(["name"], async |cx: Context, name: String| {
            let channel = cx.channel();
            let value: Value = channel.rpc(&name, ()).await?;
            Ok(value)
        });
        let bad = |side: Side| {
            functions(side).function(
                "panics",
                params([], async || -> Outcome<()> { panic!("oh") }),
            )
        };
        let ends = connect(over, |side| side.function("relay", relay), bad).await;
        let Error::Fault(fault) = ends
            .client
            .rpc::<Value, _>("relay", ("save",))
            .await
            .unwrap_err()
        else {
            panic!()
        };
        assert!(fault.kind.ends_with("faults::Broken"), "{fault:?}");
        assert_eq!(fault.message, "cannot save");
        assert_eq!(fault.causes, ["cannot write", "the disk is full"]);
        let places: Vec<&str> = fault
            .trace
            .iter()
            .map(|place| place.split_once(" at ").unwrap().0)
            .collect();
        assert_eq!(places, ["save", "relay"]);

        let Error::Fault(fault) = ends
            .client
            .rpc::<Value, _>("relay", ("panics",))
            .await
            .unwrap_err()
        else {
            panic!()
        };
        assert!(fault.is_panic() && fault.message == "oh", "{fault:?}");

        // What is no fault of the further one is one here, with its text.
        let Error::Fault(fault) = ends
            .client
            .rpc::<Value, _>("relay", ("nothing",))
            .await
            .unwrap_err()
        else {
            panic!()
        };
        assert!(fault.message.contains("nothing"), "{fault:?}");
    });
}

/// The same where the called function declares errors.
#[test]
fn a_fault_of_a_function_that_declares_errors_keeps_its_trace() {
    everywhere(async |over| {
        let relay = params(["id"], async |cx: Context, id: u64| -> Outcome<u64> {
            let proxy = Proxy::new(&cx.channel());
            Ok(proxy
                .call::<_, u64, CallError<PlayError>>("play", (id,))
                .await?)
        });
        let ends = connect(over, |side| side.function("relay", relay), functions).await;
        let error = ends.client.rpc::<u64, _>("relay", (2,)).await.unwrap_err();
        let Error::Fault(fault) = error else {
            panic!("{error:?}")
        };
        assert_eq!(fault.message, "cannot save");
        assert_eq!(fault.causes, ["cannot write", "the disk is full"]);
        assert_eq!(fault.trace.len(), 2, "{fault:?}");
        assert!(fault.kind.ends_with("faults::Broken"), "{fault:?}");
        // A declared error that the middle one does not declare is a fault there.
        let error = ends.client.rpc::<u64, _>("relay", (9,)).await.unwrap_err();
        assert!(matches!(&error, Error::Fault(_)), "{error:?}");
        assert!(error.to_string().contains("no track 9"), "{error}");
    });
}

#[test]
fn a_declared_error_arrives_as_what_it_is() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let play = async |id: u64| {
            let proxy = Proxy::new(&ends.client);
            let call = proxy.call::<_, u64, CallError<PlayError>>("play", (id,));
            call.await
        };
        assert_eq!(play(1).await.unwrap(), 1);
        assert!(matches!(
            play(0).await,
            Err(CallError::Declared(PlayError::Busy))
        ));
        assert!(matches!(
            play(9).await,
            Err(CallError::Declared(PlayError::NotFound { id: 9 }))
        ));
        assert!(matches!(
            play(2).await,
            Err(CallError::Failed(Error::Fault(_)))
        ));
        // And to a script, with name, text and fields.
        let error = ends.client.rpc::<u64, _>("play", (9,)).await.unwrap_err();
        assert_eq!(error.to_string(), "no track 9 (media.player.PlayError)");
        let Error::Raised(raised) = error else {
            panic!()
        };
        let id = raised
            .value
            .get("not_found")
            .and_then(|fields| fields.get("id"));
        assert_eq!(id.and_then(Value::as_u64), Some(9));
        let error = ends.client.rpc::<u64, _>("play", (0,)).await.unwrap_err();
        let Error::Raised(raised) = error else {
            panic!()
        };
        assert_eq!(raised.value.as_str(), Some("busy"));
    });
}

/// A declared error and a remote fault keep what they are in `rethrow`.
#[test]
fn a_failure_can_be_rethrown() {
    let declared: Throws<PlayError> = CallError::Declared(PlayError::Busy).rethrow();
    assert!(matches!(declared, Throws::Declared(PlayError::Busy)));
    let other: Throws<PlayError> = CallError::Failed(Error::Cancelled).rethrow();
    assert!(matches!(other, Throws::Fault(_)));
}

#[test]
fn bad_arguments_say_which_and_how() {
    everywhere(async |over| {
        let Ends {
            client,
            server: _server,
            host: _host,
        } = connect(over, functions, plain).await;
        let check = |error: Error, parameter: &str, expected: &str, got: &str, all: &[&str]| {
            let text = error.to_string();
            assert!(error.never_ran());
            let Error::BadArguments(bad) = error else {
                panic!("{error:?}")
            };
            assert_eq!(bad.parameter, parameter, "{bad:?}");
            assert!(bad.expected.contains(expected), "{bad:?}");
            assert!(bad.got.contains(got), "{bad:?}");
            for part in all {
                assert!(text.contains(part), "{text}");
            }
        };
        let error = client.rpc::<i64, _>("add", ("one",)).await.unwrap_err();
        check(
            error,
            "a",
            "i64",
            "a string",
            &["`add`", "`a`", "i64", "string"],
        );
        let error = client.rpc::<i64, _>("add", ()).await.unwrap_err();
        check(error, "a", "", "none", &["`add`", "`a`"]);
        let error = client.rpc::<i64, _>("add", (1, 2, 3)).await.unwrap_err();
        check(error, "", "2", "3", &["`add`"]);
        let error = client
            .rpc::<i64, _>("add", kwargs! { a: 1, c: 2 })
            .await
            .unwrap_err();
        check(error, "c", "", "", &["`add`", "c"]);
        let error = client
            .rpc::<i64, _>("add", (1, kwargs! { a: 1 }))
            .await
            .unwrap_err();
        check(error, "a", "", "", &["`add`", "`a`"]);
        let error = client.rpc::<i64, _>("add", (1, "two")).await.unwrap_err();
        check(error, "b", "i64", "a string", &["`b`"]);
        let error = client
            .rpc::<i64, _>("add", kwargs! { a: 1.5 })
            .await
            .unwrap_err();
        check(error, "a", "i64", "", &[]);
        let error = client.rpc::<u8, _>("small", (256,)).await.unwrap_err();
        check(error, "n", "u8", "out of its range", &[]);
        let error = client.rpc::<u8, _>("small", (-1,)).await.unwrap_err();
        check(error, "n", "u8", "out of its range", &[]);
        let names = (["a", "b"], 1).0.map(Value::from).to_vec();
        let names = [names, vec![Value::from(3)]].concat();
        let error = client.rpc::<Value, _>("names", (names,)).await.unwrap_err();
        check(error, "names", "string", "[2]", &[]);
        // A misspelt name: both what was missing and what was meant.
        let error = client
            .rpc::<u8, _>("small", kwargs! { m: 1 })
            .await
            .unwrap_err();
        check(error, "n", "", "", &["`small`"]);
        // And nothing of that hurts.
        assert_eq!(client.rpc::<i64, _>("add", (1, 2)).await.unwrap(), 3);
    });
}

#[test]
fn hostile_35_an_unknown_function_names_the_closest_one() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let unknown = async |channel: &Channel, name: &str| {
            let error = channel.rpc::<Value, _>(name, ()).await.unwrap_err();
            let text = error.to_string();
            assert!(error.never_ran());
            match error {
                Error::UnknownFunction(unknown) => (unknown.closest, text),
                other => panic!("{other:?}"),
            }
        };
        let (closest, text) = unknown(&ends.client, "naems").await;
        assert_eq!(closest, "names");
        assert!(
            text.contains("`naems`") && text.contains("`names`"),
            "{text}"
        );
        let (closest, text) = unknown(&ends.client, "something else entirely").await;
        assert_eq!(closest, "");
        assert!(text.contains("`something else entirely`"), "{text}");
        let (closest, text) = unknown(&ends.server, "names").await;
        assert_eq!(closest, "");
        assert!(text.contains("none at all"), "{text}");
    });
}

#[test]
fn hostile_34_a_result_of_another_type_fails_that_call() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        for _ in 0..10 {
            let error = ends.client.rpc::<u64, _>("text", ()).await.unwrap_err();
            assert!(matches!(error, Error::BadResult(_)), "{error:?}");
            assert!(!error.never_ran());
            let text = error.to_string();
            assert!(text.contains("u64") && text.contains("a string"), "{text}");
            assert_eq!(
                ends.client.rpc::<String, _>("text", ()).await.unwrap(),
                "text"
            );
        }
    });
}

#[test]
fn arguments_that_cannot_be_encoded_are_never_sent() {
    struct Never;
    impl Serialize for Never {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        for error in [
            ends.client.rpc::<Value, _>("names", (Never,)).await,
            ends.client
                .rpc::<Value, _>("names", kwargs! { names: Never })
                .await,
            ends.client.rpc::<Value, _>("", ()).await,
            ends.client.rpc::<Value, _>(&"x".repeat(256), ()).await,
        ]
        .map(Result::unwrap_err)
        {
            assert!(matches!(error, Error::Unencodable(_)), "{error:?}");
            assert!(error.never_ran());
        }
        assert_eq!(ends.client.rpc::<i64, _>("add", (1, 2)).await.unwrap(), 3);
    });
}

#[test]
fn hostile_37_what_the_other_end_says_is_cut_and_cannot_steer_a_terminal() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let say = async |what: &str| {
            let error = ends.client.rpc::<(), _>("say", (what,)).await.unwrap_err();
            (error.to_string(), format!("{error:?}"))
        };
        let hostile = "\x1b[2J\x1b]0;owned\x07\r\u{202e}fake";
        let (shown, debug) = say(hostile).await;
        for text in [&shown, &debug] {
            assert!(
                !text.contains(['\x1b', '\x07', '\r', '\u{202e}']),
                "{text:?}"
            );
        }
        assert!(shown.contains("\\u{1b}[2J"), "{shown}");
        let (shown, _) = say(&"ä".repeat(1 << 20)).await;
        assert!(shown.len() < 10_000, "{}", shown.len());
        // Names are said by the caller itself, but come back in the answer.
        let error = ends.client.rpc::<(), _>(hostile, ()).await.unwrap_err();
        assert!(!error.to_string().contains('\x1b'), "{error}");
        let error = ends
            .client
            .rpc::<(), _>("say", kaa_rpc_runtime::Kwargs::new().with(hostile, 1))
            .await
            .unwrap_err();
        assert!(!error.to_string().contains('\x1b'), "{error}");
    });
}
