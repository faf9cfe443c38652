//! What an end tells of itself, and that whoever asks survives what a hostile end tells.

mod common;

use std::time::Duration;

use common::{connect, everywhere, multi_threaded, plain, raw};
use kaa_rpc_proto::frame::Frame;
use kaa_rpc_proto::msgpack;
use kaa_rpc_runtime::codegen::{Functions, Schema, Service, check};
use kaa_rpc_runtime::{
    Channel, ChannelBuilder, Context, Error, Items, Limits, Outcome, Server, Value, params,
};

const SCHEMA: &str = "package p;
struct Track { id: u64, next: Track? }
/// Plays.
interface Player {
    /// Starts a track.
    fn play(track: Track, at: duration = 0s) -> u64;
    fn stop();
}";

fn schema() -> Schema {
    Schema::new(SCHEMA, &[])
}

/// Says that it is the interface, and answers nothing.
struct Player;

impl Service for Player {
    fn register(self, functions: &mut Functions) {
        functions.interface("p.Player", schema);
        let object = std::sync::Arc::new(self);
        for name in ["play", "stop"] {
            functions.add(name, &object, |_, _, _| {
                Ok(async { Outcome::<_>::Ok(0_u64) })
            });
        }
    }
}

async fn pair(server: impl FnOnce(ChannelBuilder) -> ChannelBuilder) -> (Channel, Channel) {
    Channel::pair(server, |client| client).await.unwrap()
}

#[test]
fn each_end_answers_a_ping() {
    everywhere(async |over| {
        let ends = connect(over, plain, plain).await;
        for channel in [&ends.client, &ends.server] {
            assert_eq!(
                channel.rpc::<Value, _>("kaa.ping", ()).await.unwrap(),
                Value::Null
            );
            let echo = Value::from(vec![Value::from("x"), Value::from(7)]);
            let answer: Value = channel.rpc("kaa.ping", (&echo,)).await.unwrap();
            assert_eq!(answer, echo);
            let error = channel
                .rpc::<Value, _>("kaa.ping", (1, 2))
                .await
                .unwrap_err();
            assert!(matches!(error, Error::BadArguments(_)), "{error:?}");
            assert_eq!(channel.describe(&[]).await.unwrap().functions, []);
        }
    });
}

#[test]
fn switched_off_nothing_answers_that_begins_with_kaa() {
    multi_threaded().block_on(async {
        let (server, client) = pair(|server| server.register(Player).without_introspection()).await;
        for name in ["kaa.ping", "kaa.describe"] {
            let error = client.rpc::<Value, _>(name, ()).await.unwrap_err();
            let Error::UnknownFunction(unknown) = error else {
                panic!("{error:?}")
            };
            assert_eq!(unknown.closest, "");
        }
        let error = check(&client, "", "p.Player", schema).await.unwrap_err();
        assert!(matches!(error, Error::UnknownFunction(_)), "{error:?}");
        // Each end decides for itself.
        server.rpc::<(), _>("kaa.ping", ()).await.unwrap();
    });
}

#[test]
fn what_is_registered_is_told() {
    multi_threaded().block_on(async {
        let (_server, client) = pair(|server| {
            let closure = async |_: Context, _: i64, _: Option<i64>, _: Items<u8>| Ok(());
            server
                .register(Player)
                .register_at("left.", Player)
                .register_fn("a closure", params(["a", "b?", "data"], closure))
        })
        .await;
        let text = client.describe(&[]).await.unwrap().to_text();
        assert_eq!(
            text,
            "package p;

struct Track { id: u64, next: Track? }

/// Plays.
interface Player {
    /// Starts a track.
    fn play(track: Track, at: duration = 0s) -> u64;
    fn stop();
}

/// Plays.
@prefix(\"left.\")
interface Player {
    /// Starts a track.
    fn play(track: Track, at: duration = 0s) -> u64;
    fn stop();
}

// Closures, whose types nobody knows.
interface Closures {
    @expose(\"a closure\")
    fn a_closure(a: any, b: any = null, data: stream<any>) -> any;
}
"
        );
        // By name, with what belongs to it and nothing else.
        let stop = client
            .describe(&["left.stop", "no such function"])
            .await
            .unwrap();
        assert_eq!(stop.functions.len(), 1);
        assert_eq!(stop.functions[0].wire_name(), "left.stop");
        assert_eq!((stop.interfaces.len(), stop.types.len()), (1, 0));
    });
}

#[test]
fn what_is_registered_later_is_told_then() {
    multi_threaded().block_on(async {
        let (_folder, address) = common::private_address();
        let server = Server::builder(common::secret());
        let server = server.bind(&address).await.unwrap();
        let client = Channel::connect(&address, &common::secret()).await.unwrap();
        let names = async || {
            let functions = client.describe(&[]).await.unwrap().functions;
            functions
                .iter()
                .map(kaa_rpc_describe::Function::wire_name)
                .collect::<Vec<_>>()
        };
        assert!(names().await.is_empty());
        server.register_at("x.", Player).unwrap();
        assert_eq!(names().await, ["x.play", "x.stop"]);
        // The runtime's own stay.
        server.unregister_at("");
        server.unregister("kaa.describe");
        assert!(names().await.is_empty());
    });
}

#[test]
fn a_check_compares_behind_the_prefix() {
    multi_threaded().block_on(async {
        let (_server, client) = pair(|server| server.register_at("left.", Player)).await;
        let found = check(&client, "left.", "p.Player", schema).await.unwrap();
        assert!(found.is_same() && found.is_compatible(), "{found}");
        assert_eq!(
            found.to_string(),
            "`p.Player` behind `left.`: the same at both ends"
        );
        let found = check(&client, "", "p.Player", schema).await.unwrap();
        assert_eq!(
            found.to_string(),
            "`p.Player`: not compatible with what the other end exposes
  breaks: `play`, `stop`: function: the other end does not expose it: calls fail with \"unknown function\""
        );
    });
}

#[test]
fn a_closure_is_compared_by_the_names_of_its_parameters() {
    multi_threaded().block_on(async {
        let (_server, client) = pair(|server| {
            let play = async |_: Value| Ok(());
            server
                .register_fn("play", params(["track"], play))
                .register_fn("stop", params(["when"], async |_: Value| Ok(())))
        })
        .await;
        let found = check(&client, "", "p.Player", schema).await.unwrap();
        let breaking: Vec<String> = found.breaking().map(ToString::to_string).collect();
        assert_eq!(
            breaking,
            ["breaks: `stop`: parameter `when`: the other end requires it, this end does not know it: it refuses all calls"]
        );
        let all = found.to_string();
        assert!(all.contains("compatible unless used: `play`: parameter `at`"), "{all}");
        assert!(all.contains("only the names of its parameters are known"), "{all}");
    });
}

#[test]
fn a_description_larger_than_any_frame_is_told() {
    // Leaks the text, which generated code has as a constant.
    fn large() -> Schema {
        static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let text = TEXT.get_or_init(|| {
            let doc = "x".repeat(500);
            let functions: Vec<String> = (0..500)
                .map(|index| format!("/// {doc}\n fn f{index}(a: u8) -> u8;"))
                .collect();
            let huge = "y".repeat(100_000);
            format!(
                "package p; interface I {{ {} /// {huge}\n fn z(); }}",
                functions.join(" ")
            )
        });
        Schema::new(text, &[])
    }
    struct Large;
    impl Service for Large {
        fn register(self, functions: &mut Functions) {
            functions.interface("p.I", large);
            let object = std::sync::Arc::new(self);
            for index in 0..500 {
                functions.add(&format!("f{index}"), &object, |_, _, _| {
                    Ok(async { Outcome::<_>::Ok(0_u64) })
                });
            }
            functions.add("z", &object, |_, _, _| Ok(async { Outcome::<_>::Ok(()) }));
        }
    }
    multi_threaded().block_on(async {
        let small = Limits {
            max_frame: 65_536,
            max_request_bytes: 65_536,
            max_items: 1024,
            max_nesting: 8,
            max_stream_items: 1,
            max_stream_bytes: 65_536,
            ..Limits::default()
        };
        let (_server, client) = Channel::pair(
            |server| server.register(Large),
            |client| client.limits(small),
        )
        .await
        .unwrap();
        let told = client.describe(&[]).await.unwrap();
        assert_eq!(told.functions.len(), 501);
        let doc = |name: &str| {
            let function = told.functions.iter().find(|it| it.name == name).unwrap();
            function.about.doc.len()
        };
        // What fits into no frame is told without its documentation.
        assert_eq!((doc("f7"), doc("z")), (500, 0));
        let found = check(&client, "", "p.I", large).await.unwrap();
        assert!(found.is_same(), "{found}");
    });
}

// ---- Hostile ends --------------------------------------------------------------------------------

/// Answers each `kaa.describe` with `items`, again and again until it is stopped if they are to be endless.
fn liar(items: Vec<Value>, endless: bool) -> (tempfile::TempDir, String) {
    let (folder, address) = common::private_address();
    let listener = raw::listen(&folder.path().join("s"));
    std::thread::spawn(move || {
        let mut peer = raw::Peer::accept(&listener, Limits::default());
        while let Some(came) = peer.receive() {
            if let Frame::Call { id, .. } = came.frame()
                && give(&mut peer, id, &items, endless)
            {
                peer.result(id, ());
            }
        }
    });
    (folder, address)
}

/// Gives items as there is room for them; whether they were wanted to their end.
fn give(peer: &mut raw::Peer, id: u32, items: &[Value], endless: bool) -> bool {
    let limits = Limits::default();
    let (mut count, mut cost) = (0, 0);
    loop {
        for item in items {
            let value = msgpack::to_vec(item).unwrap();
            let length = value.len() as u64 + 5;
            while count == limits.max_stream_items
                || cost + length > u64::from(limits.max_stream_bytes)
            {
                let Some(came) = peer.receive() else {
                    return false;
                };
                match came.frame() {
                    Frame::Credit { items, bytes, .. } => {
                        count -= items;
                        cost -= bytes;
                    }
                    Frame::Cancel { .. } => return true,
                    _ => {}
                }
            }
            (count, cost) = (count + 1, cost + length);
            peer.send(&Frame::Yield { id, value: &value });
        }
        if !endless {
            return true;
        }
    }
}

fn map(entries: &[(&str, Value)]) -> Value {
    let entries = entries.iter();
    Value::Map(
        entries
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect(),
    )
}

fn item(kind: &str, entries: &[(&str, Value)]) -> Value {
    map(&[(kind, map(entries))])
}

/// Items that belong to an interface of the name that is checked.
fn function(entries: &[(&str, Value)]) -> Value {
    let mut all = vec![("name", "play".into()), ("interface", "p.Player".into())];
    all.extend_from_slice(entries);
    item("function", &all)
}

#[test]
fn no_description_panics_or_hangs_who_asks() {
    let field = |name: &str, ty: String| {
        let field = map(&[("name", name.into()), ("type", ty.into())]);
        item(
            "struct",
            &[("name", "p.Track".into()), ("fields", vec![field].into())],
        )
    };
    let deep = |open: &str, close: &str| open.repeat(20_000) + "u8" + &close.repeat(20_000);
    let chain = |index: u32| {
        let next = map(&[
            ("name", "next".into()),
            ("type", format!("p.S{}?", index + 1).into()),
        ]);
        let name = match index {
            0 => "p.Track".to_owned(),
            index => format!("p.S{index}"),
        };
        item(
            "struct",
            &[("name", name.into()), ("fields", vec![next].into())],
        )
    };
    let parameter = map(&[("name", "track".into()), ("type", "p.Track".into())]);
    let play = function(&[("parameters", vec![parameter].into())]);
    let with = |more: Vec<Value>| [vec![play.clone()], more].concat();
    // Items, and what is said of them: nothing if they are merely compared.
    let cases: Vec<(Vec<Value>, &str)> = vec![
        (vec![Value::Null], "expected"),
        (vec![Value::from(7)], "expected"),
        (vec![item("function", &[])], "`name`"),
        (vec![item("later", &[("name", "x".into())])], ""),
        (vec![function(&[("later", Value::Null)])], ""),
        (
            vec![function(&[("result", "list<u8".into())])],
            "a type that is none",
        ),
        (vec![function(&[("result", "\u{1b}[2J".into())])], "\\u{1b}"),
        (
            vec![function(&[("result", deep("list<", ">").into())])],
            "nests less deep",
        ),
        (
            vec![function(&[("yields", deep("(", ")").into())])],
            "nests less deep",
        ),
        (
            vec![function(&[("prefix", "x.".into())])],
            "does not begin with",
        ),
        (vec![function(&[("throws", "p.Nobody".into())])], ""),
        (with(vec![field("x", "p.Track".into())]), ""),
        (
            with(vec![field("next", "map<string, list<p.Track>>".into())]),
            "",
        ),
        (with((0..20_000).map(chain).collect()), ""),
        (with(vec![item("enum", &[("name", "p.Track".into())])]), ""),
    ];
    multi_threaded().block_on(async {
        for (items, said) in cases {
            let first = format!("{:.200}", format!("{:?}", items[0]));
            let (_folder, address) = liar(items, false);
            let client = Channel::connect(&address, &common::secret()).await.unwrap();
            let asking = check(&client, "", "p.Player", schema);
            let found = tokio::time::timeout(common::PATIENCE, asking)
                .await
                .expect(&first);
            match found {
                Ok(found) => {
                    assert_eq!(said, "", "{first}");
                    assert!(!found.is_compatible(), "{first}: {found}");
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(!said.is_empty() && text.contains(said), "{first}: {text}");
                    assert!(text.len() < 1000, "{text}");
                    // That was one call's trouble.
                    assert!(!client.is_closed(), "{first}");
                }
            }
        }
    });
}

#[test]
fn a_description_without_end_is_left_off() {
    let doc = "x".repeat(1 << 20);
    let endless = vec![function(&[("doc", doc.into())])];
    let (_folder, address) = liar(endless, true);
    multi_threaded().block_on(async {
        let client = Channel::connect(&address, &common::secret()).await.unwrap();
        let describe = tokio::time::timeout(common::PATIENCE, client.describe(&[])).await;
        let error = describe.expect("it goes on for ever").unwrap_err();
        assert!(matches!(error, Error::BadResult(_)), "{error:?}");
        assert!(
            error.to_string().contains("more than 33554432 bytes"),
            "{error}"
        );
    });
}

#[test]
fn an_end_that_never_tells_is_not_waited_for_longer_than_said() {
    let (folder, address) = common::private_address();
    let listener = raw::listen(&folder.path().join("s"));
    std::thread::spawn(move || raw::Peer::accept(&listener, Limits::default()).until_closed());
    common::single_threaded().block_on(async {
        let client = Channel::connect(&address, &common::secret()).await.unwrap();
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let error = check(&client, "", "p.Player", schema).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        assert!(began.elapsed() <= Duration::from_secs(31));
    });
}
