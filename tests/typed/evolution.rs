//! Two versions of one schema at the two ends of a channel.

use std::collections::BTreeMap;

use kaa_rpc_runtime::{
    Bytes, CallError, Channel, ConnectError, Context, Error, Items, Outcome, Timestamp, Value,
    Yielder, item_iter, kwargs,
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

    async fn browse(
        &self,
        _: &Context,
        mut kinds: Items<old::Kind>,
        items: &Yielder<old::Item>,
    ) -> Outcome<u64> {
        let mut count = 0;
        while let Some(kind) = kinds.next().await? {
            let name = match kind {
                old::Kind::Unknown(unknown) => format!("unknown {}", unknown.name()),
                known => format!("{known:?}"),
            };
            items.give(&old::Item::new(count, name)).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn sizes(&self, _: &Context, mut sizes: Items<old::Size>) -> Outcome<u64> {
        let mut count = 0;
        while sizes.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn count(&self, _: &Context) -> Outcome<u64> {
        Ok(2)
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

    async fn browse(
        &self,
        _: &Context,
        mut kinds: Items<new::Kind>,
        above: u64,
        items: &Yielder<new::Item>,
    ) -> Outcome<u64> {
        let mut count = above;
        while let Some(kind) = kinds.next().await? {
            let item = new::Item {
                note: Some(format!("{kind:?}")),
                price: 9,
                ..new::Item::new(count, "new")
            };
            items.give(&item).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn sizes(&self, _: &Context, mut sizes: Items<new::Size>) -> Outcome<u64> {
        let mut count = 0;
        while sizes.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn count(&self, _: &Context, items: &Yielder<new::Item>) -> Outcome<u64> {
        // More than a caller's window, which nobody looks at.
        for id in 0..5000 {
            items.give(&new::Item::new(id, "new")).await?;
        }
        Ok(5000)
    }

    async fn ask(&self, _: &Context, question: String) -> Outcome<String> {
        Ok(question)
    }
}

/// A new client of an old server, and the server's end.
pub(crate) async fn old_server() -> Result<(Channel, new::ShopClient), ConnectError> {
    let service = old::ShopService::new(Shop);
    let (server, client) =
        Channel::pair(|server| server.register(service), |client| client).await?;
    Ok((server, new::ShopClient::new(&client)))
}

/// An old client of a new server, and the server's end.
pub(crate) async fn new_server() -> Result<(Channel, old::ShopClient), ConnectError> {
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

fn game() -> new::Kind {
    new::Kind::Game {
        players: 2,
        content: ("cards".to_owned(), Bytes::new(), 0.5),
    }
}

#[tokio::test]
async fn items_get_fields_and_variants_as_other_values_do() -> TestResult {
    // A new end sends what the old one does not know, and fills in what that one does not send.
    let (_server, shop) = old_server().await?;
    let mut found = shop.browse(item_iter([new::Kind::Ticket, game()])).start();
    let first = found.next().await?.ok_or("an item is missing")?;
    assert_eq!(first, new::Item::new(0, "Ticket"));
    assert_eq!((first.price, first.note), (5, None));
    let second = found.next().await?.map(|item| item.name);
    assert_eq!(second.as_deref(), Some("unknown game"));
    assert_eq!(found.next().await?, None);
    assert_eq!(found.finish().await?, 2);
    // What the other end cannot have by name, it refuses; streams or no streams.
    let refused = shop.browse(item_iter([game()])).above(3).await;
    let Err(Error::BadArguments(bad)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(bad.parameter, "above");

    // An old end does not look at fields that came later.
    let (_server, shop) = new_server().await?;
    let mut found = shop.browse(item_iter([old::Kind::Book])).start();
    assert_eq!(found.next().await?, Some(old::Item::new(0, "new")));
    assert_eq!(found.finish().await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_unknown_variant_of_a_strict_enum_is_told_by_its_place_in_the_stream() -> TestResult {
    let (_server, shop) = old_server().await?;
    assert_eq!(shop.sizes(item_iter([new::Size::Small])).await?, 1);
    let sizes = [new::Size::Small, new::Size::Large, new::Size::Huge];
    let refused = shop.sizes(item_iter(sizes)).await;
    let Err(Error::Fault(fault)) = refused else {
        panic!("{refused:?}");
    };
    let expected = "item 2 of the stream: expected one of `small`, `large`, got another variant";
    assert_eq!(fault.message, expected);
    Ok(())
}

#[tokio::test]
async fn a_function_may_begin_to_yield() -> TestResult {
    // An old caller gets the result, and no items.
    let (_server, shop) = new_server().await?;
    assert_eq!(shop.count().await?, 5000);
    // A new caller of an old function gets the result after no items.
    let (_server, shop) = old_server().await?;
    let mut found = shop.count().start();
    assert_eq!(found.next().await?, None);
    assert_eq!(found.finish().await?, 2);
    Ok(())
}

#[tokio::test]
async fn an_old_relay_hands_on_streams_that_it_understands_in_part() -> TestResult {
    let (_server, inner) = new_server().await?;
    let relay = old::ShopService::new(Relay(inner));
    let (_relay, client) = Channel::pair(|side| side.register(relay), |side| side).await?;
    let shop = new::ShopClient::new(&client);
    let mut found = shop.browse(item_iter((0..3000).map(|_| game()))).start();
    let mut count = 0;
    while let Some(item) = found.next().await? {
        // What came from its neighbour passed through a struct that has not these fields.
        assert_eq!(item, new::Item::new(count, "new"));
        count += 1;
    }
    assert_eq!((count, found.finish().await?), (3000, 3000));
    // A stream that is broken off arrives as such.
    let sizes = shop.sizes(item_iter([new::Size::Small, new::Size::Huge]));
    let Err(Error::Fault(fault)) = sizes.await else {
        panic!("a fault was due");
    };
    assert!(fault.message.contains("broke the stream off"), "{fault}");
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

    async fn browse(
        &self,
        _: &Context,
        kinds: Items<old::Kind>,
        items: &Yielder<old::Item>,
    ) -> Outcome<u64> {
        let mut found = self.0.browse(kinds).start();
        while let Some(item) = found.next().await? {
            items.give(&item).await?;
        }
        Ok(found.finish().await?)
    }

    async fn sizes(&self, _: &Context, sizes: Items<old::Size>) -> Outcome<u64> {
        Ok(self.0.sizes(sizes).await?)
    }

    async fn count(&self, _: &Context) -> Outcome<u64> {
        Ok(self.0.count().await?)
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
