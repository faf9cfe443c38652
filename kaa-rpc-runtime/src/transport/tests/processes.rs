//! What concerns whole processes: their umask, their death, the programs they start.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use super::*;

/// The name that the test harness knows a test of this module by.
fn name(test: &str) -> String {
    let module = module_path!();
    let (_, module) = module.split_once("::").unwrap();
    format!("{module}::{test}")
}

/// Waits for a line of a child that begins with `start`, and gives the rest of it.
fn line_of(child: &mut Child, start: &str) -> String {
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "the child has ended"
        );
        // The harness prints the name of the test before, without a line feed.
        if let Some((_, rest)) = line.split_once(start) {
            return rest.trim().to_owned();
        }
    }
}

#[test]
fn whatever_the_umask_modes_are_right() {
    if told().is_none() {
        return run_child(&name("whatever_the_umask_modes_are_right"), "");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let folder = private_folder();
    for umask in [0o000, 0o022, 0o077, 0o177, 0o777] {
        rustix::process::umask(rustix::fs::Mode::from_bits_retain(umask));
        let base = folder.path().join(format!("{umask:o}"));
        std::fs::create_dir(&base).unwrap();
        set_mode(&base, 0o700);
        let place = named("player", Some(&base), "/nowhere");
        let mut listener = bind(&place).unwrap();
        assert_eq!(mode_of(&base.join("kaa")), 0o700, "{umask:o}");
        assert_eq!(mode_of(&base.join("kaa/player")), 0o600, "{umask:o}");
        assert_eq!(mode_of(&base.join("kaa/player.lock")), 0o600, "{umask:o}");
        runtime.block_on(serves(&mut listener, &place));
        drop(listener);

        let wide = UnixOptions::new().mode(0o666);
        let _listener = UnixListener::bind_at(at(base.join("s")), &wide).unwrap();
        assert_eq!(mode_of(&base.join("s")), 0o666, "{umask:o}");
    }
}

#[test]
fn hostile_54_a_killed_server_is_replaced() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    if let Some(path) = told() {
        let _listener = bind(&at(path)).unwrap();
        println!("\nlistening");
        std::thread::park();
        return;
    }
    let folder = private_folder();
    let path = folder.path().join("s");
    let mut server = child(
        &name("hostile_54_a_killed_server_is_replaced"),
        path.to_str().unwrap(),
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    line_of(&mut server, "listening");
    assert!(bind(&at(&path)).err().unwrap().is_in_use());
    server.kill().unwrap();
    server.wait().unwrap();

    assert!(exists(&path) && exists(&lock_of(&path)));
    let mut listener = bind(&at(&path)).unwrap();
    runtime.block_on(serves(&mut listener, &at(&path)));
    drop(listener);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn hostile_54_of_many_processes_that_start_at_once_one_wins() {
    let test = name("hostile_54_of_many_processes_that_start_at_once_one_wins");
    if let Some(path) = told() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        println!("\nready");
        let mut go = String::new();
        io::stdin().read_line(&mut go).unwrap();
        let listener = bind(&at(path));
        match &listener {
            Ok(_) => println!("\noutcome: won"),
            Err(error) if error.is_in_use() => println!("\noutcome: in use"),
            Err(error) => println!("\noutcome: {error}"),
        }
        // Until all have tried.
        io::stdin().read_line(&mut go).unwrap();
        return;
    }
    let folder = private_folder();
    let path = folder.path().join("s");
    for _ in 0..5 {
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let start = |_| {
            let mut command = child(&test, path.to_str().unwrap());
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut children: Vec<_> = (0..4).map(start).collect();
        for child in &mut children {
            line_of(child, "ready");
        }
        for child in &mut children {
            child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        }
        let mut outcomes: Vec<_> = children
            .iter_mut()
            .map(|child| line_of(child, "outcome: "))
            .collect();
        for mut child in children {
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
        }
        outcomes.sort();
        assert_eq!(outcomes, ["in use", "in use", "in use", "won"]);
    }
}

#[test]
fn hostile_58_programs_that_we_start_inherit_nothing() {
    if told().is_none() {
        return run_child(
            &name("hostile_58_programs_that_we_start_inherit_nothing"),
            "",
        );
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = private_folder();
        let place = at(folder.path().join("s"));
        let mut listener = bind(&place).unwrap();
        let (served, client) = tokio::join!(listener.accept(), connect(&place));
        let (one, other) = UnixSocket::pair().unwrap();
        // The duplicate that is watched for writing is one more.
        let mut full = client.unwrap();
        socket::fill(&mut full).await;
        assert!(full.is_watching());

        // A shell first names what it got; its own descriptor for that listing is a folder.
        let output = Command::new("ls")
            .args(["-l", "/proc/self/fd"])
            .output()
            .unwrap();
        let listing = String::from_utf8(output.stdout).unwrap();
        assert!(listing.contains("/proc/"), "{listing}");
        for part in ["socket:", ".lock", folder.path().to_str().unwrap()] {
            assert!(!listing.contains(part), "{listing}");
        }
        drop((served, one, other));
    });
}
