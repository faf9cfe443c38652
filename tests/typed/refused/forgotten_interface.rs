// E0061
use kaa_tests::beacon::Database;
use kaa_tests::kaa_rpc_runtime::Secret;
use kaa_tests::media_database::Viewer;

pub async fn forgotten(secret: &Secret) {
    let (viewer, _news) = Viewer::new();
    let _ = Database::connect("unix:beacon", secret, viewer.clone(), viewer).await;
}
