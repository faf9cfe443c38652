//! `kaa call` against a real server: what it prints, what it tells, and its exit status.

mod common;

use common::{Fixture, kaa, run};
use kaa_rpc_runtime::Secret;

#[test]
fn arguments_by_position_and_by_name() {
    let fixture = Fixture::new();
    fixture.call(&["add", "40", "2"]).gives("42");
    fixture.call(&["add", "40", "b=2"]).gives("42");
    fixture.call(&["add", "b=2", "a=40"]).gives("42");
    fixture.call(&["add", "b=2", "40"]).gives("42");
    fixture.call(&["add", "40"]).gives("41");
    fixture.call(&["add", "-5", "b=-6"]).gives("-11");
    fixture
        .call(&["add", "--timeout", "60s", "--", "-5", "-6"])
        .gives("-11");
    fixture
        .call(&["add", "1", "--timeout", "60s", "2"])
        .gives("3");
    fixture.call(&["add", "1", "--", "b=2"]).gives("3");
}

#[test]
fn strings_and_what_looks_like_names() {
    let fixture = Fixture::new();
    fixture.call(&["echo", r#""text""#]).gives(r#""text""#);
    fixture.call(&["echo", r#""a=b""#]).gives(r#""a=b""#);
    fixture
        .call(&["echo", r#"{"a": "b=c"}"#])
        .gives(r#"{"a":"b=c"}"#);
    fixture.call(&["echo", r#"value="a=b""#]).gives(r#""a=b""#);
    // A text as a script has it: quotation marks, equals signs and all.
    fixture
        .call(&["echo", "-s", "value=it's = \"so\"\n"])
        .gives(r#""it's = \"so\"\n""#);
    fixture.call(&["echo", "--string=value=5"]).gives(r#""5""#);
    fixture.call(&["echo", "-s", "value="]).gives(r#""""#);
}

#[test]
fn values_keep_what_they_are() {
    let fixture = Fixture::new();
    for json in [
        "null",
        "true",
        "5",
        "5.0",
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
        r#"[1,"a",[],{}]"#,
        r#"{"b":{"c":null},"a":1.5}"#,
        r#"{"$bytes":"AAEC/w=="}"#,
        r#"{"$timestamp":"2026-01-31T23:59:59.5Z"}"#,
        r#"{"$map":[[1,"one"],[true,"yes"]]}"#,
        r#"{"$float":"-inf"}"#,
    ] {
        fixture.call(&["echo", json]).gives(json);
    }
    fixture.call(&["nothing"]).gives("null");
    fixture.call(&["size", r#"{"$bytes": "AAEC"}"#]).gives("3");
    fixture
        .call(&[
            "later",
            r#"{"$timestamp": "2026-01-31T23:59:59Z"}"#,
            r#"by={"$duration": "1500ms"}"#,
        ])
        .gives(r#"{"$timestamp":"2026-02-01T00:00:00.5Z"}"#);
    fixture
        .call(&["echo", r#"{"$duration": "2m"}"#])
        .gives(r#"{"secs":120,"nanos":0}"#);
    fixture.call(&["louder", "0.1"]).gives("0.1");
}

#[test]
fn raw_results() {
    let fixture = Fixture::new();
    fixture.call(&["title", "--raw"]).gives("Lucia di L.");
    fixture.call(&["-r", "add", "1"]).gives("2");
    let ran = fixture.call(&["echo", "-r", r#"{"$bytes": "AAH/"}"#]);
    assert_eq!((ran.status, ran.bytes), (0, vec![0, 1, 255]));
}

#[test]
fn status_1_the_call_failed() {
    let fixture = Fixture::new();
    let ran = fixture.call(&["play", "8"]);
    ran.fails(1, &["error: no track 8 (media.player.PlayError)\n"]);

    let ran = fixture.call(&["stop"]);
    ran.fails(1, &["error: the function failed at the other end: "]);
    // The place at the other end.
    ran.fails(1, &["\n    in ", "common/mod.rs:"]);

    let ran = fixture.call(&["crash"]);
    ran.fails(
        1,
        &["error: the function panicked at the other end: the deck is empty"],
    );

    let ran = fixture.call(&["wait", "--timeout", "20ms"]);
    ran.fails(1, &["error: timed out", "calling `wait`\n"]);

    let ran = fixture.call(&["tilte"]);
    ran.fails(1, &["error: ", "`tilte`", "`title`"]);

    // One channel's end is no trouble for the next.
    fixture.call(&["add", "1"]).gives("2");
}

#[test]
fn errors_as_json() {
    let fixture = Fixture::new();
    let told = |status: i32, args: &[&str]| -> serde_json::Value {
        let ran = fixture.call(&[&["--json-errors"], args].concat());
        ran.fails(status, &[]);
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        serde_json::from_str(&ran.stderr).unwrap()
    };
    let error = told(1, &["play", "8"]);
    assert_eq!(
        error,
        serde_json::json!({
            "error": "declared",
            "message": "no track 8 (media.player.PlayError)",
            "help": null,
            "name": "media.player.PlayError",
            "value": {"not_found": {"id": 8}},
        })
    );
    let error = told(1, &["stop"]);
    assert_eq!(error["error"], "fault");
    assert_eq!(error["trace"].as_array().unwrap().len(), 1);
    assert_eq!(told(1, &["crash"])["error"], "panic");
    let error = told(1, &["add", "true"]);
    assert_eq!(
        (&error["error"], &error["parameter"]),
        (&"bad_arguments".into(), &"a".into())
    );
    let error = told(1, &["tilte"]);
    assert_eq!(
        (&error["error"], &error["closest"]),
        (&"unknown_function".into(), &"title".into())
    );
    assert_eq!(told(1, &["wait", "--timeout=20ms"])["error"], "timed_out");
    assert_eq!(told(1, &["hang_up"])["error"], "connection_lost");
    assert_eq!(told(2, &["add", "x"])["error"], "usage");
    assert_eq!(
        told(3, &["add", "1", "--key-id=x"])["error"],
        "not_connected"
    );
    let ran = fixture.call(&["add", "1", "--json-errors"]);
    ran.gives("2");
}

#[test]
fn status_1_wrong_arguments_name_the_parameter() {
    let fixture = Fixture::new();
    let ran = fixture.call(&["add", r#""text""#]);
    ran.fails(1, &["bad arguments", "`a`", "expected i64, got a string"]);
    let ran = fixture.call(&["add", "1", "b=true"]);
    ran.fails(1, &["bad arguments", "`b`", "expected", "got a bool"]);
    let ran = fixture.call(&["add", "1", "2", "3"]);
    ran.fails(1, &["at most 2 positional arguments", "got 3"]);
    let ran = fixture.call(&["add", "1", "bb=2"]);
    ran.fails(1, &["`bb`", "unknown name"]);
    let ran = fixture.call(&["louder", "1e300"]);
    ran.fails(1, &["`by`", "expected f32", "out of its range"]);
    let ran = fixture.call(&["add"]);
    ran.fails(1, &["`a`", "expected an argument, got none"]);
}

#[test]
fn status_1_the_other_end_goes_away() {
    let mut fixture = Fixture::new();
    let ran = fixture.call(&["hang_up"]);
    ran.fails(
        1,
        &["error: the connection was lost before the answer, so the call may have run: "],
    );
    fixture.stop();
    fixture.call(&["add", "1"]).fails(3, &["start the server"]);
}

#[test]
fn status_2_the_command_line() {
    let fixture = Fixture::new();
    let ran = fixture.call(&["echo", "hello"]);
    ran.fails(
        2,
        &[
            "error: the argument `hello` is not JSON",
            r#"help: "#,
            r#"'"hello"'"#,
        ],
    );
    let ran = fixture.call(&["echo", "value=it's"]);
    ran.fails(2, &[r#"value='"it'\''s"'"#, r"--string 'value=it'\''s'"]);
    let ran = fixture.call(&["echo", "[1, 2"]);
    ran.fails(2, &["`[1, 2` is not JSON: EOF while parsing a list"]);
    assert!(!ran.stderr.contains("help:"), "{ran:?}");
    let ran = fixture.call(&["echo", "value="]);
    ran.fails(2, &[r#"value='""'"#]);
    let ran = fixture.call(&["echo", "18446744073709551616"]);
    ran.fails(2, &["does not fit into 64 bits"]);
    let ran = fixture.call(&["echo", r#"{"$byte": ""}"#]);
    ran.fails(2, &["`$byte` stands for nothing", "$bytes"]);
    let ran = fixture.call(&["add", "a=1", "a=2"]);
    ran.fails(2, &["`a` is given twice"]);
    let ran = fixture.call(&["add", "a=1", "-s", "a=2"]);
    ran.fails(2, &["`a` is given twice"]);
    let ran = fixture.call(&["add", "-s", "2"]);
    ran.fails(2, &["--string 2", "KEY=TEXT"]);
    let ran = fixture.call(&["add", "--timeout", "5"]);
    ran.fails(2, &["--timeout", "such as 5s"]);
    let ran = fixture.call(&["add", "--timeout", "0s"]);
    ran.fails(2, &["--timeout", "more than 0"]);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    fixture.call(&["echo", &deep]).fails(2, &["error: "]);
    fixture.call(&["add", "--verbos"]).fails(2, &["--verbos"]);
    fixture.call(&[]).fails(2, &["<NAME>"]);
    let ran = run(kaa(["call", "http:player", "add"]).env("KAA_SECRET_FILE", fixture.secret()));
    ran.fails(2, &["http", "unix:NAME"]);
}

#[test]
fn status_2_without_a_secret() {
    let fixture = Fixture::new();
    let ran = run(fixture.command(&["add", "1"]).env_remove("KAA_SECRET_FILE"));
    ran.fails(2, &["--secret-file", "KAA_SECRET_FILE", "kaa keygen"]);

    let ran = fixture.call(&["add", "1", "--secret-file", "/does/not/exist"]);
    ran.fails(2, &["/does/not/exist", "kaa keygen"]);

    let open = fixture.folder().join("open");
    std::fs::write(
        &open,
        "kaa-secret-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&open, mode).unwrap();
    let ran = run(fixture.command(&["add", "1", "--secret-file"]).arg(&open));
    ran.fails(2, &["its mode is 0644", "chmod 600"]);
}

#[test]
fn the_option_goes_before_the_environment() {
    let fixture = Fixture::new();
    let mut command = fixture.command(&["add", "1", "--secret-file"]);
    command
        .arg(fixture.secret())
        .env("KAA_SECRET_FILE", "/does/not/exist");
    run(&mut command).gives("2");
}

#[test]
fn status_3_not_connected() {
    let fixture = Fixture::new();
    let mut command = kaa(["call", "unix:nobody", "add", "1"]);
    command
        .env("KAA_SECRET_FILE", fixture.secret())
        .env("XDG_RUNTIME_DIR", fixture.folder());
    run(&mut command).fails(3, &["nobody", "there is no such socket: start the server"]);
}

#[test]
fn status_3_wrong_secret() {
    let fixture = Fixture::new();
    let other = fixture.folder().join("other");
    Secret::create_file(&other).unwrap();
    let ran = run(fixture.command(&["add", "1", "--secret-file"]).arg(&other));
    ran.fails(3, &["cannot connect to unix:player", "wrong secret"]);
    ran.fails(3, &[other.to_str().unwrap()]);
    let ran = fixture.call(&["add", "1", "--key-id", "guest"]);
    ran.fails(3, &["cannot connect to unix:player", "key id `guest`"]);
}

#[test]
fn status_3_a_socket_that_says_nothing() {
    let fixture = Fixture::new();
    let path = fixture.folder().join("kaa").join("silent");
    // It accepts by its backlog, and never reads.
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut command = kaa(["call", "unix:silent", "add", "--timeout", "50ms"]);
    command
        .env("KAA_SECRET_FILE", fixture.secret())
        .env("XDG_RUNTIME_DIR", fixture.folder());
    run(&mut command).fails(3, &["cannot connect to unix:silent", "within 50ms"]);
    drop(listener);
}

#[test]
fn oneway_calls_arrive_before_the_command_ends() {
    let fixture = Fixture::new();
    let ran = fixture.call(&["--oneway", "log", "-s", "message=hello"]);
    assert_eq!(
        (ran.status, ran.stdout, ran.stderr),
        (0, String::new(), String::new())
    );
    assert_eq!(fixture.logged.try_recv().unwrap().as_str(), Some("hello"));

    // The server lets it run for a while after the command's goodbye, then stops it.
    let ran = fixture.call(&["--oneway", "wait"]);
    ran.fails(1, &["stopped before it ended", "without --oneway"]);
}

#[test]
fn hostile_text_of_the_server_is_escaped() {
    let fixture = Fixture::new();
    fixture
        .call(&["echo", r#""\u001b[31m\u009b\u202e""#])
        .gives(r#""\u001b[31m\u009b\u202e""#);
}

#[test]
fn a_reader_that_has_seen_enough() {
    let fixture = Fixture::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = fixture.command(&["add", "1"]);
    let status = command.stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
