//! docs/language.md says what is so: its examples are checked, its table of codes is made from the
//! one in the code (`BLESS=1` writes it).

use kaa_idl::{CODES, Severity, Style};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md")
}

#[test]
fn codes_are_documented() {
    let mut table = "| code | | |\n| --- | --- | --- |\n".to_owned();
    for info in CODES {
        let what = match info.severity {
            Severity::Error => "",
            Severity::Warning => " (warning)",
        };
        writeln!(
            table,
            "| {} | {}{what} | {} |",
            info.code, info.title, info.explanation
        )
        .expect("strings take all");
    }
    let text = std::fs::read_to_string(path()).expect("the document is there");
    let start = text.find("| code | | |").unwrap_or(text.len());
    if text[start..] != table && std::env::var_os("BLESS").is_some() {
        std::fs::write(path(), format!("{}{table}", &text[..start])).expect("it can be written");
        return;
    }
    assert!(
        text[start..] == table,
        "docs/language.md should end with\n{table}"
    );
}

#[test]
fn the_example_has_no_mistakes() {
    let text = std::fs::read_to_string(path()).expect("the document is there");
    let example = text
        .split("```kidl\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an example");
    let types = "package media.types;\n/// An address.\ntype Url = string;\n";
    let files = BTreeMap::from([
        (PathBuf::from("player.kidl"), example.to_owned()),
        (PathBuf::from("types.kidl"), types.to_owned()),
    ]);
    let checked = kaa_idl::check(&["player.kidl".into()], &[], &files);
    assert_eq!(checked.render(Style::Plain), "");
}
