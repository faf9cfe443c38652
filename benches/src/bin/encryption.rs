//! What encryption costs: encrypted TCP and a Unix socket against plain TCP.

use std::process::ExitCode;

use kaa_benches::compare::{self, Comparison, Entry, Suite};
use kaa_benches::systems::kaa::{PlainTcp, Tcp, Unix};
use kaa_benches::workload::{LARGE, Payload, Work, Workload};

const SYSTEMS: &[Entry] = &[
    Entry::of::<PlainTcp>(),
    Entry::of::<Tcp>(),
    Entry::of::<Unix>(),
];

/// The first shows latency, the others throughput.
const SUITE: Suite = Suite {
    name: "encryption",
    rounds: 25,
    comparisons: &[
        Comparison {
            title: "32 bytes",
            workload: Workload {
                name: "32 bytes",
                work: Work::OneByOne(Payload::Data(32)),
                count: 3000,
            },
            systems: SYSTEMS,
        },
        Comparison {
            title: "16 KiB",
            workload: Workload {
                name: "16 KiB",
                work: Work::OneByOne(Payload::Data(16 << 10)),
                count: 600,
            },
            systems: SYSTEMS,
        },
        Comparison {
            title: "1 MiB",
            workload: LARGE,
            systems: SYSTEMS,
        },
    ],
    curves: &[],
    goals: &[],
    unpinned_goals: &[],
    syscalls: false,
};

fn main() -> ExitCode {
    compare::main(&SUITE)
}
