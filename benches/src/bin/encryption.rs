//! What encryption costs: encrypted TCP and a Unix socket against plain TCP.
//!
//! ```sh
//! cargo run --release --bin encryption -- [ROUNDS] [--unpinned]
//! ```

use std::process::ExitCode;

use kaa_benches::compare::{self, Entry};
use kaa_benches::systems::kaa::{PlainTcp, Tcp, Unix};
use kaa_benches::workload::Workload;

const SYSTEMS: &[Entry] = &[
    Entry::of::<PlainTcp>(),
    Entry::of::<Tcp>(),
    Entry::of::<Unix>(),
];

/// The first shows latency, the others throughput.
const WORKLOADS: &[Workload] = &[
    Workload {
        name: "32 bytes",
        size: 32,
        calls: 3000,
    },
    Workload {
        name: "16 KiB",
        size: 16 << 10,
        calls: 600,
    },
    Workload {
        name: "1 MiB",
        size: 1 << 20,
        calls: 30,
    },
];

fn main() -> ExitCode {
    compare::main(SYSTEMS, WORKLOADS)
}
