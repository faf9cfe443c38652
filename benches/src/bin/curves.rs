//! What becomes of calls as there are more of them, more connections, or larger payloads. Takes some minutes.

use std::process::ExitCode;

use kaa_benches::compare::{self, Comparison, Entry, Suite};
use kaa_benches::curves::{Curve, Extent};
use kaa_benches::sample::Figure;
use kaa_benches::systems::floors::reading::ReadingOnly;
use kaa_benches::systems::floors::shared::SharedConnection;
use kaa_benches::systems::floors::tokio as floor1;
use kaa_benches::systems::kaa;
#[cfg(feature = "tarpc")]
use kaa_benches::systems::tarpc::Tarpc;
use kaa_benches::systems::textbook::Textbook;
use kaa_benches::workload::{Payload, Work, Workload};

const CALLS: &str = "Calls in flight on one connection";
const CONNECTIONS: &str = "Connections with one call in flight each";
const IDLE: &str = "Connections without calls";
const PAYLOADS: &str = "Larger payloads, one call after the other";

/// By default 1,024 calls may be in flight, and further ones wait for their turn.
const OF_CALLS: &[Entry] = &[
    Entry::of::<kaa::Unix>(),
    Entry::of::<kaa::ManyCalls>(),
    Entry::of::<SharedConnection>(),
    Entry::of::<Textbook>(),
    #[cfg(feature = "tarpc")]
    Entry::of::<Tarpc>(),
];

/// The driver of floor2 does not read while it writes, nor does its server: with more than fits into the
/// sockets, both would wait for ever.
const OF_MANY_CALLS: &[Entry] = &[
    Entry::of::<kaa::Unix>(),
    Entry::of::<kaa::ManyCalls>(),
    Entry::of::<Textbook>(),
    #[cfg(feature = "tarpc")]
    Entry::of::<Tarpc>(),
];

const OF_CONNECTIONS: &[Entry] = &[
    Entry::of::<kaa::Unix>(),
    Entry::of::<floor1::Unix>(),
    Entry::of::<ReadingOnly>(),
    Entry::of::<Textbook>(),
    #[cfg(feature = "tarpc")]
    Entry::of::<Tarpc>(),
];

const OF_IDLE: &[Entry] = &[
    Entry::of::<kaa::Unix>(),
    Entry::of::<floor1::Unix>(),
    Entry::of::<Textbook>(),
    #[cfg(feature = "tarpc")]
    Entry::of::<Tarpc>(),
];

const OF_PAYLOADS: &[Entry] = &[
    Entry::of::<kaa::LargeFrames>(),
    Entry::of::<floor1::Unix>(),
    Entry::of::<ReadingOnly>(),
    Entry::of::<Textbook>(),
    #[cfg(feature = "tarpc")]
    Entry::of::<Tarpc>(),
];

/// tarpc's frames have 8 MiB at most.
const OF_LARGE_PAYLOADS: &[Entry] = &[
    Entry::of::<kaa::LargeFrames>(),
    Entry::of::<floor1::Unix>(),
    Entry::of::<ReadingOnly>(),
    Entry::of::<Textbook>(),
];

const fn bytes(bytes: u64) -> Work {
    Work::OneByOne(Payload::Data(bytes as usize))
}

const fn idle(_: u64) -> Work {
    Work::Idle
}

/// The points of curves: how many at once, and how many in all.
macro_rules! points {
    ($($title:ident, $work:expr, $systems:ident: $($extent:literal = $count:literal),+;)+) => {
        &[$($(Comparison {
            title: $title,
            workload: Workload {
                name: concat!(stringify!($title), " ", $extent),
                work: $work($extent),
                count: $count,
            },
            systems: $systems,
        }),+),+]
    };
}

const SUITE: Suite = Suite {
    name: "curves",
    rounds: 5,
    comparisons: points! {
        CALLS, Work::Tasks, OF_CALLS:
            1 = 5_000, 4 = 20_000, 16 = 48_000, 64 = 64_000, 256 = 64_000, 1_024 = 102_400;
        CALLS, Work::Tasks, OF_MANY_CALLS:
            4_096 = 102_400, 16_384 = 163_840, 100_000 = 400_000;
        CONNECTIONS, Work::Connections, OF_CONNECTIONS:
            1 = 5_000, 10 = 20_000, 100 = 40_000, 1_000 = 60_000, 10_000 = 100_000;
        IDLE, idle, OF_IDLE:
            10 = 10, 100 = 100, 1_000 = 1_000, 10_000 = 10_000;
        PAYLOADS, bytes, OF_PAYLOADS:
            16 = 2_000, 64 = 2_000, 256 = 2_000, 1_024 = 2_000, 4_096 = 2_000, 16_384 = 1_000, 65_536 = 400,
            262_144 = 100, 1_048_576 = 40, 4_194_304 = 10;
        PAYLOADS, bytes, OF_LARGE_PAYLOADS:
            16_777_216 = 5, 67_108_864 = 5;
    },
    curves: &[
        Curve {
            title: CALLS,
            figure: Figure::Rate,
            across: Extent::Number("calls in flight"),
            picture: "calls-rate",
        },
        Curve {
            title: CALLS,
            figure: Figure::Cpu,
            across: Extent::Number("calls in flight"),
            picture: "calls-cpu",
        },
        Curve {
            title: CONNECTIONS,
            figure: Figure::Rate,
            across: Extent::Number("connections"),
            picture: "connections-rate",
        },
        Curve {
            title: CONNECTIONS,
            figure: Figure::Cpu,
            across: Extent::Number("connections"),
            picture: "connections-cpu",
        },
        Curve {
            title: IDLE,
            figure: Figure::Memory,
            across: Extent::Number("connections"),
            picture: "idle-memory",
        },
        Curve {
            title: PAYLOADS,
            figure: Figure::P50,
            across: Extent::Bytes("payload"),
            picture: "payloads-p50",
        },
        Curve {
            title: PAYLOADS,
            figure: Figure::Throughput,
            across: Extent::Bytes("payload"),
            picture: "payloads-throughput",
        },
    ],
    goals: &[],
    unpinned_goals: &[],
    syscalls: false,
};

fn main() -> ExitCode {
    compare::main(&SUITE)
}
