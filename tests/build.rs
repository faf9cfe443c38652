//! Compiles the schemas that the tests use.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    kaa_rpc_build::compile(&["../schemas/player.kidl", "../schemas/beacon.kidl"])?;
    kaa_rpc_build::configure()
        .quiet()
        .compile(&["typed/types.kidl", "typed/flow.kidl"])?;
    // Two versions of one package do not fit into one folder.
    let out = std::env::var("OUT_DIR")?;
    for version in ["old", "new"] {
        kaa_rpc_build::configure()
            .quiet()
            .out_dir(Path::new(&out).join(version))
            .compile(&[format!("typed/{version}.kidl")])?;
    }
    Ok(())
}
