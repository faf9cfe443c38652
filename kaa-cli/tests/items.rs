//! `kaa call` of functions that yield, and with streams: what it prints and when, and what it reads.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use common::{Fixture, Ran};

/// A command that runs, with its input and output at this end.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn write(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
    }

    /// Ends its input, and waits for it.
    fn end(mut self) -> Ran {
        drop(self.child.stdin.take());
        let mut bytes = Vec::new();
        self.output.read_to_end(&mut bytes).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Ran {
            status: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs a call with this as its standard input.
fn fed(fixture: &Fixture, args: &[&str], input: &[u8]) -> Ran {
    let mut running = Running::start(&mut fixture.command(args));
    let mut stdin = running.child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may not want all of it.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let ran = running.end();
    writing.join().unwrap();
    ran
}

#[test]
fn items_are_printed_one_a_line_and_then_the_result() {
    let fixture = Fixture::new();
    fixture.call(&["count", "3"]).gives("0\n1\n2\n\"3 in all\"");
    fixture.call(&["count", "0"]).gives("\"0 in all\"");
    fixture
        .call(&["count", "3", "--only", "items"])
        .gives("0\n1\n2");
    fixture
        .call(&["count", "100000", "--only", "result"])
        .gives("\"100000 in all\"");
    fixture
        .call(&["read"])
        .gives("{\"$bytes\":\"AP8=\"}\n{\"$bytes\":\"Cg==\"}\n3");
    // As they are, without a line end that is not theirs.
    let ran = fixture.call(&["read", "--raw", "--only", "items"]);
    assert_eq!((ran.status, ran.bytes), (0, b"\0\xff\n".to_vec()));
    let many = fixture.call(&["count", "5000"]);
    assert_eq!(many.stdout.lines().count(), 5001);
}

#[test]
fn what_came_before_an_error_is_printed() {
    let fixture = Fixture::new();
    let ran = fixture.call(&["count", "2", "fails=true"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "0\n1\n"));
    assert!(ran.stderr.contains("no more"), "{ran:?}");
    let ran = fixture.call(&["count", "2", "fails=true", "--only", "items"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "0\n1\n"));
}

#[test]
fn an_item_is_printed_while_the_function_runs_and_a_signal_cancels_the_call() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let fixture = Fixture::new();
        let mut running = Running::start(&mut fixture.command(&["watch", "--json-errors"]));
        assert_eq!(running.line(), "\"watching\"\n");
        let pid = running.child.id().to_string();
        let killed = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(killed.unwrap().success());
        let ran = running.end();
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{ran:?}");
        assert!(ran.stderr.contains(r#""error":"cancelled""#), "{ran:?}");
        // At the other end, the function was stopped.
        let told = fixture.logged.recv_timeout(Duration::from_secs(30));
        assert_eq!(told.unwrap().as_str(), Some("stopped"));
    }
}

#[test]
fn a_reader_that_has_seen_enough_stops_the_function() {
    let fixture = Fixture::new();
    let mut running = Running::start(&mut fixture.command(&["count", "1000000000"]));
    assert_eq!(running.line(), "0\n");
    let Running { child, output } = running;
    drop(output);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stderr, b"");
}

#[test]
fn bytes_go_along_from_files_and_standard_input() {
    let fixture = Fixture::new();
    let data: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let sum: u64 = data.iter().map(|byte| u64::from(*byte)).sum();
    let file = fixture.folder().join("norma.ogg");
    std::fs::write(&file, &data).unwrap();
    let file = file.to_str().unwrap();
    let all = |title: &str| format!("[\"{title}\",300000,{sum}]");
    fixture
        .call(&["upload", &format!("@{file}")])
        .gives(&all(""));
    fixture
        .call(&["upload", "-s", "title=N", &format!("data=@{file}")])
        .gives(&all("N"));
    fed(&fixture, &["upload", "@-"], &data).gives(&all(""));
    fed(&fixture, &["upload", "data=@-"], b"").gives("[\"\",0,0]");
    // What is more than both ends hold waits.
    let large = vec![1; 20 << 20];
    fed(&fixture, &["upload", "@-"], &large).gives(&format!("[\"\",{0},{0}]", 20 << 20));
    // An argument that is a text stays one.
    fixture.call(&["echo", "-s", "value=@-"]).gives("\"@-\"");
    fixture.call(&["echo", "\"@-\""]).gives("\"@-\"");
}

#[test]
fn values_go_along_a_line_each_while_they_are_read() {
    let fixture = Fixture::new();
    let mut running = Running::start(&mut fixture.command(&["double", "@json:-"]));
    for number in [1, -20, 300] {
        running.write(&format!("{number}\n"));
        assert_eq!(running.line(), format!("{}\n", 2 * number));
    }
    running.write("\n  \n4");
    running.end().gives("8\nnull");
    let file = fixture.folder().join("numbers");
    std::fs::write(&file, "{\"$bytes\": \"AAEC\"}\n2").unwrap();
    fixture
        .call(&["first", &format!("numbers=@json:{}", file.display())])
        .gives("{\"$bytes\":\"AAEC\"}");
}

#[test]
fn a_function_that_has_enough_ends_before_the_input() {
    let fixture = Fixture::new();
    let mut running = Running::start(&mut fixture.command(&["first", "@json:-"]));
    running.write("7\n");
    // Its input is still open.
    assert_eq!(running.line(), "7\n");
    let status = running.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn input_that_cannot_be_read_fails_the_call_and_says_where() {
    let fixture = Fixture::new();
    let ran = fed(&fixture, &["double", "@json:-"], b"1\ntwo\n3\n");
    assert_eq!(ran.status, 1, "{ran:?}");
    for told in ["the stream `@json:-` broke off", "line 2 is not JSON"] {
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    let ran = fed(
        &fixture,
        &["double", "numbers=@json:-"],
        b"18446744073709551616\n",
    );
    ran.fails(1, &["`numbers=@json:-`", "line 1", "64 bits"]);
    // A folder can be opened, but not read.
    let folder = fixture.folder().to_str().unwrap().to_owned();
    fixture
        .call(&["upload", &format!("@{folder}")])
        .fails(1, &["broke off"]);
    // A value of another type is the function's to refuse.
    let ran = fed(&fixture, &["double", "@json:-"], b"true\n");
    ran.fails(1, &["item 0 of the stream", "expected i64, got a bool"]);
}

#[test]
fn mistakes_with_streams_say_what_to_do() {
    let fixture = Fixture::new();
    let ran = fixture.call(&["upload", "@/does/not/exist"]);
    ran.fails(2, &["`@/does/not/exist`", "cannot open", "No such file"]);
    let ran = fixture.call(&["upload", "@-", "title=@-"]);
    ran.fails(2, &["`title=@-`", "another stream reads standard input"]);
    let ran = fixture.call(&["--oneway", "upload", "@-"]);
    ran.fails(2, &["--oneway", "takes no streams along"]);
    let ran = fixture.call(&["upload", "\"text\""]);
    ran.fails(
        1,
        &[
            "`data`",
            "expected a stream, got a string",
            "help: ",
            "@FILE",
        ],
    );
    let ran = fixture.call(&["size", "@-"]);
    ran.fails(1, &["`data`", "expected bytes", "help: ", "stream<…>"]);
}
