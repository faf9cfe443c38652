//! The functions that every end exposes: `kaa.ping` and `kaa.describe`.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use kaa_rpc_describe::Function;
use kaa_rpc_proto::msgpack::Value;

use super::convert;
use super::wire::Item;
use crate::context::Context;
use crate::items::{GiveError, Yielder};
use crate::outcome::Outcome;
use crate::serve::functions::{Functions, Registration};
use crate::serve::params::{Handler, params};

/// The built-in function of that name.
pub(crate) fn built_in(name: &str) -> Option<Arc<Registration>> {
    static PING: LazyLock<Option<Arc<Registration>>> =
        LazyLock::new(|| registration("kaa.ping", params(["value?"], ping)));
    static DESCRIBE: LazyLock<Option<Arc<Registration>>> =
        LazyLock::new(|| registration("kaa.describe", params(["names?", "brief?"], describe)));
    match name {
        "kaa.ping" => PING.clone(),
        "kaa.describe" => DESCRIBE.clone(),
        _ => None,
    }
}

fn registration(name: &str, function: impl Handler) -> Option<Arc<Registration>> {
    let mut functions = Functions::default();
    functions.add_fn(name, function);
    functions.single().map(Arc::new)
}

async fn ping(value: Option<Value>) -> Outcome<Option<Value>> {
    Ok(value)
}

/// Yields what is exposed: all of it, or the functions called `names`, with what they use; if it is to be
/// `brief`, only names and hashes.
async fn describe(cx: Context, names: Option<Vec<String>>, brief: Option<bool>) -> Outcome<()> {
    // Making a description takes its time, in which the driver has better things to do.
    tokio::task::yield_now().await;
    let exposed = cx.functions().described();
    let names: HashSet<String> = names.unwrap_or_default().into_iter().collect();
    let selected;
    let description = if names.is_empty() {
        &exposed.description
    } else {
        let mut all = exposed.description.clone();
        all.retain(|function: &Function| names.contains(&function.wire_name()));
        selected = all;
        &selected
    };
    let items = cx.yielder();
    let brief = brief.unwrap_or_default();
    for interface in &description.interfaces {
        let key = (interface.prefix.clone(), interface.name.clone());
        give(
            &items,
            convert::from_interface(interface, exposed.interfaces.get(&key)),
        )
        .await?;
    }
    for function in &description.functions {
        let hash = exposed.functions.get(&function.wire_name());
        let item = match brief {
            true => convert::from_brief(function, hash),
            false => convert::from_function(function, hash),
        };
        give(&items, item).await?;
    }
    if !brief {
        for (name, declaration) in &description.types {
            give(&items, convert::from_type(name, declaration)).await?;
        }
    }
    Ok(())
}

/// Documentation is what an item can do without if it is too large for the caller.
async fn give(items: &Yielder<Item>, item: Item) -> Result<(), GiveError> {
    let given = items.give(&item).await;
    let Err(GiveError::TooLarge(_)) = given else {
        return given;
    };
    items.give(&convert::without_docs(item)).await
}
