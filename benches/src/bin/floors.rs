//! Kaa RPC with what sockets cost by themselves, and with the goals. Takes less than a minute.

use std::process::ExitCode;

use kaa_benches::compare::{self, Comparison, Entry, Suite};
use kaa_benches::report::{Goal, Point, Wanted};
use kaa_benches::sample::Figure::{Cpu, Memory, P50, Rate, Throughput};
use kaa_benches::systems::floors::blocking::Blocking;
use kaa_benches::systems::floors::cipher::Cipher;
use kaa_benches::systems::floors::reading::ReadingOnly;
use kaa_benches::systems::floors::shared::SharedConnection;
use kaa_benches::systems::floors::tokio as floor1;
use kaa_benches::systems::kaa;
use kaa_benches::workload::{IDLE, ITEMS, LARGE, ONE_BY_ONE, TASKS};

const SUITE: Suite = Suite {
    name: "floors",
    rounds: 15,
    comparisons: &[
        Comparison {
            title: "32 bytes over a Unix socket, one call after the other",
            workload: ONE_BY_ONE,
            systems: &[
                Entry::of::<floor1::Unix>(),
                Entry::of::<ReadingOnly>(),
                Entry::of::<Blocking>(),
                Entry::of::<SharedConnection>(),
                Entry::of::<kaa::Unix>(),
                Entry::of::<kaa::Dynamic>(),
                Entry::of::<kaa::Blocking>(),
                Entry::of::<kaa::BlockingBeside>(),
            ],
        },
        Comparison {
            title: "The same over TCP",
            workload: ONE_BY_ONE,
            systems: &[
                Entry::of::<floor1::Tcp>(),
                Entry::of::<kaa::PlainTcp>(),
                Entry::of::<kaa::Tcp>(),
            ],
        },
        Comparison {
            title: "32 bytes, 64 tasks on one connection",
            workload: TASKS,
            systems: &[
                Entry::of::<SharedConnection>(),
                Entry::of::<kaa::Unix>(),
                Entry::of::<kaa::Yielded>(),
            ],
        },
        Comparison {
            title: "1 MiB, one call after the other",
            workload: LARGE,
            systems: &[
                Entry::of::<floor1::Unix>(),
                Entry::of::<kaa::Unix>(),
                Entry::of::<kaa::Tcp>(),
                Entry::of::<Cipher>(),
            ],
        },
        Comparison {
            title: "Numbers that one call yields",
            workload: ITEMS,
            systems: &[Entry::of::<kaa::Unix>()],
        },
        Comparison {
            title: "Memory of the server for each of 1,000 connections that called once",
            workload: IDLE,
            systems: &[Entry::of::<floor1::Unix>(), Entry::of::<kaa::Unix>()],
        },
    ],
    curves: &[],
    goals: &[
        Goal {
            what: "p50 to tokio's sockets",
            of: Point::of::<kaa::Unix>(ONE_BY_ONE, P50),
            to: Some(Point::of::<floor1::Unix>(ONE_BY_ONE, P50)),
            wanted: Wanted::AtMost(0.90),
        },
        Goal {
            what: "p50 to sockets that are registered for reading only",
            of: Point::of::<kaa::Unix>(ONE_BY_ONE, P50),
            to: Some(Point::of::<ReadingOnly>(ONE_BY_ONE, P50)),
            wanted: Wanted::AtMost(1.15),
        },
        Goal {
            what: "p50 over plain TCP to tokio's sockets",
            of: Point::of::<kaa::PlainTcp>(ONE_BY_ONE, P50),
            to: Some(Point::of::<floor1::Tcp>(ONE_BY_ONE, P50)),
            wanted: Wanted::AtMost(1.10),
        },
        Goal {
            what: "p50 over encrypted TCP to that over plain TCP",
            of: Point::of::<kaa::Tcp>(ONE_BY_ONE, P50),
            to: Some(Point::of::<kaa::PlainTcp>(ONE_BY_ONE, P50)),
            wanted: Wanted::AtMost(1.20),
        },
        Goal {
            what: "p50 of a client without async to sockets that are registered for reading only",
            of: Point::of::<kaa::Blocking>(ONE_BY_ONE, P50),
            to: Some(Point::of::<ReadingOnly>(ONE_BY_ONE, P50)),
            wanted: Wanted::AtMost(1.15),
        },
        Goal {
            what: "p50 of calls by name to that of typed ones",
            of: Point::of::<kaa::Dynamic>(ONE_BY_ONE, P50),
            to: Some(Point::of::<kaa::Unix>(ONE_BY_ONE, P50)),
            wanted: Wanted::AtMost(1.15),
        },
        Goal {
            what: "calls/s of 64 tasks to frames that a driver shares",
            of: Point::of::<kaa::Unix>(TASKS, Rate),
            to: Some(Point::of::<SharedConnection>(TASKS, Rate)),
            wanted: Wanted::AtLeast(0.80),
        },
        Goal {
            what: "CPU for each call of 64 tasks to that for such a frame",
            of: Point::of::<kaa::Unix>(TASKS, Cpu),
            to: Some(Point::of::<SharedConnection>(TASKS, Cpu)),
            wanted: Wanted::AtMost(1.40),
        },
        Goal {
            what: "calls/s if handlers yield once to those of handlers that do not",
            of: Point::of::<kaa::Yielded>(TASKS, Rate),
            to: Some(Point::of::<kaa::Unix>(TASKS, Rate)),
            wanted: Wanted::AtLeast(0.55),
        },
        Goal {
            what: "MB/s of 1 MiB to tokio's sockets",
            of: Point::of::<kaa::Unix>(LARGE, Throughput),
            to: Some(Point::of::<floor1::Unix>(LARGE, Throughput)),
            wanted: Wanted::AtLeast(0.85),
        },
        Goal {
            what: "MB/s of 1 MiB encrypted to what the cipher seals",
            of: Point::of::<kaa::Tcp>(LARGE, Throughput),
            to: Some(Point::of::<Cipher>(LARGE, Throughput)),
            wanted: Wanted::AtLeast(0.20),
        },
        Goal {
            what: "items/s to calls/s of 64 tasks",
            of: Point::of::<kaa::Unix>(ITEMS, Rate),
            to: Some(Point::of::<kaa::Unix>(TASKS, Rate)),
            wanted: Wanted::AtLeast(1.50),
        },
        Goal {
            what: "KiB of an idle connection",
            of: Point::of::<kaa::Unix>(IDLE, Memory),
            to: None,
            wanted: Wanted::AtMost(8.0),
        },
    ],
    unpinned_goals: &[],
    syscalls: false,
};

fn main() -> ExitCode {
    compare::main(&SUITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goals_look_at_is_measured() {
        assert!(SUITE.measures_its_goals());
    }
}
