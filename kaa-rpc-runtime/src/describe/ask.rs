//! Asks the other end what it exposes.

use std::time::Duration;

use kaa_rpc_describe::{Compatibility, Description, compare};
use kaa_rpc_proto::kwargs;

use super::Schema;
use super::convert::Gathered;
use super::expose::Exposed;
use super::wire::Item;
use crate::channel::Channel;
use crate::error::{BadResult, Error};
use crate::serve::functions::Origin;

/// How long the other end may take to describe itself, unless the channel's calls have less time.
const TIME: Duration = Duration::from_secs(30);
/// More is asked for without names, so that the question fits into any frame. In bytes.
const MAX_NAMES: usize = 16 << 10;

impl Channel {
    /// What the other end exposes: with `names`, the functions of these wire names and the types that they
    /// use, otherwise all of it.
    ///
    /// The text comes from the other end. [`Description::to_text`] shows it in the syntax of `.kidl` files.
    ///
    /// # Errors
    ///
    /// That of the call of `kaa.describe`: [`Error::UnknownFunction`] if the other end does not tell;
    /// [`Error::TimedOut`] after 30 seconds; [`Error::BadResult`] if it sends what is no description or more
    /// than 32 MiB.
    pub async fn describe(&self, names: &[&str]) -> Result<Description, Error> {
        Ok(ask(self, names, false).await?.description)
    }
}

async fn ask(channel: &Channel, names: &[&str], brief: bool) -> Result<Gathered, Error> {
    let fits = names.iter().map(|name| name.len() + 5).sum::<usize>() <= MAX_NAMES;
    let asked: Vec<String> = match fits {
        true => names.iter().map(|&name| name.to_owned()).collect(),
        false => Vec::new(),
    };
    let call = channel.rpc::<(), _>("kaa.describe", kwargs! { names: asked, brief: brief });
    let mut items = call.items::<Item>().timeout(TIME).start();
    let mut gathered = Gathered::default();
    while let Some(item) = items.next().await? {
        gathered.add(item).map_err(|problem| {
            let message = format!("the other end's description is not accepted: {problem}");
            Error::BadResult(Box::new(BadResult { message }))
        })?;
    }
    items.finish().await?;
    Ok(gathered)
}

/// Compares the functions of an interface with what the other end exposes behind `prefix`.
///
/// # Errors
///
/// Those of [`Channel::describe`].
pub async fn check(
    channel: &Channel,
    prefix: &str,
    interface: &'static str,
    schema: fn() -> Schema,
) -> Result<Compatibility, Error> {
    let own = own(Origin {
        name: interface,
        schema,
    });
    let names = own.functions.keys().map(|name| format!("{prefix}{name}"));
    let names: Vec<String> = names.collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Usually both ends were built of the same file, and that takes a few hashes to see.
    let theirs = ask(channel, &names, true).await?;
    let same = |(name, hash): (&String, &String)| {
        theirs.hashes.get(&format!("{prefix}{name}")) == Some(hash)
    };
    if own.functions.iter().all(same) {
        return Ok(Compatibility::same(&own.description, prefix));
    }
    let theirs = ask(channel, &names, false).await?;
    Ok(compare(&own.description, &theirs.description, prefix))
}

/// What this end was built for.
fn own(origin: Origin) -> Exposed {
    let mut description = Description::default();
    (origin.schema)().describe(&mut Vec::new(), &mut description);
    description.retain(|function| function.interface.as_deref() == Some(origin.name));
    Exposed::hashed(description)
}
