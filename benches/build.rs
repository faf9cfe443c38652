//! Compiles the schemas, and notes which compiler did.

use std::env;
use std::error::Error;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    kaa_rpc_build::compile(&["kidl/bench.kidl"])?;
    #[cfg(feature = "capnp")]
    generate_capnp()?;
    #[cfg(feature = "tonic")]
    generate_tonic();
    let compiler = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let version = String::from_utf8(compiler.stdout)?;
    println!("cargo::rustc-env=RUSTC_VERSION={}", version.trim());
    Ok(())
}

/// From what `capnp compile` made of the schema: that compiler is no Rust, so it need not be there.
#[cfg(feature = "capnp")]
fn generate_capnp() -> Result<(), Box<dyn Error>> {
    const REQUEST: &str = "capnp/bench.request";
    println!("cargo::rerun-if-changed={REQUEST}");
    capnpc::codegen::CodeGenerationCommand::new()
        .output_directory(env::var("OUT_DIR")?)
        .default_parent_module(vec![
            "systems".to_owned(),
            "capnp".to_owned(),
            "generated".to_owned(),
        ])
        .run(std::fs::File::open(REQUEST)?)?;
    Ok(())
}

/// Without a `.proto` file, as its compiler is no Rust.
#[cfg(feature = "tonic")]
fn generate_tonic() {
    use tonic_build::manual::{Builder, Method, Service};
    let service = Service::builder().package("bench").name("Echo");
    let methods = [("text", "Text"), ("data", "Data"), ("album", "Album")];
    let service = methods.iter().fold(service, |service, (name, message)| {
        let message = format!("super::super::{message}");
        let method = Method::builder()
            .name(name)
            .route_name(name)
            .input_type(&message)
            .output_type(&message)
            .codec_path("::tonic_prost::ProstCodec");
        service.method(method.build())
    });
    Builder::new().compile(&[service.build()]);
}
