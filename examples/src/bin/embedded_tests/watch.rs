//! What calls, and is called back.

use kaa_examples::tally::Watching;
use kaa_rpc_runtime::{Context, Outcome};
use tokio::sync::mpsc;

/// Says when the sum has come to `goal`.
pub(crate) struct Watcher {
    goal: u32,
    reached: mpsc::Sender<u32>,
}

pub(crate) fn watcher(goal: u32) -> (Watcher, mpsc::Receiver<u32>) {
    let (reached, news) = mpsc::channel(8);
    (Watcher { goal, reached }, news)
}

impl Watching for Watcher {
    async fn changed(&self, _: &Context, sum: u32) -> Outcome<()> {
        if sum >= self.goal {
            self.reached.send(sum).await?;
        }
        Ok(())
    }
}
