//! From text to a syntax tree.

pub(crate) mod ast;
mod expect;
mod literal;
mod lower;
mod parse;
mod scan;
pub(crate) mod span;

pub(crate) use parse::parse;
