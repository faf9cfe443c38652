//! The objects behind the interfaces.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Context, Items, Outcome, Timestamp, Value, Yielder};
use kaa_tests::flow::{Flow, Pipes, PipesClient, Trouble};
use kaa_tests::typed::{Containers, Level, Mood, Shape, Tree};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use tokio::sync::Notify;

/// Gives back what it takes.
#[derive(Debug)]
pub(super) struct Echoes;

async fn echo<T>(mut taken: Items<T>, items: &Yielder<T>) -> Outcome<u64>
where
    T: Serialize + DeserializeOwned + Send + Sync,
{
    let mut count = 0;
    while let Some(item) = taken.next().await? {
        items.give(&item).await?;
        count += 1;
    }
    Ok(count)
}

/// Names of functions of one shape, and what their items are.
macro_rules! echoes {
    ($($name:ident: $item:ty),* $(,)?) => {
        impl Flow for Echoes {
            $(async fn $name(
                &self,
                _: &Context,
                taken: Items<$item>,
                items: &Yielder<$item>,
            ) -> Outcome<u64> {
                echo(taken, items).await
            })*
        }
    };
}

echoes! {
    bytes: Bytes,
    strings: String,
    maybe: Option<String>,
    any: Value,
    structs: Containers,
    open: Shape,
    strict: Level,
    tuples: (bool, f32, Timestamp),
    lists: Vec<Option<Duration>>,
    maps: BTreeMap<i8, Tree>,
}

/// Has items of its own making.
#[derive(Debug, Default)]
pub(super) struct Pump {
    /// How many `forever` gave.
    pub(super) given: AtomicU64,
    /// It was stopped.
    pub(super) stopped: Notify,
}

/// Tells when it is dropped.
struct Stopping<'a>(&'a Notify);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Pipes for Pump {
    async fn count(
        &self,
        _: &Context,
        first: u64,
        end: u64,
        step: u64,
        fails_at: Option<u64>,
        items: &Yielder<u64>,
    ) -> Outcome<String, Trouble> {
        let mut given = 0;
        let mut number = first;
        while number < end {
            if fails_at == Some(number) {
                return Err(Trouble::After { given }.into());
            }
            items.give(&number).await?;
            given += 1;
            number += step;
        }
        Ok(format!("{given} items"))
    }

    async fn forever(&self, _: &Context, items: &Yielder<u64>) -> Outcome<()> {
        let _stopping = Stopping(&self.stopped);
        loop {
            let number = self.given.load(Ordering::Relaxed);
            items.give(&number).await?;
            self.given.store(number + 1, Ordering::Relaxed);
        }
    }

    async fn sum(
        &self,
        _: &Context,
        mut numbers: Items<u64>,
        offset: u64,
        at_most: Option<u32>,
    ) -> Outcome<u64> {
        let mut sum = offset;
        let mut left = at_most.unwrap_or(u32::MAX);
        while left > 0
            && let Some(number) = numbers.next().await?
        {
            sum += number;
            left -= 1;
        }
        Ok(sum)
    }

    async fn zip(
        &self,
        _: &Context,
        mut left: Items<u64>,
        mut middle: Items<Mood>,
        mut right: Items<Bytes>,
        items: &Yielder<(u64, Mood, Bytes)>,
    ) -> Outcome<u64> {
        while let (Some(a), Some(b), Some(c)) = (
            left.next().await?,
            middle.next().await?,
            right.next().await?,
        ) {
            items.give(&(a, b, c)).await?;
        }
        let mut rest = 0;
        while left.next().await?.is_some() {
            rest += 1;
        }
        Ok(rest)
    }

    async fn relay(
        &self,
        cx: &Context,
        mut numbers: Items<u64>,
        items: &Yielder<u64>,
    ) -> Outcome<u64> {
        let caller = PipesClient::new(&cx.channel());
        let (mut sender, back) = kaa_rpc_runtime::item_channel();
        let summing = caller.sum(back).start();
        let mut count = 0;
        while let Some(number) = numbers.next().await? {
            sender.give(&number).await?;
            items.give(&number).await?;
            count += 1;
        }
        sender.finish().await?;
        assert_eq!(summing.await?, count * (count - 1) / 2);
        Ok(count)
    }
}
