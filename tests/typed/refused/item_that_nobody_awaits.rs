// unused `Give` that must be used
use kaa_tests::kaa_rpc_runtime::Yielder;

pub fn wrong(items: &Yielder<u64>) {
    items.give(&1);
}
