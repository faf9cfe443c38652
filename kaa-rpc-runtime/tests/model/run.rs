//! Carries out a schedule between two real ends.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_runtime::{Channel, Server};
use tempfile::TempDir;
use tokio::io::duplex;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::common::{Over, secret};
use crate::flaws::{Flaw, Injector};
use crate::judge::{Facts, judge};
use crate::log::Log;
use crate::observer::{Objection, ensure};
use crate::party::{World, begin, exposed};
use crate::schedule::{Ending, Schedule, Step};
use crate::wire::Wire;

/// Longer than anything here takes: over sockets, and in memory, where this is no real time and the wire may
/// carry a few bytes a second at first.
fn patience(over: Over) -> Duration {
    Duration::from_secs(if over == Over::Memory { 600 } else { 20 })
}

/// No close ends because its time is over.
const LONG: Duration = Duration::from_secs(3600);

/// What a stream in memory holds in each direction.
const CAPACITY: usize = 4096;

/// Both ends, by index, and what is between them. Handles are given up one by one.
struct Pair {
    host: Option<Server>,
    channels: [Option<Channel>; 2],
    carrier: JoinHandle<()>,
    _folder: Option<TempDir>,
}

/// Runs a schedule and says what was wrong.
pub(crate) async fn run(
    schedule: &Schedule,
    over: Over,
    flaw: Option<Flaw>,
) -> Result<(), Objection> {
    let tick = Duration::from_millis(if over == Over::Memory { 10 } else { 1 });
    let world = Arc::new(World {
        log: Log::new(tick),
        tick,
    });
    let left = match schedule.ending {
        Ending::Cut(left) => left + 2000,
        _ => usize::MAX,
    };
    let injector = flaw.map(Injector::new);
    let wire = Wire::new(
        &world,
        schedule.limits,
        schedule.pace.clone(),
        left,
        injector,
    );
    let ran = tokio::time::timeout(patience(over), perform(schedule, over, &world, &wire)).await;
    // What the observer saw comes first: the rest may follow from it.
    if let Some(objection) = wire.objection() {
        return Err(objection);
    }
    let facts = ran.map_err(|_| format!("it hangs: {}", crate::judge::waiting(&world.log)))??;
    judge(schedule, &world.log, &wire.lock(), &facts)?;
    drop(wire);
    ensure!(
        Arc::strong_count(&world) == 1,
        "something still holds what was registered"
    );
    Ok(())
}

async fn perform(
    schedule: &Schedule,
    over: Over,
    world: &Arc<World>,
    wire: &Arc<Wire>,
) -> Result<Facts, Objection> {
    let tasks = Handle::current().metrics().num_alive_tasks();
    let mut pair = connect(schedule, over, world, wire)
        .await
        .map_err(|error| error.to_string())?;
    let mut callers = JoinSet::new();
    for (end, step) in &schedule.steps {
        match step {
            Step::Pause(ticks) => tokio::time::sleep(world.tick * u32::from(*ticks)).await,
            Step::Call(call) => {
                let channel = pair.channels[*end].as_ref().expect("it is there");
                let begun = begin(world, channel, *end, call, None);
                let world = Arc::clone(world);
                callers.spawn(async move { begun.follow(&world).await });
            }
        }
    }
    let mut closed = None;
    match schedule.ending {
        Ending::Close(end) => {
            closed = Some(Instant::now());
            let channel = pair.channels[end].clone().expect("it is there");
            callers.spawn(async move { drop(channel.close().await) });
        }
        Ending::Drop(end) => {
            closed = Some(Instant::now());
            if end == 0 {
                pair.host = None;
            }
            pair.channels[end] = None;
        }
        Ending::Rest | Ending::Cut(_) => {}
    }
    while let Some(caller) = callers.join_next().await {
        caller.map_err(|error| error.to_string())?;
    }
    let closed = part(&mut pair, wire, closed).await?;
    let Pair {
        host,
        channels,
        carrier,
        _folder,
    } = pair;
    drop((host, channels));
    carrier.await.map_err(|error| error.to_string())?;
    // The last are on their way out.
    while Handle::current().metrics().num_alive_tasks() > tasks {
        tokio::time::sleep(world.tick).await;
    }
    let cut = wire.lock().cut;
    if cut.is_none() {
        wire.lock().observer.check_parted()?;
    }
    Ok(Facts { closed, cut })
}

/// Nobody waits for anything any more: both ends part in order, unless the wire is broken.
async fn part(pair: &mut Pair, wire: &Wire, closed: Option<Instant>) -> Result<Instant, Objection> {
    let closed = closed.unwrap_or_else(Instant::now);
    for end in 0..2 {
        if let Some(channel) = &pair.channels[end] {
            let reason = channel.close().await;
            let cut = wire.lock().cut.is_some();
            ensure!(reason.is_orderly() || cut, "end {end} closes: {reason}");
        }
    }
    Ok(closed)
}

async fn connect(
    schedule: &Schedule,
    over: Over,
    world: &Arc<World>,
    wire: &Arc<Wire>,
) -> io::Result<Pair> {
    let server_builder = Server::builder(secret())
        .limits(schedule.limits[0])
        .close_timeout(LONG)
        .register(exposed(world, 0));
    let client_builder = Channel::builder(&secret())
        .limits(schedule.limits[1])
        .close_timeout(LONG)
        .register(exposed(world, 1));
    let wire = Arc::clone(wire);
    let (mut connected, host, client, carrier, folder);
    match over {
        Over::Memory => {
            host = server_builder.unbound().map_err(io::Error::other)?;
            connected = host.client_connected();
            let [(near, server), (far, there)] = [(); 2].map(|()| duplex(CAPACITY));
            carrier = tokio::spawn(async move { wire.carry([near, far]).await });
            host.accept(server, b"").await;
            client = client_builder.connect_over(there, b"").await;
            folder = None;
        }
        Over::Unix => {
            let (private, address) = crate::common::private_address();
            host = server_builder
                .bind(&address)
                .await
                .map_err(io::Error::other)?;
            connected = host.client_connected();
            carrier = tokio::spawn(between(private.path(), wire)?);
            client = client_builder.connect(&format!("{address}.wire")).await;
            folder = Some(private);
        }
    }
    let client = client.map_err(io::Error::other)?;
    let server = connected.next().await;
    Ok(Pair {
        host: Some(host),
        channels: [server, Some(client)],
        carrier,
        _folder: folder,
    })
}

/// Takes the one client at another socket of the folder and leads it to the server.
fn between(folder: &Path, wire: Arc<Wire>) -> io::Result<impl Future<Output = ()> + use<>> {
    let (server, here) = (folder.join("s"), folder.join("s.wire"));
    let listener = UnixListener::bind(&here)?;
    std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o600))?;
    Ok(async move {
        let client = listener.accept().await.expect("a client comes").0;
        let server = UnixStream::connect(server)
            .await
            .expect("the server is there");
        wire.carry([server, client]).await;
    })
}
