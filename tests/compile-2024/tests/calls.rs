//! Calls through generated code, in both directions: what is sent arrives, what is left out is filled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use generated::everything::{
    Colour, Defaults, Empty, Everything, EverythingClient, EverythingService, Nested, Node,
    OneClient, OnePeer, Other, OtherClient, OtherService, Problem, Scalars, Switch, Tree,
};
use generated::types::{self, CommonError, Living, LivingService};
use kaa_rpc_runtime::{
    Bytes, CallError, Channel, Context, Error, Outcome, Timestamp, Value, kwargs,
};

struct Server;

impl Everything for Server {
    async fn nothing(&self, _: &Context) -> Outcome<()> {
        Ok(())
    }

    async fn scalars(
        &self,
        _: &Context,
        flag: bool,
        a: i8,
        x: f64,
        s: String,
        bin: Bytes,
        at: Timestamp,
        length: Duration,
        thing: Value,
    ) -> Outcome<Scalars> {
        Ok(Scalars {
            flag,
            a,
            b: -2,
            c: -3,
            d: -4,
            e: 5,
            f: 6,
            g: 7,
            h: 8,
            x: 0.5,
            y: x,
            s,
            bin,
            at,
            length,
            thing,
        })
    }

    async fn named(
        &self,
        _: &Context,
        title: String,
        blob: Bytes,
        node: Node,
        switch: Switch,
        side: types::Side,
        url: types::Url,
    ) -> Outcome<Nested, Problem> {
        match switch {
            Switch::On => {
                return Err(Problem::OfKeyword {
                    r#type: title,
                    unused: 1,
                }
                .into());
            }
            Switch::Off => {
                let count = u32::try_from(blob.len())?;
                let wait = Duration::from_secs(1);
                return Err(Problem::WithField {
                    what: title,
                    count,
                    r#where: Some(node),
                    wait,
                }
                .into());
            }
            Switch::Dimmed { level } => assert!((level - 0.25).abs() < f64::EPSILON),
        }
        Ok(Nested {
            maybe: vec![None, Some(1)],
            table: BTreeMap::from([(-1, vec![(1, None), (2, Some(title))])]),
            flags: BTreeMap::new(),
            pair: (1.0, 2.0),
            triple: (String::new(), Colour::LightBlue, (3, blob)),
            pairs: vec![("a".to_owned(), 1)],
            url,
            side,
            volume: Some(0.5),
        })
    }

    async fn containers(
        &self,
        _: &Context,
        list: Vec<String>,
        map: BTreeMap<String, Bytes>,
        pair: (u8, String),
        names: types::Names,
    ) -> Outcome<(u64, Option<Node>)> {
        let sum = list.len() + map.len() + usize::from(pair.0) + pair.1.len() + names.len();
        Ok((u64::try_from(sum)?, None))
    }

    async fn maybe_result(&self, _: &Context) -> Outcome<Option<String>> {
        Ok(None)
    }

    async fn optionals(
        &self,
        _: &Context,
        required: String,
        flag: Option<bool>,
        text: Option<String>,
        bin: Option<Bytes>,
        list: Vec<u8>,
        node: Option<Box<Node>>,
        side: types::Side,
        map: BTreeMap<String, u8>,
        thing: Value,
        title: String,
        wait: Duration,
        colour: Colour,
    ) -> Outcome<Empty, CommonError> {
        let what = format!(
            "{required} {flag:?} {text:?} {bin:?} {list:?} {} {side:?} {map:?} {thing:?} {title} {wait:?} {colour:?}",
            node.is_some()
        );
        Err(CommonError::Gone { what }.into())
    }

    async fn copies(
        &self,
        _: &Context,
        a: u8,
        side: types::Side,
        flag: Option<bool>,
    ) -> Outcome<u8> {
        Ok(a + u8::from(side == types::Side::Left) * 10 + u8::from(flag.is_some()) * 100)
    }

    async fn many(
        &self,
        _: &Context,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
    ) -> Outcome<u8> {
        Ok(a + b + c + d + e + f + g + h + i)
    }

    async fn many_borrowed(
        &self,
        _: &Context,
        a: String,
        b: Bytes,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: String,
    ) -> Outcome<u8, Problem> {
        if i.is_empty() {
            return Err(Problem::Plain.into());
        }
        Ok(u8::try_from(a.len() + b.len())? + c + d + e + f + g + h)
    }

    async fn rest_numbers(&self, _: &Context, numbers: Vec<i64>) -> Outcome<i64> {
        Ok(numbers.iter().sum())
    }

    async fn rest_texts(
        &self,
        _: &Context,
        first: String,
        texts: Vec<String>,
        separator: String,
    ) -> Outcome<String> {
        Ok([vec![first], texts].concat().join(&separator))
    }

    async fn rest_bytes(
        &self,
        _: &Context,
        blobs: Vec<Bytes>,
        named: BTreeMap<String, Bytes>,
    ) -> Outcome<()> {
        assert_eq!(blobs, [&b"ab"[..], b""]);
        assert_eq!(
            named,
            BTreeMap::from([("self".to_owned(), Bytes::from_static(b"c"))])
        );
        Ok(())
    }

    async fn rest_nodes(
        &self,
        _: &Context,
        nodes: Vec<Node>,
        named: BTreeMap<String, Node>,
    ) -> Outcome<()> {
        assert_eq!(nodes.len() + named.len(), 2);
        Ok(())
    }

    async fn rest_maybe(
        &self,
        _: &Context,
        maybe: Vec<Option<u8>>,
        named: BTreeMap<String, Option<u8>>,
    ) -> Outcome<()> {
        assert_eq!(maybe, [Some(1), None]);
        assert_eq!(named, BTreeMap::from([("a".to_owned(), None)]));
        Ok(())
    }

    async fn anything(
        &self,
        _: &Context,
        args: Vec<Value>,
        depth: u8,
        kwargs: BTreeMap<String, Value>,
    ) -> Outcome<Value> {
        assert_eq!(depth, 3);
        Ok(Value::from(u64::try_from(args.len() + kwargs.len())?))
    }

    async fn attributed(&self, cx: &Context, id: u64) -> Outcome<u64, Problem> {
        // Calls back whoever called.
        OtherClient::new(&cx.channel()).told("again").await?;
        Ok(id)
    }
}

impl Other for Server {
    async fn changed(&self, _: &Context, _: Option<Node>) -> Outcome<()> {
        Ok(())
    }

    async fn told(&self, _: &Context, _: String) -> Outcome<()> {
        Ok(())
    }
}

impl Living for Server {
    async fn lives(&self, _: &Context) -> Outcome<bool> {
        Ok(true)
    }
}

/// One object serves several interfaces, on both sides.
async fn pair() -> (OnePeer, OneClient) {
    let object = Arc::new(Server);
    let (left, right) = Channel::pair(
        |side| {
            let side = side.register(EverythingService::from_arc(Arc::clone(&object)));
            side.register_at("left.", EverythingService::new(Arc::clone(&object)))
                .register(OtherService::new(Arc::clone(&object)))
        },
        |side| {
            side.register(OtherService::new(Arc::clone(&object)))
                .register(LivingService::from_arc(Arc::clone(&object)))
        },
    )
    .await
    .unwrap();
    (left.into(), right.into())
}

fn node() -> Node {
    let leaf = Node {
        next: None,
        other: None,
        both: None,
        children: Vec::new(),
        tree: Some(Box::new(Tree::Leaf)),
    };
    let branch = Tree::Branch {
        left: leaf.clone(),
        right: leaf.clone(),
        up: Some(Box::new(Tree::Leaf)),
    };
    Node {
        next: Some(Box::new(leaf.clone())),
        other: Some(Box::new(leaf.clone())),
        both: Some((1, Some(Box::new(leaf.clone())))),
        children: vec![leaf],
        tree: Some(Box::new(branch)),
    }
}

#[tokio::test]
async fn scalars_arrive() {
    let (peer, client) = pair().await;
    let at = Timestamp::UNIX_EPOCH;
    let length = Duration::new(1, 5);
    let thing = Value::from([1, 2]);
    let scalars = client
        .everything
        .scalars(true, -8, 2.5, "é", b"\0\xff", at, length, &thing)
        .await
        .unwrap();
    let bin = Bytes::from_static(b"\0\xff");
    let expected = Scalars {
        flag: true,
        a: -8,
        b: -2,
        c: -3,
        d: -4,
        e: 5,
        f: 6,
        g: 7,
        h: 8,
        x: 0.5,
        y: 2.5,
        s: "é".to_owned(),
        bin,
        at,
        length,
        thing,
    };
    assert_eq!(scalars, expected);
    client.everything.nothing().await.unwrap();
    assert_eq!(client.everything.maybe_result().await.unwrap(), None);
    assert!(peer.living.lives().await.unwrap());
}

#[tokio::test]
async fn structures_arrive() {
    let (_peer, OneClient { everything, .. }) = pair().await;
    let url = types::Url::new("http://kaa.example");
    let dimmed = Switch::Dimmed { level: 0.25 };
    let nested = everything
        .named("title", b"blob", &node(), &dimmed, types::Side::Right, &url)
        .await
        .unwrap();
    assert_eq!(
        nested.table[&-1],
        [(1, None), (2, Some("title".to_owned()))]
    );
    assert_eq!(
        (nested.url, nested.side, nested.volume),
        (url, types::Side::Right, Some(0.5))
    );
    assert_eq!(nested.triple.1, Colour::LightBlue);

    let map = BTreeMap::from([("a".to_owned(), Bytes::new())]);
    let sum = everything
        .containers(
            &["x".to_owned()],
            &map,
            &(3, "four".to_owned()),
            &Vec::new(),
        )
        .await
        .unwrap();
    assert_eq!(sum, (9, None));
}

#[tokio::test]
async fn declared_errors_arrive() {
    let (_peer, OneClient { everything, .. }) = pair().await;
    let url = types::Url::new("");
    let error = everything
        .named("t", b"", &node(), &Switch::On, types::Side::Left, &url)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CallError::Declared(Problem::OfKeyword { r#type, unused: 1 }) if r#type == "t")
    );
    assert_eq!(error.to_string(), "bad t");
    let error = everything
        .named("t", b"12", &node(), &Switch::Off, types::Side::Left, &url)
        .await
        .unwrap_err();
    let CallError::Declared(Problem::WithField {
        count: 2,
        r#where: Some(place),
        ..
    }) = error
    else {
        panic!("{error}")
    };
    assert_eq!(place, node());
    let error = everything
        .many_borrowed("", b"", 0, 0, 0, 0, 0, 0, "")
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Declared(Problem::Plain)));
}

#[tokio::test]
async fn what_is_left_out_is_filled_in() {
    let (_peer, OneClient { everything, .. }) = pair().await;
    let told = |error: CallError<CommonError>| match error {
        CallError::Declared(CommonError::Gone { what }) => what,
        other => panic!("{other}"),
    };
    let error = everything.optionals("r").await.unwrap_err();
    assert_eq!(
        told(error),
        "r None None None [] false Right {} Value(null) t 1.5s Red"
            .replace("Value(null)", &format!("{:?}", Value::Null))
    );
    let map = BTreeMap::from([("k".to_owned(), 1)]);
    let (thing, tree) = (Value::from(true), node());
    let call = everything
        .optionals("r")
        .flag(false)
        .text("x")
        .bin(b"b")
        .list(&[1])
        .node(&tree)
        .side(types::Side::Left);
    let call = call
        .map(&map)
        .thing(&thing)
        .title("T")
        .wait_(Duration::ZERO)
        .colour(&Colour::LightBlue);
    let error = call
        .timeout(Duration::from_secs(60))
        .start()
        .await
        .unwrap_err();
    let expected = format!(
        r#"r Some(false) Some("x") Some(b"b") [1] true Left {{"k": 1}} {thing:?} T 0ns LightBlue"#
    );
    assert_eq!(told(error), expected);
    assert_eq!(everything.copies(1).await.unwrap(), 11);
    assert_eq!(
        everything
            .copies(1)
            .side(types::Side::Right)
            .flag(false)
            .await
            .unwrap(),
        101
    );
}

#[tokio::test]
async fn many_arguments_arrive() {
    let (_peer, OneClient { everything, .. }) = pair().await;
    assert_eq!(
        everything.many(1, 2, 3, 4, 5, 6, 7, 8, 9).await.unwrap(),
        45
    );
    assert_eq!(
        everything
            .many_borrowed("ab", b"c", 1, 1, 1, 1, 1, 1, "i")
            .await
            .unwrap(),
        9
    );
    assert_eq!(
        everything
            .rest_numbers()
            .numbers([1, 2])
            .numbers([3])
            .await
            .unwrap(),
        6
    );
    assert_eq!(
        everything.rest_texts("a").texts(["b", "c"]).await.unwrap(),
        "a, b, c"
    );
    assert_eq!(
        everything
            .rest_texts("a")
            .texts(["b"])
            .separator("-")
            .await
            .unwrap(),
        "a-b"
    );
    everything
        .rest_bytes()
        .blobs([&b"ab"[..], b""])
        .named([("self", &b"c"[..])])
        .await
        .unwrap();
    let tree = node();
    everything
        .rest_nodes()
        .nodes([&tree])
        .named([("n", &tree)])
        .await
        .unwrap();
    everything
        .rest_maybe()
        .maybe([Some(1), None])
        .named([("a", None)])
        .await
        .unwrap();
    let count = everything
        .anything()
        .args([Value::Null, Value::from("x")])
        .kwargs(kwargs! { a: 1, b: "c" })
        .await
        .unwrap();
    assert_eq!(count, Value::from(4_u64));
}

#[tokio::test]
async fn handlers_call_back_and_prefixes_tell_apart() {
    let (peer, client) = pair().await;
    assert_eq!(client.everything.attributed(7).await.unwrap(), 7);
    let left = EverythingClient::at(&client.channel, "left.");
    assert_eq!(left.attributed(8).await.unwrap(), 8);
    let right = EverythingClient::at(left.channel(), "right.");
    let error = right.attributed(8).await.unwrap_err();
    assert!(
        matches!(error, CallError::Failed(Error::UnknownFunction(_))),
        "{error:?}"
    );
    let tree = node();
    peer.other.changed().node(&tree).await.unwrap();
    client.other.told("hello").await.unwrap();
}

#[tokio::test]
async fn scripts_see_the_same_functions() {
    let (_peer, OneClient { channel, .. }) = pair().await;
    let sum: u8 = channel
        .rpc("copies", (1, kwargs! { side: "right" }))
        .await
        .unwrap();
    assert_eq!(sum, 1);
    let error = channel
        .rpc::<u8, _>("copies", kwargs! { sid: "right" })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BadArguments(_)), "{error:?}");
    let error = channel
        .rpc::<u8, _>("copies", (1, "middle"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("one of `left`, `right`"),
        "{error}"
    );
}

#[test]
fn defaults_are_those_of_the_schema() {
    let defaults = Defaults::default();
    assert_eq!(
        (defaults.number, defaults.big, defaults.small),
        (70_000, types::MAX, -128)
    );
    assert_eq!(
        (defaults.hello.as_str(), defaults.nothing.as_str()),
        ("hello", "")
    );
    assert_eq!(defaults.greeting, "say \"hi\"\n\u{1F600} {braces}");
    assert_eq!(
        (defaults.side, defaults.usual),
        (types::Side::Left, types::Side::Right)
    );
    assert_eq!(
        (defaults.wait, defaults.none, defaults.thing),
        (Duration::from_secs(300), None, Value::Null)
    );
}
