//! Without mistakes.

use kaa_tests::beacon::{Database, DatabaseClient, DatabasePeer, ItemId};
use kaa_tests::kaa_rpc_runtime::{Context, Outcome, Secret};
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
