//! The .kidl interface language of Kaa RPC: parser, checker, diagnostics.
