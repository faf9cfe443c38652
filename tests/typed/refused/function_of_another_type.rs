// E0053
use kaa_tests::kaa_rpc_runtime::{Context, Outcome};
use kaa_tests::typed::Mirror;

pub struct Glass;

impl Mirror for Glass {
    async fn token(&self, _: &Context, token: i64) -> Outcome<u64> {
        Ok(token.unsigned_abs())
    }
}
