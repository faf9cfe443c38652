//! `docs/from-kaa-rpc.md` names the test that shows each line.

use std::fs;
use std::path::Path;

#[test]
fn every_line_of_the_table_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/from-kaa-rpc.md")).unwrap();
    let mut named = 0;
    let rows = document.lines().filter(|line| line.starts_with("| "));
    let mut rows =
        rows.filter(|row| !row.starts_with("| in `kaa.rpc`") && !row.starts_with("| ---"));
    for row in rows.by_ref() {
        let tests: Vec<&str> = row
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| code.contains(".rs::"))
            .collect();
        assert!(!tests.is_empty(), "no test is named: {row}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap();
            let source = fs::read_to_string(root.join(file))
                .unwrap_or_else(|error| panic!("{test}: {error}"));
            assert!(
                is_a_test(&source, name),
                "{file} has no test {name}, which docs/from-kaa-rpc.md names"
            );
            named += 1;
        }
    }
    assert!(named > 30, "the table was not read: {named}");
}

/// Whether the function `name` stands below an attribute for tests (or in `proptest!`, which has them).
fn is_a_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else {
        return false;
    };
    let before: Vec<&str> = source[..at].lines().rev().take(6).collect();
    before
        .iter()
        .any(|line| line.trim_start().starts_with("#[") && line.contains("test"))
}
