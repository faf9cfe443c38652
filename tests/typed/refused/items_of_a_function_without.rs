// E0599
use kaa_tests::kaa_rpc_runtime::item_iter;
use kaa_tests::flow::PipesClient;

pub async fn wrong(pipes: PipesClient) {
    let _ = pipes.sum(item_iter([1])).start().next().await;
}
