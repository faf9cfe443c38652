//! Messages of the handshake, and secret files.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kaa_fuzz::handshake(data));
