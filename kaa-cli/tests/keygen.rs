//! `kaa keygen`, and what the command says of itself.

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{kaa, run};
use kaa_rpc_runtime::Secret;

#[test]
fn a_new_secret_that_only_its_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("player.secret");
    let ran = run(kaa(["keygen"]).arg(&path));
    ran.fails(0, &["made a new secret in ", path.to_str().unwrap()]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let content = std::fs::read_to_string(&path).unwrap();
    let secret = content.trim().strip_prefix("kaa-secret-1 ").unwrap();
    assert!(!ran.stderr.contains(secret));
    Secret::from_file(&path).unwrap();

    let ran = run(kaa(["keygen"]).arg(&path));
    ran.fails(1, &["never overwritten", path.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
}

#[test]
fn a_folder_that_is_not_there() {
    let ran = run(&mut kaa(["keygen", "/does/not/exist/secret"]));
    ran.fails(1, &["/does/not/exist/secret", "No such file"]);
}

#[test]
fn help_and_version() {
    let ran = run(&mut kaa(["--version"]));
    ran.gives(concat!("kaa ", env!("CARGO_PKG_VERSION")));
    for (args, told) in [
        (
            &["--help"][..],
            &["check", "call", "keygen", "Examples:"][..],
        ),
        (
            &["call", "--help"],
            &["Exit status:", "Examples:", "$bytes", "KAA_SECRET_FILE"],
        ),
        (&["check", "--help"], &["--deny-warnings", "-I", "short"]),
        (&["keygen", "--help"], &["0600", "never overwritten"]),
    ] {
        let ran = run(&mut kaa(args));
        assert_eq!(ran.status, 0);
        for text in told {
            assert!(ran.stdout.contains(text), "{text} in {}", ran.stdout);
        }
    }
    run(&mut kaa([""; 0])).fails(2, &["Usage: kaa"]);
    run(&mut kaa(["chekc"])).fails(2, &["'check'"]);
}
