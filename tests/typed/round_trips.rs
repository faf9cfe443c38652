//! Values of every type go through a call and come back as they were.

use std::collections::BTreeMap;
use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Timestamp, Value};
use kaa_tests::typed::{self, Containers, Defaults, Level, Mood, Scalars, Shape, Tree, Type};

use crate::objects::{TestResult, echo};

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
        text: "grün \0 \u{1F3B5}".to_owned(),
        blob: Bytes::from_static(b"\0\xff\xc1"),
        at: Timestamp::new(i64::MIN, 999_999_999).expect("a time"),
        length: Duration::MAX,
        thing: Value::Map(vec![(Value::Null, Value::List(vec![1.5f32.into()]))]),
    }
}

#[tokio::test]
async fn the_extremes_of_numbers_travel() -> TestResult {
    let (_server, echo) = echo().await?;
    assert_eq!(
        echo.integers(
            i8::MIN,
            i16::MIN,
            i32::MIN,
            i64::MIN,
            u8::MIN,
            u16::MIN,
            u32::MIN,
            u64::MIN
        )
        .await?,
        (i8::MIN, i16::MIN, i32::MIN, i64::MIN, 0, 0, 0, 0)
    );
    assert_eq!(
        echo.integers(
            i8::MAX,
            i16::MAX,
            i32::MAX,
            i64::MAX,
            u8::MAX,
            u16::MAX,
            u32::MAX,
            u64::MAX
        )
        .await?,
        (
            i8::MAX,
            i16::MAX,
            i32::MAX,
            i64::MAX,
            u8::MAX,
            u16::MAX,
            u32::MAX,
            u64::MAX
        )
    );
    let floats = [
        (f32::INFINITY, f64::NEG_INFINITY),
        (f32::MIN, f64::MAX),
        (-0.0, -0.0),
        (f32::from_bits(1), f64::from_bits(1)),
        (f32::NAN, f64::NAN),
        // NaNs with a sign and a payload stay what they are.
        (
            f32::from_bits(0xffc1_2345),
            f64::from_bits(0xfff8_0000_1234_5678),
        ),
    ];
    for (x, y) in floats {
        let (back_x, back_y) = echo.floats(x, y).await?;
        assert_eq!(
            (back_x.to_bits(), back_y.to_bits()),
            (x.to_bits(), y.to_bits())
        );
    }
    Ok(())
}

#[tokio::test]
async fn times_travel_to_the_nanosecond() -> TestResult {
    let (_server, echo) = echo().await?;
    for secs in [i64::MIN, -1, 0, 1, u32::MAX.into(), 1 << 34, i64::MAX] {
        for nanos in [0, 1, 999_999_999] {
            let at = Timestamp::new(secs, nanos).ok_or("no time")?;
            let length = Duration::new(secs.unsigned_abs(), nanos);
            assert_eq!(echo.times(at, length).await?, (at, length));
        }
    }
    assert_eq!(typed::SOON, Duration::from_millis(1500));
    Ok(())
}

#[tokio::test]
async fn structs_travel_with_all_that_is_in_them() -> TestResult {
    let (_server, echo) = echo().await?;
    assert_eq!(echo.scalars(&scalars()).await?, scalars());

    let tree = Tree {
        value: -1,
        children: vec![Tree::new(1), Tree::new(2)],
        parent: Some(Box::new(Tree::new(0))),
    };
    assert_eq!(echo.tree(&tree).await?, tree);
    let large = Containers {
        maybe: Some(scalars()),
        names: vec![String::new(), "b".to_owned()],
        grid: vec![
            vec![],
            vec![("x".to_owned(), i64::MIN), ("y".to_owned(), i64::MAX)],
        ],
        holes: vec![None, Some(0), None],
        by_name: BTreeMap::from([
            ("".to_owned(), Shape::Point),
            ("c".to_owned(), Shape::Circle { radius: 0.5 }),
        ]),
        by_flag: BTreeMap::from([(false, None), (true, Some("x".to_owned()))]),
        by_small: BTreeMap::from([(i8::MIN, u64::MAX), (i8::MAX, 0)]),
        by_large: BTreeMap::from([(u64::MAX, vec![Bytes::new(), Bytes::from_static(b"b")])]),
        nested: BTreeMap::from([(
            -1,
            BTreeMap::from([(
                "n".to_owned(),
                vec![(true, 0.5, Level::Exactly { value: 9 })],
            )]),
        )]),
        triple: (
            Mood::Good,
            Level::High,
            (7, (Bytes::from_static(b"t"), Timestamp::UNIX_EPOCH)),
        ),
        tree: Some(tree),
    };
    assert_eq!(echo.containers(&large).await?, large);
    let empty = Containers {
        maybe: None,
        names: vec![],
        grid: vec![],
        holes: vec![],
        by_name: BTreeMap::new(),
        by_flag: BTreeMap::new(),
        by_small: BTreeMap::new(),
        by_large: BTreeMap::new(),
        nested: BTreeMap::new(),
        triple: (
            Mood::Bad,
            Level::Low,
            (0, (Bytes::new(), Timestamp::UNIX_EPOCH)),
        ),
        tree: None,
    };
    assert_eq!(echo.containers(&empty).await?, empty);
    Ok(())
}

#[tokio::test]
async fn enums_travel_with_and_without_fields() -> TestResult {
    let (_server, echo) = echo().await?;
    let shapes = [
        Shape::Point,
        Shape::Circle { radius: -0.5 },
        Shape::Box {
            width: 3,
            height: 4,
            label: None,
        },
        Shape::Box {
            width: 3,
            height: 1,
            label: Some("b".to_owned()),
        },
        Shape::Blank { shade: None },
        Shape::Blank { shade: Some(1) },
    ];
    for shape in &shapes {
        assert_eq!(echo.shape(shape).await?, *shape);
    }
    for level in [Level::Low, Level::Exactly { value: 255 }, Level::High] {
        assert_eq!(echo.level(&level).await?, level);
    }
    Ok(())
}

#[tokio::test]
async fn absent_fields_get_the_defaults_of_the_schema() -> TestResult {
    let (_server, echo) = echo().await?;
    let defaults = Defaults::default();
    assert_eq!(echo.defaults(&defaults).await?, defaults);
    // What is not sent at all is filled in by the other end.
    let empty = Value::Map(vec![]);
    let filled: Defaults = echo.channel().rpc("defaults", (&empty,)).await?;
    assert_eq!(filled, defaults);
    assert_eq!(
        filled,
        Defaults {
            flag: true,
            number: -7,
            least: i64::MIN,
            most: u64::MAX,
            ratio: 0.1,
            half: 0.5,
            text: "grüß \"dich\"\n".to_owned(),
            list: vec![],
            map: BTreeMap::new(),
            shape: Shape::Point,
            level: Level::High,
            mood: Mood::Bad,
            wait: Duration::from_millis(1500),
            none: None,
            thing: Value::Null,
        }
    );
    assert_eq!((typed::LEAST, typed::MOST), (i64::MIN, u64::MAX));
    Ok(())
}

#[tokio::test]
async fn nil_means_absent() -> TestResult {
    let (_server, echo) = echo().await?;
    let nil = [
        "flag", "number", "text", "list", "map", "shape", "level", "wait", "none", "thing",
    ];
    let nil = Value::Map(nil.map(|name| (name.into(), Value::Null)).into());
    let filled: Defaults = echo.channel().rpc("defaults", (&nil,)).await?;
    assert_eq!(filled, Defaults::default());

    assert_eq!(echo.maybe().await?, None);
    assert_eq!(echo.maybe().value("x").await?.as_deref(), Some("x"));
    let none: Option<String> = echo.channel().rpc("maybe", (Value::Null,)).await?;
    assert_eq!(none, None);
    // A required `any` takes nil; nothing else does.
    assert_eq!(echo.any(&Value::Null).await?, Value::Null);
    assert!(
        echo.channel()
            .rpc::<Value, _>("bytes", (Value::Null,))
            .await
            .is_err()
    );
    // An optional field that is not set is not sent.
    let sent: Value = echo.channel().rpc("tree", (Tree::new(1),)).await?;
    assert_eq!(sent.get("parent"), None);
    Ok(())
}

#[tokio::test]
async fn names_that_rust_keeps_for_itself_are_unchanged_on_the_wire() -> TestResult {
    let (_server, echo) = echo().await?;
    let value = Type {
        r#fn: Some(3),
        ..Type::new("t", true, Shape::Point)
    };
    assert_eq!(echo.keywords(&value).await?, value);
    let sent: Value = echo.channel().rpc("keywords", (&value,)).await?;
    let names: Option<Vec<_>> = sent.as_map().map(|entries| {
        entries
            .iter()
            .filter_map(|(name, _)| name.as_str())
            .collect()
    });
    assert_eq!(names, Some(vec!["type", "fn", "self", "match", "async"]));
    assert_eq!(echo.r#move("l").self_(3).await?, "l Some(3) Point");
    Ok(())
}
