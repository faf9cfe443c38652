//! Compiles the schema, and notes which compiler did.

use std::env;
use std::error::Error;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    kaa_rpc_build::compile(&["kidl/bench.kidl"])?;
    let compiler = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let version = String::from_utf8(compiler.stdout)?;
    println!("cargo::rustc-env=RUSTC_VERSION={}", version.trim());
    Ok(())
}
