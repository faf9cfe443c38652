//! Every function of the daemon, through its proxy.

use kaa_rpc_runtime::{CallError, Error, Value, kwargs};
use kaa_tests::beacon::{AttributeSpec, Attributes, DatabaseError, ItemId, Query};
use kaa_tests::media_database::News;

use crate::setup::{Place, TestResult, info};

fn root() -> ItemId {
    ("dir".to_owned(), 0)
}

#[tokio::test]
async fn indexes_and_file_types_are_declared_with_any_of_their_options() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut client = place.connect().await?;
    let beacon = client.end.beacon.clone();

    let null = || Value::Null;
    beacon.register_inverted_index("words").await?;
    let told = [
        "index".into(),
        "words".into(),
        null(),
        null(),
        null(),
        null(),
    ];
    assert_eq!(client.told().await, info(told));

    let ignored = ["the".to_owned(), "a".to_owned()];
    let call = beacon.register_inverted_index("titles");
    call.ignore(&ignored).max(30).split("[ -]+").min(2).await?;
    let ignored = Value::from(["the", "a"]);
    let told = [
        "index".into(),
        "titles".into(),
        2.into(),
        30.into(),
        "[ -]+".into(),
        ignored,
    ];
    assert_eq!(client.told().await, info(told));

    let call = beacon.register_inverted_index("none");
    let refused = call.min(3).max(2).await;
    let Err(Error::Fault(fault)) = refused else {
        panic!("{refused:?}");
    };
    assert!(fault.message.starts_with("no word has at least"), "{fault}");

    beacon.register_file_type_attrs("empty").await?;
    let told = [
        "type".into(),
        "empty".into(),
        Value::List(vec![]),
        Value::List(vec![]),
    ];
    assert_eq!(client.told().await, info(told));

    let title = AttributeSpec {
        searchable: true,
        ..AttributeSpec::new("str")
    };
    let year = AttributeSpec::new("int");
    let indexes = [vec!["title".to_owned(), "year".to_owned()]];
    let call = beacon.register_file_type_attrs("track");
    let attrs = [("title", &title), ("year", &year)];
    call.attrs(attrs).indexes(&indexes).await?;
    let described = Value::from(["title: str, searchable", "year: int"]);
    let indexes = Value::from([vec!["title", "year"]]);
    assert_eq!(
        client.told().await,
        info(["type".into(), "track".into(), indexes, described])
    );
    Ok(())
}

#[tokio::test]
async fn items_are_made_changed_found_and_forgotten() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut client = place.connect().await?;
    let beacon = client.end.beacon.clone();

    let query = Query::from([("genre".to_owned(), "opera".into())]);
    beacon.monitor_add(client.number, 7, &query).await?;

    let album = beacon.item_create("album", &root()).await?;
    assert_eq!(album, ("album".to_owned(), 1));
    let found = |count: u64| News::Notice(7, "changed".into(), vec![count.into()]);
    assert_eq!(client.told().await, found(0));

    let kwargs = kwargs! { genre: "opera", title: "Lucia", track: 3 };
    let track = beacon.item_create("track", &album).kwargs(kwargs).await?;
    assert_eq!(track, ("track".to_owned(), 2));
    assert_eq!(client.told().await, found(1));

    let opera = Attributes::from([("genre".to_owned(), "opera".into())]);
    beacon.item_update(&[(album.clone(), opera)]).await?;
    assert_eq!(client.told().await, found(2));

    beacon.item_delete(&track).await?;
    assert_eq!(client.told().await, found(1));
    beacon.monitor_remove(client.number, 7).await?;
    beacon.monitor_remove(client.number, 7).await?;
    beacon.item_delete(&album).await?;

    let orphan = beacon.item_create("track", &album).await;
    assert!(
        matches!(&orphan, Err(CallError::Declared(DatabaseError::NoItem { id })) if *id == album),
        "{orphan:?}"
    );
    let change = [(album.clone(), Attributes::new())];
    let gone = beacon.item_update(&change).await;
    assert!(
        matches!(gone, Err(CallError::Declared(DatabaseError::NoItem { .. }))),
        "{gone:?}"
    );
    Ok(())
}

#[tokio::test]
async fn directories_are_scanned_and_watched_and_media_come_and_go() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let mut client = place.connect().await?;
    let beacon = client.end.beacon.clone();

    assert_eq!(beacon.scan_directory("/media/disc/music").await?, 3);
    beacon.monitor_directory("/media/disc/music").await?;
    for refused in [
        beacon.scan_directory("/none").await.map(drop),
        beacon.monitor_directory("/none").await,
    ] {
        let Err(CallError::Declared(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.to_string(), "no directory /none");
    }

    let item = beacon.item_request("/media/disc/music/a.ogg").await?;
    assert_eq!(
        item.get("url"),
        Some(&"file:///media/disc/music/a.ogg".into())
    );
    let again = beacon.item_request("/media/disc/music/a.ogg").await?;
    assert_eq!(again, item);
    let missing = beacon.item_request("/media/disc/music/z.ogg").await;
    assert!(
        matches!(
            missing,
            Err(CallError::Declared(DatabaseError::NoItem { .. }))
        ),
        "{missing:?}"
    );

    beacon.eject("disc").await?;
    let properties = Attributes::from([("label".to_owned(), "DISC".into())]);
    assert_eq!(
        client.told().await,
        News::Changed("disc".into(), properties)
    );
    beacon.delete_media("disc").await?;
    assert_eq!(client.told().await, News::Removed("disc".into()));
    for refused in [
        beacon.eject("disc").await,
        beacon.delete_media("disc").await,
    ] {
        assert!(
            matches!(&refused, Err(CallError::Declared(DatabaseError::NoMedium { id })) if id == "disc"),
            "{refused:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_lock_knows_its_caller() -> TestResult {
    let place = Place::new()?;
    let _daemon = place.daemon().await?;
    let first = place.connect().await?;
    let second = place.connect().await?;
    let locked = |refused: Result<(), CallError<DatabaseError>>| match refused {
        Err(CallError::Declared(error @ DatabaseError::Locked { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    };

    first.end.beacon.db_lock().await?;
    first.end.beacon.db_lock().await?;
    let expected = format!("the database is locked by client {}", first.number);
    assert_eq!(locked(second.end.beacon.db_lock().await), expected);
    assert_eq!(locked(second.end.beacon.eject("disc").await), expected);
    let refused = second.end.beacon.db_unlock().await;
    assert!(
        matches!(refused, Err(CallError::Declared(DatabaseError::NotLocked))),
        "{refused:?}"
    );
    first.end.beacon.item_create("note", &root()).await?;
    first.end.beacon.db_unlock().await?;
    second.end.beacon.db_lock().await?;
    Ok(())
}
