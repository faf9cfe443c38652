//! What a user's program builds beside itself.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::document::{Document, root};

/// The most crates of a program with a schema and Unix sockets: all that is built for it and its build script, itself
/// included, each version of a crate once.
const MOST: usize = 55;

const MANIFEST: &str = r#"
[package]
name = "hello"
version = "0.1.0"
edition = "2024"

[dependencies]
kaa-rpc-runtime = { path = "ROOT/kaa-rpc-runtime", default-features = false }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }

[build-dependencies]
kaa-rpc-build = { path = "ROOT/kaa-rpc-build" }

[workspace]
"#;

#[test]
fn a_program_with_unix_sockets_alone_builds_few_crates() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = MANIFEST.replace("ROOT", &root().display().to_string());
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), "fn main() {}\n").unwrap();
    // The versions that were just built, which need no network.
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();

    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{tree:?}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    let ours = |of: &str| crates.iter().any(|it| it.starts_with(of));
    assert!(ours("hello v") && ours("kaa-rpc-runtime v") && ours("kaa-rpc-build v"));
    println!("{} crates: {crates:#?}", crates.len());
    assert!(
        crates.len() <= MOST,
        "{} of {MOST}: {crates:#?}",
        crates.len()
    );

    let readme = Document::read("README.md");
    let said = format!("at most {MOST} crates");
    assert!(
        readme.text().contains(&said),
        "README.md does not say {said}"
    );
}
