// E0053
use kaa_tests::flow::{Pipes, Trouble};
use kaa_tests::kaa_rpc_runtime::{Bytes, Context, Items, Outcome, Yielder};
use kaa_tests::typed::Mood;

pub struct Pump;

impl Pipes for Pump {
    async fn count(
        &self,
        _: &Context,
        _: u64,
        _: u64,
        _: u64,
        _: Option<u64>,
        _: &Yielder<u64>,
    ) -> Outcome<String, Trouble> {
        Ok(String::new())
    }

    async fn forever(&self, _: &Context, _: &Yielder<u64>) -> Outcome<()> {
        Ok(())
    }

    async fn sum(&self, _: &Context, _: Items<u32>, _: u64, _: Option<u32>) -> Outcome<u64> {
        Ok(0)
    }

    async fn zip(
        &self,
        _: &Context,
        _: Items<u64>,
        _: Items<Mood>,
        _: Items<Bytes>,
        _: &Yielder<(u64, Mood, Bytes)>,
    ) -> Outcome<u64> {
        Ok(0)
    }

    async fn relay(&self, _: &Context, _: Items<u64>, _: &Yielder<u64>) -> Outcome<u64> {
        Ok(0)
    }
}
