//! What a client does, and what that took.

use std::process::id;
use std::time::{Duration, Instant};

use kaa_rpc_runtime::Bytes;
use tokio::task::JoinSet;

use crate::Error;
use crate::process::{cpu_time, memory};
use crate::sample::{Figure, Sample};
use crate::stats::percentile;
use crate::systems::{Client, Place, System};

/// Work for a client.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// How it is called, on the command line too.
    pub name: &'static str,
    /// What is done.
    pub work: Work,
    /// So many calls, items or connections in a turn.
    pub count: u64,
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Calls one after the other.
    OneByOne(Payload),
    /// Calls with a short text by so many tasks on one connection, each one after the other.
    Tasks(u64),
    /// The same by one task on each of so many connections.
    Connections(u64),
    /// The same by both ends at once. All calls count.
    BothEnds(u64),
    /// Takes what a call yields.
    Items,
    /// Connects as many as it counts, calls once at each, and leaves it at that.
    Idle,
}

/// What goes there and comes back.
#[derive(Clone, Copy, Debug)]
pub enum Payload {
    /// [`TEXT`].
    Text,
    /// So many bytes.
    Data(usize),
    /// [`ALBUM`](crate::systems::ALBUM).
    Album,
}

/// 32 bytes.
pub const TEXT: &str = "a text of exactly 32 bytes, here";

/// Sequential calls: what one takes.
pub const ONE_BY_ONE: Workload = Workload {
    name: "32 bytes, one call after the other",
    work: Work::OneByOne(Payload::Text),
    count: 3000,
};

/// Few large ones: what a byte takes.
pub const LARGE: Workload = Workload {
    name: "1 MiB, one call after the other",
    work: Work::OneByOne(Payload::Data(1 << 20)),
    count: 40,
};

/// What real calls carry.
pub const ALBUM: Workload = Workload {
    name: "a struct of ten fields, one of them a list of fifty structs",
    work: Work::OneByOne(Payload::Album),
    count: 1500,
};

/// Many calls at once.
pub const TASKS: Workload = Workload {
    name: "64 tasks on one connection",
    work: Work::Tasks(64),
    count: 64 * 1000,
};

/// Many more.
pub const MORE_TASKS: Workload = Workload {
    name: "1,024 tasks on one connection",
    work: Work::Tasks(1024),
    count: 1024 * 60,
};

/// As many as contend for something.
pub const CONTENDING: Workload = Workload {
    name: "256 tasks on one connection",
    work: Work::Tasks(256),
    count: 256 * 200,
};

/// For handlers that sleep: few enough not to take all day.
pub const SLEEPING: Workload = Workload {
    name: "64 tasks on one connection, for handlers that sleep",
    work: Work::Tasks(64),
    count: 64 * 50,
};

/// The same.
pub const MORE_SLEEPING: Workload = Workload {
    name: "1,024 tasks on one connection, for handlers that sleep",
    work: Work::Tasks(1024),
    count: 1024 * 20,
};

/// Both ends at once.
pub const BOTH_ENDS: Workload = Workload {
    name: "64 tasks at each end of one connection",
    work: Work::BothEnds(64),
    count: 2 * 64 * 500,
};

/// Many connections at once.
pub const CONNECTIONS: Workload = Workload {
    name: "1,000 connections",
    work: Work::Connections(1000),
    count: 1000 * 60,
};

/// Items.
pub const ITEMS: Workload = Workload {
    name: "numbers that one call yields",
    work: Work::Items,
    count: 200_000,
};

/// Memory.
pub const IDLE: Workload = Workload {
    name: "1,000 connections that called once",
    work: Work::Idle,
    count: 1000,
};

impl Workload {
    /// What it measures.
    pub fn figures(&self) -> &'static [Figure] {
        match self.work {
            Work::OneByOne(Payload::Data(_)) => {
                &[Figure::P50, Figure::P99, Figure::Throughput, Figure::Cpu]
            }
            Work::OneByOne(_) => &[Figure::P50, Figure::P99, Figure::Cpu],
            Work::Tasks(_) | Work::Connections(_) | Work::BothEnds(_) | Work::Items => {
                &[Figure::Rate, Figure::Cpu]
            }
            Work::Idle => &[Figure::Memory],
        }
    }

    /// How much is done at once: what grows along a curve.
    pub fn extent(&self) -> u64 {
        match self.work {
            Work::OneByOne(Payload::Data(bytes)) => bytes as u64,
            Work::OneByOne(_) | Work::Items => 1,
            Work::Tasks(tasks) | Work::BothEnds(tasks) => tasks,
            Work::Connections(connections) => connections,
            Work::Idle => self.count,
        }
    }

    /// Before what counts, a fifth as much is done that does not.
    pub fn warm_up(&self) -> u64 {
        self.count.div_ceil(5)
    }
}

/// Does it once, with a server that is new.
pub async fn run<S: System>(place: &Place, workload: &Workload) -> Result<Sample, Error> {
    let mut client = S::connect(place).await?;
    let (warm_up, count) = (workload.warm_up(), workload.count);
    if client.text(TEXT).await?.as_ref() != TEXT.as_bytes() {
        return Err("the echo is not what was sent".into());
    }
    match workload.work {
        Work::OneByOne(payload) => one_by_one(&mut client, place, payload, workload).await,
        Work::Tasks(tasks) => {
            call_by_tasks(&client, tasks, warm_up).await?;
            let meter = Meter::start(place)?;
            call_by_tasks(&client, tasks, count).await?;
            meter.stop(count)
        }
        Work::Connections(connections) => {
            let mut clients = vec![client];
            for _ in 1..connections {
                clients.push(S::connect(place).await?);
            }
            let clients = call_by_each(clients, warm_up).await?;
            let meter = Meter::start(place)?;
            let _clients = call_by_each(clients, count).await?;
            meter.stop(count)
        }
        Work::BothEnds(tasks) => {
            call_at_both_ends(&client, tasks, warm_up).await?;
            let meter = Meter::start(place)?;
            call_at_both_ends(&client, tasks, count).await?;
            meter.stop(count)
        }
        Work::Items => {
            client.count(warm_up).await?;
            let meter = Meter::start(place)?;
            client.count(count).await?;
            meter.stop(count)
        }
        Work::Idle => {
            // The first is there: what a server takes for whoever comes first is not that of a connection.
            let mut clients = vec![client];
            let before = memory(place.server)?;
            for _ in 1..count {
                let mut client = S::connect(place).await?;
                client.text(TEXT).await?;
                clients.push(client);
            }
            let taken = memory(place.server)?.saturating_sub(before);
            let further = clients.len() - 1;
            Ok(Sample::of([(
                Figure::Memory,
                taken as f64 / 1024.0 / further as f64,
            )]))
        }
    }
}

async fn one_by_one(
    client: &mut impl Client,
    place: &Place,
    payload: Payload,
    workload: &Workload,
) -> Result<Sample, Error> {
    let size = match payload {
        Payload::Data(size) => size,
        Payload::Text | Payload::Album => 0,
    };
    let data: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
    if size > 0 && client.data(&data).await?.as_ref() != data {
        return Err("the echo is not what was sent".into());
    }
    for _ in 0..workload.warm_up() {
        call(client, payload, &data).await?;
    }
    let mut took = Vec::with_capacity(workload.count as usize);
    let meter = Meter::start(place)?;
    let mut last = Instant::now();
    for _ in 0..workload.count {
        call(client, payload, &data).await?;
        let now = Instant::now();
        took.push(micros(now - last));
        last = now;
    }
    let sample = meter.stop(workload.count)?;
    took.sort_by(f64::total_cmp);
    Ok(Sample::of([
        (Figure::P50, percentile(&took, 50.0)),
        (Figure::P99, percentile(&took, 99.0)),
        (
            Figure::Throughput,
            sample.get(Figure::Rate) * size as f64 / 1e3,
        ),
        (Figure::Cpu, sample.get(Figure::Cpu)),
    ]))
}

/// Of bytes only the length is looked at: comparing many takes long, and was done before.
async fn call(client: &mut impl Client, payload: Payload, data: &Bytes) -> Result<(), Error> {
    let sound = match payload {
        Payload::Text => client.text(TEXT).await?.as_ref() == TEXT.as_bytes(),
        Payload::Data(size) => client.data(data).await?.as_ref().len() == size,
        Payload::Album => client.album().await?,
    };
    sound
        .then_some(())
        .ok_or_else(|| "the echo is not what was sent".into())
}

/// `count` calls by so many tasks, which begin together.
pub(crate) async fn call_by_tasks<C: Client>(
    client: &C,
    tasks: u64,
    count: u64,
) -> Result<(), Error> {
    let clients = (0..tasks).map(|_| client.another());
    let clients = clients.collect::<Result<_, _>>()?;
    call_by_each(clients, count).await.map(drop)
}

/// `count` calls by a task for each of the clients, which are given back.
async fn call_by_each<C: Client>(clients: Vec<C>, count: u64) -> Result<Vec<C>, Error> {
    let each = count.div_ceil(clients.len() as u64);
    let calling = clients.into_iter().map(|mut client| async move {
        for _ in 0..each {
            call(&mut client, Payload::Text, &Bytes::new()).await?;
        }
        Ok::<_, Error>(client)
    });
    let calling: JoinSet<_> = calling.collect();
    calling.join_all().await.into_iter().collect()
}

/// `count` calls, half of them by the server.
async fn call_at_both_ends<C: Client>(client: &C, tasks: u64, count: u64) -> Result<(), Error> {
    let mut called_back = client.another()?;
    let called_back = tokio::spawn(async move { called_back.call_back(count / 2, tasks).await });
    call_by_tasks(client, tasks, count / 2).await?;
    called_back.await?
}

/// Notes what has been taken of clock and CPU.
struct Meter {
    server: u32,
    cpu: Duration,
    clock: Instant,
}

impl Meter {
    fn start(place: &Place) -> Result<Self, Error> {
        let server = place.server;
        Ok(Self {
            server,
            cpu: cpu_time(id())? + cpu_time(server)?,
            clock: Instant::now(),
        })
    }

    /// Since then so many calls or items were done.
    fn stop(self, count: u64) -> Result<Sample, Error> {
        let clock = self.clock.elapsed();
        let cpu = (cpu_time(id())? + cpu_time(self.server)?).saturating_sub(self.cpu);
        Ok(Sample::of([
            (Figure::Rate, count as f64 / micros(clock) * 1e3),
            (Figure::Cpu, micros(cpu) / count as f64),
        ]))
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_long_as_its_workload_says() {
        assert_eq!(TEXT.len(), 32);
    }
}
