//! What `docs/security.md` says is shown by a test is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The sources of all crates, and those of their tests.
fn sources(root: &Path) -> String {
    let mut sources = String::new();
    for part in [
        "kaa-idl",
        "kaa-rpc-build",
        "kaa-rpc-proto",
        "kaa-rpc-runtime",
        "kaa-cli",
        "tests",
    ] {
        read_sources(&root.join(part), &mut sources);
    }
    sources
}

/// The names of tests in the last cell of a row.
fn shown_by(row: &str) -> impl Iterator<Item = &str> {
    let (_, cell) = row.rsplit_once(" | ").unwrap_or_default();
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_security_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let sources = sources(&root);
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    let named: Vec<&str> = rows.flat_map(shown_by).collect();
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

/// The table of hostile inputs and the tests named `hostile_NN_…` are the same.
#[test]
fn each_hostile_input_has_its_tests_and_each_such_test_its_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let (_, table) = document.split_once("### Each hostile input\n").unwrap();
    let rows = table.lines().take_while(|line| !line.starts_with('#'));
    let mut numbers = Vec::new();
    let mut named = BTreeSet::new();
    for row in rows {
        let number = row.strip_prefix("| ").and_then(|row| row.get(..2));
        let Some(number) = number.and_then(|number| number.parse::<u8>().ok()) else {
            continue;
        };
        numbers.push(number);
        let of_this_line = format!("hostile_{number:02}_");
        assert!(
            shown_by(row).any(|name| name.starts_with(&of_this_line)),
            "line {number} has no test of its own"
        );
        for name in shown_by(row).filter(|name| name.starts_with("hostile_")) {
            assert!(
                name.starts_with(&of_this_line),
                "{name} is in line {number}"
            );
            assert!(named.insert(name.to_owned()), "{name} is there twice");
        }
    }
    assert!(numbers.into_iter().eq(1..=60), "the lines are 1 to 60");

    let sources = sources(&root);
    let written: BTreeSet<String> = sources
        .split("fn hostile_")
        .skip(1)
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        .filter_map(|rest| rest.split_once('('))
        .map(|(name, _)| format!("hostile_{name}"))
        .collect();
    let missing: Vec<_> = written.difference(&named).collect();
    let gone: Vec<_> = named.difference(&written).collect();
    assert!(
        missing.is_empty(),
        "not in the table of docs/security.md: {missing:#?}"
    );
    assert!(gone.is_empty(), "in the table, but no test: {gone:#?}");
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
