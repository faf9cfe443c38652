// E0046
use kaa_tests::beacon::{Attributes, Devices};
use kaa_tests::kaa_rpc_runtime::{Context, Outcome};

pub struct Drive;

impl Devices for Drive {
    async fn changed(&self, _: &Context, _: String, _: Attributes) -> Outcome<()> {
        Ok(())
    }
}
