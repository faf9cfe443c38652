//! Generates the code whose types the target `generated` reads.

fn main() -> Result<(), kaa_rpc_build::Error> {
    let fixtures = ["everything", "types"];
    let paths = fixtures.map(|name| format!("../kaa-rpc-build/tests/fixtures/{name}.kidl"));
    kaa_rpc_build::configure().quiet().compile(&paths)
}
