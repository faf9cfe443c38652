kaa_rpc_runtime::include_schema!(mod hello = "hello");

use hello::{Hello, HelloClient, HelloService};
use kaa_rpc_runtime::{Channel, Context, Outcome, Secret, Server};

struct Greeter;

impl Hello for Greeter {
    async fn greet(&self, _: &Context, name: String) -> Outcome<String> {
        Ok(format!("Hello, {name}!"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = format!("unix:hello-{}", std::process::id());
    let secret = Secret::generate()?;
    let _server = Server::builder(secret.clone())
        .register(HelloService::new(Greeter))
        .bind(&address)
        .await?;
    let channel = Channel::connect(&address, &secret).await?;
    println!("{}", HelloClient::new(&channel).greet("world").await?);
    Ok(())
}
