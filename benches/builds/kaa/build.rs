fn main() -> Result<(), Box<dyn std::error::Error>> {
    kaa_rpc_build::compile(&["hello.kidl"])?;
    Ok(())
}
