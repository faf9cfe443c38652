// E0061
use kaa_tests::flow::PipesClient;

pub async fn forgotten(pipes: PipesClient) {
    let _ = pipes.sum().offset(1).await;
}
