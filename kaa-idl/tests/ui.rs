//! One case for each file in `tests/ui`: the rendered diagnostics, and for the files in
//! `tests/ui/pass` the schema too, are as the committed `.stderr` and `.schema` files say.
//!
//! `BLESS=1 cargo test -p kaa-idl --test ui` writes what comes out; read the difference before you
//! commit it. Folders in `tests/ui` hold what cases import; `include` is the include folder.

mod support;

use kaa_idl::{CODES, Style};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use support::{dump, folder::Folder};

#[test]
fn fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut outcome = Outcome {
        failures: Vec::new(),
        bless: std::env::var_os("BLESS").is_some(),
    };
    for case in cases(&root) {
        let checked = kaa_idl::check(
            std::slice::from_ref(&case),
            &[PathBuf::from("include")],
            &Folder::new(&root),
        );
        let rendered = checked.render(Style::Plain);
        outcome.compare(&root.join(case.with_extension("stderr")), &rendered);
        if case.starts_with("pass") {
            let dumped = checked
                .schema()
                .map_or_else(|| "no schema\n".to_owned(), dump::dump);
            outcome.compare(&root.join(case.with_extension("schema")), &dumped);
        } else if rendered.is_empty() {
            outcome.failures.push(format!(
                "{} has no mistakes; move it to pass/",
                case.display()
            ));
        }
    }
    assert!(
        outcome.failures.is_empty(),
        "{}\n(BLESS=1 accepts what came out)",
        outcome.failures.join("\n")
    );
}

/// Each code is shown by a fixture, but for those that need a file of a megabyte or none at all.
#[test]
fn every_code_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let shown: BTreeSet<String> = cases(&root)
        .iter()
        .filter_map(|case| fs::read_to_string(root.join(case.with_extension("stderr"))).ok())
        .flat_map(|text| codes(&text))
        .collect();
    let missing: Vec<&str> = CODES
        .iter()
        .map(|info| info.code)
        .filter(|code| !shown.contains(*code) && !matches!(*code, "K0003"))
        .collect();
    assert!(missing.is_empty(), "no fixture shows {missing:?}");
}

fn codes(text: &str) -> Vec<String> {
    text.split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .map(|(code, _)| code.to_owned())
        .collect()
}

/// The `.kidl` files in `root` and in `root/pass`, relative to `root`.
fn cases(root: &Path) -> Vec<PathBuf> {
    let mut cases = Vec::new();
    for folder in ["", "pass"] {
        let entries = fs::read_dir(root.join(folder)).expect("the folder is there");
        let files =
            entries.map(|entry| Path::new(folder).join(entry.expect("readable").file_name()));
        cases.extend(files.filter(|path| path.extension().is_some_and(|it| it == "kidl")));
    }
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

struct Outcome {
    failures: Vec<String>,
    bless: bool,
}

impl Outcome {
    /// An empty text needs no file.
    fn compare(&mut self, path: &Path, actual: &str) {
        let expected = fs::read_to_string(path).unwrap_or_default();
        if expected == actual {
            return;
        }
        if !self.bless {
            self.failures.push(format!(
                "{}: expected\n{expected}\nfound\n{actual}",
                path.display()
            ));
        } else if actual.is_empty() {
            fs::remove_file(path).expect("an old expectation can be removed");
        } else {
            fs::write(path, actual).expect("an expectation can be written");
        }
    }
}
