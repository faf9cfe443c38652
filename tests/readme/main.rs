//! What README.md says is true: its files are written, built and run as a reader would, its links lead
//! somewhere.

mod crates;
mod document;
mod project;

use std::path::Path;

use document::{Block, Document};
use project::Project;

#[test]
fn the_tour_can_be_followed_word_for_word() {
    let readme = Document::read("README.md");
    let mut project = Project::new();
    for block in readme.blocks() {
        if let Block::File { path, text } = block {
            project.write(path, text);
        }
    }
    project.assert_formatted();
    for block in readme.blocks() {
        if let Block::Session(lines) = block {
            for (command, expected) in lines {
                project.assert_prints(command, &expected);
            }
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for name in ["README.md", "docs/from-kaa-rpc.md"] {
        let document = Document::read(name);
        let folder = document.path().parent().unwrap_or(Path::new("."));
        for link in document.links() {
            let broken = match link.split_once('#') {
                Some(("", heading)) => !document.has_heading(heading),
                Some((path, _)) => !folder.join(path).exists(),
                None => !folder.join(link).exists(),
            };
            assert!(!broken, "{name} links to {link}, which does not exist");
        }
    }
}

#[test]
fn the_version_of_rust_is_that_of_the_workspace() {
    let manifest = Document::read("Cargo.toml");
    let version = manifest
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .map(|version| version.trim_matches('"'))
        .unwrap();
    let readme = Document::read("README.md");
    assert!(
        readme
            .text()
            .contains(&format!("Rust version is {version}."))
    );
    assert!(
        readme
            .text()
            .contains(&format!("(https://rustup.rs) {version}"))
    );
}
