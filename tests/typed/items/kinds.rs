//! Items of every kind of type go and come back as they were.

use std::collections::BTreeMap;
use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Error, StreamArgument, Timestamp, Value, item_iter};
use kaa_tests::typed::{Containers, Level, Mood, Shape, Tree};

use super::{plant, take};
use crate::objects::TestResult;

/// Sends items along with a call of each function, and compares what it yields.
macro_rules! come_back {
    ($flow:expr, $($name:ident: $items:expr),* $(,)?) => {
        $({
            let sent = $items;
            let (came, count) = take!($flow.$name(item_iter(sent.clone())));
            assert_eq!(came, sent, stringify!($name));
            assert_eq!(count?, u64::try_from(sent.len())?, stringify!($name));
        })*
    };
}

fn containers() -> Containers {
    Containers {
        maybe: None,
        names: vec!["a".to_owned()],
        grid: vec![vec![("p".to_owned(), -1)], vec![]],
        holes: vec![None, Some(1)],
        by_name: BTreeMap::from([("circle".to_owned(), Shape::Circle { radius: 1.5 })]),
        by_flag: BTreeMap::from([(true, None)]),
        by_small: BTreeMap::from([(-1, u64::MAX)]),
        by_large: BTreeMap::from([(u64::MAX, vec![Bytes::from_static(b"\xc1")])]),
        nested: BTreeMap::new(),
        triple: (
            Mood::Bad,
            Level::Exactly { value: 7 },
            (1, (Bytes::new(), Timestamp::UNIX_EPOCH)),
        ),
        tree: Some(Tree::new(1)),
    }
}

#[tokio::test]
async fn items_of_every_kind_of_type_travel() -> TestResult {
    let (_server, client) = plant().await?;
    let large = Bytes::from(vec![7; 200 << 10]);
    let tree = Tree {
        children: vec![Tree::new(2), Tree::new(3)],
        parent: Some(Box::new(Tree::new(0))),
        ..Tree::new(1)
    };
    come_back!(client.flow,
        bytes: vec![Bytes::new(), Bytes::from_static(b"\0\xff"), large.clone(), large],
        strings: vec![String::new(), "grün \0".to_owned(), "x".repeat(100_000)],
        maybe: vec![None, Some(String::new()), None],
        any: vec![Value::Null, 1.into(), [1.5_f32].into(), Value::Map(vec![(Value::Null, true.into())])],
        structs: vec![containers(), containers()],
        open: vec![Shape::Point, Shape::Box { width: 1, height: 2, label: None }],
        strict: vec![Level::Low, Level::Exactly { value: 255 }, Level::High],
        tuples: vec![(true, f32::MIN, Timestamp::UNIX_EPOCH)],
        lists: vec![vec![], vec![None, Some(Duration::MAX)]],
        maps: vec![BTreeMap::from([(i8::MIN, tree)])],
    );
    // None at all, and more than any window.
    come_back!(client.flow, strings: Vec::<String>::new(), any: vec![Value::Null; 10_000]);
    Ok(())
}

#[tokio::test]
async fn an_unknown_variant_of_an_open_enum_passes_through() -> TestResult {
    let (_server, client) = plant().await?;
    let strange = [
        Value::from("hexagon"),
        Value::Map(vec![(
            "hexagon".into(),
            Value::Map(vec![("side".into(), 1.5.into())]),
        )]),
        Value::Map(vec![("odd".into(), [1].into())]),
    ];
    let call = client.channel.rpc::<u64, _>("open", (StreamArgument(0),));
    let (came, count) = take!(call.stream(item_iter(strange.clone())).items::<Value>());
    assert_eq!((came, count?), (strange.to_vec(), 3));
    // A typed end keeps them apart from what it knows.
    let call = client.channel.rpc::<u64, _>("open", (StreamArgument(0),));
    let (came, _) = take!(call.stream(item_iter(strange)).items::<Shape>());
    assert!(
        matches!(came.as_slice(), [Shape::Unknown(a), ..] if a.name() == "hexagon"),
        "{came:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_item_that_is_wrong_is_told_by_its_place() -> TestResult {
    let (_server, client) = plant().await?;
    let wrong: [(&str, Vec<Value>, &str); 4] = [
        (
            "strict",
            vec!["low".into(), "middle".into()],
            "item 1 of the stream: expected one of",
        ),
        (
            "bytes",
            vec!["text".into()],
            "item 0 of the stream: expected bytes, got a string",
        ),
        (
            "maybe",
            vec![Value::Null, 1.into()],
            "item 1 of the stream: expected string, got an integer",
        ),
        (
            "maps",
            vec![Value::Map(vec![(300.into(), 1.into())])],
            "item 0 of the stream: ",
        ),
    ];
    for (name, items, told) in wrong {
        let good = items.len() - 1;
        let call = client.channel.rpc::<u64, _>(name, (StreamArgument(0),));
        let (came, result) = take!(call.stream(item_iter(items)).items::<Value>());
        // What was right before it was given back.
        assert_eq!(came.len(), good, "{name}");
        let Err(Error::Fault(fault)) = result else {
            panic!("{name}: {result:?}");
        };
        assert!(fault.message.contains(told), "{name}: {fault}");
    }
    // And by the caller, when a function yields something else than it should.
    let call = client.channel.rpc::<String, _>("count", (0,));
    let (came, result) = take!(call.items::<String>());
    assert_eq!(came, Vec::<String>::new());
    let Err(Error::BadResult(bad)) = result else {
        panic!("{result:?}");
    };
    assert!(
        bad.message.contains("expected string, got an integer"),
        "{bad}"
    );
    Ok(())
}
