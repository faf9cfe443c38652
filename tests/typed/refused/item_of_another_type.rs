// E0308
use kaa_tests::kaa_rpc_runtime::Yielder;

pub async fn wrong(items: &Yielder<u64>) {
    let _ = items.give(&"one").await;
}
