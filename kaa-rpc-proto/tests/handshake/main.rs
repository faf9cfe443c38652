//! The handshake, from both ends and against those who are neither.

mod documents;
mod ends;
mod honest;
mod hostile;
mod properties;
mod relay;
mod vectors;
