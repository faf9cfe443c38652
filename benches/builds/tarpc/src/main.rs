use futures::StreamExt;
use tarpc::context::{self, Context};
use tarpc::serde_transport::unix;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;

#[tarpc::service]
trait Hello {
    async fn greet(name: String) -> String;
}

#[derive(Clone)]
struct Greeter;

impl Hello for Greeter {
    async fn greet(self, _: Context, name: String) -> String {
        format!("Hello, {name}!")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("hello-{}", std::process::id()));
    let mut incoming = unix::listen(&path, Bincode::default).await?;
    tokio::spawn(async move {
        while let Some(Ok(stream)) = incoming.next().await {
            let calls = BaseChannel::with_defaults(stream).execute(Greeter.serve());
            tokio::spawn(calls.for_each(async |call| {
                tokio::spawn(call);
            }));
        }
    });
    let stream = unix::connect(&path, Bincode::default).await?;
    let client = HelloClient::new(tarpc::client::Config::default(), stream).spawn();
    println!("{}", client.greet(context::current(), "world".to_owned()).await?);
    std::fs::remove_file(path)?;
    Ok(())
}
