//! What an end tells of itself, and how it is compared with what the other end was made for.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `expose` | what is registered, as a description |
//! | `built_in` | the functions `kaa.ping` and `kaa.describe` |
//! | `ask` | the other end's description, and its comparison with a proxy's |
//! | `wire`, `convert` | descriptions as they travel |

mod ask;
mod built_in;
mod convert;
mod expose;
#[rustfmt::skip] // It is as the generator wrote it.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::large_enum_variant,
    reason = "it is generated"
)]
mod wire;

pub use ask::check;
pub(crate) use built_in::built_in;
pub(crate) use expose::Exposed;

use kaa_rpc_describe::Description;

/// The text of a package, and where that of the packages is that it uses.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    text: &'static str,
    uses: &'static [fn() -> Self],
}

impl Schema {
    /// Of the text that the generator wrote.
    #[must_use]
    pub const fn new(text: &'static str, uses: &'static [fn() -> Self]) -> Self {
        Self { text, uses }
    }

    /// Adds what it and the packages that it uses declare, unless `read` says that they were.
    fn describe(self, read: &mut Vec<&'static str>, into: &mut Description) {
        let mut todo = vec![self];
        while let Some(schema) = todo.pop() {
            // Texts that are equal are the same package, wherever they stand.
            if read.contains(&schema.text) {
                continue;
            }
            read.push(schema.text);
            match kaa_rpc_describe::read(schema.text) {
                Ok(package) => {
                    into.interfaces.extend(package.interfaces);
                    into.functions.extend(package.functions);
                    into.types.extend(package.types);
                }
                // A test of the generator reads what it writes.
                Err(error) => tracing::error!(%error, "a generated description cannot be read"),
            }
            todo.extend(schema.uses.iter().map(|schema| schema()));
        }
    }
}
