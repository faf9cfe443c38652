// E0407
use kaa_tests::kaa_rpc_runtime::{Context, Outcome};
use kaa_tests::typed::Mirror;

pub struct Glass;

impl Mirror for Glass {
    async fn token(&self, _: &Context, token: u64) -> Outcome<u64> {
        Ok(token)
    }

    async fn tokens(&self, _: &Context) -> Outcome<u64> {
        Ok(1)
    }
}
