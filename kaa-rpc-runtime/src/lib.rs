//! The tokio runtime of Kaa RPC: transports, servers, channels, calls.
