// makes no items of the type `u64`
use kaa_tests::flow::PipesClient;
use kaa_tests::kaa_rpc_runtime::item_iter;

pub async fn wrong(pipes: PipesClient) {
    let _ = pipes.sum(item_iter(["one", "two"])).await;
}
