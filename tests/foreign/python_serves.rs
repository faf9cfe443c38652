//! A Python server, called by Rust.

use std::collections::BTreeMap;
use std::time::Duration;

use kaa_rpc_runtime::{
    Bytes, CallError, Channel, CloseReason, ConnectError, Context, Error, HandshakeError, Outcome,
    Secret, Timestamp, Value, kwargs, params,
};
use kaa_tests::typed::{Defaults, Failure, LabClient, Level, Scalars, Shape, Tree, Type};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::objects::Glass;
use crate::program::{LONG, Place, Program, TestResult};

/// A Python server, and a client of it.
struct Visit {
    lab: LabClient,
    told: UnboundedReceiver<String>,
    python: Program,
    _place: Place,
}

async fn serve(place: &Place) -> Result<Option<Program>, Box<dyn std::error::Error>> {
    let mut python = place.start("server.py", &[]).await?;
    if let Some(python) = &mut python {
        assert_eq!(python.line().await?, "ready");
    }
    Ok(python)
}

impl Visit {
    async fn new() -> Result<Option<Self>, Box<dyn std::error::Error>> {
        let place = Place::new()?;
        let Some(mut python) = serve(&place).await? else {
            return Ok(None);
        };
        let (tell, told) = unbounded_channel();
        let glass = Glass {
            mark: 2,
            asks_back: false,
        };
        let channel = Channel::builder(&place.secret)
            .register(kaa_tests::typed::MirrorService::new(glass))
            .register_fn(
                "told",
                params(["what"], move |what: String| {
                    let tell = tell.clone();
                    async move { Ok(tell.send(what)?) }
                }),
            )
            .register_fn("along", params([], along))
            .connect(&place.address)
            .await?;
        let session = channel
            .peer()
            .map(|peer| peer.session().to_owned())
            .unwrap_or_default();
        let opened = python.line().await?;
        assert!(
            opened.starts_with("opened ") && session.starts_with(&opened[7..]),
            "{opened} {session}"
        );
        Ok(Some(Self {
            lab: channel.into(),
            told,
            python,
            _place: place,
        }))
    }

    async fn told(&mut self) -> Result<String, Box<dyn std::error::Error>> {
        let told = timeout(LONG, self.told.recv()).await?;
        Ok(told.ok_or("the channel is gone")?)
    }

    /// Both ends say that they parted in order.
    async fn end(mut self) -> TestResult {
        let reason = timeout(LONG, self.lab.channel.close()).await?;
        assert!(matches!(*reason, CloseReason::Closed), "{reason}");
        assert_eq!(self.python.line().await?, "ended orderly");
        Ok(())
    }
}

/// What came along, and back with something.
async fn along(cx: Context) -> Outcome<BTreeMap<String, String>> {
    cx.answer_metadata("told", "by Rust")?;
    let metadata = cx.metadata()?.iter();
    Ok(metadata
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect())
}

fn scalars() -> Scalars {
    Scalars {
        flag: true,
        a: i8::MIN,
        b: i16::MIN,
        c: i32::MIN,
        d: i64::MIN,
        e: u8::MAX,
        f: u16::MAX,
        g: u32::MAX,
        h: u64::MAX,
        x: f32::MIN_POSITIVE,
        y: -f64::MAX,
        text: "grün \0 \u{1F3B5}".repeat(500),
        blob: Bytes::from(vec![0xc1; 70_000]),
        at: Timestamp::new(i64::MIN, 999_999_999).expect("a time"),
        length: Duration::MAX,
        thing: Value::Map(vec![
            (Value::Null, Value::List(vec![1.5_f32.into()])),
            (1.into(), 1.into()),
            (true.into(), 2.into()),
            (1.0.into(), 3.into()),
            (Value::List(vec![]), 4.into()),
        ]),
    }
}

#[tokio::test]
async fn metadata_go_along_in_both_directions() -> TestResult {
    let Some(visit) = Visit::new().await? else {
        return Ok(());
    };
    let long = "ä".repeat(300);
    let call = visit
        .lab
        .channel
        .rpc::<BTreeMap<String, String>, _>("along", ());
    let call = call.metadata("key", "value").metadata("long", &*long);
    let (result, metadata) = call.start().with_metadata().await;
    let expected = [
        ("from", "python"),
        ("key", "value"),
        ("long", long.as_str()),
    ];
    assert_eq!(
        result?,
        expected
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    );
    let told: Vec<_> = metadata.iter().collect();
    assert_eq!(told, [("told", "by Rust"), ("empty", "")]);
    visit.end().await
}

#[tokio::test]
async fn typed_values_of_every_kind_come_back_as_they_were() -> TestResult {
    let Some(visit) = Visit::new().await? else {
        return Ok(());
    };
    let echo = &visit.lab.echo;
    echo.nothing().await?;
    assert_eq!(echo.scalars(&scalars()).await?, scalars());
    let tree = Tree {
        value: -1,
        children: vec![Tree::new(1), Tree::new(2)],
        parent: Some(Box::new(Tree::new(0))),
    };
    assert_eq!(echo.tree(&tree).await?, tree);
    assert_eq!(
        echo.defaults(&Defaults::default()).await?,
        Defaults::default()
    );
    for shape in [
        Shape::Point,
        Shape::Circle {
            radius: f64::INFINITY,
        },
        Shape::Blank { shade: None },
    ] {
        assert_eq!(echo.shape(&shape).await?, shape);
    }
    let level = Level::Exactly { value: 200 };
    assert_eq!(echo.level(&level).await?, level);
    let keywords = Type::new("t", true, Shape::Point);
    assert_eq!(echo.keywords(&keywords).await?, keywords);
    for (x, y) in [
        (f32::INFINITY, f64::NEG_INFINITY),
        (f32::MIN, f64::MAX),
        (-0.0, -0.0),
        (f32::from_bits(1), f64::from_bits(1)),
        (f32::from_bits(0xffc1_2345), f64::NAN),
    ] {
        let (back_x, back_y) = echo.floats(x, y).await?;
        assert_eq!(
            (back_x.to_bits(), back_y.to_bits()),
            (x.to_bits(), y.to_bits())
        );
    }
    for secs in [i64::MIN, -1, 0, 1, u32::MAX.into(), 1 << 34, i64::MAX] {
        for nanos in [0, 1, 999_999_999] {
            let at = Timestamp::new(secs, nanos).ok_or("no time")?;
            let length = Duration::new(secs.unsigned_abs(), nanos);
            assert_eq!(echo.times(at, length).await?, (at, length));
        }
    }
    assert_eq!(echo.maybe().await?, None);
    assert_eq!(echo.bytes(&[0, 255]).await?, [0, 255].as_slice());
    visit.end().await
}

#[tokio::test]
async fn arguments_go_by_position_by_name_and_both() -> TestResult {
    let Some(visit) = Visit::new().await? else {
        return Ok(());
    };
    let rest = visit.lab.echo.rest("a");
    let words = rest
        .more([1, -2])
        .separator("-")
        .named([("x", 1), ("y", 2)]);
    assert_eq!(words.await?, "a-1--2-x=1-y=2");
    let channel = &visit.lab.channel;
    for arguments in [
        kwargs! { first: "a", separator: "-", x: 1 },
        kwargs! { x: 1, separator: "-", first: "a" },
    ] {
        let words: String = channel.rpc("rest", arguments).await?;
        assert_eq!(words, "a-x=1");
    }
    let words: String = channel.rpc("rest", ("a", 1, kwargs! { x: 1 })).await?;
    assert_eq!(words, "a, 1, x=1");
    let (flag, text, ..) = visit.lab.echo.filled().flag(false).await?;
    assert_eq!((flag, text.as_str()), (false, "usual"));
    let both: (Vec<Value>, BTreeMap<String, Value>) =
        channel.rpc("anything", (1, kwargs! { args: 2 })).await?;
    assert_eq!(both.0, [Value::from(1)]);
    visit.end().await
}

#[tokio::test]
async fn failures_arrive_as_what_they_are() -> TestResult {
    let Some(visit) = Visit::new().await? else {
        return Ok(());
    };
    let echo = &visit.lab.echo;
    let counted = Failure::Counted {
        count: 3,
        of: "things".to_owned(),
    };
    for failure in [Failure::Plain, counted] {
        let failed = echo.fail(&failure).await;
        assert!(
            matches!(&failed, Err(CallError::Declared(declared)) if *declared == failure),
            "{failed:?}"
        );
    }
    let failed = echo.fault("it broke").await;
    let Err(Error::Fault(fault)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(
        (fault.kind.as_str(), fault.message.as_str()),
        ("ValueError", "it broke")
    );
    assert_eq!(fault.causes, ["'the cause'"]);
    assert!(fault.trace[0].contains("server.py"), "{:?}", fault.trace);
    let failed = echo.fault("down").panic(true).await;
    assert!(
        matches!(&failed, Err(Error::Fault(fault)) if fault.is_panic()),
        "{failed:?}"
    );
    let failed = visit.lab.channel.rpc::<(), _>("tokn", ()).await;
    assert!(
        matches!(&failed, Err(Error::UnknownFunction(unknown)) if unknown.closest == "token"),
        "{failed:?}"
    );
    let failed = visit.lab.channel.rpc::<(), _>("tree", (1, 2)).await;
    assert!(matches!(&failed, Err(Error::BadArguments(_))), "{failed:?}");
    let failed = visit.lab.channel.rpc::<u8, _>("nothing", ()).await;
    assert!(matches!(&failed, Err(Error::BadResult(_))), "{failed:?}");
    visit.end().await
}

#[tokio::test]
async fn the_server_calls_back_while_a_call_runs() -> TestResult {
    let Some(visit) = Visit::new().await? else {
        return Ok(());
    };
    let calls: Vec<_> = (0..300)
        .map(|token| visit.lab.mirror.token(token).start())
        .collect();
    for (token, call) in (0..).zip(calls) {
        let expected = if token % 2 == 0 { token ^ 2 } else { token ^ 1 };
        assert_eq!(timeout(LONG, call).await??, expected);
    }
    visit.end().await
}

#[tokio::test]
async fn a_call_that_is_dropped_or_late_is_stopped_over_there() -> TestResult {
    let Some(mut visit) = Visit::new().await? else {
        return Ok(());
    };
    let call = visit.lab.runs.forever().start();
    assert_eq!(visit.python.line().await?, "started");
    drop(call);
    assert_eq!(visit.python.line().await?, "stopped: cancelled");
    let late = visit.lab.runs.slow().timeout(Duration::from_secs(1)).await;
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
    assert_eq!(visit.python.line().await?, "started");
    // Whichever clock was first.
    let stopped = visit.python.line().await?;
    assert!(
        ["stopped: cancelled", "stopped: timed_out"].contains(&stopped.as_str()),
        "{stopped}"
    );
    visit.end().await
}

#[tokio::test]
async fn more_oneway_calls_than_the_window_has_places_all_arrive() -> TestResult {
    let Some(mut visit) = Visit::new().await? else {
        return Ok(());
    };
    for number in 1..=2000 {
        let note = visit.lab.runs.note("n").args([number.into()]);
        timeout(LONG, note).await??;
    }
    assert_eq!(visit.told().await?, "2001000 in 2000");
    visit.end().await
}

#[tokio::test]
async fn a_server_that_says_goodbye_parts_in_order() -> TestResult {
    let Some(mut visit) = Visit::new().await? else {
        return Ok(());
    };
    visit.lab.channel.rpc::<(), _>("leave", ()).await?;
    let reason = timeout(LONG, visit.lab.channel.closed()).await?;
    assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason}");
    assert_eq!(visit.python.line().await?, "ended orderly");
    Ok(())
}

#[tokio::test]
async fn a_rust_client_with_another_secret_or_key_id_is_refused() -> TestResult {
    let place = Place::new()?;
    let Some(mut python) = serve(&place).await? else {
        return Ok(());
    };
    let other = Secret::generate()?;
    for builder in [
        Channel::builder(&other),
        Channel::builder(&place.secret).key_id("unknown"),
    ] {
        let refused = builder.connect(&place.address).await;
        assert!(
            matches!(
                &refused,
                Err(ConnectError::Handshake(HandshakeError::Refused))
            ),
            "{refused:?}"
        );
        assert_eq!(python.line().await?, "refused: wrong secret");
    }
    Ok(())
}

#[tokio::test]
async fn python_tells_what_it_exposes_and_that_it_lives() -> TestResult {
    let Some(visit) = Visit::new().await? else {
        return Ok(());
    };
    let channel = visit.lab.channel.clone();
    let answer: Value = channel.rpc("kaa.ping", (7,)).await?;
    assert_eq!(answer, Value::from(7));
    let text = channel.describe(&["rest", "nothing"]).await?.to_text();
    assert!(text.contains("fn nothing() -> any;"), "{text}");
    assert!(
        text.contains(
            "fn rest(first: any, *more: any, separator: any = null, **named: any) -> any;"
        ),
        "{text}"
    );
    // What it lacks is told of by the names of functions.
    let found = visit.lab.check().await?;
    assert!(
        found
            .breaking()
            .all(|it| !it.functions.contains(&"nothing".to_owned())),
        "{found}"
    );
    Ok(())
}
