//! Generates the code of the generator's own fixtures.

fn main() -> Result<(), kaa_rpc_build::Error> {
    let fixtures = [
        "player",
        "types",
        "everything",
        "keywords",
        "names",
        "docs",
        "lints",
        "streams",
    ];
    let paths = fixtures.map(|name| format!("../../kaa-rpc-build/tests/fixtures/{name}.kidl"));
    kaa_rpc_build::configure().quiet().compile(&paths)
}
