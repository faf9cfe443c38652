// E0599
use kaa_tests::flow::PipesClient;

pub async fn wrong(pipes: PipesClient) {
    let _ = pipes.forever().next().await;
}
