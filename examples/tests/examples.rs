//! Runs each example as a user would, and looks at what it says and what it leaves behind.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const QUICKSTART: &str = env!("CARGO_BIN_EXE_quickstart");
const ERRORS: &str = env!("CARGO_BIN_EXE_errors");
const PLUGIN_HOST: &str = env!("CARGO_BIN_EXE_plugin_host");
const RECONNECT: &str = env!("CARGO_BIN_EXE_reconnect");
const TLS: &str = env!("CARGO_BIN_EXE_tls");
const STREAMING: &str = env!("CARGO_BIN_EXE_streaming");
const ACCESS: &str = env!("CARGO_BIN_EXE_access");
const TWO_WAY: &str = env!("CARGO_BIN_EXE_two_way");
const EMBEDDED_TESTS: &str = env!("CARGO_BIN_EXE_embedded_tests");
const CLOSURES: &str = env!("CARGO_BIN_EXE_closures");

/// What an example printed, by role.
struct Said(BTreeMap<String, Vec<String>>);

impl Said {
    fn by(&self, role: &str) -> Vec<&str> {
        let lines = self.0.get(role).map(Vec::as_slice).unwrap_or_default();
        lines.iter().map(String::as_str).collect()
    }
}

/// Runs the whole of an example. When this returns, no process of it runs any more: each of them has
/// the other end of the pipe for errors, and that has ended.
fn run(example: &str) -> Said {
    let temporary = tempfile::tempdir().unwrap();
    let output = in_time(
        Command::new(example)
            .env("TMPDIR", temporary.path())
            .env_remove("XDG_RUNTIME_DIR"),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(errors, "", "{text}");
    assert!(!text.contains("unexpected"), "{text}");
    assert!(text.ends_with("all have ended\n"), "{text}");
    assert_eq!(files_in(temporary.path()), Vec::<String>::new(), "{text}");

    let mut said = BTreeMap::<String, Vec<String>>::new();
    for line in text.lines() {
        if let Some((role, line)) = line.split_once(" | ") {
            let lines = said.entry(role.trim_end().to_owned()).or_default();
            lines.push(line.to_owned());
        }
    }
    Said(said)
}

fn in_time(command: &mut Command) -> Output {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut errors = child.stderr.take().unwrap();
    let mut text = child.stdout.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut all = Vec::new();
        errors.read_to_end(&mut all).map(|_| all)
    });
    let text = std::thread::spawn(move || {
        let mut all = Vec::new();
        text.read_to_end(&mut all).map(|_| all)
    });
    let status = wait(&mut child);
    Output {
        status,
        stdout: text.join().unwrap().unwrap(),
        stderr: errors.join().unwrap().unwrap(),
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("it has not ended in time");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn quickstart_calls_in_both_directions() {
    let said = run(QUICKSTART);
    assert_eq!(
        said.by("remote"),
        [
            "added 1 and 2",
            "play: Playing",
            "play: Playing",
            "there is no track 99",
            "volume: 30 and 100",
            "asked: Remove \"Lucia\"? yes",
            "removed: true",
            "do_something: 42 and 28",
            r#"tracks: [{"id": 2, "title": "4'33\"", "tags": ["quiet"], "rating": 3, "source": "silence"}]"#,
            "uploaded 3",
            "found 4 of 4",
        ]
    );
    let mut daemon = said.by("daemon");
    daemon.retain(|line| *line != "somebody has connected");
    assert_eq!(
        daemon,
        [
            "listening",
            "plays 1 from 0ns",
            "plays 2 from 60s",
            "volume 30 (Some(Left))",
            "volume 120 (Some(Right))",
            "volume 50 (None)",
            r#"log: used [] {"buttons": 7}"#,
            "1500 bytes of \"Norma\"",
        ]
    );
    for (screen, first) in [
        ("hall", "nothing plays"),
        ("kitchen", "now: 4'33\" [\"quiet\"]"),
    ] {
        let mut shown = said.by(screen);
        // Its own side and what it is told do not wait for each other.
        shown.retain(|line| *line != "connected" && !line.contains("Lucia"));
        let last = "the other end closed the channel";
        assert_eq!(shown[0], first);
        assert_eq!(shown[shown.len() - 2..], ["now: 4'33\" [\"quiet\"]", last]);
    }
}

#[test]
fn quickstart_runs_in_several_terminals() {
    let folder = tempfile::tempdir().unwrap();
    let role = |role| {
        let mut command = Command::new(QUICKSTART);
        command
            .arg(role)
            .current_dir(folder.path())
            .env("XDG_RUNTIME_DIR", folder.path());
        command
    };
    let mut daemon = role("daemon").stdout(Stdio::piped()).spawn().unwrap();
    let mut listening = [0; 10];
    let mut output = daemon.stdout.take().unwrap();
    output.read_exact(&mut listening).unwrap();
    assert_eq!(&listening, b"listening\n");

    let remote = in_time(&mut role("remote"));
    assert!(remote.status.success(), "{remote:?}");
    // Ctrl-C.
    let pid = daemon.id().to_string();
    let interrupted = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(interrupted.success());
    assert!(wait(&mut daemon).success());
    assert!(!folder.path().join("kaa/quickstart").exists());
}

#[test]
fn errors_are_told_apart() {
    let said = run(ERRORS);
    let customer: Vec<String> = said
        .by("customer")
        .into_iter()
        // Lines and columns move whenever the file is edited, and the folder has a random name.
        .map(|line| line.replace(|c: char| c.is_ascii_digit(), "#"))
        // Either end may be the first to notice, and only the caller's knows how long it was.
        .map(|line| line.replace("after ###ms ", "").replace("after ##ms ", ""))
        .map(|line| match line.split_once("/kaa-") {
            Some((head, tail)) if line.starts_with("cannot connect") => {
                let begin = head.rfind(' ').map_or("", |end| &head[..end]);
                let end = tail.find('/').map_or("", |begin| &tail[begin..]);
                format!("{begin} FOLDER{end}")
            }
            _ => line,
        })
        .collect();
    assert_eq!(
        customer,
        [
            "declared error: sold out, # of chair left",
            "fault: the function failed at the other end: what is a spoon?",
            "    in order at examples/src/bin/errors/workshop.rs:##:##",
            "fault: the prices cannot be read",
            "    causes: [\"No such file or directory (os error #)\"]",
            "    kind: errors::workshop::NoPrices",
            "    trace: [\"price at examples/src/bin/errors/workshop.rs:##:##\"]",
            "panic: attempt to divide by zero",
            "after the panic: ##",
            "the other end exposes no function `ordr`; is `order` meant? (closest: order)",
            "bad arguments: `order`: argument `item`: expected string, got an integer",
            "bad arguments: `order`: argument `item`: expected an argument, got none",
            "bad arguments: `order`: argument `item`: expected an argument, got none (but one for `itme`)",
            "the result is not of the expected type: expected string, got an integer",
            "timed out calling `paint`",
            "timed out calling `paint`",
            "closed after our proof: the secret differs from the server's, or the server refused",
            "cannot connect to FOLDER/kaa/nobody: there is no such socket: start the server",
            "the connection was lost before the answer, so the call may have run: the other end went away without a goodbye",
            "not connected, so the call was not sent: the other end went away without a goodbye",
            "    never ran: true",
        ]
    );
    let workshop = said.by("workshop");
    assert_eq!(workshop[0], "open");
    assert!(
        workshop[1].starts_with("panic: panicked at"),
        "{workshop:?}"
    );
    assert_eq!(
        workshop[2..],
        [
            "attempt to divide by zero",
            "painting: chair",
            "painting: chair",
            "turned somebody away: wrong secret: the client's proof does not fit the secret of this server",
            "painting: house",
        ]
    );
}

#[test]
fn a_channel_outlives_its_server() {
    let said = run(RECONNECT);
    let reader = said.by("reader");
    assert!(
        reader[4].starts_with("print: not connected, so the call was not sent: "),
        "{reader:?}"
    );
    assert_eq!(
        [&reader[..4], &reader[5..]].concat(),
        [
            "connected",
            "news: Some(\"weather: nothing new\")",
            "disconnected: the other end went away without a goodbye",
            "print: the connection was lost before the answer, so the call may have run: the other end went away without a goodbye",
            // Its reason is the loss, or an attempt that failed meanwhile.
            "    never ran: true",
            "it waits",
            "waited: 20 are printed",
            "proofread: 5 words",
            "news: Some(\"weather: nothing new\")",
        ]
    );
    assert_eq!(
        said.by("office"),
        [
            "open",
            "a reader is there",
            "subscribed: weather",
            "proofreads: all the news that's fit",
            "prints 500",
        ]
    );
    assert_eq!(
        said.by("new office"),
        [
            "open",
            "a reader is there",
            "subscribed: weather",
            "proofreads: all the news that's fit",
            "prints 20",
        ]
    );
}

#[test]
fn closures_need_no_schema() {
    let said = run(CLOSURES);
    let pupil: Vec<&str> = said
        .by("pupil")
        .into_iter()
        .filter(|line| !line.contains(" in divide at "))
        .collect();
    assert_eq!(
        pupil,
        [
            "add: 42",
            "add: 42",
            "add: None",
            "round: 8",
            "round: 7.7",
            "count: 2",
            "divide: the function failed at the other end: division by zero",
            "asked: What is x?",
            "solve: 42",
            r#"describe: {"kind": "a list of 3", "text": "[1, \"two\", 3.5]"}"#,
            r#"describe: {"kind": "something small", "text": "true"}"#,
        ]
    );
    assert_eq!(
        said.by("calculator"),
        ["ready", "solving x - 1 = 41", "counted 4"]
    );
}

#[test]
fn items_go_along_and_come_back() {
    let said = run(STREAMING);
    let mut expected = Vec::new();
    for what in ["upload", "scan"] {
        expected.extend([25, 50, 75, 100].map(|percent| format!("{what}: {percent}%")));
        if what == "upload" {
            expected.push("uploaded 8388608 bytes".to_owned());
        }
    }
    expected.extend(
        [
            "peaks [63, 127, 191, 255, 255, 191, 127, 64], the loudest 255",
            "there is no norma.wav",
            "loud before byte 2097152",
            "upload: the caller broke the stream off: it is not complete",
            "the archive has [\"lucia.wav\"]",
        ]
        .map(str::to_owned),
    );
    assert_eq!(said.by("visitor"), expected);
    assert_eq!(said.by("archive"), ["open", "keeps lucia.wav"]);
}

#[test]
fn tls_is_bound_to_the_channel() {
    let said = run(TLS);
    let between = "or the bindings differ that the two ends gave with the stream: then it is not one stream, and \
                   somebody is between them";
    assert_eq!(
        said.by("display"),
        [
            "-3.5 °C".to_owned(),
            "warning: it is -3.5 °C".to_owned(),
            "warned: true".to_owned(),
            format!(
                "through the proxy: closed after our proof: the secret differs from the server's, or the server \
                 refused; {between}"
            ),
        ]
    );
    assert_eq!(
        said.by("station"),
        [
            "measuring".to_owned(),
            format!(
                "turned somebody away: wrong secret: the client's proof does not fit the secret of this server; \
                 {between}"
            ),
        ]
    );
    assert_eq!(said.by("proxy"), ["listening in", "they have noticed"]);
}

#[test]
fn a_host_survives_its_plugins() {
    let said = run(PLUGIN_HOST);
    let host: Vec<String> = said
        .by("host")
        .into_iter()
        // What the system says of core dumps, and how long it really was.
        .map(|line| line.replace(" (core dumped)", ""))
        .map(
            |line| match (line.split_once(" after "), line.split_once(" calling ")) {
                (Some((what, _)), Some((_, whom))) => format!("{what} calling {whom}"),
                _ => line,
            },
        )
        .collect();
    assert_eq!(
        host,
        [
            "shout: HELLO WORLD!",
            "translate: bonjour monde",
            "fragile: the connection was lost before the answer, so the call may have run: the child process \
             ended: signal: 6 (SIGABRT)",
            "fragile: the child process ended: signal: 6 (SIGABRT)",
            "stuck: timed out calling `apply`",
            "stuck: the channel was closed before all its calls had ended (close_timeout)",
            "missing: no plugin, exit status: 1",
            "shout: HELLO WORLD!",
            "2 plugins are left",
        ]
    );
    assert_eq!(said.by("translate"), ["asks for hello", "asks for world"]);
}

#[test]
fn access() {
    let said = run(ACCESS);
    assert_eq!(
        said.by("teller"),
        [
            "100",
            "120",
            "bad amount",
            "\"closed\"",
            "refused: `clsoe` is not for `teller`"
        ]
    );
    assert_eq!(
        said.by("guest"),
        [
            "120",
            "refused: `deposit` is not for `guest`",
            "refused: `deposit` is not for `guest`",
            "refused: `close` is not for `guest`",
            "refused: `clsoe` is not for `guest`"
        ]
    );
    let bank = said.by("bank");
    assert_eq!(bank.first(), Some(&"ready"));
    assert!(bank.contains(&"guest \"close\": refused"), "{bank:?}");
    assert!(
        bank.contains(&"teller \"deposit\": bad_arguments"),
        "{bank:?}"
    );
    assert_eq!(bank.last(), Some(&"balance 120"));
    assert_eq!(bank.len(), 12, "{bank:?}");
}

#[test]
fn a_server_calls_its_clients_and_tells_all_of_them() {
    let said = run(TWO_WAY);
    assert_eq!(
        said.by("host"),
        [
            "the table is laid",
            "anna sits down",
            "ben sits down",
            "cleo sits down",
            "anna wants soup: true",
            "ben wants soup: false",
            "cleo wants soup: true",
            "ben has left: the other end went away without a goodbye",
            "anna has left: the other end closed the channel",
            "cleo has left: the other end closed the channel",
        ]
    );
    assert_eq!(
        said.by("anna"),
        [
            "I sit with nobody",
            "ben has come",
            "cleo has come",
            "soup has 2 votes",
            "ben has left"
        ]
    );
    assert_eq!(
        said.by("ben"),
        ["I sit with anna", "cleo has come", "soup has 2 votes"]
    );
    assert_eq!(
        said.by("cleo"),
        [
            "I sit with anna, ben",
            "soup has 2 votes",
            "I proposed soup: 2",
            "ben has left",
            "anna has left",
        ]
    );
}

/// Its own tests are run as all tests are.
#[test]
fn a_program_that_is_tested_in_memory_also_runs() {
    let output = in_time(&mut Command::new(EMBEDDED_TESTS));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "the sum is 1\nthe sum is 3\ntold: Some(3)\n1 client\nall have ended\n"
    );
    assert!(output.status.success());
}
