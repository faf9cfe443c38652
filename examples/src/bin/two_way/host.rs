//! The host: calls guests back from inside its functions, and tells all of them.

use std::error::Error;

use kaa_examples::stage;
use kaa_examples::supper::{Supper, SupperPeer, Table};
use kaa_rpc_runtime::{Clients, Context, Outcome, Secret};

struct Host;

/// What the host knows of a guest: state of the guest's channel.
struct Seat {
    name: String,
}

impl Table for Host {
    async fn sit(&self, cx: &Context, name: String) -> Outcome<Vec<String>> {
        println!("{name} sits down");
        let clients = cx.clients();
        let others = guests(&clients).map(|(name, _)| name).collect();
        clients.broadcast(|guest: &SupperPeer| {
            // Those that have no seat yet are not told.
            seat(guest)?;
            Some(guest.guest.came(&name).start())
        });
        let channel = cx.channel();
        channel.insert_state(Seat { name: name.clone() });
        // However it goes: it says goodbye, or is killed.
        channel.on_close(move |reason| {
            println!("{name} has left: {reason}");
            clients.broadcast(|guest| guest.guest.left(&name).start());
        });
        Ok(others)
    }

    async fn propose(&self, cx: &Context, dish: String) -> Outcome<u32> {
        let clients = cx.clients::<SupperPeer>();
        // All are asked at once, and the caller is one of them: it answers while it waits for us.
        let asked: Vec<_> = guests(&clients)
            .map(|(name, guest)| (name, guest.guest.wants(&dish).start()))
            .collect();
        let mut votes = 0;
        for (name, answer) in asked {
            // Who goes meanwhile has no vote.
            if let Ok(wants) = answer.await {
                println!("{name} wants {dish}: {wants}");
                votes += u32::from(wants);
            }
        }
        clients.broadcast(|guest| guest.guest.decided(&dish, votes).start());
        Ok(votes)
    }
}

fn seat(guest: &SupperPeer) -> Option<String> {
    Some(guest.channel.state::<Seat>()?.name.clone())
}

/// The guests that sit, by name.
fn guests(clients: &Clients<SupperPeer>) -> impl Iterator<Item = (String, SupperPeer)> + use<> {
    let seated = |guest| Some((seat(&guest)?, guest));
    let mut guests: Vec<_> = clients.channels().into_iter().filter_map(seated).collect();
    guests.sort_by(|(one, _), (other, _)| one.cmp(other));
    guests.into_iter()
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let server = Supper::server(secret, Host).bind(crate::ADDRESS).await?;
    println!("the table is laid");
    stage::stopped().await;
    server.close().await;
    Ok(())
}
