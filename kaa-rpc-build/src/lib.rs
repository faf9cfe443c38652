//! Generates Rust from .kidl files; called from build.rs.
