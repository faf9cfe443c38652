//! The beacon daemon and its clients.
