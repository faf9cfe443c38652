//! Measures systems against each other in one run.
//!
//! | binary in `src/bin` | what it compares | |
//! | --- | --- | --- |
//! | `floors` | Kaa RPC with what sockets cost by themselves, and with the goals | less than a minute |
//! | `suite` | the same, more ways to call, and other systems | some minutes |
//! | `encryption` | encrypted TCP with plain TCP | some minutes |
//! | `instructions` | Kaa RPC with what was recorded of it, in instructions | half a minute |
//! | `curves` | what becomes of them as the work grows | some minutes |
//! | `builds` | what a small program takes to build | some minutes |
//! | `all` | runs all of these but `instructions` | half an hour |
//!
//! Each takes `--write`, which puts what it prints into `docs/performance.md`; all but `instructions` and
//! `builds` take `--rounds N` and `--unpinned`. Other systems are features: `cargo run --release --bin suite --features peers`.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `compare` | the rounds |
//! | `report` | the tables of what they took, and goals |
//! | `builds` | small programs, which it builds |
//! | `curves` | how figures grow with the work |
//! | `picture` | the same, drawn |
//! | `systems` | what is compared: how each one is served and called |
//! | `workload` | what a client does, and what that took |
//! | `sample` | the figures of one turn |
//! | `process` | servers and clients as processes of their own; the CPU that all share, and the time they had of it |
//! | `syscalls` | how many system calls write |
//! | `instructions` | what is counted, and how |
//! | `stats` | medians and quartiles, of values and of paired ratios |
//! | `machine` | where and when it was measured |
//!
//! A binary lists comparisons: a workload, and the systems that do it. It measures in rounds, in each of
//! which every system has its turn, and starts itself again for each turn, as a server and as a client.
//! What other programs do meanwhile burdens all of them, so what is compared are the ratios within a
//! round.
//!
//! To add a system, implement [`systems::System`] and [`systems::Client`] for it in a file of its own, and
//! list it in a binary. To add a workload, list another [`workload::Workload`]; what its clients do is a
//! variant of [`workload::Work`].

#![allow(missing_docs, reason = "generated code is documented by its schema")]

pub mod builds;
pub mod compare;
pub mod curves;
pub mod instructions;
pub mod machine;
mod picture;
pub mod process;
pub mod report;
pub mod sample;
pub mod stats;
pub mod syscalls;
pub mod systems;
pub mod workload;

kaa_rpc_runtime::include_schema!(pub mod bench = "bench");

/// What can go wrong: whatever it is, the measurement ends.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
