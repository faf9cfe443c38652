//! How functions fail.

use kaa_rpc_runtime::{CallError, Channel, Error, Value, params};
use kaa_tests::typed::Failure;

use crate::objects::{TestResult, echo};

#[tokio::test]
async fn declared_errors_arrive_as_what_they_are() -> TestResult {
    let (_server, echo) = echo().await?;
    let failures = [
        (Failure::Plain, "it is plain"),
        (
            Failure::Counted {
                count: 3,
                of: "things".to_owned(),
            },
            "3 of things",
        ),
        (Failure::Maybe { why: None }, "maybe"),
        (
            Failure::Maybe {
                why: Some("so".to_owned()),
            },
            "maybe",
        ),
    ];
    for (failure, text) in failures {
        let failed = echo.fail(&failure).await;
        let Err(CallError::Declared(declared)) = &failed else {
            panic!("{failed:?}");
        };
        assert_eq!(*declared, failure);
        assert_eq!(declared.to_string(), text);

        // A caller without the schema gets the fields, and the text beside them.
        let failed = echo.channel().rpc::<(), _>("fail", (&failure,)).await;
        let Err(Error::Raised(raised)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(
            (raised.name.as_str(), raised.message.as_str()),
            ("typed.Failure", text)
        );
        assert_eq!(raised.value.to_typed::<Failure>()?, failure);
    }
    Ok(())
}

#[tokio::test]
async fn faults_and_panics_stay_with_their_call() -> TestResult {
    let (_server, echo) = echo().await?;
    let failed = echo.fault("it broke").await;
    let Err(Error::Fault(fault)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(fault.message, "it broke");
    assert!(!fault.is_panic());
    let place = fault.trace.join("\n");
    assert!(
        place.contains("fault at ") && place.contains("objects.rs:"),
        "{place}"
    );

    let failed = echo.fault("it broke down").panic(true).await;
    let Err(Error::Fault(fault)) = failed else {
        panic!("{failed:?}");
    };
    assert!(fault.is_panic());
    assert_eq!(fault.message, "it broke down");
    assert_eq!(
        echo.maybe().value("still there").await?.as_deref(),
        Some("still there")
    );
    Ok(())
}

#[tokio::test]
async fn a_fault_that_is_handed_on_keeps_its_trace() -> TestResult {
    let (_inner_server, inner) = echo().await?;
    let relay = move || {
        let inner = inner.clone();
        async move { Ok(inner.fault("deep down").await?) }
    };
    let (_server, client) = Channel::pair(
        |server| server.register_fn("relay", params([], relay)),
        |client| client,
    )
    .await?;
    let failed = client.rpc::<Value, _>("relay", ()).await;
    let Err(Error::Fault(fault)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(fault.message, "deep down");
    let [innermost, outermost] = &fault.trace[..] else {
        panic!("{:?}", fault.trace);
    };
    assert!(innermost.contains("objects.rs:"), "{innermost}");
    assert!(
        outermost.starts_with("relay at ") && outermost.contains("failures.rs:"),
        "{outermost}"
    );
    Ok(())
}
