//! Whole calls, with client and server in one thread: what both ends take, their drivers and tokio with them.

use tokio::runtime::Builder;

use crate::Error;
use crate::compare::folder;
use crate::systems::Client as _;
use crate::systems::kaa::{Client, Text, in_one_process};
use crate::workload::call_by_tasks;

pub(super) fn one_by_one(times: u64) -> Result<(), Error> {
    connected(Text::Typed, async |client| {
        call_by_tasks(&client, 1, times).await
    })
}

pub(super) fn many_at_once(times: u64) -> Result<(), Error> {
    connected(Text::Typed, async |client| {
        call_by_tasks(&client, 64, times).await
    })
}

pub(super) fn by_name(times: u64) -> Result<(), Error> {
    connected(Text::Dynamic, async |client| {
        call_by_tasks(&client, 1, times).await
    })
}

pub(super) fn items(times: u64) -> Result<(), Error> {
    connected(Text::Typed, async |mut client| client.count(times).await)
}

/// With one thread, the order of things is always the same.
fn connected(text: Text, call: impl AsyncFnOnce(Client) -> Result<(), Error>) -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = folder()?;
        let (_server, client) = in_one_process(folder.path(), text).await?;
        call(client).await
    })
}
