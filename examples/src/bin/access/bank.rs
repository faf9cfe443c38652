//! The server, with rules.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kaa_examples::stage;
use kaa_rpc_runtime::{Answer, Peer, Secret, ServedCall, ServedNext, Server, params};

/// Who may call what. What no rule names, nobody may call.
struct Rules {
    /// The user who runs the bank.
    own_uid: Option<u32>,
}

impl Rules {
    fn allow(&self, peer: &Peer, function: &str) -> bool {
        let uid = peer
            .credentials()
            .map(kaa_rpc_runtime::PeerCredentials::uid);
        match function {
            // Everybody who has a secret.
            "balance" => true,
            // Who has this secret, whatever their user.
            "deposit" => peer.name() == "teller",
            // And this only from programs of the same user.
            "close" => peer.name() == "teller" && uid.is_some() && uid == self.own_uid,
            _ => false,
        }
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let balance = Arc::new(AtomicI64::new(100));
    let (read, changed) = (Arc::clone(&balance), Arc::clone(&balance));
    // A folder of our own belongs to the user that we are.
    let own_uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?);
    let rules = Arc::new(Rules {
        own_uid: Some(own_uid),
    });

    let server = Server::builder(Secret::generate()?)
        .secret(
            "teller",
            Secret::load_or_create(crate::secret_file("teller"))?,
        )
        .secret(
            "guest",
            Secret::load_or_create(crate::secret_file("guest"))?,
        )
        .register_fn(
            "balance",
            params([], move || {
                let balance = read.load(Ordering::Relaxed);
                async move { Ok(balance) }
            }),
        )
        .register_fn(
            "deposit",
            params(["amount"], move |amount: i64| {
                let balance = changed.fetch_add(amount, Ordering::Relaxed) + amount;
                async move { Ok(balance) }
            }),
        )
        .register_fn("close", params([], async || Ok("closed")))
        // The outermost one sees what the rules say, too.
        .intercept_served(log)
        .intercept_served(move |call: ServedCall, next: ServedNext| {
            let rules = Arc::clone(&rules);
            async move {
                let peer = call.context().peer();
                if !rules.allow(&peer, call.name()) {
                    return Answer::refused(format!(
                        "`{}` is not for `{}`",
                        call.name(),
                        peer.name()
                    ));
                }
                next.run(call).await
            }
        })
        .bind(crate::ADDRESS)
        .await?;
    println!("ready");
    stage::stopped().await;
    println!("balance {}", balance.load(Ordering::Relaxed));
    server.close().await;
    Ok(())
}

/// One line for each call.
async fn log(call: ServedCall, next: ServedNext) -> Answer {
    let (who, name) = (
        call.context().peer().name().to_owned(),
        call.name().to_owned(),
    );
    let answer = next.run(call).await;
    println!("{who} {name:?}: {}", answer.code());
    answer
}
