//! Two versions of one schema at the two ends of a channel.

use std::collections::BTreeMap;

use kaa_rpc_runtime::{
    Bytes, CallError, Channel, ConnectError, Context, Error, Outcome, Timestamp, Value, kwargs,
};
use kaa_tests::{new_shop as new, old_shop as old};

use crate::objects::TestResult;

struct Shop;

impl old::Shop for Shop {
    async fn item(&self, _: &Context, item: old::Item) -> Outcome<old::Item> {
        Ok(item)
    }

    async fn kind(&self, _: &Context, kind: old::Kind) -> Outcome<old::Kind> {
        Ok(kind)
    }

    async fn kinds(
        &self,
        _: &Context,
        kinds: BTreeMap<String, Vec<old::Kind>>,
    ) -> Outcome<BTreeMap<String, Vec<old::Kind>>> {
        Ok(kinds)
    }

    async fn size(&self, _: &Context, size: old::Size) -> Outcome<old::Size> {
        Ok(size)
    }

    async fn buy(&self, _: &Context, id: u64) -> Outcome<u64, old::Refusal> {
        match id {
            0 => Err(old::Refusal::SoldOut.into()),
            id => Ok(id),
        }
    }
}

impl new::Shop for Shop {
    async fn item(&self, _: &Context, item: new::Item) -> Outcome<new::Item> {
        Ok(item)
    }

    async fn kind(&self, _: &Context, kind: new::Kind) -> Outcome<new::Kind> {
        Ok(kind)
    }

    async fn kinds(
        &self,
        _: &Context,
        kinds: BTreeMap<String, Vec<new::Kind>>,
    ) -> Outcome<BTreeMap<String, Vec<new::Kind>>> {
        Ok(kinds)
    }

    async fn size(&self, _: &Context, size: new::Size) -> Outcome<new::Size> {
        Ok(size)
    }

    async fn buy(
        &self,
        _: &Context,
        id: u64,
        count: u32,
        gift: Option<String>,
    ) -> Outcome<u64, new::Refusal> {
        match id {
            0 => Err(new::Refusal::SoldOut {
                since: Timestamp::new(5, 0),
            }
            .into()),
            1 => Err(new::Refusal::Closed {
                until: "eight".to_owned(),
            }
            .into()),
            id => Ok(id * u64::from(count) + gift.map_or(0, |_| 1000)),
        }
    }

    async fn ask(&self, _: &Context, question: String) -> Outcome<String> {
        Ok(question)
    }
}

/// A new client of an old server, and the server's end.
async fn old_server() -> Result<(Channel, new::ShopClient), ConnectError> {
    let service = old::ShopService::new(Shop);
    let (server, client) =
        Channel::pair(|server| server.register(service), |client| client).await?;
    Ok((server, new::ShopClient::new(&client)))
}

/// An old client of a new server, and the server's end.
async fn new_server() -> Result<(Channel, old::ShopClient), ConnectError> {
    let service = new::ShopService::new(Shop);
    let (server, client) =
        Channel::pair(|server| server.register(service), |client| client).await?;
    Ok((server, old::ShopClient::new(&client)))
}

#[tokio::test]
async fn fields_are_added() -> TestResult {
    let (_server, shop) = new_server().await?;
    let item = old::Item::new(1, "Lucia");
    // The new end fills in what the old one did not send; the old one passes over what it gets.
    assert_eq!(shop.item(&item).await?, item);
    let filled: new::Item = shop.channel().rpc("item", (&item,)).await?;
    assert_eq!(filled, new::Item::new(1, "Lucia"));
    assert_eq!((filled.price, filled.note, filled.tags), (5, None, vec![]));

    let (_server, shop) = old_server().await?;
    let item = new::Item {
        price: 9,
        note: Some("n".to_owned()),
        tags: vec!["t".to_owned()],
        ..new::Item::new(1, "Lucia")
    };
    assert_eq!(shop.item(&item).await?, new::Item::new(1, "Lucia"));
    Ok(())
}

#[tokio::test]
async fn fields_that_are_required_must_come() -> TestResult {
    let (_server, shop) = old_server().await?;
    let nameless = Value::Map(vec![("id".into(), 1.into())]);
    let missing = shop.channel().rpc::<Value, _>("item", (nameless,)).await;
    let Err(Error::BadArguments(bad)) = missing else {
        panic!("{missing:?}");
    };
    assert_eq!(bad.parameter, "item");
    assert!(bad.expected.contains("`name`"), "{bad:?}");
    Ok(())
}

#[tokio::test]
async fn unknown_variants_are_kept_and_passed_on() -> TestResult {
    let (_server, shop) = old_server().await?;
    let game = new::Kind::Game {
        players: 4,
        content: ("dice".to_owned(), Bytes::from_static(b"\xff\0"), -0.0),
    };
    assert_eq!(shop.kind(&game).await?, game);
    assert_eq!(shop.kind(&new::Kind::Voucher).await?, new::Kind::Voucher);
    let kinds = BTreeMap::from([("k".to_owned(), vec![new::Kind::Ticket, game.clone()])]);
    assert_eq!(shop.kinds(&kinds).await?, kinds);

    // As they came: order, types and all, even of what no schema has.
    let strange = Value::Map(vec![(
        "hologram".into(),
        Value::Map(vec![
            ("z".into(), f32::NAN.into()),
            ("a".into(), 1.0f64.into()),
            (
                5.into(),
                Value::List(vec![Value::Null, Timestamp::UNIX_EPOCH.into()]),
            ),
            (true.into(), Bytes::from_static(b"b").into()),
        ]),
    )]);
    let back: Value = shop.channel().rpc("kind", (&strange,)).await?;
    assert_eq!(back, strange);
    for scalar in [5.into(), Value::Null, "x".into(), [1].into()] {
        let strange = Value::Map(vec![("odd".into(), scalar)]);
        let back: Value = shop.channel().rpc("kind", (&strange,)).await?;
        assert_eq!(back, strange);
    }

    let kept: old::Kind = shop.channel().rpc("kind", (&game,)).await?;
    let old::Kind::Unknown(unknown) = kept else {
        panic!("{kept:?}");
    };
    assert_eq!(unknown.name(), "game");
    let players = unknown.payload().and_then(|fields| fields.get("players"));
    assert_eq!(players, Some(&4.into()));
    Ok(())
}

#[tokio::test]
async fn a_strict_enum_refuses_what_it_does_not_know() -> TestResult {
    let (_server, shop) = old_server().await?;
    assert_eq!(shop.size(new::Size::Large).await?, new::Size::Large);
    let refused = shop.size(new::Size::Huge).await;
    let Err(Error::BadArguments(bad)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(bad.parameter, "size");
    assert_eq!(bad.expected, "one of `small`, `large`");
    assert_eq!(bad.got, "another variant");
    Ok(())
}

#[tokio::test]
async fn a_variant_may_get_optional_fields() -> TestResult {
    let (_server, shop) = new_server().await?;
    assert_eq!(shop.kind(&old::Kind::Book).await?, old::Kind::Book);
    let filled: new::Kind = shop.channel().rpc("kind", (old::Kind::Book,)).await?;
    let untitled = new::Kind::Book {
        pages: None,
        title: "untitled".to_owned(),
    };
    assert_eq!(filled, untitled);
    // Both forms, and a map in which nothing is.
    for form in [
        Value::from("book"),
        Value::Map(vec![("book".into(), Value::Map(vec![]))]),
    ] {
        let kind: new::Kind = shop.channel().rpc("kind", (form,)).await?;
        assert_eq!(kind, untitled);
    }
    let disc = old::Kind::Disc { tracks: 12 };
    assert_eq!(shop.kind(&disc).await?, disc);

    let (_server, shop) = old_server().await?;
    let long = new::Kind::Book {
        pages: Some(900),
        title: "t".to_owned(),
    };
    assert_eq!(shop.kind(&long).await?, untitled);
    let labelled = new::Kind::Disc {
        tracks: 3,
        label: Some("l".to_owned()),
    };
    let unlabelled = new::Kind::Disc {
        tracks: 3,
        label: None,
    };
    assert_eq!(shop.kind(&labelled).await?, unlabelled);
    // A variant whose fields are required is no mere name.
    let bare = shop.channel().rpc::<Value, _>("kind", ("disc",)).await;
    assert!(matches!(bare, Err(Error::BadArguments(_))), "{bare:?}");
    Ok(())
}

#[tokio::test]
async fn an_unknown_error_is_still_an_error_of_its_type() -> TestResult {
    let (_server, shop) = new_server().await?;
    let refused = shop.buy(1).await;
    let Err(CallError::Declared(old::Refusal::Unknown(unknown))) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(unknown.name(), "closed");
    let until = unknown.payload().and_then(|fields| fields.get("until"));
    assert_eq!(until, Some(&"eight".into()));
    // One that got fields since.
    let refused = shop.buy(0).await;
    assert!(
        matches!(refused, Err(CallError::Declared(old::Refusal::SoldOut))),
        "{refused:?}"
    );
    let (_server, shop) = old_server().await?;
    let refused = shop.buy(0).await;
    assert!(
        matches!(
            refused,
            Err(CallError::Declared(new::Refusal::SoldOut { since: None }))
        ),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_optional_parameter_is_compatible_unless_it_is_set() -> TestResult {
    let (_server, shop) = new_server().await?;
    assert_eq!(shop.buy(7).await?, 7);

    let (_server, shop) = old_server().await?;
    assert_eq!(shop.buy(7).await?, 7);
    for refused in [
        shop.buy(7).count(2).await,
        shop.buy(7).count(2).gift("Anna").await,
    ] {
        let Err(CallError::Failed(Error::BadArguments(bad))) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(bad.parameter, "count");
        assert!(bad.got.contains("unknown name"), "{bad:?}");
    }
    let nil = kwargs! { id: 7, gift: Value::Null };
    let refused = shop.channel().rpc::<Value, _>("buy", nil).await;
    assert!(
        matches!(refused, Err(Error::BadArguments(_))),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_function_that_the_other_end_has_not_yet_is_named() -> TestResult {
    let (_server, shop) = old_server().await?;
    let unknown = shop.ask("open?").await;
    let Err(Error::UnknownFunction(unknown)) = unknown else {
        panic!("{unknown:?}");
    };
    assert!(unknown.message.contains("`ask`"), "{unknown}");
    Ok(())
}

/// Hands everything on to another shop, by the old schema.
struct Relay(old::ShopClient);

impl old::Shop for Relay {
    async fn item(&self, _: &Context, item: old::Item) -> Outcome<old::Item> {
        Ok(self.0.item(&item).await?)
    }

    async fn kind(&self, _: &Context, kind: old::Kind) -> Outcome<old::Kind> {
        Ok(self.0.kind(&kind).await?)
    }

    async fn kinds(
        &self,
        _: &Context,
        kinds: BTreeMap<String, Vec<old::Kind>>,
    ) -> Outcome<BTreeMap<String, Vec<old::Kind>>> {
        Ok(self.0.kinds(&kinds).await?)
    }

    async fn size(&self, _: &Context, size: old::Size) -> Outcome<old::Size> {
        Ok(self.0.size(size).await?)
    }

    async fn buy(&self, _: &Context, id: u64) -> Outcome<u64, old::Refusal> {
        self.0.buy(id).await.map_err(CallError::rethrow)
    }
}

#[tokio::test]
async fn an_old_relay_hands_on_what_only_its_neighbours_know() -> TestResult {
    let (_server, inner) = new_server().await?;
    let relay = old::ShopService::new(Relay(inner));
    let (_relay, client) = Channel::pair(|side| side.register(relay), |side| side).await?;
    let shop = new::ShopClient::new(&client);
    let game = new::Kind::Game {
        players: 2,
        content: ("cards".to_owned(), Bytes::new(), f32::MAX),
    };
    assert_eq!(shop.kind(&game).await?, game);
    let kinds = BTreeMap::from([("k".to_owned(), vec![game, new::Kind::Voucher])]);
    assert_eq!(shop.kinds(&kinds).await?, kinds);
    let refused = shop.buy(1).await;
    assert!(
        matches!(
            &refused,
            Err(CallError::Declared(new::Refusal::Closed { until })) if until == "eight"
        ),
        "{refused:?}"
    );
    assert_eq!(shop.buy(8).await?, 8);
    Ok(())
}
