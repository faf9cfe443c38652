//! From text to a syntax tree.

pub(crate) mod ast;
mod expect;
#[rustfmt::skip]
#[allow(
    clippy::all,
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "pest made it of grammar.pest, see the package kaa-grammar"
)]
mod grammar;
mod literal;
mod lower;
mod parse;
mod scan;
pub(crate) mod span;

pub(crate) use parse::parse;
