//! `beacon-client ADDRESS SECRET-FILE work|lock`: a client of the daemon in a process of its own.
//!
//! `work` fills the database and looks at what it gets back; `lock` takes the lock, says so, and waits
//! to be killed.

use std::error::Error;
use std::process::ExitCode;

use kaa_rpc_runtime::{CallError, Secret, Value, kwargs};
use kaa_tests::beacon::{Attributes, DatabaseClient, DatabaseError};
use kaa_tests::media_database::{News, Viewer};

const ROUNDS: i64 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("beacon-client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, secret, task] = &arguments[..] else {
        return Err("usage: beacon-client ADDRESS SECRET-FILE work|lock".into());
    };
    let secret = Secret::from_file(secret)?;
    let (client, mut news) = Viewer::connect(address, &secret).await?;
    let Some(News::Connected(number, _, _)) = news.recv().await else {
        return Err("the daemon's first call is not `connect`".into());
    };
    match task.as_str() {
        "work" => work(&client, number).await,
        "lock" => {
            client.beacon.db_lock().await?;
            println!("locked {number}");
            client.channel.closed().await;
            Ok(())
        }
        other => Err(format!("no task is called {other}").into()),
    }
}

/// Each round makes an item that only this client makes, typed and by name in turn.
async fn work(client: &DatabaseClient, number: i64) -> Result<(), Box<dyn Error>> {
    let root = ("dir".to_owned(), 0);
    for round in 0..ROUNDS {
        let token = format!("client {number}, round {round}");
        let id = if round % 2 == 0 {
            let create = client.beacon.item_create("note", &root);
            create.kwargs(kwargs! { token: token }).await?
        } else {
            let arguments = (kwargs! { token: token, parent: root, type: "note" },);
            client.channel.rpc("item_create", arguments).await?
        };
        let name = Attributes::from([("name".to_owned(), Value::from(token.as_str()))]);
        client.beacon.item_update(&[(id.clone(), name)]).await?;
        client.beacon.item_delete(&id).await?;
        match client.beacon.item_delete(&id).await {
            Err(CallError::Declared(DatabaseError::NoItem { id: gone })) if gone == id => {}
            other => return Err(format!("{token}: deleted twice: {other:?}").into()),
        }
    }
    client.channel.close().await;
    Ok(())
}
