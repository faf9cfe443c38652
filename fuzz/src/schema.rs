//! `.kidl` files, from their text to Rust.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kaa_idl::{Checked, Style, check, explain};
use kaa_rpc_build::{Config, generate};

/// The bytes are the files `a.kidl`, `b.kidl` and `c.kidl`, with a zero between them; `a.kidl` is
/// the one that is checked, and may import the others.
pub fn schema(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let names = ["a.kidl", "b.kidl", "c.kidl"].map(PathBuf::from);
    let texts = text.splitn(names.len(), '\0').map(str::to_owned);
    let files: BTreeMap<_, _> = names.into_iter().zip(texts).collect();

    let checked = check(&["a.kidl".into()], &[], &files);
    reported(&checked);
    let Some(schema) = checked.schema() else {
        return;
    };
    // One of the three for each input, as each takes its time.
    let config = match data.len() % 3 {
        0 => Config::new(),
        1 => Config::new().client_only(),
        _ => Config::new().server_only(),
    };
    let generated = generate(schema, &config);
    assert_eq!(generated, generate(schema, &config), "it is deterministic");
    match generated {
        Ok(files) => {
            for file in files {
                if let Err(error) = syn::parse_file(&file.source) {
                    panic!("{}: {error}\n{}", file.package, file.source);
                }
            }
        }
        // It may refuse what has no Rust form, but must not blame the user for its own faults.
        Err(error) => assert!(!error.to_string().contains("the generator made"), "{error}"),
    }
}

/// What is reported is harmless text about places that exist.
fn reported(checked: &Checked) {
    let shown = checked.render(Style::Plain);
    let hostile = shown.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(hostile, None, "in {shown}");
    for diagnostic in checked.diagnostics() {
        assert!(
            explain(diagnostic.code()).is_some(),
            "{}",
            diagnostic.code()
        );
        if let Some(span) = diagnostic.span() {
            let source = &checked.sources()[span.source];
            assert!(source.text.get(span.range()).is_some(), "{span:?}");
            assert!(checked.location(span).is_some());
        }
    }
    assert_eq!(checked.schema().is_some(), checked.error_count() == 0);
}
