//! A client, who tries everything.

use std::error::Error;

use kaa_rpc_runtime::{Channel, Error as CallError, Secret, Value};

pub(crate) async fn run(who: &str) -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::secret_file(who))?;
    let channel = Channel::builder(&secret)
        .key_id(who)
        .connect(crate::ADDRESS)
        .await?;
    let calls = [
        channel.rpc::<Value, _>("balance", ()).await,
        channel.rpc("deposit", (20,)).await,
        // To who is refused, arguments that do not fit tell nothing.
        channel.rpc("deposit", ("much",)).await,
        channel.rpc("close", ()).await,
        channel.rpc("clsoe", ()).await,
    ];
    for outcome in calls {
        match outcome {
            Ok(value) => println!("{value}"),
            Err(error @ CallError::Refused { .. }) => println!("{error}"),
            Err(CallError::BadArguments(bad)) => println!("bad {}", bad.parameter),
            Err(error) => println!("unexpected: {error}"),
        }
    }
    channel.close().await;
    Ok(())
}
