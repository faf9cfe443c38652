//! A Rust host, and a plugin in Python.

use kaa_rpc_runtime::{Channel, Secret, params};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::program::{LONG, TestResult, python};

#[tokio::test]
async fn a_plugin_in_another_language_has_a_channel_from_its_birth() -> TestResult {
    let Some(command) = python("plugin.py").await? else {
        return Ok(());
    };
    let (tell, mut told) = mpsc::unbounded_channel();
    let asked = move || {
        let _ = tell.send(());
        async move { Ok("host") }
    };
    let unused = Secret::generate()?;
    let host = Channel::builder(&unused).register_fn("name", params([], asked));
    let channel = timeout(LONG, host.spawn(command)).await??;
    let loud: String = timeout(LONG, channel.rpc("shout", ("hello",))).await??;
    assert_eq!(loud, "HELLO");
    timeout(LONG, told.recv()).await?;
    assert!(timeout(LONG, channel.close()).await?.is_orderly());
    Ok(())
}
