// use `at_once`
use kaa_tests::typed::RunsClient;

pub async fn old(runs: RunsClient) {
    let _ = runs.old(1).await;
}
