//! A guest: calls the host, and is called by it.

use std::error::Error;

use kaa_examples::supper::{Guest, Supper};
use kaa_rpc_runtime::{Context, Outcome, Secret};
use tokio::io::{AsyncBufReadExt, BufReader};

struct Person {
    dish: String,
}

impl Guest for Person {
    async fn wants(&self, _: &Context, dish: String) -> Outcome<bool> {
        Ok(dish == self.dish)
    }

    async fn decided(&self, _: &Context, dish: String, votes: u32) -> Outcome<()> {
        println!("{dish} has {votes} votes");
        Ok(())
    }

    async fn came(&self, _: &Context, name: String) -> Outcome<()> {
        println!("{name} has come");
        Ok(())
    }

    async fn left(&self, _: &Context, name: String) -> Outcome<()> {
        println!("{name} has left");
        Ok(())
    }
}

pub(crate) async fn run(name: &str, dish: &str) -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let person = Person {
        dish: dish.to_owned(),
    };
    let supper = Supper::connect(crate::ADDRESS, &secret, person).await?;
    let others = supper.table.sit(name).await?;
    let others = if others.is_empty() {
        "nobody".to_owned()
    } else {
        others.join(", ")
    };
    println!("I sit with {others}");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "propose" {
            let votes = supper.table.propose(dish).await?;
            println!("I proposed {dish}: {votes}");
        }
    }
    supper.channel.close().await;
    Ok(())
}
