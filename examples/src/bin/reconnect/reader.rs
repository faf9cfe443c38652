//! The reader. Its channel gets a new connection when it lost one.

use std::error::Error;
use std::time::Duration;

use kaa_examples::press::{Newspaper, NewspaperClient, Reader};
use kaa_rpc_runtime::{Context, Outcome, Retry, Secret, Status, StatusWatch};
use tokio::sync::mpsc;

struct Armchair {
    heard: mpsc::Sender<String>,
}

impl Reader for Armchair {
    async fn news(&self, _: &Context, text: String) -> Outcome<()> {
        self.heard.send(text).await?;
        Ok(())
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let (heard, mut news) = mpsc::channel(10);
    let paper = Newspaper::client(&secret, Armchair { heard })
        // Pauses between attempts grow and are chosen at random, so that the many clients of a server do
        // not all come at once. Calls of `@idempotent` functions may be sent a second time.
        .retry(
            Retry::default()
                .longest_pause(Duration::from_secs(1))
                .resend(1),
        )
        // For each connection, before anything else happens on it.
        .on_connect(|paper: NewspaperClient| paper.office.subscribe("weather").start().detach())
        .connect(crate::ADDRESS)
        .await?;
    let mut status = paper.channel.watch_status();
    next(&mut status).await;
    println!("news: {:?}", news.recv().await);

    // These two are on their way when the office is killed.
    let proofread = paper.office.proofread("all the news that's fit").start();
    let print = paper.office.print(500).start();
    next(&mut status).await;

    // It may have been printed, so it is not printed again.
    match print.await {
        Ok(copies) => println!("{copies} are printed"),
        Err(error) => println!("print: {error}"),
    }
    // A call may fail at once while nobody is there, or wait.
    if let Err(error) = paper.office.print(10).fail_fast().await {
        println!("print: {error}");
        println!("    never ran: {}", error.never_ran());
    }
    let waiting = paper
        .office
        .print(20)
        .timeout(Duration::from_secs(60))
        .start();
    println!("it waits");

    println!("waited: {} are printed", waiting.await?);
    // This one was sent again.
    println!("proofread: {} words", proofread.await?);
    println!("news: {:?}", news.recv().await);
    paper.channel.close().await;
    Ok(())
}

/// Shows when the channel is connected, and when it is not.
async fn next(status: &mut StatusWatch) {
    while let Some(status) = status.next().await {
        match status {
            Status::Connected => println!("connected"),
            Status::Disconnected { reason, .. } => println!("disconnected: {reason}"),
            _ => continue,
        }
        return;
    }
}
