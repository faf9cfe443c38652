//! The code that is generated for `fixtures/*.kidl`, compared with what is committed beside them.
//!
//! `BLESS=1 cargo test -p kaa-rpc-build` writes what comes out now; look at the difference before you
//! commit it. The packages `tests/compile-2021` and `tests/compile-2024` compile the same schemas.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kaa_idl::{Checked, SourceLoader, Style};
use kaa_rpc_build::{Config, GeneratedFile, generate};

struct Folder(PathBuf);

impl SourceLoader for Folder {
    fn load(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(self.0.join(path))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn check(folder: &Path, file: &str) -> Checked {
    kaa_idl::check(&[file.into()], &[], &Folder(folder.to_owned()))
}

fn generated(folder: &Path, file: &str, config: &Config) -> Vec<GeneratedFile> {
    let checked = check(folder, file);
    let schema = checked
        .schema()
        .unwrap_or_else(|| panic!("{}", checked.render(Style::Plain)));
    let files = generate(schema, config).unwrap();
    assert_eq!(
        files,
        generate(schema, config).unwrap(),
        "{file}: not the same twice"
    );
    files
}

/// Compares the last package's code, which is that of `file` itself, with the golden `name`.
fn compare(folder: &Path, file: &str, name: &str, config: &Config) {
    let source = generated(folder, file, config).pop().unwrap().source;
    let golden = folder.join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&golden, &source).unwrap();
        return;
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    for (number, (expected, found)) in expected.lines().zip(source.lines()).enumerate() {
        assert_eq!(
            found,
            expected,
            "{name}:{}: see the head of this file",
            number + 1
        );
    }
    assert_eq!(source, expected, "{name}: see the head of this file");
}

macro_rules! goldens {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                compare(&folder(), concat!(stringify!($name), ".kidl"), concat!(stringify!($name), ".rs"), &Config::new());
            }
        )*
    };
}

goldens! { player types everything keywords names docs lints streams }

/// The runtime's own items: what descriptions travel as.
#[test]
fn descriptions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kaa-rpc-runtime/src/describe");
    let config = Config::new().runtime("crate");
    compare(&folder, "kaa.kidl", "wire.rs", &config);
    // A second implementation is written from the document.
    let document = fs::read_to_string(folder.join("../../../docs/protocol.md")).unwrap();
    let schema = fs::read_to_string(folder.join("kaa.kidl")).unwrap();
    assert!(
        document.contains(&format!("```kidl\n{schema}```\n")),
        "docs/protocol.md has another kaa.kidl"
    );
}
