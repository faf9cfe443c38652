//! What goes along with typed calls.

use kaa_rpc_runtime::{Answer, CallError, Channel, Error, ServedCall, ServedNext};
use kaa_tests::typed::{EchoClient, EchoService, Failure};

use crate::objects::{Lab, TestResult};

/// Tells who calls, and keeps strangers out.
async fn greet(call: ServedCall, next: ServedNext) -> Answer {
    let who = call
        .context()
        .metadata()
        .ok()
        .and_then(|all| all.get("who"));
    let Some(who) = who.map(str::to_owned) else {
        return Answer::refused("who are you?");
    };
    let told = call
        .context()
        .answer_metadata("greeting", format!("hello {who}"));
    assert_eq!(told, Ok(()));
    next.run(call).await
}

#[tokio::test]
async fn typed_calls_bring_metadata_along_and_errors_bring_them_back() -> TestResult {
    let (_server, client) = Channel::pair(
        |server| {
            server
                .register(EchoService::new(Lab))
                .intercept_served(greet)
        },
        |client| client,
    )
    .await?;
    let echo = EchoClient::new(&client);
    // One with setters of its own, and one without.
    let call = echo.filled().metadata("who", "a").maybe(1).start();
    let (filled, metadata) = call.with_metadata().await;
    assert_eq!(filled?.5, Some(1));
    assert_eq!(metadata.get("greeting"), Some("hello a"));
    let call = echo.fail(&Failure::Plain).metadata("who", "b").start();
    let (failed, metadata) = call.with_metadata().await;
    assert!(matches!(failed, Err(CallError::Declared(Failure::Plain))));
    assert_eq!(metadata.get("greeting"), Some("hello b"));
    // What is refused is no declared error.
    let refused = echo.fail(&Failure::Plain).await;
    assert!(matches!(
        refused,
        Err(CallError::Failed(Error::Refused { message })) if message == "who are you?"
    ));
    Ok(())
}
