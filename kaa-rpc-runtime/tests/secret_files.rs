//! Secret files: who may read them, what they hold, how they come into being.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use kaa_rpc_runtime::Secret;

/// A user that is neither root nor us.
const STRANGER: u32 = 65_534;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The text of a good secret file.
fn line() -> String {
    let folder = folder();
    let path = folder.path().join("s");
    Secret::create_file(&path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

fn refused(path: &Path) -> String {
    let error = Secret::from_file(path).unwrap_err();
    assert_eq!(error.path(), Some(path));
    let message = error.to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    message
}

fn are_we_root(folder: &Path) -> bool {
    std::fs::metadata(folder).unwrap().uid() == 0
}

#[test]
fn a_new_secret_is_in_a_file_of_its_users_only() {
    let folder = folder();
    let path = folder.path().join("player.secret");
    Secret::create_file(&path).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("kaa-secret-1 ") && text.ends_with('\n'));
    // 32 bytes in Base64.
    assert_eq!(text.trim_end().len(), "kaa-secret-1 ".len() + 44);
    assert_ne!(text, line());
    Secret::from_file(&path).unwrap();
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let folder = folder();
    let path = folder.path().join("s");
    let target = folder.path().join("target");
    write(&path, "precious", 0o600);
    let message = Secret::create_file(&path).unwrap_err().to_string();
    assert!(message.contains("never overwritten"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");

    // Neither is what a link leads to, nor is a file made through one.
    std::fs::remove_file(&path).unwrap();
    symlink(&target, &path).unwrap();
    assert!(Secret::create_file(&path).is_err());
    let message = Secret::load_or_create(&path).unwrap_err().to_string();
    assert!(message.contains("link that leads nowhere"), "{message}");
    assert!(!target.exists());
    // Nothing else is left behind.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn hostile_57_a_file_that_others_can_access_is_refused() {
    let folder = folder();
    let path = folder.path().join("s");
    for mode in [
        0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777,
    ] {
        write(&path, line(), mode);
        let message = refused(&path);
        assert!(
            message.contains(&format!("its mode is {mode:04o}")),
            "{message}"
        );
        assert!(message.contains("chmod 600"), "{message}");
        // Making one does not help: the file is there.
        assert!(Secret::load_or_create(&path).is_err());
    }
    for mode in [0o600, 0o400, 0o700] {
        write(&path, line(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Secret::from_file(&path).unwrap();
    }
}

#[test]
fn hostile_57_a_foreign_file_is_refused() {
    let folder = folder();
    if !are_we_root(folder.path()) {
        return;
    }
    let path = folder.path().join("s");
    write(&path, line(), 0o600);
    chown(&path, Some(STRANGER), None).unwrap();
    let message = refused(&path);
    assert!(message.contains("belongs to the user 65534"), "{message}");
    assert!(message.contains("chown 0"), "{message}");
}

#[test]
fn hostile_55_what_is_no_file_is_refused_and_does_not_hang() {
    let folder = folder();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(refused(folder.path()).contains("it is a folder"));

    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(refused(&pipe).contains("it is a named pipe"));
    assert!(Secret::from_file("/dev/zero").is_err());

    let missing = folder.path().join("missing");
    assert!(refused(&missing).contains("cannot open it"));
    assert!(Secret::from_file(&missing).unwrap_err().is_not_found());
    assert!(Secret::create_file(folder.path().join("missing/s")).is_err());
    assert!(Secret::create_file("/").is_err());
}

/// A link is followed; what counts is the file that it leads to.
#[test]
fn a_link_is_as_good_as_its_target() {
    let folder = folder();
    let (path, link) = (folder.path().join("s"), folder.path().join("link"));
    symlink(&path, &link).unwrap();
    write(&path, line(), 0o600);
    Secret::from_file(&link).unwrap();
    write(&path, line(), 0o644);
    assert!(refused(&link).contains("its mode is 0644"));
}

#[test]
fn what_is_no_secret_is_refused_without_showing_it() {
    let folder = folder();
    let path = folder.path().join("s");
    let line = line();
    let key = line.strip_prefix("kaa-secret-1 ").unwrap().trim_end();
    for (content, part) in [
        (b"".to_vec(), "the secret is empty"),
        (key.as_bytes().to_vec(), "does not start with"),
        (b"kaa-secret-1 \xff\xfe".to_vec(), "not text"),
        (b"kaa-secret-1 c2hvcnQ=".to_vec(), "at least 16"),
        (format!("{line}{line}").into_bytes(), "more than one line"),
        (vec![b'A'; 4097], "more than 4096 bytes"),
        (vec![b'A'; 10 << 20], "more than 4096 bytes"),
    ] {
        write(&path, &content, 0o600);
        let error = Secret::from_file(&path).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(
            !shown.contains(key) && !shown.contains("c2hvcnQ"),
            "{shown}"
        );
    }
    let spaces = format!("{}{}", line.trim_end(), " \n".repeat(100));
    write(&path, spaces, 0o600);
    Secret::from_file(&path).unwrap();
}

#[test]
fn bytes_are_taken_from_16_on() {
    assert!(Secret::from_bytes(&[7; 15]).is_err());
    let secret = Secret::from_bytes(&[7; 16]).unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    assert_eq!(
        format!("{:?}", Secret::generate().unwrap()),
        "Secret(redacted)"
    );
}

/// Several processes that make the same secret at once: each is this test again, in a child.
#[test]
fn processes_that_start_at_once_share_one_secret() {
    const CHILD: &str = "KAA_TEST_CHILD";
    if let Ok(path) = std::env::var(CHILD) {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        Secret::load_or_create(&path).unwrap();
        println!(
            "\nsecret: {}",
            std::fs::read_to_string(path).unwrap().trim()
        );
        return;
    }
    for _ in 0..5 {
        let folder = folder();
        let path = folder.path().join("s");
        let start = |_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "--nocapture",
                    "processes_that_start_at_once_share_one_secret",
                ])
                .env(CHILD, &path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut children: Vec<_> = (0..4).map(start).collect();
        for child in &mut children {
            child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        }
        let seen: Vec<_> = children
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success());
                let text = String::from_utf8(output.stdout).unwrap();
                let line = text.lines().find_map(|line| line.strip_prefix("secret: "));
                line.expect("no secret").to_owned()
            })
            .collect();
        assert!(seen.iter().all(|line| *line == seen[0]), "{}", seen.len());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
