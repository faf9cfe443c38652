//! `kaa describe` and `kaa ping`: what a running program says of itself.

use std::io::{self, ErrorKind, Write};
use std::time::Instant;

use clap::Args;
use kaa_rpc_runtime::Value;

use crate::call::failed;
use crate::reach::{PARTING, Reach};
use crate::report::{Failure, Status};

/// Show what a running program exposes, in the syntax of .kidl files
#[derive(Debug, Args)]
pub(crate) struct Describe {
    #[command(flatten)]
    reach: Reach,
    /// Only these functions, and the types that they use
    names: Vec<String>,
}

/// Ask a running program whether it answers, and tell how long that took
#[derive(Debug, Args)]
pub(crate) struct Ping {
    #[command(flatten)]
    reach: Reach,
}

impl Describe {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        self.reach.with_channel(Some(PARTING), async |channel| {
            let described = channel.describe(&names).await;
            let described = described.map_err(|error| failed(&error))?;
            let told = |name: &&&str| {
                described
                    .functions
                    .iter()
                    .any(|it| it.wire_name() == **name)
            };
            if let Some(unknown) = names.iter().find(|name| !told(name)) {
                let message = format!("the program exposes no function `{unknown}`");
                return Err(Failure::new(Status::Failed, message));
            }
            print(&described.to_text())
        })
    }
}

impl Ping {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.reach.with_channel(Some(PARTING), async |channel| {
            let began = Instant::now();
            let answer = channel.rpc::<Value, _>("kaa.ping", ()).await;
            let took = began.elapsed();
            answer.map_err(|error| failed(&error))?;
            print(&format!("{} answers in {took:.1?}\n", self.reach.address))
        })
    }
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads has seen enough, such as `head`.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(
            Status::Failed,
            format!("the answer cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
}
