//! Calls that this end serves: from the bytes of a call to the bytes of its outcome.

pub(crate) mod blocking;
mod budget;
pub(crate) mod dispatch;
pub(crate) mod functions;
pub(crate) mod hash;
pub(crate) mod intercept;
pub(crate) mod params;
pub(crate) mod reply;
