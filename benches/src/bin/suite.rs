//! All ways to call that differ in what they cost, and other systems. Takes some minutes.

use std::process::ExitCode;

use kaa_benches::compare::{self, Comparison, Entry, Suite};
#[cfg(any(feature = "tarpc", feature = "tonic"))]
use kaa_benches::report::{Goal, Point, Wanted};
#[cfg(any(feature = "tarpc", feature = "tonic"))]
use kaa_benches::sample::Figure::Rate;
#[cfg(any(feature = "tarpc", feature = "tonic"))]
use kaa_benches::systems::System;
#[cfg(feature = "capnp")]
use kaa_benches::systems::capnp::Capnp;
use kaa_benches::systems::floors::reading::ReadingOnly;
use kaa_benches::systems::floors::shared::SharedConnection;
use kaa_benches::systems::floors::tokio as floor1;
use kaa_benches::systems::kaa;
#[cfg(feature = "tarpc")]
use kaa_benches::systems::tarpc::Tarpc;
use kaa_benches::systems::textbook::Textbook;
#[cfg(feature = "tonic")]
use kaa_benches::systems::tonic::Tonic;
#[cfg(feature = "zbus")]
use kaa_benches::systems::zbus::Zbus;
use kaa_benches::workload::{
    ALBUM, BOTH_ENDS, CONNECTIONS, CONTENDING, LARGE, MORE_SLEEPING, MORE_TASKS, ONE_BY_ONE,
    SLEEPING, TASKS,
};

const SUITE: Suite = Suite {
    name: "suite",
    rounds: 15,
    comparisons: &[
        Comparison {
            title: "32 bytes over a Unix socket, one call after the other",
            workload: ONE_BY_ONE,
            systems: &[
                Entry::of::<kaa::Unix>(),
                Entry::of::<kaa::Dynamic>(),
                Entry::of::<kaa::Yielded>(),
                Entry::of::<kaa::Blocking>(),
                Entry::of::<kaa::BlockingBeside>(),
                Entry::of::<floor1::Unix>(),
                Entry::of::<ReadingOnly>(),
                Entry::of::<Textbook>(),
                #[cfg(feature = "tarpc")]
                Entry::of::<Tarpc>(),
                #[cfg(feature = "capnp")]
                Entry::of::<Capnp>(),
                #[cfg(feature = "zbus")]
                Entry::of::<Zbus>(),
                #[cfg(feature = "tonic")]
                Entry::of::<Tonic>(),
            ],
        },
        Comparison {
            title: "The same without other threads",
            workload: ONE_BY_ONE,
            systems: &[
                Entry::of::<kaa::CurrentThread>(),
                Entry::of::<floor1::UnixCurrentThread>(),
            ],
        },
        Comparison {
            title: "The same over TCP",
            workload: ONE_BY_ONE,
            systems: &[
                Entry::of::<kaa::PlainTcp>(),
                Entry::of::<kaa::Tcp>(),
                Entry::of::<floor1::Tcp>(),
            ],
        },
        Comparison {
            title: "A struct of ten fields, one of them a list of fifty structs",
            workload: ALBUM,
            systems: &[
                Entry::of::<kaa::Unix>(),
                #[cfg(feature = "tarpc")]
                Entry::of::<Tarpc>(),
                #[cfg(feature = "tonic")]
                Entry::of::<Tonic>(),
            ],
        },
        Comparison {
            title: "1 MiB, one call after the other",
            workload: LARGE,
            systems: &[
                Entry::of::<kaa::Unix>(),
                Entry::of::<floor1::Unix>(),
                Entry::of::<ReadingOnly>(),
                Entry::of::<Textbook>(),
                #[cfg(feature = "tarpc")]
                Entry::of::<Tarpc>(),
                #[cfg(feature = "capnp")]
                Entry::of::<Capnp>(),
                #[cfg(feature = "zbus")]
                Entry::of::<Zbus>(),
                #[cfg(feature = "tonic")]
                Entry::of::<Tonic>(),
            ],
        },
        Comparison {
            title: "32 bytes, 64 tasks on one connection",
            workload: TASKS,
            systems: &[
                Entry::of::<kaa::Unix>(),
                Entry::of::<kaa::CurrentThread>(),
                Entry::of::<kaa::Dynamic>(),
                Entry::of::<kaa::Yielded>(),
                Entry::of::<SharedConnection>(),
                Entry::of::<Textbook>(),
                #[cfg(feature = "tarpc")]
                Entry::of::<Tarpc>(),
                #[cfg(feature = "capnp")]
                Entry::of::<Capnp>(),
                #[cfg(feature = "zbus")]
                Entry::of::<Zbus>(),
                #[cfg(feature = "tonic")]
                Entry::of::<Tonic>(),
            ],
        },
        Comparison {
            title: "32 bytes, 1,024 tasks on one connection",
            workload: MORE_TASKS,
            systems: &[
                Entry::of::<kaa::Unix>(),
                Entry::of::<kaa::Yielded>(),
                Entry::of::<SharedConnection>(),
            ],
        },
        Comparison {
            title: "32 bytes, 256 tasks on one connection",
            workload: CONTENDING,
            systems: &[
                Entry::of::<kaa::Unix>(),
                Entry::of::<kaa::Yielded>(),
                Entry::of::<kaa::Locked>(),
            ],
        },
        Comparison {
            title: "32 bytes, 1,000 connections with a task each",
            workload: CONNECTIONS,
            systems: &[
                Entry::of::<kaa::Unix>(),
                Entry::of::<floor1::Unix>(),
                Entry::of::<ReadingOnly>(),
                Entry::of::<Textbook>(),
                #[cfg(feature = "tarpc")]
                Entry::of::<Tarpc>(),
                #[cfg(feature = "tonic")]
                Entry::of::<Tonic>(),
            ],
        },
        Comparison {
            title: "64 tasks, handlers that sleep",
            workload: SLEEPING,
            systems: &[Entry::of::<kaa::Slept>()],
        },
        Comparison {
            title: "1,024 tasks, handlers that sleep",
            workload: MORE_SLEEPING,
            systems: &[Entry::of::<kaa::Slept>()],
        },
        Comparison {
            title: "32 bytes, 64 tasks at each end of one connection",
            workload: BOTH_ENDS,
            systems: &[Entry::of::<kaa::Unix>()],
        },
    ],
    curves: &[],
    goals: &[
        #[cfg(feature = "tarpc")]
        to::<Tarpc>("calls/s of 64 tasks to tarpc's", 7.0),
        #[cfg(feature = "tonic")]
        to::<Tonic>("calls/s of 64 tasks to tonic's", 35.0),
    ],
    unpinned_goals: &[
        #[cfg(feature = "tarpc")]
        to::<Tarpc>("calls/s of 64 tasks to tarpc's", 4.0),
    ],
    syscalls: true,
};

/// So many times as many calls as another system.
#[cfg(any(feature = "tarpc", feature = "tonic"))]
const fn to<S: System>(what: &'static str, times: f64) -> Goal {
    Goal {
        what,
        of: Point::of::<kaa::Unix>(TASKS, Rate),
        to: Some(Point::of::<S>(TASKS, Rate)),
        wanted: Wanted::AtLeast(times),
    }
}

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
