//! Whatever a file holds, a check ends soon, without a panic, and its rendering is harmless.

use kaa_idl::{Checked, MAX_FILE_SIZE, MAX_NESTING, SourceLoader, Style};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const VALID: &str = include_str!("ui/pass/player.kidl");

/// Far more than any check takes, also in a debug build on a busy machine; what is exponential or
/// quadratic takes longer.
const SOON: Duration = Duration::from_secs(30);

fn check(text: &str) -> Checked {
    let files = BTreeMap::from([(PathBuf::from("a.kidl"), text.to_owned())]);
    let begin = Instant::now();
    let checked = kaa_idl::check(&["a.kidl".into()], &[], &files);
    let plain = checked.render(Style::Plain);
    let hostile = plain.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(hostile, None, "in {plain}");
    assert!(
        begin.elapsed() < SOON,
        "{} bytes took {:?}",
        text.len(),
        begin.elapsed()
    );
    for diagnostic in checked.diagnostics() {
        let span = diagnostic.span().expect("the file could be read");
        assert!(
            text.get(span.range()).is_some(),
            "{span:?} cuts a character"
        );
    }
    assert_eq!(checked.schema().is_some(), checked.error_count() == 0);
    checked
}

/// The codes of all diagnostics.
fn codes(text: &str) -> Vec<&'static str> {
    check(text)
        .diagnostics()
        .iter()
        .map(kaa_idl::Diagnostic::code)
        .collect()
}

/// Words and signs of the language, in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "package",
        "import",
        "const",
        "type",
        "struct",
        "strict",
        "enum",
        "error",
        "interface",
        "channel",
        "fn",
        "oneway",
        "yields",
        "throws",
        "a",
        "B",
        "u8",
        "string",
        "list",
        "map",
        "stream",
        "any",
        "server",
        "null",
        "true",
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        "[",
        "]",
        ";",
        ":",
        ",",
        ".",
        "=",
        "->",
        "?",
        "*",
        "**",
        "@",
        "\"",
        "\"x\"",
        "\"{a}\"",
        "\\",
        "/*",
        "*/",
        "//",
        "///",
        "//!",
        "\n",
        "5",
        "5s",
        "-1.5",
        "0x",
        "é",
        "\u{1b}",
        "\u{9b}",
        "\u{202e}",
        "\r",
        "\0",
    ]);
    prop::collection::vec((word, prop::sample::select(vec!["", " "])), 0..80).prop_map(|words| {
        words
            .into_iter()
            .flat_map(|(word, space)| [word, space])
            .collect()
    })
}

/// A valid file with pieces removed, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0..40usize,
        prop_oneof![Just(String::new()), words(), ".{0,5}"],
    );
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut chars: Vec<char> = VALID.chars().collect();
        for (at, length, insert) in edits {
            let start = at.index(chars.len() + 1);
            let end = (start + length).min(chars.len());
            chars.splice(start..end, insert.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}|(?s).{0,200}") {
        check(&text);
    }

    #[test]
    fn any_words(text in words()) {
        check(&text);
        check(&format!("package a;\n{text}"));
    }

    #[test]
    fn any_mutation_of_a_valid_file(text in mutated()) {
        check(&text);
    }

    #[test]
    fn any_beginning_of_a_valid_file(at in any::<prop::sample::Index>()) {
        let at = at.index(VALID.len() + 1);
        check(&String::from_utf8_lossy(&VALID.as_bytes()[..at]));
    }

    #[test]
    fn the_same_file_gives_the_same(text in mutated()) {
        let [one, two] = [check(&text), check(&text)];
        prop_assert_eq!(one.render(Style::Colored), two.render(Style::Colored));
    }
}

#[test]
fn nesting_up_to_the_limit() {
    let nested = |depth: usize| {
        format!(
            "package a;\n/// A.\nstruct A {{ a: {}u8{} }}",
            "list<".repeat(depth),
            ">".repeat(depth)
        )
    };
    // The braces are a level, too.
    assert!(codes(&nested(MAX_NESTING - 1)).is_empty());
    assert_eq!(codes(&nested(MAX_NESTING)), ["K0004"]);
}

#[test]
fn nesting_far_over_the_limit() {
    for (open, close) in [
        ("list<", ">"),
        ("(", ")"),
        ("/*", "*/"),
        ("{", "}"),
        ("[", "]"),
        ("map<u8, ", ""),
        ("(u8, ", ""),
    ] {
        for count in [100, 100_000] {
            let text = format!(
                "package a;\nstruct A {{ a: {}u8{} }}",
                open.repeat(count),
                close.repeat(count)
            );
            assert!(codes(&text).contains(&"K0004"), "{open} {count} times");
        }
    }
}

/// Brackets that do not match, so that counting them would find no depth.
#[test]
fn nesting_that_hides() {
    for part in ["list<)", "(]", "(list<]}", "list<->", "@a(", "{(}"] {
        check(&format!(
            "package a;\nstruct A {{ a: {} }}",
            part.repeat(20_000)
        ));
        check(&format!(
            "package a;\ninterface A {{ fn a({}); }}",
            part.repeat(20_000)
        ));
    }
}

/// A small stack, as of a thread of a build system.
#[test]
fn the_stack_suffices() {
    let depth = MAX_NESTING - 1;
    let text = format!(
        "package a;\n/// A.\nstruct A {{ a: {}u8{} }}",
        "(u8, ".repeat(depth),
        ")".repeat(depth)
    );
    let thread = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || codes(&text));
    assert!(
        thread
            .expect("starts")
            .join()
            .expect("does not panic")
            .is_empty()
    );
}

#[test]
fn large_files() {
    /// Enough to tell linear from quadratic.
    const SIZE: usize = MAX_FILE_SIZE / 16;
    let fill = |part: &str| part.repeat(SIZE / part.len());
    let numbered = |part: &dyn Fn(usize) -> String| {
        let mut text = "package a;\n".to_owned();
        (0..)
            .map(part)
            .take_while(|part| {
                text += part;
                text.len() < SIZE
            })
            .for_each(drop);
        text
    };
    let files = [
        fill("/// x\n"),
        fill("struct A { a: u8 }\n"),
        fill("struct A { a: u8 } "),
        fill("struct x y "),
        fill("struct x { a u8 }\n"),
        fill("\""),
        fill("\"a\" "),
        fill("/* */"),
        fill("} "),
        fill("a"),
        fill("\u{9b}"),
        fill("@a "),
        fill("@a( "),
        format!("struct A {{ a: {}", fill("u8, a: ")),
        format!("struct A {{ a: u8{}", fill("?")),
        format!("struct A {{ a: a{}", fill(".a")),
        format!(
            "struct A {{ a: {}u8{} }}",
            "list<".repeat(60),
            fill("/* */")
        ),
        format!("package a; interface I {{ {}", fill("fn f(); ")),
        format!("package a; const A: u8 = {};", fill("1")),
        format!("package a; const A: string = \"{}\";", fill("\\q")),
        format!("package a; error E {{ a \"{}\" }}", fill("{x} ")),
        numbered(&|n| format!("type A{n} = A{};\n", n + 1)),
        numbered(&|n| format!("type A{n} = (A{0}, A{0});\n", n + 1)),
        numbered(&|n| format!("type A{} = (A{n}, A{n});\n", n + 1)),
        numbered(&|n| format!("struct A{n} {{ a: A{}, b: A{} }}\n", n + 1, n / 2)),
        numbered(&|n| format!("const A{n}: u8 = A{};\n", n + 1)),
        numbered(&|n| format!("struct A{n} {{ a: Missing{n} }}\n")),
    ];
    for text in files {
        check(&text);
    }
}

#[test]
fn a_file_over_the_limit() {
    let text = format!(
        "package a;\n/// A.\nstruct A {{}}\n{}",
        " ".repeat(MAX_FILE_SIZE)
    );
    let checked = check(&text);
    begins_with(
        &checked,
        "error[K0003]: this file is too large\n --> a.kidl:1:1\n",
    );
    assert!(codes(&text[..MAX_FILE_SIZE]).is_empty());
}

/// Each kind of trouble with a root file, which no source text can show.
#[test]
fn root_files_that_cannot_be_read() {
    struct Fails(io::ErrorKind);
    impl SourceLoader for Fails {
        fn load(&self, _: &Path) -> io::Result<String> {
            Err(self.0.into())
        }
    }
    let rendered =
        |kind| kaa_idl::check(&["a\u{1b}.kidl".into()], &[], &Fails(kind)).render(Style::Plain);
    assert_eq!(
        rendered(io::ErrorKind::NotFound),
        "error[K0001]: `a\\u{1b}.kidl` cannot be read: entity not found\n\n"
    );
    assert_eq!(
        rendered(io::ErrorKind::InvalidData),
        "error[K0002]: `a\\u{1b}.kidl` is not UTF-8\n |\n = help: save the file in that encoding\n\n"
    );
}

/// No more than a screenful or two, however many there are.
#[test]
fn many_diagnostics_are_cut() {
    let text = format!(
        "package a;\nstruct S {{ {} }}",
        (0..500).map(|n| format!("a{n}: M, ")).collect::<String>()
    );
    let checked = check(&text);
    assert_eq!(checked.diagnostics().len(), 500);
    assert!(
        checked
            .render(Style::Plain)
            .ends_with("error: 400 more errors are not shown\n\n")
    );
}

#[test]
fn places_for_programs() {
    let checked = check("package a;\nstruct S { ü: u8 }");
    let diagnostic = &checked.diagnostics()[0];
    let span = diagnostic.span().expect("it has a place");
    assert_eq!(checked.location(span), Some((Path::new("a.kidl"), 2, 12)));
    assert_eq!(diagnostic.code(), "K0010");
}

#[test]
fn colors_only_if_asked_for() {
    let checked = check("package a;\nstruct S { a: M }");
    assert!(!checked.render(Style::Plain).contains('\u{1b}'));
    assert!(checked.render(Style::Colored).contains('\u{1b}'));
}

/// The rendering begins with `expected`.
fn begins_with(checked: &Checked, expected: &str) {
    let rendered = checked.render(Style::Plain);
    assert!(rendered.starts_with(expected), "{rendered}");
}
