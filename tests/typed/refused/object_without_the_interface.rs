// E0277
use kaa_tests::beacon::Database;
use kaa_tests::kaa_rpc_runtime::Secret;
use kaa_tests::media_database::Viewer;

pub fn wrong(secret: Secret) {
    let (viewer, _news) = Viewer::new();
    let _ = Database::server(secret, viewer);
}
