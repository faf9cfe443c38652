use tonic_build::manual::{Builder, Method, Service};

// Without a `.proto` file, as its compiler is no Rust; generating from one takes more crates.
fn main() {
    let method = Method::builder()
        .name("greet")
        .route_name("Greet")
        .input_type("crate::Text")
        .output_type("crate::Text")
        .codec_path("::tonic_prost::ProstCodec");
    let service = Service::builder()
        .package("hello")
        .name("Hello")
        .method(method.build());
    Builder::new().compile(&[service.build()]);
}
