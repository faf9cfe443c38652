//! `kaa describe` and `kaa ping`, asking a real server.

mod common;

use common::{Fixture, kaa, run};

fn ask(fixture: &Fixture, args: &[&str]) -> common::Ran {
    let mut command = kaa(args);
    command
        .env("KAA_SECRET_FILE", fixture.secret())
        .env("XDG_RUNTIME_DIR", fixture.folder());
    run(&mut command)
}

#[test]
fn what_a_program_exposes_is_shown_as_a_schema() {
    let fixture = Fixture::new();
    let all = ask(&fixture, &["describe", "unix:player"]);
    assert_eq!((all.status, all.stderr.as_str()), (0, ""), "{all:#?}");
    assert!(
        all.stdout
            .contains("    fn add(a: any, b: any = null) -> any;\n"),
        "{all:#?}"
    );
    assert!(all.stdout.contains("fn title() -> any;"), "{all:#?}");

    let one = ask(&fixture, &["describe", "unix:player", "title"]);
    assert!(
        one.stdout.contains("fn title() -> any;") && !one.stdout.contains("add"),
        "{one:#?}"
    );
    let none = ask(&fixture, &["describe", "unix:player", "titel"]);
    none.fails(1, &["the program exposes no function `titel`"]);
}

#[test]
fn a_program_that_answers_is_told_from_one_that_does_not() {
    let mut fixture = Fixture::new();
    let pong = ask(&fixture, &["ping", "unix:player"]);
    assert_eq!(pong.status, 0, "{pong:#?}");
    assert!(
        pong.stdout.starts_with("unix:player answers in "),
        "{pong:#?}"
    );
    let other_key = ask(&fixture, &["ping", "unix:player", "--key-id=guest"]);
    other_key.fails(3, &["key id `guest`"]);
    let other_service = ask(&fixture, &["describe", "unix:player", "--service=radio"]);
    other_service.fails(3, &["radio"]);
    fixture.stop();
    ask(&fixture, &["ping", "unix:player"]).fails(3, &[]);
}
