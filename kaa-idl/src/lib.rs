//! The `.kidl` interface language of Kaa RPC: parser, checker, diagnostics.
//!
//! [`check`] reads files through a [`SourceLoader`] and gives a [`Checked`]: the [`Schema`](schema::Schema)
//! if there is no error, and all diagnostics either way. A schema can be had in no other way, so whoever
//! holds one meets no unresolved name. The language itself is described in `docs/language.md`.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::path::PathBuf;
//!
//! let mut files = BTreeMap::new();
//! files.insert(PathBuf::from("hello.kidl"), "
//!     package hello;
//!     /// Says hello.
//!     interface Greeter {
//!         /// Greets `name`.
//!         fn greet(name: string) -> string;
//!     }
//! ".to_owned());
//! let checked = kaa_idl::check(&["hello.kidl".into()], &[], &files);
//! let schema = checked.schema().expect("it has no mistakes");
//! assert_eq!(schema.packages()[0].name, "hello");
//! assert_eq!(checked.render(kaa_idl::Style::Plain), "");
//! ```

mod check;
mod describe;
mod diagnostics;
mod limits;
pub mod naming;
pub mod schema;
mod suggest;
mod syntax;

pub use check::{Checked, SourceLoader, check};
pub use diagnostics::{CODES, CodeInfo, Diagnostic, Label, Severity, Style, explain};
pub use limits::{MAX_FILE_SIZE, MAX_NESTING};
pub use syntax::span::{Source, Span};
