//! What the children do.

use std::process::Stdio;
use std::time::Duration;

use kaa_rpc_runtime::{Channel, Context, Inherited, params};
use tokio::runtime::Runtime;

/// Set in the environment of children.
pub(crate) const ROLE: &str = "KAA_TEST_CHILD_ROLE";

/// Not a test: the `main` of children.
#[test]
fn main() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    if role == "leaky" {
        // What `take` should come before. It has this process's standard input.
        let mut sleep = std::process::Command::new("sleep");
        drop(sleep.arg("20").stdin(Stdio::inherit()).spawn().unwrap());
    }
    let host = Inherited::take().unwrap();
    let again = Inherited::take().unwrap_err().to_string();
    assert!(again.contains("is no socket pair"), "{again}");
    Runtime::new().unwrap().block_on(async {
        let channel = Channel::builder(host.secret())
            .register_fn("pid", params([], async || Ok(std::process::id())))
            .register_fn("ask", params([], ask))
            .register_fn("exit", params(["status"], exit))
            .register_fn(
                "abort",
                params([], async || -> kaa_rpc_runtime::Outcome<()> {
                    std::process::abort()
                }),
            )
            .register_fn("hang", params([], hang))
            .register_fn("leave", params([], leave))
            .register_fn("descriptors", params([], descriptors))
            .connect_inherited(host)
            .await
            .unwrap();
        let reason = channel.closed().await;
        match role.as_str() {
            "lingering" => std::future::pending().await,
            "failing" => std::process::exit(3),
            _ => println!("\nthe host is gone: {reason}"),
        }
    });
}

async fn ask(cx: Context) -> kaa_rpc_runtime::Outcome<String> {
    let name: String = cx.channel().rpc("name", ()).await?;
    Ok(format!("asked {name}"))
}

async fn exit(status: i32) -> kaa_rpc_runtime::Outcome<()> {
    std::process::exit(status)
}

async fn leave(cx: Context) -> kaa_rpc_runtime::Outcome<()> {
    let channel = cx.channel();
    tokio::spawn(async move { channel.close().await });
    Ok(())
}

/// Not even the threads of the runtime go on.
async fn hang() -> kaa_rpc_runtime::Outcome<()> {
    for _ in 0..64 {
        tokio::spawn(async { std::thread::sleep(Duration::from_secs(600)) });
    }
    std::thread::sleep(Duration::from_secs(600));
    Ok(())
}

/// What a program that this one starts has open.
async fn descriptors() -> kaa_rpc_runtime::Outcome<String> {
    let shown = std::process::Command::new("ls")
        .args(["-l", "/proc/self/fd"])
        .stdin(Stdio::inherit())
        .output()?;
    Ok(String::from_utf8(shown.stdout)?)
}
