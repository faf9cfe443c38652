//! Compiles the schemas that the examples use.

fn main() -> Result<(), kaa_rpc_build::Error> {
    kaa_rpc_build::compile(&[
        "../schemas/player.kidl",
        "kidl/archive.kidl",
        "kidl/climate.kidl",
        "kidl/studio.kidl",
        "kidl/press.kidl",
        "kidl/supper.kidl",
        "kidl/tally.kidl",
        "kidl/workshop.kidl",
    ])
}
