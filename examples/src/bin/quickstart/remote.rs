//! A remote control: it calls the daemon in every way there is, and answers its question.

use std::error::Error;
use std::time::Duration;

use kaa_examples::player::{MediaCenter, PlayError, Screen, Side};
use kaa_examples::types::{Source, Track};
use kaa_rpc_runtime::{Bytes, CallError, Context, Outcome, Secret, Value, item_iter, kwargs};

/// It has no display, but it can ask its user.
struct Buttons;

impl Screen for Buttons {
    async fn changed(&self, _: &Context, _: Option<Track>) -> Outcome<()> {
        Ok(())
    }

    async fn confirm(&self, _: &Context, question: String) -> Outcome<bool> {
        println!("asked: {question} yes");
        Ok(true)
    }
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let secret = Secret::load_or_create(crate::SECRET)?;
    let home = MediaCenter::connect(crate::ADDRESS, &secret, Buttons).await?;
    let player = &home.player;

    // A call is a future. Optional parameters are setters.
    let lucia = Source::File {
        path: "/music/lucia.ogg".into(),
    };
    let lucia = player.add("Lucia", &lucia).await?;
    let silence = player
        .add("4'33\"", &Source::Silence)
        .tags(&["quiet".to_owned()])
        .await?;
    println!("added {lucia} and {silence}");
    println!("play: {:?}", player.play(lucia).await?);

    // So is a timeout: this one replaces the schema's 5 seconds.
    let call = player.play(silence).at(Duration::from_secs(60));
    println!("play: {:?}", call.timeout(Duration::from_secs(1)).await?);

    // What the schema declares comes as its own type.
    match player.play(99).await {
        Err(CallError::Declared(PlayError::NotFound { id })) => println!("there is no track {id}"),
        other => println!("unexpected: {other:?}"),
    }

    // Calls can be started now and awaited later, or not at all.
    let left = player.volume(30).side(Side::Left).start();
    let right = player.volume(120).side(Side::Right).start();
    println!("volume: {} and {}", left.await?, right.await?);
    player.volume(50).start().detach();

    // The daemon asks back before it answers this one: see `confirm` above.
    println!("removed: {}", player.remove(lucia).await?);

    // A oneway call ends when it is sent.
    player.log("used").fields(kwargs! { buttons: 7 }).await?;

    // Anything can be called by its name on the wire too, with positional and named arguments.
    let six: i64 = home.channel.rpc("do_something", (6,)).await?;
    let four: i64 = home.channel.rpc("do_something", kwargs! { foo: 4 }).await?;
    println!("do_something: {six} and {four}");
    let tracks: Value = home.channel.rpc("tracks", ()).await?;
    println!("tracks: {tracks}");

    // A stream goes along with a call: a list, any `Stream`, or what an `item_channel` is given.
    let pieces = [vec![1; 1000], vec![2; 500]].map(Bytes::from);
    println!(
        "uploaded {}",
        player.upload("Norma", item_iter(pieces)).await?
    );

    // What a function yields comes from the handle of its call, and then the result.
    let mut found = player
        .scan(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/quickstart"))
        .start();
    let mut count = 0;
    while let Some(track) = found.next().await? {
        count += u64::from(matches!(track.source, Source::File { .. }));
    }
    println!("found {count} of {}", found.finish().await?);

    home.channel.close().await;
    Ok(())
}
