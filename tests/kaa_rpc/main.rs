//! What Python's `kaa.rpc` could do, in the order of its documentation. `docs/from-kaa-rpc.md` is the
//! table of it, and names these tests and others.

mod table;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaa_rpc_runtime::{
    Bytes, CallError, Channel, CloseReason, Context, Error, InProgress, Items, Outcome, Retry,
    Secret, Server, Value, Yielder, kwargs, params,
};
use kaa_tests::player::{
    MediaCenter, PlayError, Player, PlayerService, ScanError, Screen, ScreenClient, ScreenService,
    Side, State,
};
use kaa_tests::types::{Source, Tags, Track};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

type Result<T = (), E = Box<dyn StdError>> = std::result::Result<T, E>;

/// A socket of its own for each test, in a folder that nobody else can enter.
fn address() -> Result<(TempDir, String)> {
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o700))
        .tempdir()?;
    let address = format!("unix:{}/s", folder.path().display());
    Ok((folder, address))
}

fn secret() -> Result<Secret> {
    Ok(Secret::from_bytes(b"sixteen bytes or more")?)
}

/// Its `MyClass`. What is of no interest here fails.
#[derive(Default)]
struct MyClass {
    clients: Mutex<Vec<Channel>>,
}

impl Player for MyClass {
    async fn add(&self, _: &Context, _: String, _: Source, _: Tags) -> Outcome<u64> {
        Err("nothing can be added".into())
    }

    async fn tracks(&self, _: &Context) -> Outcome<Vec<Track>> {
        Ok(Vec::new())
    }

    async fn play(&self, _: &Context, id: u64, at: Duration) -> Outcome<State, PlayError> {
        // Waits as a coroutine would, and others go on meanwhile.
        tokio::time::sleep(at).await;
        match id {
            1 => Ok(State::Playing),
            _ => Err(PlayError::NotFound { id }.into()),
        }
    }

    async fn scan(
        &self,
        _: &Context,
        folder: String,
        _: &Yielder<Track>,
    ) -> Outcome<u64, ScanError> {
        Err(ScanError::NoFolder { folder }.into())
    }

    async fn upload(&self, _: &Context, _: String, _: Items<Bytes>) -> Outcome<u64> {
        Err("nothing can be added".into())
    }

    async fn volume(&self, _: &Context, level: u8, _: Option<Side>) -> Outcome<u8> {
        Ok(level)
    }

    /// Its `add_client=True`: the caller is kept, to be called later.
    async fn remove(&self, cx: &Context, _: u64) -> Outcome<bool, PlayError> {
        let mut clients = self.clients.lock().map_err(|error| error.to_string())?;
        clients.push(cx.channel());
        Ok(true)
    }

    async fn my_function(&self, _: &Context, number: i64) -> Outcome<i64> {
        Ok(number * 7)
    }

    async fn log(
        &self,
        _: &Context,
        _: String,
        _: Vec<Value>,
        _: BTreeMap<String, Value>,
    ) -> Outcome<()> {
        Ok(())
    }

    async fn start(&self, _: &Context, _: u64) -> Outcome<(), PlayError> {
        Err(PlayError::Busy.into())
    }
}

struct Display;

impl Screen for Display {
    async fn changed(&self, _: &Context, _: Option<Track>) -> Outcome<()> {
        Ok(())
    }

    async fn confirm(&self, _: &Context, question: String) -> Outcome<bool> {
        Ok(question.ends_with('?'))
    }
}

/// `x = client.rpc('do_something', 6)`, `x = client.rpc('do_something', foo=4)`
#[tokio::test]
async fn the_example_of_its_documentation() -> Result {
    let (_folder, address) = address()?;
    let _server = MediaCenter::server(secret()?, MyClass::default())
        .bind(&address)
        .await?;
    let client = MediaCenter::connect(&address, &secret()?, Display).await?;

    let x: InProgress<i64> = client.channel.rpc("do_something", (6,)).start();
    assert_eq!(x.await?, 42);
    let x: i64 = client
        .channel
        .rpc("do_something", kwargs! { foo: 4 })
        .await?;
    assert_eq!(x, 28);
    assert_eq!(client.player.my_function(6).await?, 42);
    Ok(())
}

/// `expose("do_something")` and `expose()`: the name in the code does not travel if there is another.
#[tokio::test]
async fn functions_are_exposed_under_their_own_name_or_another() -> Result {
    let (_server, client) = Channel::pair(
        |side| side.register(PlayerService::new(MyClass::default())),
        |side| side,
    )
    .await?;
    let level: u8 = client.rpc("volume", (7,)).await?;
    assert_eq!(level, 7);
    let error = client.rpc::<i64, _>("my_function", (6,)).await;
    assert!(matches!(error, Err(Error::UnknownFunction(_))), "{error:?}");
    Ok(())
}

/// `server.register(obj)`, as often as one likes, with objects, functions and modules.
#[tokio::test]
async fn many_objects_are_registered() -> Result {
    let (_folder, address) = address()?;
    let shared = Arc::new(MyClass::default());
    let server = Server::builder(secret()?)
        .register(PlayerService::from_arc(Arc::clone(&shared)))
        .register(ScreenService::new(Display))
        // Two objects of one interface.
        .register_at("second.", PlayerService::from_arc(shared))
        .register_fn(
            "add_up",
            params(["a", "b"], async |a: i64, b: i64| Ok(a + b)),
        )
        .bind(&address)
        .await?;
    let client = Channel::connect(&address, &secret()?).await?;
    let answers: (i64, i64, bool, i64) = (
        client.rpc("do_something", (6,)).await?,
        client.rpc("second.do_something", (6,)).await?,
        client.rpc("track.confirm", ("well?",)).await?,
        client.rpc("add_up", (40, 2)).await?,
    );
    assert_eq!(answers, (42, 42, true, 42));

    // `server.disconnect(obj)`
    assert!(server.unregister_at("second.") > 0);
    let error = client.rpc::<i64, _>("second.do_something", (6,)).await;
    assert!(matches!(error, Err(Error::UnknownFunction(_))), "{error:?}");
    Ok(())
}

/// "When a new client connects to the server, the 'client-connected' signals will be emitted with a
/// Channel object", by which the server calls its client.
#[tokio::test]
async fn the_server_gets_a_channel_to_each_client_and_calls_it() -> Result {
    let (_folder, address) = address()?;
    let server = MediaCenter::server(secret()?, MyClass::default())
        .bind(&address)
        .await?;
    let mut connected = server.client_connected();
    let _client = MediaCenter::connect(&address, &secret()?, Display).await?;
    let client = connected.next().await.ok_or("the server is gone")?;
    assert!(client.screen.confirm("you?").await?);
    let anything: Value = client.channel.rpc("track.confirm", ("you",)).await?;
    assert_eq!(anything, Value::Bool(false));
    Ok(())
}

/// `expose(add_client=True)`
#[tokio::test]
async fn a_handler_knows_its_caller_and_may_keep_it() -> Result {
    let (_folder, address) = address()?;
    let object = Arc::new(MyClass::default());
    let _server = MediaCenter::server(secret()?, Arc::clone(&object))
        .bind(&address)
        .await?;
    let client = MediaCenter::connect(&address, &secret()?, Display).await?;
    client.player.remove(1).await?;
    let caller = object
        .clients
        .lock()
        .map_err(|error| error.to_string())?
        .pop();
    let caller = ScreenClient::new(&caller.ok_or("nobody called")?);
    assert!(caller.confirm("later?").await?);
    Ok(())
}

/// `expose(coroutine=True)`: every handler is one, and a slow one keeps nobody waiting.
#[tokio::test(start_paused = true)]
async fn handlers_are_coroutines() -> Result {
    let (_server, client) = Channel::pair(
        |side| side.register(PlayerService::new(MyClass::default())),
        |side| side,
    )
    .await?;
    let slow = client
        .rpc::<State, _>("play", (1, kwargs! { at: Duration::from_secs(60) }))
        .start();
    let quick: i64 = client.rpc("do_something", (6,)).await?;
    assert_eq!(quick, 42);
    assert_eq!(slow.await?, State::Playing);
    Ok(())
}

/// "The result is an InProgress object." Nobody has to look at it.
#[tokio::test]
async fn a_result_may_be_left_alone() -> Result {
    let (ran, mut runs) = mpsc::unbounded_channel();
    let note = params(["what"], move |what: String| {
        let ran = ran.clone();
        async move {
            tokio::task::yield_now().await;
            ran.send(what)?;
            Ok(())
        }
    });
    let (_server, client) =
        Channel::pair(|side| side.register_fn("note", note), |side| side).await?;
    client.rpc::<(), _>("note", ("first",)).start().detach();
    client.rpc::<(), _>("note", ("second",)).oneway().await?;
    assert_eq!(runs.recv().await.as_deref(), Some("first"));
    assert_eq!(runs.recv().await.as_deref(), Some("second"));
    Ok(())
}

/// `except IOError:` around a remote call: what the schema declares comes as its own type, and the rest
/// as text with the remote trace.
#[tokio::test]
async fn exceptions_are_raised_at_the_caller() -> Result {
    let (_folder, address) = address()?;
    let _server = MediaCenter::server(secret()?, MyClass::default())
        .bind(&address)
        .await?;
    let client = MediaCenter::connect(&address, &secret()?, Display).await?;
    let error = client.player.play(9).await;
    assert!(
        matches!(
            error,
            Err(CallError::Declared(PlayError::NotFound { id: 9 }))
        ),
        "{error:?}"
    );
    let error = client.player.add("A", &Source::Silence).await;
    let Err(Error::Fault(fault)) = error else {
        return Err(format!("{error:?}").into());
    };
    assert_eq!(fault.message, "nothing can be added");
    assert!(
        fault.trace[0].starts_with("add at tests/kaa_rpc/main.rs:"),
        "{:?}",
        fault.trace
    );
    Ok(())
}

/// The signals `open` and `closed`, and the property `connected`.
#[tokio::test]
async fn open_and_closed_are_told_at_both_ends() -> Result {
    let (_folder, address) = address()?;
    let server = Server::builder(secret()?).bind(&address).await?;
    let mut connected = server.client_connected();
    let client = Channel::builder(&secret()?).connect_lazy(&address)?;
    client.opened().await?;
    assert!(!client.is_closed());
    let channel = connected.next().await.ok_or("the server is gone")?;

    client.close().await;
    let reason = channel.closed().await;
    assert!(matches!(*reason, CloseReason::ClosedByPeer), "{reason}");
    assert!(client.is_closed());
    assert!(server.channels().is_empty());
    Ok(())
}

/// `IOError('kaa.rpc channel closed')` for calls in progress, and `NotConnectedError` for later ones.
#[tokio::test]
async fn calls_of_a_lost_channel_fail() -> Result {
    let forever = || async {
        std::future::pending::<()>().await;
        Ok(())
    };
    let (server, client) = Channel::pair(
        |side| {
            side.register_fn("forever", params([], forever))
                .close_timeout(Duration::from_millis(10))
        },
        |side| side,
    )
    .await?;
    let call = client.rpc::<(), _>("forever", ()).start();
    server.close().await;
    call.await.unwrap_err();
    client.closed().await;
    let error = client.rpc::<(), _>("forever", ()).await;
    assert!(matches!(error, Err(Error::NotConnected(_))), "{error:?}");
    Ok(())
}

/// "As long as the socket is connected, the channel will survive."
#[tokio::test]
async fn a_channel_of_a_server_lives_without_anybody_holding_it() -> Result {
    let (_folder, address) = address()?;
    let server = MediaCenter::server(secret()?, MyClass::default())
        .on_connect(drop)
        .bind(&address)
        .await?;
    let client = MediaCenter::connect(&address, &secret()?, Display).await?;
    drop(server.channels());
    assert_eq!(client.player.my_function(6).await?, 42);
    Ok(())
}

/// `Client(retry=…)` comes later. Until then, connecting again is up to the caller.
#[tokio::test]
async fn a_lost_channel_stays_lost_and_a_new_one_can_be_opened() -> Result {
    let (_folder, address) = address()?;
    let builder = || -> Result<_> {
        let answer = params([], async || Ok(42));
        Ok(Server::builder(secret()?).register_fn("answer", answer))
    };
    let server = builder()?.bind(&address).await?;
    let first = Channel::connect(&address, &secret()?).await?;
    server.close().await;
    first.closed().await;

    let _server = builder()?.bind(&address).await?;
    let error = first.rpc::<i64, _>("answer", ()).await;
    assert!(matches!(error, Err(Error::NotConnected(_))), "{error:?}");
    let second = Channel::connect(&address, &secret()?).await?;
    assert_eq!(second.rpc::<i64, _>("answer", ()).await?, 42);
    Ok(())
}

/// `Client(address, secret, retry=1)`: it comes back by itself, and its `status` and signals tell. What is
/// connected again is the same channel, with all that it exposes.
#[tokio::test]
async fn a_client_with_retry_connects_again_and_tells_its_status() -> Result {
    let (_folder, address) = address()?;
    let ask_back = async |cx: Context| Ok(cx.channel().rpc::<i64, _>("answer", ()).await?);
    let builder = || -> Result<_> {
        Ok(Server::builder(secret()?).register_fn("ask_back", params([], ask_back)))
    };
    let first = builder()?.bind(&address).await?;
    let pause = Duration::from_millis(20);
    let client = Channel::builder(&secret()?)
        .register_fn("answer", params([], async || Ok(42)))
        .retry(Retry::default().longest_pause(pause))
        .connect(&address)
        .await?;
    let mut status = client.watch_status();
    assert!(client.status().is_connected());
    assert_eq!(client.rpc::<i64, _>("ask_back", ()).await?, 42);

    // Its signal `disconnected`.
    first.close().await;
    while status.next().await.is_some_and(|now| now.is_connected()) {}
    assert!(!client.status().is_closed());
    // A call that is made meanwhile waits for the next server.
    let waiting = client.rpc::<i64, _>("ask_back", ()).start();
    let _second = builder()?.bind(&address).await?;
    assert_eq!(waiting.await?, 42);
    // Its signal `connected`.
    while !client.status().is_connected() {
        status.next().await.ok_or("it has given up")?;
    }
    Ok(())
}

/// Whatever could be pickled and is data.
#[tokio::test]
async fn any_data_travels() -> Result {
    let echo = params(["value"], async |value: Value| Ok(value));
    let (_server, client) =
        Channel::pair(|side| side.register_fn("echo", echo), |side| side).await?;
    let values: Vec<Value> = vec![
        Value::default(),
        true.into(),
        (-1).into(),
        u64::MAX.into(),
        2.5.into(),
        "text".into(),
        vec![Value::from(1), Value::from("two")].into(),
        Value::Map(vec![(Value::from(1), Value::from("one"))]),
    ];
    for value in values {
        let back: Value = client.rpc("echo", kwargs! { value: &value }).await?;
        assert_eq!(back, value);
    }
    Ok(())
}

/// Never limited there; here each end says what it accepts, and the other is told in words.
#[tokio::test]
async fn a_payload_has_a_limit() -> Result {
    let limits = kaa_rpc_runtime::Limits {
        max_frame: 64 * 1024,
        ..Default::default()
    };
    let length = params(["text"], async |text: String| Ok(text.len()));
    let (_server, client) = Channel::pair(
        |side| side.register_fn("length", length).limits(limits),
        |side| side,
    )
    .await?;
    let error = client
        .rpc::<usize, _>("length", ("x".repeat(100_000),))
        .await;
    assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
    assert_eq!(client.rpc::<usize, _>("length", ("x",)).await?, 1);
    Ok(())
}

/// A TCP address is `(host, port)` there; here it has a scheme, and the connection is encrypted.
#[tokio::test]
async fn tcp_goes_like_a_unix_socket() -> Result {
    let server = Server::builder(secret()?)
        .register_fn("add", params(["a", "b"], async |a: i64, b: i64| Ok(a + b)))
        .bind("tcp:localhost:0")
        .await?;
    let channel = Channel::connect(&server.address().to_string(), &secret()?).await?;
    assert_eq!(channel.rpc::<i64, _>("add", (40, 2)).await?, 42);
    Ok(())
}

/// It kept such a connection for ever.
#[tokio::test]
async fn a_stranger_who_says_nothing_is_closed_on() -> Result {
    let (_folder, address) = address()?;
    let (told, mut rejected) = mpsc::unbounded_channel();
    let _server = Server::builder(secret()?)
        .open_timeout(Duration::from_millis(50))
        .on_rejected(move |who| told.send(who.error.to_string()).unwrap_or_default())
        .bind(&address)
        .await?;
    let mut stranger = tokio::net::UnixStream::connect(address.replace("unix:", "")).await?;
    let mut nothing = Vec::new();
    stranger.read_to_end(&mut nothing).await?;
    assert!(nothing.is_empty());
    assert!(
        rejected
            .recv()
            .await
            .is_some_and(|why| why.contains("50ms"))
    );
    Ok(())
}
