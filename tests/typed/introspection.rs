//! What generated ends tell of themselves, and what a check of two versions says.

use kaa_rpc_runtime::{Channel, Compatibility, Context, Difference, Effect, Outcome};
use kaa_tests::player::{Screen, ScreenClient, ScreenService};
use kaa_tests::types::Track;
use kaa_tests::{new_shop as new, old_shop as old};

use crate::evolution::{new_server, old_server};
use crate::objects::{Runner, TestResult, lab};

/// What is worse than merely different, in words.
fn worse(found: &Compatibility) -> Vec<String> {
    let worse = |it: &&Difference| it.effect != Effect::Compatible;
    let found = found.differences.iter().filter(worse);
    found.map(ToString::to_string).collect()
}

#[track_caller]
fn tells(found: &Compatibility, lines: &[&str]) {
    let text = found.to_string();
    for line in lines {
        assert!(
            text.lines().any(|it| it == format!("  {line}")),
            "{line}\n{text}"
        );
    }
}

#[tokio::test]
async fn an_old_client_of_a_new_server_is_told_what_differs() -> TestResult {
    let (_server, shop) = new_server().await?;
    let found = old::ShopClient::check(shop.channel()).await?;
    assert!(!found.is_compatible(), "{found}");
    assert_eq!(
        worse(&found),
        [
            "breaks: `count`: yields: the other end gives shop.Item, which this end does not expect",
            "breaks: `size`: variant `huge` of enum `shop.Size`: this end does not know it and refuses it",
        ]
    );
    tells(
        &found,
        &[
            "compatible: `buy`: parameter `gift`: this end does not know it and never sets it",
            "compatible: `buy`: field `since` of variant `sold_out` of error `shop.Refusal`: this end does not know it and ignores it",
            "compatible: `buy`: variant `closed` of error `shop.Refusal`: this end does not know it and keeps it as unknown",
            "compatible: `item`: field `price` of struct `shop.Item`: it is not sent; the other end fills it in",
            "compatible: `kind`, `kinds`: field `pages` of variant `book` of enum `shop.Kind`: this end does not know it and ignores it",
            "compatible: `size`, `sizes`: variant `huge` of enum `shop.Size`: it is never sent",
        ],
    );
    assert!(!found.to_string().contains("ask"), "{found}");
    Ok(())
}

#[tokio::test]
async fn a_new_client_of_an_old_server_is_told_what_differs() -> TestResult {
    let (_server, shop) = old_server().await?;
    let found = new::ShopClient::check(shop.channel()).await?;
    assert!(!found.is_compatible(), "{found}");
    assert_eq!(
        worse(&found),
        [
            "breaks: `ask`: function: the other end does not expose it: calls fail with \"unknown function\"",
            "breaks: `count`: yields: this end expects shop.Item, the other end gives nothing",
            "breaks: `size`, `sizes`: variant `huge` of enum `shop.Size`: the other end does not know it and refuses it",
            "compatible unless used: `browse`: parameter `above`: the other end does not know it: it refuses calls that set it",
            "compatible unless used: `buy`: parameter `count`: the other end does not know it: it refuses calls that set it",
            "compatible unless used: `buy`: parameter `gift`: the other end does not know it: it refuses calls that set it",
        ]
    );
    tells(
        &found,
        &[
            "compatible: `buy`: variant `closed` of error `shop.Refusal`: it is never sent",
            "compatible: `item`: field `price` of struct `shop.Item`: the other end does not know it and ignores it",
            "compatible: `kind`, `kinds`: variant `game` of enum `shop.Kind`: it is never sent",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn both_ends_of_one_version_have_the_same_contract() -> TestResult {
    let (runner, _) = Runner::new();
    let (server, client) = lab(runner).await?;
    // Each end checks all that it calls.
    let found = client.check().await?;
    assert_eq!(
        found.to_string(),
        "`typed.Echo`, `typed.Runs`, `typed.Mirror`: the same at both ends"
    );
    let found = server.check().await?;
    assert_eq!(found.to_string(), "`typed.Mirror`: the same at both ends");
    Ok(())
}

#[tokio::test]
async fn interfaces_behind_prefixes_and_of_other_packages_are_checked() -> TestResult {
    let (_server, client) = Channel::pair(
        |server| server.register_at("left.", ScreenService::new(Nobody)),
        |client| client,
    )
    .await?;
    assert!(ScreenClient::check_at(&client, "left.").await?.is_same());
    let found = ScreenClient::check(&client).await?;
    assert_eq!(found.breaking().count(), 1, "{found}");
    // The types of an imported package are told as well, and nothing that is not used.
    let text = client.describe(&["left.track.changed"]).await?.to_text();
    for part in [
        "package media.types;",
        "struct Track {",
        "@prefix(\"left.\")\ninterface Screen {",
        "    @expose(\"track.changed\")\n    oneway fn track_changed(track: media.types.Track?);",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("confirm"), "{text}");
    Ok(())
}

/// Is asked for nothing but what it is.
struct Nobody;

impl Screen for Nobody {
    async fn changed(&self, _: &Context, _: Option<Track>) -> Outcome<()> {
        Ok(())
    }

    async fn confirm(&self, _: &Context, _: String) -> Outcome<bool> {
        Ok(true)
    }
}
