//! What the tests share.

pub(crate) mod dump;
pub(crate) mod folder;
