//! The protocol of Kaa RPC without I/O: codec, frames, handshake, connection state.
