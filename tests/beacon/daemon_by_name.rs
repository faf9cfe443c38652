//! Every function of the daemon by its name, with positional arguments, named ones, and both: what a
//! script does, which has no schema.

use kaa_rpc_runtime::{Channel, Error, Kwargs, Value, kwargs};

use crate::setup::{Place, TestResult, info};
use kaa_tests::media_database::News;

async fn connect(place: &Place) -> Result<Channel, Box<dyn std::error::Error>> {
    // It exposes nothing: `connect` and the rest are refused, which the daemon bears.
    Ok(Channel::connect(&place.address, &place.secret).await?)
}

/// The variant's name and its fields.
fn raised(result: Result<Value, Error>) -> (String, Value) {
    let Err(Error::Raised(error)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(error.name, "beacon.DatabaseError");
    match &error.value {
        Value::String(name) => (name.clone(), Value::Null),
        Value::Map(entries) => {
            let (name, fields) = entries.first().expect("a variant");
            (name.as_str().expect("a name").to_owned(), fields.clone())
        }
        other => panic!("no variant: {other}"),
    }
}

#[tokio::test]
async fn options_are_given_in_every_way() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut client = place.connect().await?;
    let channel = client.end.channel.clone();
    let name = "register_inverted_index";

    channel
        .rpc::<(), _>(name, ("i", 2, 30, "x", ["the"]))
        .await?;
    let ignored = || Value::from(["the"]);
    let told = || {
        [
            "index".into(),
            "i".into(),
            2.into(),
            30.into(),
            "x".into(),
            ignored(),
        ]
    };
    assert_eq!(client.told().await, info(told()));
    let named = kwargs! { split: "x", ignore: ["the"], name: "i", max: 30, min: 2 };
    channel.rpc::<(), _>(name, named).await?;
    assert_eq!(client.told().await, info(told()));
    let both = ("i", 2, kwargs! { ignore: ["the"], split: "x", max: 30 });
    channel.rpc::<(), _>(name, both).await?;
    assert_eq!(client.told().await, info(told()));
    let nothing = || Value::Null;
    let absent = (
        "i",
        nothing(),
        kwargs! { max: nothing(), ignore: nothing() },
    );
    channel.rpc::<(), _>(name, absent).await?;
    let told = [
        "index".into(),
        "i".into(),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
    ];
    assert_eq!(client.told().await, info(told));

    let name = "register_file_type_attrs";
    let spec = Value::Map(vec![
        ("type".into(), "str".into()),
        ("searchable".into(), true.into()),
    ]);
    let told = || {
        let indexes = Value::from([vec!["title"]]);
        let described = Value::from(["title: str, searchable"]);
        ["type".into(), "track".into(), indexes, described]
    };
    let both = ("track", [["title"]], kwargs! { title: spec });
    channel.rpc::<(), _>(name, both).await?;
    assert_eq!(client.told().await, info(told()));
    let named = kwargs! { title: spec, indexes: [["title"]], type_name: "track" };
    channel.rpc::<(), _>(name, named).await?;
    assert_eq!(client.told().await, info(told()));
    let only = ("track",);
    channel.rpc::<(), _>(name, only).await?;
    let told = [
        "type".into(),
        "track".into(),
        Value::List(vec![]),
        Value::List(vec![]),
    ];
    assert_eq!(client.told().await, info(told));
    Ok(())
}

#[tokio::test]
async fn items_live_by_name() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let channel = connect(&place).await?;
    let root = ("dir", 0);

    let a: (String, i64) = channel.rpc("item_create", ("note", root)).await?;
    let named = kwargs! { parent: root, type: "note", text: "b" };
    let b: (String, i64) = channel.rpc("item_create", named).await?;
    let both = ("note", kwargs! { text: "c", parent: root });
    let c: (String, i64) = channel.rpc("item_create", both).await?;
    assert_eq!((a.1, b.1, c.1), (1, 2, 3));

    let change = [((&c.0, c.1), kwargs_map("text", "d"))];
    channel.rpc::<(), _>("item_update", (&change,)).await?;
    channel
        .rpc::<(), _>("item_update", kwargs! { items: change })
        .await?;

    channel.rpc::<(), _>("item_delete", (&a,)).await?;
    channel
        .rpc::<(), _>("item_delete", kwargs! { id: b })
        .await?;
    channel
        .rpc::<(), _>("item_delete", (&c, Kwargs::new()))
        .await?;
    let (variant, fields) = raised(channel.rpc("item_delete", (&c,)).await);
    assert_eq!(variant, "no_item");
    assert_eq!(
        fields.get("id"),
        Some(&Value::List(vec!["note".into(), 3.into()]))
    );
    Ok(())
}

fn kwargs_map(key: &str, value: &str) -> Value {
    Value::Map(vec![(key.into(), value.into())])
}

#[tokio::test]
async fn monitors_tell_their_client_by_name() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut client = place.connect().await?;
    let channel = client.end.channel.clone();
    let query = || Value::Map(vec![]);

    let me = client.number;
    channel
        .rpc::<(), _>("monitor_add", (me, 1, query()))
        .await?;
    let named = kwargs! { query: query(), request_id: 2, client_id: me };
    channel.rpc::<(), _>("monitor_add", named).await?;
    let both = (me, kwargs! { query: query(), request_id: 3 });
    channel.rpc::<(), _>("monitor_add", both).await?;
    let found: u64 = channel.rpc("scan_directory", ("/home/video",)).await?;
    assert_eq!(found, 1);
    for request in 1..=3 {
        let notice = News::Notice(request, "changed".into(), vec![1.into()]);
        assert_eq!(client.told().await, notice);
    }
    channel.rpc::<(), _>("monitor_remove", (me, 1)).await?;
    let named = kwargs! { request_id: 2, client_id: me };
    channel.rpc::<(), _>("monitor_remove", named).await?;
    let both = (me, kwargs! { request_id: 3 });
    channel.rpc::<(), _>("monitor_remove", both).await?;

    let named = kwargs! { directory: "/home/video" };
    let found: u64 = channel.rpc("scan_directory", named).await?;
    assert_eq!(found, 1);
    channel.rpc::<(), _>("eject", ("disc",)).await?;
    // Nothing came before it: the monitors are gone.
    assert!(matches!(client.told().await, News::Changed(id, _) if id == "disc"));
    Ok(())
}

#[tokio::test]
async fn the_rest_is_there_by_name_too() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let channel = connect(&place).await?;

    channel.rpc::<(), _>("db_lock", ()).await?;
    channel.rpc::<(), _>("db_unlock", Kwargs::new()).await?;
    assert_eq!(raised(channel.rpc("db_unlock", ()).await).0, "not_locked");

    let file = "/home/video/holiday.mkv";
    let item: Value = channel.rpc("item_request", (file,)).await?;
    let same: Value = channel
        .rpc("item_request", kwargs! { filename: file })
        .await?;
    assert_eq!(item, same);
    channel
        .rpc::<(), _>("monitor_directory", ("/home/video",))
        .await?;
    let named = kwargs! { directory: "/none" };
    let (variant, fields) = raised(channel.rpc("monitor_directory", named).await);
    assert_eq!(variant, "no_directory");
    assert_eq!(fields.get("directory"), Some(&"/none".into()));

    channel
        .rpc::<(), _>("eject", kwargs! { id: "disc" })
        .await?;
    assert_eq!(raised(channel.rpc("eject", ("disc",)).await).0, "no_medium");
    channel.rpc::<(), _>("delete_media", ("disc",)).await?;
    let named = kwargs! { id: "disc" };
    assert_eq!(
        raised(channel.rpc("delete_media", named).await).0,
        "no_medium"
    );
    Ok(())
}

#[tokio::test]
async fn wrong_calls_are_told_what_is_wrong() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let channel = connect(&place).await?;
    let bad = |result: Result<Value, Error>| match result {
        Err(Error::BadArguments(bad)) => (bad.parameter, bad.expected, bad.got),
        other => panic!("{other:?}"),
    };
    let texts = |parameter: &str, expected: &str, got: &str| {
        (parameter.to_owned(), expected.to_owned(), got.to_owned())
    };

    let missing = channel.rpc("item_create", ("note",)).await;
    assert_eq!(bad(missing), texts("parent", "an argument", "none"));
    let twice = channel.rpc("eject", ("disc", kwargs! { id: "disc" })).await;
    assert_eq!(
        bad(twice),
        texts("id", "one argument", "one by position and one by name")
    );
    let many = channel.rpc("db_lock", (1,)).await;
    assert_eq!(bad(many), texts("", "at most 0 positional arguments", "1"));
    let (parameter, expected, _) = bad(channel.rpc("eject", ("disc", kwargs! { ide: 1 })).await);
    assert_eq!(parameter, "ide");
    assert!(expected.contains("`id`"), "{expected}");
    let wrong = channel.rpc("eject", (5,)).await;
    assert_eq!(bad(wrong), texts("id", "string", "an integer"));

    let unknown = channel.rpc::<(), _>("db_lok", ()).await;
    let Err(Error::UnknownFunction(unknown)) = unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(unknown.closest, "db_lock");
    Ok(())
}
