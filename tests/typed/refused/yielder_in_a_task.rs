// E0521
use kaa_tests::kaa_rpc_runtime::Yielder;

fn spawn(_: impl Future<Output = ()> + Send + 'static) {}

pub fn wrong(items: &Yielder<u64>) {
    spawn(async move {
        let _ = items.give(&1).await;
    });
}
