//! Measures systems against each other in one run.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `compare` | the rounds, and the table of what they took |
//! | `systems` | what is compared: how each one is served and connected to |
//! | `workload` | what a client does, and what that took |
//! | `process` | servers and clients as processes of their own; the CPU that all share, and the time they had of it |
//! | `stats` | medians and quartiles, of values and of paired ratios |
//! | `machine` | where and when it was measured |
//!
//! A binary in `src/bin` lists systems and workloads. It measures in rounds, in each of which every
//! system has its turn, and starts itself again for each turn, as a server and as a client. What other
//! programs do meanwhile burdens all of them, so what is compared are the ratios within a round.
//!
//! To add a system, implement [`systems::System`] for it. To add a workload that is an echo, list it;
//! one of another kind is another function beside [`workload::run`].

#![allow(missing_docs, reason = "generated code is documented by its schema")]

pub mod compare;
pub mod machine;
pub mod process;
pub mod stats;
pub mod systems;
pub mod workload;

kaa_rpc_runtime::include_schema!(pub mod bench = "bench");

/// What can go wrong: whatever it is, the measurement ends.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
