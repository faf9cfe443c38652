//! Arbitrary values go through a call and come back as they were.

use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Integer, Timestamp, Value};
use kaa_tests::typed::{Containers, EchoClient, Level, Mood, Scalars, Shape, Tree};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Serialize;

use crate::objects::{TestResult, echo};

/// What travels. Unlike `==`, it tells that NaN is itself, and that 0.0 is not −0.0.
fn form<T: Serialize>(value: &T) -> Result<Value, TestCaseError> {
    Value::from_serialize(value).map_err(|error| TestCaseError::fail(error.to_string()))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000_u32)
        .prop_filter_map("a time", |(secs, nanos)| Timestamp::new(secs, nanos))
}

fn duration() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(|natural| Value::Integer(Integer::from(natural))),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        any::<String>().prop_map(Value::from),
        bytes().prop_map(Value::from),
        timestamp().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::List),
            btree_map(any::<String>(), inner.clone(), 0..5).prop_map(Value::from),
            btree_map(any::<i64>(), inner, 0..5).prop_map(Value::from),
        ]
    })
}

fn scalars() -> impl Strategy<Value = Scalars> {
    let signed = (any::<i8>(), any::<i16>(), any::<i32>(), any::<i64>());
    let natural = (any::<u8>(), any::<u16>(), any::<u32>(), any::<u64>());
    let floats = (any::<u32>(), any::<u64>());
    let rest = (
        any::<bool>(),
        any::<String>(),
        bytes(),
        timestamp(),
        duration(),
        value(),
    );
    (signed, natural, floats, rest).prop_map(|(signed, natural, floats, rest)| {
        let (a, b, c, d) = signed;
        let (e, f, g, h) = natural;
        let (flag, text, blob, at, length, thing) = rest;
        let (x, y) = (f32::from_bits(floats.0), f64::from_bits(floats.1));
        Scalars {
            flag,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            x,
            y,
            text,
            blob,
            at,
            length,
            thing,
        }
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Point),
        any::<u64>().prop_map(|bits| Shape::Circle {
            radius: f64::from_bits(bits)
        }),
        (any::<u32>(), any::<u32>(), any::<Option<String>>()).prop_map(|(width, height, label)| {
            Shape::Box {
                width,
                height,
                label,
            }
        }),
        any::<Option<u8>>().prop_map(|shade| Shape::Blank { shade }),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![
        Just(Level::Low),
        any::<u8>().prop_map(|value| Level::Exactly { value }),
        Just(Level::High),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    any::<i64>()
        .prop_map(Tree::new)
        .prop_recursive(5, 20, 4, |inner| {
            (any::<i64>(), vec(inner.clone(), 0..4), option::of(inner)).prop_map(
                |(value, children, parent)| Tree {
                    value,
                    children,
                    parent: parent.map(Box::new),
                },
            )
        })
}

fn containers() -> impl Strategy<Value = Containers> {
    let lists = (
        option::of(scalars()),
        vec(any::<String>(), 0..4),
        vec(vec((any::<String>(), any::<i64>()), 0..3), 0..3),
        vec(any::<Option<u8>>(), 0..5),
    );
    let maps = (
        btree_map(any::<String>(), shape(), 0..4),
        btree_map(any::<bool>(), any::<Option<String>>(), 0..3),
        btree_map(any::<i8>(), any::<u64>(), 0..4),
        btree_map(any::<u64>(), vec(bytes(), 0..3), 0..4),
    );
    let cells = vec((any::<bool>(), any::<f32>(), level()), 0..3);
    let nested = btree_map(any::<i32>(), btree_map(any::<String>(), cells, 0..3), 0..3);
    let mood = prop_oneof![Just(Mood::Good), Just(Mood::Bad)];
    let triple = (mood, level(), (any::<u8>(), (bytes(), timestamp())));
    (lists, maps, nested, triple, option::of(tree())).prop_map(
        |(lists, maps, nested, triple, tree)| {
            let (maybe, names, grid, holes) = lists;
            let (by_name, by_flag, by_small, by_large) = maps;
            Containers {
                maybe,
                names,
                grid,
                holes,
                by_name,
                by_flag,
                by_small,
                by_large,
                nested,
                triple,
                tree,
            }
        },
    )
}

/// Calls with each value of a strategy, over one channel.
fn check<S: Strategy>(
    strategy: S,
    call: &impl AsyncFn(&EchoClient, &S::Value) -> Result<S::Value, kaa_rpc_runtime::Error>,
) -> TestResult
where
    S::Value: Serialize + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (_server, echo) = runtime.block_on(echo())?;
    // Failures are kept as tests of their own, not in a file.
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config).run(&strategy, |value| {
        let back = runtime.block_on(call(&echo, &value));
        let back = back.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(form(&back)?, form(&value)?);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn any_scalars_come_back() -> TestResult {
    check(scalars(), &async |echo: &EchoClient, value: &_| {
        echo.scalars(value).await
    })
}

#[test]
fn any_containers_come_back() -> TestResult {
    check(containers(), &async |echo: &EchoClient, value: &_| {
        echo.containers(value).await
    })
}

#[test]
fn any_trees_come_back() -> TestResult {
    check(tree(), &async |echo: &EchoClient, value: &_| {
        echo.tree(value).await
    })
}

#[test]
fn any_shapes_come_back() -> TestResult {
    check(shape(), &async |echo: &EchoClient, value: &_| {
        echo.shape(value).await
    })
}

#[test]
fn any_values_come_back() -> TestResult {
    check(value(), &async |echo: &EchoClient, value: &_| {
        echo.any(value).await
    })
}
