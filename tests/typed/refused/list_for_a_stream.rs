// `Vec<u64>` makes no items of the type `u64`
use kaa_tests::flow::PipesClient;

pub async fn wrong(pipes: PipesClient) {
    let _ = pipes.sum(vec![1_u64, 2]).await;
}
