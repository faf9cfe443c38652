//! What `docs/security.md` says is shown by a test is.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_security_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut sources = String::new();
    for part in ["kaa-rpc-proto", "kaa-rpc-runtime", "tests"] {
        for folder in ["src", "tests"] {
            read_sources(&root.join(part).join(folder), &mut sources);
        }
    }

    let rows = document
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    let named: Vec<&str> = rows
        .filter_map(|row| row.rsplit_once(" | "))
        .flat_map(|(_, shown_by)| shown_by.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 30, "the tables were not read: {named:?}");
    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| !sources.contains(&format!("fn {name}(")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/security.md names tests that do not exist: {missing:#?}"
    );
}

fn read_sources(folder: &Path, sources: &mut String) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
