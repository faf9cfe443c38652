//! How many allocations a call takes at both ends together, when nothing is new any more. An allocation is what
//! the global allocator is asked for; where it comes from is told by `dhat` when run with its heap profiler.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use kaa_rpc_runtime::codegen::Proxy;
use kaa_rpc_runtime::{Bytes, Channel, Context, Error, Secret, Server, params};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const CALLS: u64 = 2000;

/// The allocations for each of [`CALLS`] runs of `body`, which has run as often before.
async fn allocations(mut body: impl AsyncFnMut()) -> f64 {
    for _ in 0..CALLS {
        body().await;
    }
    let before = dhat::HeapStats::get().total_blocks;
    for _ in 0..CALLS {
        body().await;
    }
    (dhat::HeapStats::get().total_blocks - before) as f64 / CALLS as f64
}

/// The bytes that are allocated for each of a few runs of `body`, which has run as often before.
async fn allocated(mut body: impl AsyncFnMut()) -> u64 {
    const RUNS: u64 = 20;
    for _ in 0..RUNS {
        body().await;
    }
    let before = dhat::HeapStats::get().total_bytes;
    for _ in 0..RUNS {
        body().await;
    }
    (dhat::HeapStats::get().total_bytes - before) / RUNS
}

/// An echo of large bytes allocates only what one of few does.
async fn echo_of(channel: &Channel, length: usize) {
    let data = Bytes::from(vec![7; length]);
    let echo = allocated(async || {
        let back: Bytes = channel.rpc("echo_bytes", (&data,)).await.unwrap();
        assert_eq!(back.len(), length);
    });
    let echo = echo.await;
    println!("echo of {length} bytes: {echo} bytes");
    assert!(echo < 16_384, "{echo} bytes for an echo of {length}");
}

/// What kept large buffers for the next calls is idle now, and lets go of them.
async fn gives_up_large_buffers() {
    let before = dhat::HeapStats::get().curr_bytes;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(11)).await;
    tokio::time::resume();
    let given_up = before - dhat::HeapStats::get().curr_bytes;
    println!("given up: {given_up}");
    assert!(
        given_up > 8 << 20,
        "{given_up} bytes given up after 11 seconds without calls"
    );
}

/// One test, as all of a process count together.
#[tokio::test(flavor = "current_thread")]
async fn a_call_allocates_no_more_than_it_must() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let address = format!("unix:{}", folder.path().join("s").display());
    let secret = Secret::generate().unwrap();
    let count = async |cx: Context, to: u64| {
        let items = cx.yielder();
        for number in 0..to {
            items.give(&number).await?;
        }
        Ok(())
    };
    let server = Server::builder(secret.clone())
        .register_fn("echo", params(["text"], async |text: String| Ok(text)))
        .register_fn("echo_bytes", params(["data"], async |data: Bytes| Ok(data)))
        .register_fn("none", params([], async || Ok(())))
        .register_fn("count", params(["to"], count))
        .register_fn(
            "later",
            params([], async || {
                tokio::task::yield_now().await;
                Ok(())
            }),
        )
        .bind(&address)
        .await
        .unwrap();
    let channel = Channel::builder(&secret)
        .timeout(Duration::from_secs(5))
        .connect(&address)
        .await
        .unwrap();

    // As generated code calls. The text at the callee, the text at the caller, and the handler's future.
    let typed = Proxy::new(&channel);
    let text = "x".repeat(32);
    let echo = allocations(async || {
        let call = typed.call::<_, String, Error>("echo", (text.as_str(),));
        assert_eq!(call.await.unwrap().len(), 32);
    });
    let echo = echo.await;
    println!("echo of 32 bytes: {echo}");
    assert!(echo <= 3.01, "{echo} allocations for an echo of 32 bytes");

    // No more for a long one, though what is idle in between owns no buffer for it.
    let long = "x".repeat(8000);
    let echo = allocations(async || {
        let call = typed.call::<_, String, Error>("echo", (long.as_str(),));
        assert_eq!(call.await.unwrap().len(), long.len());
    });
    let echo = echo.await;
    println!("echo of 8,000 bytes: {echo}");
    assert!(
        echo <= 3.01,
        "{echo} allocations for an echo of 8,000 bytes"
    );

    // By name: the name as well, for what the call may have to say of it.
    let by_name = allocations(async || {
        let back: String = channel.rpc("echo", (text.as_str(),)).await.unwrap();
        assert_eq!(back.len(), 32);
    });
    let by_name = by_name.await;
    println!("the same by name: {by_name}");
    assert!(by_name <= 4.01, "{by_name} allocations for an echo by name");

    // Nothing is copied, and each buffer is used again when the bytes in it are gone.
    for length in [100_000, 1 << 20, (8 << 20) + 1] {
        echo_of(&channel, length).await;
    }
    gives_up_large_buffers().await;
    // Nor if somebody stands around the call.
    let (_left, right) = Channel::pair(
        |side| {
            side.register_fn("echo_bytes", params(["data"], async |data: Bytes| Ok(data)))
                .intercept_served(async |call, next| next.run(call).await)
        },
        |side| side.intercept_calls(async |call, next| next.run(call).await),
    )
    .await
    .unwrap();
    echo_of(&right, 1 << 20).await;

    // The handler's future.
    let none = async || typed.call::<_, (), Error>("none", ()).await.unwrap();
    let none = allocations(none).await;
    println!("no arguments and no result: {none}");
    assert!(
        none <= 1.01,
        "{none} allocations for a call without anything"
    );

    // The handler's future, and its task.
    let later = async || typed.call::<_, (), Error>("later", ()).await.unwrap();
    let later = allocations(later).await;
    println!("a handler that waits: {later}");
    assert!(
        later <= 2.01,
        "{later} allocations for a handler that waits"
    );

    // A few for a call that yields, and none for each item.
    let items = allocations(async || {
        let mut numbers = channel.rpc::<(), _>("count", (200,)).items::<u64>().start();
        while numbers.next().await.unwrap().is_some() {}
        numbers.finish().await.unwrap();
    });
    let items = items.await;
    println!("a call that gives two hundred items: {items}");
    assert!(items <= 20.0, "{items} allocations for two hundred items");
    server.close().await;
}
