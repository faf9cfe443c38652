//! Without mistakes.

use kaa_tests::beacon::{Database, DatabaseClient, DatabasePeer, ItemId};
use kaa_tests::flow::PipesClient;
use kaa_tests::kaa_rpc_runtime::{Context, Outcome, Secret, Yielder, item_channel, item_iter};
use kaa_tests::media_database::{Daemon, Viewer};
use kaa_tests::typed::{EchoClient, Mirror, Shape};

pub async fn client(client: DatabaseClient, root: ItemId) -> Result<(), Box<dyn std::error::Error>> {
    client.beacon.register_inverted_index("words").min(3).await?;
    client.beacon.item_create("note", &root).await?;
    client.beacon.db_lock().await?;
    Ok(())
}

pub async fn echo(echo: EchoClient) -> Result<(), Box<dyn std::error::Error>> {
    echo.shape(&Shape::Circle { radius: 1.0 }).await?;
    Ok(())
}

pub async fn connect(secret: &Secret) -> Result<(), Box<dyn std::error::Error>> {
    let (viewer, _news) = Viewer::new();
    Database::connect("unix:beacon", secret, viewer.clone(), viewer.clone(), viewer).await?;
    Ok(())
}

pub async fn serve(secret: Secret) -> Result<(), Box<dyn std::error::Error>> {
    let hook = |peer: DatabasePeer| drop(peer.log.info().start());
    Database::server(secret, Daemon::default()).on_connect(hook).bind("unix:beacon").await?;
    Ok(())
}

pub struct Glass;

impl Mirror for Glass {
    async fn token(&self, _: &Context, token: u64) -> Outcome<u64> {
        Ok(token)
    }
}

fn spawn(_: impl Future<Output = ()> + Send + 'static) {}

pub async fn items(pipes: PipesClient) -> Result<(), Box<dyn std::error::Error>> {
    let (mut sender, numbers) = item_channel();
    spawn(async move {
        let _ = sender.give(&1).await;
    });
    pipes.sum(numbers).offset(1).await?;
    pipes.sum(item_iter([1, 2])).await?;
    let mut numbers = pipes.forever().start();
    numbers.next().await?;
    Ok(())
}

pub fn give(cx: &Context, items: &Yielder<u64>) {
    drop(items.give(&1));
    let another: Yielder<u64> = cx.yielder();
    spawn(async move {
        let _ = another.give(&1).await;
    });
}
