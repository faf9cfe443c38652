use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

mod hello {
    include!(concat!(env!("OUT_DIR"), "/hello.Hello.rs"));
}

use hello::hello_client::HelloClient;
use hello::hello_server::{Hello, HelloServer};

#[derive(Clone, PartialEq, prost::Message)]
pub struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

struct Greeter;

#[tonic::async_trait]
impl Hello for Greeter {
    async fn greet(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        let text = format!("Hello, {}!", request.into_inner().text);
        Ok(Response::new(Text { text }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("hello-{}", std::process::id()));
    let incoming = UnixListenerStream::new(UnixListener::bind(&path)?);
    let server = Server::builder().add_service(HelloServer::new(Greeter));
    tokio::spawn(server.serve_with_incoming(incoming));
    let endpoint = Endpoint::from_shared(format!("unix:{}", path.display()))?;
    let mut client = HelloClient::new(endpoint.connect().await?);
    let text = "world".to_owned();
    println!("{}", client.greet(Text { text }).await?.into_inner().text);
    std::fs::remove_file(path)?;
    Ok(())
}
