//! The office. It knows nothing of reconnecting: each connection is new to it.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kaa_examples::press::{Newspaper, NewspaperPeer, Office, ReaderClient};
use kaa_examples::stage;
use kaa_rpc_runtime::{Context, Outcome, Secret};

struct Editors {
    slow: bool,
    printed: AtomicU32,
}

impl Office for Editors {
    async fn subscribe(&self, cx: &Context, topic: String) -> Outcome<()> {
        println!("subscribed: {topic}");
        let reader = ReaderClient::new(&cx.channel());
        reader.news(&format!("{topic}: nothing new")).await?;
        Ok(())
    }

    async fn proofread(&self, _: &Context, text: String) -> Outcome<u32> {
        println!("proofreads: {text}");
        self.take_time().await;
        Ok(u32::try_from(text.split_whitespace().count())?)
    }

    async fn print(&self, _: &Context, copies: u32) -> Outcome<u32> {
        println!("prints {copies}");
        self.take_time().await;
        Ok(self.printed.fetch_add(copies, Ordering::Relaxed) + copies)
    }
}

impl Editors {
    async fn take_time(&self) {
        if self.slow {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
    }
}

pub(crate) async fn run(slow: bool) -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let printed = AtomicU32::new(0);
    let server = Newspaper::server(secret, Editors { slow, printed })
        .on_connect(|_: NewspaperPeer| println!("a reader is there"))
        .bind(crate::ADDRESS)
        .await?;
    println!("open");
    stage::stopped().await;
    server.close().await;
    Ok(())
}
