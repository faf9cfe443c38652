// makes no items of the type `u64`
use kaa_tests::flow::PipesClient;
use kaa_tests::kaa_rpc_runtime::item_channel;

pub async fn wrong(pipes: PipesClient) {
    let (_sender, items) = item_channel::<String>();
    let _ = pipes.sum(items).await;
}
