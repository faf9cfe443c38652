//! Arguments by position and by name, and what is said of wrong ones.

use std::collections::BTreeMap;
use std::time::Duration;

use kaa_rpc_runtime::{BadArguments, Channel, Error, Value, kwargs, params};
use kaa_tests::typed::{EchoClient, Shape};

use crate::objects::{TestResult, echo};

#[tokio::test]
async fn setters_give_the_optional_arguments() -> TestResult {
    let (_server, echo) = echo().await?;
    let defaults = (
        true,
        "grüß \"dich\"\n".to_owned(),
        vec![],
        Shape::Point,
        Duration::from_millis(1500),
        None,
        Value::Null,
    );
    assert_eq!(echo.filled().await?, defaults);
    let names = ["a".to_owned(), "b".to_owned()];
    let circle = Shape::Circle { radius: 1.0 };
    let thing = Value::from([1, 2]);
    let filled = echo
        .filled()
        .thing(&thing)
        .maybe(7)
        .wait_(Duration::ZERO)
        .shape(&circle)
        .names(&names)
        .text("")
        .flag(false)
        .timeout(Duration::from_secs(60))
        .await?;
    let expected = (
        false,
        String::new(),
        names.to_vec(),
        circle,
        Duration::ZERO,
        Some(7),
        thing,
    );
    assert_eq!(filled, expected);
    // Each setter alone: what is not set stays at its default.
    assert_eq!(echo.filled().maybe(1).await?.5, Some(1));
    assert_eq!(echo.filled().text("t").await?.0, defaults.0);
    Ok(())
}

#[tokio::test]
async fn rest_and_further_names_are_gathered() -> TestResult {
    let (_server, echo) = echo().await?;
    assert_eq!(echo.rest("a").await?, "a");
    assert_eq!(
        echo.rest("a").more([1, -2]).more(3..5).await?,
        "a, 1, -2, 3, 4"
    );
    let call = echo.rest("a").separator("/").named([("y", 2), ("x", 1)]);
    assert_eq!(call.more([9]).await?, "a/9/x=1/y=2");
    let channel = echo.channel();
    let by_name: String = channel
        .rpc("rest", ("a", 9, kwargs! { x: 1, separator: "/", y: 2 }))
        .await?;
    assert_eq!(by_name, "a/9/x=1/y=2");
    let by_name: String = channel.rpc("rest", kwargs! { first: "a", z: 1 }).await?;
    assert_eq!(by_name, "a, z=1");

    let args = [Value::Null, "x".into(), [1.5].into()];
    let call = echo.anything().args(args.clone());
    let (rest, named) = call.kwargs(kwargs! { "any name": true, type: 1 }).await?;
    assert_eq!(rest, args);
    let expected = [
        ("any name".to_owned(), true.into()),
        ("type".to_owned(), 1.into()),
    ];
    assert_eq!(named, BTreeMap::from(expected));
    Ok(())
}

/// What is wrong with the arguments of a call by name.
async fn bad(
    echo: &EchoClient,
    name: &str,
    arguments: impl kaa_rpc_runtime::Arguments,
) -> BadArguments {
    match echo.channel().rpc::<Value, _>(name, arguments).await {
        Err(Error::BadArguments(bad)) => *bad,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn wrong_types_are_told_in_the_words_of_the_schema() -> TestResult {
    let (_server, echo) = echo().await?;
    let scalar = |wrong: Value| (1, 1, 1, wrong, 1, 1, 1, 1);
    let cases: [(&str, Value, &str, &str); 4] = [
        ("d", "x".into(), "i64", "a string"),
        ("d", u64::MAX.into(), "i64", "an integer out of its range"),
        ("d", 1.5.into(), "i64", "a float"),
        ("d", Value::Null, "i64", "null"),
    ];
    for (parameter, wrong, expected, got) in cases {
        let bad = bad(&echo, "integers", scalar(wrong.clone())).await;
        assert_eq!(bad.parameter, parameter, "{bad}");
        assert_eq!(bad.expected, expected, "{bad}");
        assert!(bad.got.contains(got), "{wrong}: {bad:?}");
        assert!(bad.to_string().contains("`integers`"), "{bad}");
    }
    let inside = Value::Map(vec![
        ("value".into(), 1.into()),
        (
            "children".into(),
            [Value::Map(vec![("value".into(), "x".into())])].into(),
        ),
    ]);
    let bad = bad(&echo, "tree", (inside,)).await;
    assert_eq!(bad.parameter, "value");
    assert_eq!(bad.expected, "i64");
    assert!(
        bad.got.contains("a string") && bad.got.contains("children[0].value"),
        "{bad:?}"
    );
    Ok(())
}

#[tokio::test]
async fn each_mistake_names_its_parameter() -> TestResult {
    let (_server, echo) = echo().await?;
    let missing = bad(&echo, "times", (kaa_rpc_runtime::Timestamp::UNIX_EPOCH,)).await;
    assert_eq!(
        (missing.parameter.as_str(), missing.got.as_str()),
        ("length", "none")
    );
    let many = bad(&echo, "nothing", (1, 2)).await;
    assert!(many.parameter.is_empty() && many.got == "2", "{many:?}");
    let unknown = bad(&echo, "filled", kwargs! { flagg: true }).await;
    assert_eq!(unknown.parameter, "flagg");
    assert!(unknown.expected.contains("`flag`"), "{unknown:?}");
    let twice = bad(&echo, "rest", ("a", kwargs! { first: "b" })).await;
    assert_eq!(twice.parameter, "first");
    let strict = bad(&echo, "level", ("middle",)).await;
    assert_eq!(strict.parameter, "value");
    assert!(strict.expected.contains("low"), "{strict:?}");
    assert_eq!(strict.got, "another variant");
    let rest = bad(&echo, "rest", ("a", 1, "two")).await;
    assert_eq!(
        (rest.parameter.as_str(), rest.expected.as_str()),
        ("more", "i64")
    );
    let named = bad(&echo, "rest", ("a", kwargs! { x: 256 })).await;
    assert_eq!(named.expected, "u8", "{named:?}");
    let missing = bad(&echo, "tree", (Value::Map(vec![]),)).await;
    assert_eq!(missing.parameter, "value");
    assert!(missing.expected.contains("`value`"), "{missing:?}");
    Ok(())
}

#[tokio::test]
async fn a_result_of_another_type_is_the_callers_to_know() -> TestResult {
    let (_server, client) = Channel::pair(
        |server| server.register_fn("maybe", params([], async || Ok(5))),
        |client| client,
    )
    .await?;
    let wrong = EchoClient::new(&client).maybe().await;
    let Err(Error::BadResult(bad)) = wrong else {
        panic!("{wrong:?}");
    };
    assert!(bad.message.contains("expected string"), "{bad}");
    assert!(bad.message.contains("an integer"), "{bad}");
    Ok(())
}
