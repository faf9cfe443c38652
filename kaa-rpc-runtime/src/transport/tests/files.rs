//! Sockets, folders and lock files: what is made, replaced, refused and removed.

use std::os::unix::fs::{DirBuilderExt, FileTypeExt, symlink};
use std::os::unix::net::UnixListener as PlainListener;

use super::*;

fn refused(place: &Place) -> String {
    bind(place).err().expect("it was bound").to_string()
}

#[tokio::test]
async fn a_name_lives_in_a_closed_folder_of_its_own() {
    let runtime = tempfile::tempdir().unwrap();
    let player = named("player", Some(runtime.path()), "/nowhere");
    let mut listener = bind(&player).unwrap();

    let folder = runtime.path().join("kaa");
    assert_eq!(listener.path(), Some(folder.join("player")));
    assert_eq!(mode_of(&folder), 0o700);
    assert_eq!(mode_of(&folder.join("player")), 0o600);
    assert_eq!(mode_of(&folder.join("player.lock")), 0o600);
    serves(&mut listener, &player).await;
}

#[tokio::test]
async fn without_a_runtime_folder_the_temporary_folder_serves() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary
        .path()
        .join(format!("kaa-{}", rustix::process::geteuid().as_raw()));
    for runtime_dir in [None, Some(Path::new("")), Some(Path::new("not/absolute"))] {
        let player = named("player", runtime_dir, temporary.path());
        let mut listener = bind(&player).unwrap();
        assert_eq!(listener.path(), Some(folder.join("player")));
        serves(&mut listener, &player).await;
    }
    assert_eq!(mode_of(&folder), 0o700);
}

#[tokio::test]
async fn a_relative_path_stays_relative_to_the_working_folder() {
    // A test cannot change the working folder, which all share, so it goes up from there.
    let folder = private_folder();
    let here = std::env::current_dir().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let place = at(up.join(folder.path().strip_prefix("/").unwrap()).join("s"));
    let mut listener = bind(&place).unwrap();
    assert!(exists(&folder.path().join("s")));
    serves(&mut listener, &place).await;
}

#[tokio::test]
async fn closing_removes_the_socket_and_its_lock() {
    let folder = private_folder();
    let path = folder.path().join("s");
    for _ in 0..3 {
        let listener = bind(&at(&path)).unwrap();
        assert!(exists(&path) && exists(&lock_of(&path)));
        drop(listener);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn the_address_is_free_before_accepting_has_ended() {
    let folder = private_folder();
    let place = at(folder.path().join("s"));
    let mut old = bind(&place).unwrap();
    let file = old.take_file();
    assert!(bind(&place).err().unwrap().is_in_use());
    drop(file);
    let mut new = bind(&place).unwrap();
    drop(old);
    assert!(exists(&place.path()));
    serves(&mut new, &place).await;
}

#[tokio::test]
async fn closing_leaves_what_somebody_else_put_there() {
    let folder = private_folder();
    let path = folder.path().join("s");
    let listener = bind(&at(&path)).unwrap();
    std::fs::remove_file(&path).unwrap();
    let other = PlainListener::bind(&path).unwrap();
    drop(listener);
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    drop(other);
}

#[tokio::test]
async fn hostile_54_a_stale_socket_is_replaced() {
    let folder = private_folder();
    let path = folder.path().join("s");
    // A plain listener leaves its socket behind, as a killed server does.
    drop(PlainListener::bind(&path).unwrap());
    std::fs::write(lock_of(&path), "").unwrap();
    let error = connect(&at(&path)).await.err().unwrap();
    assert!(error.is_not_running());
    assert!(
        error.to_string().contains("its server has ended"),
        "{error}"
    );

    let mut listener = bind(&at(&path)).unwrap();
    serves(&mut listener, &at(&path)).await;
}

#[tokio::test]
async fn hostile_54_a_live_server_is_not_replaced() {
    let folder = private_folder();
    let place = at(folder.path().join("s"));
    let mut listener = bind(&place).unwrap();
    for _ in 0..3 {
        let error = bind(&place).err().unwrap();
        assert!(error.is_in_use());
        assert!(
            error
                .to_string()
                .ends_with("address in use: a server is listening"),
            "{error}"
        );
    }
    // Nor if its lock file was cleaned away.
    std::fs::remove_file(lock_of(&place.path())).unwrap();
    assert!(bind(&place).err().unwrap().is_in_use());
    // The second server asked by connecting, and went.
    drop(in_time(listener.accept()).await.unwrap());
    serves(&mut listener, &place).await;
}

#[tokio::test]
async fn hostile_54_nor_is_one_that_takes_no_lock_or_is_busy() {
    let folder = private_folder();
    let path = folder.path().join("s");
    let plain = PlainListener::bind(&path).unwrap();
    rustix::net::listen(&plain, 0).unwrap();
    assert!(bind(&at(&path)).err().unwrap().is_in_use());
    // That attempt fills the backlog, so the next one cannot even connect.
    assert!(bind(&at(&path)).err().unwrap().is_in_use());
    assert!(exists(&path) && !exists(&lock_of(&path)));
}

#[test]
fn hostile_54_of_many_servers_that_start_at_once_one_wins() {
    const THREADS: usize = 8;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = private_folder();
    let path = folder.path().join("s");
    for round in 0..50 {
        if round % 2 == 0 {
            drop(PlainListener::bind(&path).unwrap());
        }
        let barrier = std::sync::Barrier::new(THREADS);
        let start = || {
            let _inside = runtime.enter();
            barrier.wait();
            let listener = bind(&at(&path));
            // Nobody goes before all have tried.
            barrier.wait();
            listener
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(start)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let (mut winners, losers): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(winners.len(), 1, "round {round}");
        for loser in losers {
            let error = loser.err().unwrap();
            assert!(error.is_in_use(), "round {round}: {error}");
        }
        let winner = winners[0].as_mut().unwrap();
        runtime.block_on(serves(winner, &at(&path)));
        drop(winners);
        assert!(!exists(&path));
    }
}

/// The lock file is removed by whoever ends, so the lock must hold across its removal too.
#[test]
fn hostile_54_servers_that_come_and_go_never_overlap() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = private_folder();
    let path = folder.path().join("s");
    let (live, wins) = (
        std::sync::atomic::AtomicU32::new(0),
        std::sync::atomic::AtomicU32::new(0),
    );
    let come_and_go = || {
        use std::sync::atomic::Ordering::SeqCst;
        let _inside = runtime.enter();
        for _ in 0..500 {
            match bind(&at(&path)) {
                Ok(listener) => {
                    assert_eq!(live.fetch_add(1, SeqCst), 0, "two servers at once");
                    wins.fetch_add(1, SeqCst);
                    live.fetch_sub(1, SeqCst);
                    drop(listener);
                }
                Err(error) => assert!(error.is_in_use(), "{error}"),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(come_and_go);
        }
    });
    assert!(wins.into_inner() > 0);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn hostile_55_nothing_but_an_own_socket_is_replaced() {
    let folder = private_folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file"), "precious").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    symlink("nowhere", path("dangling")).unwrap();
    drop(PlainListener::bind(path("stale")).unwrap());
    symlink("stale", path("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();

    for (name, part) in [
        ("file", "a regular file is there"),
        ("folder", "a folder is there"),
        ("dangling", "a symbolic link is there"),
        ("link", "a symbolic link is there"),
        ("pipe", "a device or the like is there"),
    ] {
        let message = refused(&at(path(name)));
        assert!(message.contains(part), "{name}: {message}");
        assert!(
            exists(&path(name)) && !exists(&lock_of(&path(name))),
            "{name}"
        );
    }
    assert_eq!(std::fs::read(path("file")).unwrap(), b"precious");
    assert!(
        std::fs::metadata(path("stale"))
            .unwrap()
            .file_type()
            .is_socket()
    );
}

#[tokio::test]
async fn hostile_55_a_foreign_socket_is_refused() {
    if !are_we_root() {
        return;
    }
    let folder = private_folder();
    let path = folder.path().join("s");
    drop(PlainListener::bind(&path).unwrap());
    std::os::unix::fs::chown(&path, Some(STRANGER), None).unwrap();
    let message = refused(&at(&path));
    assert!(
        message.contains("belongs to the user 65534, expected 0"),
        "{message}"
    );
    assert!(exists(&path));
}

#[tokio::test]
async fn hostile_55_a_strange_lock_file_is_refused() {
    let folder = private_folder();
    let path = folder.path().join("s");
    let target = folder.path().join("target");
    std::fs::write(&target, "precious").unwrap();
    symlink(&target, lock_of(&path)).unwrap();
    assert!(refused(&at(&path)).contains("s.lock is not a regular file"));
    std::fs::remove_file(lock_of(&path)).unwrap();

    std::fs::create_dir(lock_of(&path)).unwrap();
    assert!(refused(&at(&path)).contains("s.lock is not a regular file"));
    std::fs::remove_dir(lock_of(&path)).unwrap();

    if are_we_root() {
        std::fs::write(lock_of(&path), "").unwrap();
        std::os::unix::fs::chown(lock_of(&path), Some(STRANGER), None).unwrap();
        assert!(refused(&at(&path)).contains("s.lock belongs to the user 65534"));
    }
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    assert!(!exists(&path));
}

#[tokio::test]
async fn hostile_56_a_path_that_is_too_long_is_told() {
    let folder = private_folder();
    let longest = error::MAX_PATH_LEN - folder.path().as_os_str().len() - 1;
    let fits = at(folder.path().join("s".repeat(longest)));
    let mut listener = bind(&fits).unwrap();
    serves(&mut listener, &fits).await;

    let too_long = at(folder.path().join("s".repeat(longest + 1)));
    let expected = "the path has 108 bytes, and the system takes at most 107";
    assert!(refused(&too_long).contains(expected));
    let error = connect(&too_long).await.err().unwrap();
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn hostile_57_a_folder_that_others_may_enter_is_refused() {
    let folder = private_folder();
    let place = at(folder.path().join("s"));
    for mode in [0o755, 0o770, 0o701, 0o710, 0o1777] {
        set_mode(folder.path(), mode);
        let message = refused(&place);
        assert!(
            message.contains(&format!("(its mode is {mode:04o}), expected 0700")),
            "{message}"
        );
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
    let missing = refused(&at(folder.path().join("missing/s")));
    assert!(missing.contains("cannot open the folder"), "{missing}");
}

#[tokio::test]
async fn hostile_57_a_foreign_folder_is_refused() {
    if !are_we_root() {
        return;
    }
    let folder = private_folder();
    std::os::unix::fs::chown(folder.path(), Some(STRANGER), None).unwrap();
    let place = at(folder.path().join("s"));
    assert!(refused(&place).contains("belongs to the user 65534, expected 0"));
    // A wider policy does not help: the owner could exchange the socket.
    let shared = UnixListener::bind_at(place, &UnixOptions::new().mode(0o666));
    assert!(
        shared
            .err()
            .unwrap()
            .to_string()
            .contains("belongs to the user 65534")
    );
}

#[tokio::test]
async fn hostile_57_the_own_folder_is_checked_even_if_it_exists() {
    let temporary = tempfile::tempdir().unwrap();
    let player = named("player", Some(temporary.path()), "/nowhere");
    let folder = temporary.path().join("kaa");

    // Prepared by somebody who wants us to use another folder of theirs, or of ours.
    let target = private_folder();
    symlink(target.path(), &folder).unwrap();
    assert!(refused(&player).contains("is a symbolic link"));
    std::fs::remove_file(&folder).unwrap();

    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .unwrap();
    set_mode(&folder, 0o777);
    assert!(refused(&player).contains("its mode is 0777"));
    // A mode for the socket does not open the own folder.
    let wider = UnixListener::bind_at(player.clone(), &UnixOptions::new().mode(0o666));
    assert!(
        wider
            .err()
            .unwrap()
            .to_string()
            .contains("its mode is 0777")
    );
    set_mode(&folder, 0o700);

    if are_we_root() {
        std::os::unix::fs::chown(&folder, Some(STRANGER), None).unwrap();
        assert!(refused(&player).contains("belongs to the user 65534"));
    }
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_explicit_mode_opens_shared_folders() {
    let folder = private_folder();
    let place = at(folder.path().join("s"));
    let options = UnixOptions::new().mode(0o660);
    for (folder_mode, works) in [(0o755, true), (0o1777, true), (0o770, true), (0o777, false)] {
        set_mode(folder.path(), folder_mode);
        match UnixListener::bind_at(place.clone(), &options) {
            Ok(mut listener) => {
                assert!(works, "{folder_mode:o}");
                assert_eq!(mode_of(&place.path()), 0o660);
                serves(&mut listener, &place).await;
            }
            Err(error) => {
                assert!(!works, "{error}");
                assert!(error.to_string().contains("anyone may exchange"), "{error}");
            }
        }
    }
    let error = UnixListener::bind_at(place, &UnixOptions::new().mode(0o400))
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("0o400 is no mode for a socket"),
        "{error}"
    );
}
