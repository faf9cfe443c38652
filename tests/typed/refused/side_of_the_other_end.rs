// E0609
use kaa_tests::beacon::DatabaseClient;

pub async fn wrong(client: DatabaseClient) {
    let _ = client.log.info().await;
}
