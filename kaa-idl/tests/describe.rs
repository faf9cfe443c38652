//! Schemas as descriptions, and descriptions as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kaa_idl::schema::Schema;
use kaa_idl::{Style, check};
use kaa_rpc_describe::{Description, read};

/// Checks the package `files[0]`, which may import the others.
fn schema(files: &[(&str, &str)]) -> Schema {
    let loader: BTreeMap<PathBuf, String> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    let checked = check(&[files[0].0.into()], &[], &loader);
    let schema = checked.schema().cloned();
    schema.unwrap_or_else(|| panic!("{}\n{}", checked.render(Style::Plain), files[0].1))
}

/// All that a file declares and imports.
fn whole(schema: &Schema) -> Description {
    let mut whole = Description::default();
    for package in schema.packages() {
        let described = schema.describe(package);
        whole.interfaces.extend(described.interfaces);
        whole.functions.extend(described.functions);
        whole.types.extend(described.types);
    }
    whole
}

fn one(text: &str) -> Description {
    whole(&schema(&[("one.kidl", text)]))
}

/// Of one interface with one function.
fn canonical(text: &str) -> String {
    let description = one(text);
    description.canonical(&description.functions[0])
}

/// The fixtures of the language and of the generator that need no other file.
fn fixtures() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "tests/ui/pass",
        "../kaa-rpc-build/tests/fixtures",
        "../schemas",
    ];
    let files = folders.iter().flat_map(|folder| {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    let mut files: Vec<PathBuf> = files
        .filter(|it| it.extension().is_some_and(|it| it == "kidl"))
        .collect();
    files.sort();
    let texts = files.into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    });
    texts
        .filter(|(_, text)| !text.contains("\nimport "))
        .collect()
}

#[test]
fn what_is_written_is_read_again_and_is_a_schema_that_says_the_same() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 8, "{}", fixtures.len());
    for (path, text) in fixtures {
        let schema = schema(&[("one.kidl", &text)]);
        let package = &schema.packages()[0];
        let described = schema.describe(package);
        let written = described.write(&package.name);
        let again = read(&written).unwrap_or_else(|error| panic!("{path:?}: {error}\n{written}"));
        assert_eq!(again, described, "{path:?}\n{written}");

        let checked = one(&written);
        assert_eq!(checked.types, described.types, "{path:?}\n{written}");
        let hashes = |of: &Description| -> Vec<(String, String)> {
            let functions = of.functions.iter();
            functions
                .map(|it| (it.name.clone(), of.canonical(it)))
                .collect()
        };
        assert_eq!(hashes(&checked), hashes(&described), "{path:?}\n{written}");
    }
}

#[test]
fn the_texts_that_are_hashed_are_those_of_the_document() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let document = fs::read_to_string(document).unwrap();
    let text = canonical(
        "package media.player;
        type Id = u64;
        /// Plays.
        interface Player {
            /// Starts.
            @since(\"2\") fn play(id: Id, at: duration = START) -> State throws PlayError;
        }
        const START: duration = 0s;
        enum State { stopped, playing, paused }
        error PlayError { not_found { id: u64 } \"no track {id}\", busy \"busy\" }",
    );
    assert!(
        document.contains(&format!("```text\n{text}```\n")),
        "{text}"
    );
}

#[test]
fn what_is_no_part_of_the_contract_is_not_hashed() {
    let plain =
        "package p; interface I { fn f(a: S) -> E; } struct S { x: u8, y: i8 } enum E { a, b }";
    for same in [
        "package p; interface I { /// Doc.\n @deprecated(\"g\") fn f(/// A.\n a: S) -> E; }
            struct S { /// X.\n x: u8, y: i8 } /// E.\n enum E { a, b }",
        "package p; enum E { b, a } struct S { y: i8, x: u8 } interface I { fn f(a: S) -> E; }",
        "package p; interface J { fn g(a: S) -> E; } struct S { x: u8, y: T } type T = i8; enum E { a, b }",
        "package p; interface I { @timeout(5s) @serial @uncancelled fn f(a: S) -> E; }
            struct S { x: u8, y: i8 } enum E { a, b }",
    ] {
        assert_eq!(canonical(same), canonical(plain), "{same}");
    }
    for other in [
        "package p; interface I { fn f(b: S) -> E; } struct S { x: u8, y: i8 } enum E { a, b }",
        "package p; interface I { fn f(a: S) -> E; } struct S { x: u8, y: i16 } enum E { a, b }",
        "package p; interface I { fn f(a: S) -> E; } struct S { x: u8, y: i8 = 0 } enum E { a, b }",
        "package p; interface I { fn f(a: S) -> E; } struct S { x: u8, y: i8 } strict enum E { a, b }",
        "package p; interface I { @idempotent fn f(a: S) -> E; } struct S { x: u8, y: i8 } enum E { a, b }",
        "package p; interface I { fn f(a: S?) -> E; } struct S { x: u8, y: i8 } enum E { a, b }",
        "package q; interface I { fn f(a: S) -> E; } struct S { x: u8, y: i8 } enum E { a, b }",
    ] {
        assert_ne!(canonical(other), canonical(plain), "{other}");
    }
}

/// What a caller finds that was built for `ours`, at a callee built for `theirs`.
fn compared(ours: &str, theirs: &str) -> String {
    let file = |text: &str| one(&format!("package p; {text}"));
    let found = kaa_rpc_describe::compare(&file(ours), &file(theirs), "");
    assert_eq!(found.is_compatible(), found.breaking().count() == 0);
    let found: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    found.join("\n")
}

/// Each row of the table in docs/language.md that two ends can see, from the caller's side: what was, what
/// is, and what a caller of each finds at a callee of the other.
#[test]
fn the_rules_of_the_language() {
    for (old, new, old_caller, new_caller) in RULES {
        for (ours, theirs, expected) in [(old, new, old_caller), (new, old, new_caller)] {
            let found = compared(ours, theirs);
            let matches = match *expected {
                "" => found.is_empty(),
                // The worst stands first.
                some => found.contains(some) && found.starts_with(some.split(": ").next().unwrap()),
            };
            assert!(
                matches,
                "caller: {ours}\ncallee: {theirs}\nexpected: {expected}\nfound: {found}"
            );
        }
    }
}

type Rule = (&'static str, &'static str, &'static str, &'static str);

const RULES: &[Rule] = &[
    (
        "interface I { fn f(); }",
        "interface I { fn f(); fn g(); }",
        "",
        "breaks: `g`: function: the other end does not expose it",
    ),
    (
        "interface I { fn f(a: S) -> S; } struct S { x: u8 }",
        "interface I { fn f(a: S) -> S; } struct S { x: u8, y: u8 = 1, z: u8? }",
        "compatible: `f`: field `y` of struct `p.S`: it is not sent; the other end fills it in",
        "compatible: `f`: field `z` of struct `p.S`: the other end does not know it and ignores it",
    ),
    (
        "interface I { fn f(a: S); } struct S { x: u8 }",
        "interface I { fn f(a: S); } struct S { x: u8, y: u8 }",
        "breaks: `f`: field `y` of struct `p.S`: it is not sent, and the other end requires it",
        "compatible: `f`: field `y` of struct `p.S`: the other end does not know it",
    ),
    (
        "interface I { fn f() -> S; } struct S { x: u8 }",
        "interface I { fn f() -> S; } struct S { x: u8? }",
        "breaks: `f`: field `x` of struct `p.S`: it may be left out, and this end requires it",
        "compatible: `f`: field `x` of struct `p.S`: it is always sent, though this end does not require it",
    ),
    (
        "interface I { fn f(a: S); } struct S { x: u8 = 1 }",
        "interface I { fn f(a: S); } struct S { x: u8 = 2 }",
        "compatible: `f`: field `x` of struct `p.S`: left out, it is 2 for the other end and not 1",
        "compatible: `f`: field `x` of struct `p.S`: left out, it is 1 for the other end and not 2",
    ),
    (
        "interface I { fn f(a: E) -> E; } enum E { a }",
        "interface I { fn f(a: E) -> E; } enum E { a, b }",
        "compatible: `f`: variant `b` of enum `p.E`: this end does not know it and keeps it as unknown",
        "compatible: `f`: variant `b` of enum `p.E`: the other end does not know it and keeps it",
    ),
    (
        "interface I { fn f(a: E); fn g() -> E; } strict enum E { a }",
        "interface I { fn f(a: E); fn g() -> E; } strict enum E { a, b }",
        "breaks: `g`: variant `b` of enum `p.E`: this end does not know it and refuses it",
        "breaks: `f`: variant `b` of enum `p.E`: the other end does not know it and refuses it",
    ),
    (
        "interface I { fn f(a: E); } enum E { a }",
        "interface I { fn f(a: E); } strict enum E { a }",
        "breaks: `f`: enum `p.E`: the other end knows it as strict",
        "compatible: `f`: enum `p.E`: it is strict, though the other end accepts unknown variants",
    ),
    (
        "interface I { fn f(a: E) -> E; } enum E { a, b { x: u8 } }",
        "interface I { fn f(a: E) -> E; } enum E { a { y: u8? }, b { x: u8, z: u8 = 0 } }",
        "compatible: `f`: field `y` of variant `a` of enum `p.E`: it is not sent; the other end fills it in",
        "compatible: `f`: field `z` of variant `b` of enum `p.E`: the other end does not know it",
    ),
    (
        "interface I { fn f(a: E); } enum E { a }",
        "interface I { fn f(a: E); } enum E { a { y: u8 } }",
        "breaks: `f`: field `y` of variant `a` of enum `p.E`: it is not sent, and the other end requires it",
        "compatible: `f`: field `y` of variant `a`",
    ),
    (
        "interface I { fn f(a: u8); }",
        "interface I { fn f(a: u8, b: u8 = 1); }",
        "compatible: `f`: parameter `b`: this end does not know it and never sets it",
        "compatible unless used: `f`: parameter `b`: the other end does not know it: it refuses calls that set it",
    ),
    (
        "interface I { fn f(a: u8); }",
        "interface I { fn f(a: u8, b: u8); }",
        "breaks: `f`: parameter `b`: the other end requires it, this end does not know it",
        "breaks: `f`: parameter `b`: the other end does not know it: it refuses all calls",
    ),
    (
        "interface I { fn f(a: u8); }",
        "interface I { fn f(a: u8 = 0); }",
        "compatible: `f`: parameter `a`: the other end does not require it",
        "breaks: `f`: parameter `a`: the other end requires it: it refuses calls that do not set it",
    ),
    (
        "interface I { fn f(a: u8, b: u8); }",
        "interface I { fn f(b: u8, a: u8); }",
        "breaks: `f`: parameter `a`: the other end has `b` in its place",
        "breaks: `f`: parameter `b`: the other end has `a` in its place",
    ),
    (
        "interface I { fn f(a: u8); }",
        "interface I { fn f(a: u8, *b: u8, **c: u8); }",
        "compatible: `f`: parameter `b`: this end does not know it",
        "compatible unless used: `f`: parameter `*b`: the other end does not know it",
    ),
    (
        "interface I { fn f(a: u8, b: u8?); }",
        "interface I { fn f(*args: u8, **fields: u8); }",
        "breaks: `f`: parameter `a`: the other end takes it for one of `*args`",
        "breaks: `f`: parameter `a`: the other end requires it",
    ),
    (
        "interface I { fn f(); }",
        "interface I { oneway fn f(); }",
        "breaks: `f`: function: the other end knows it as oneway",
        "breaks: `f`: function: this end knows it as oneway",
    ),
    (
        "interface I { fn f(); }",
        "interface I { fn f() -> u8; }",
        "breaks: `f`: result: the other end gives u8, which this end does not expect",
        "breaks: `f`: result: this end expects u8, the other end gives nothing",
    ),
    (
        "interface I { fn f(); }",
        "interface I { fn f() yields u8; }",
        "breaks: `f`: yields: the other end gives u8",
        "breaks: `f`: yields: this end expects u8",
    ),
    (
        "interface I { fn f(); } error E { a }",
        "interface I { fn f() throws E; } error E { a }",
        "breaks: `f`: throws: the other end throws p.E, which this end does not expect",
        "compatible: `f`: throws: the other end never throws p.E",
    ),
    (
        "interface I { fn f() throws E; } error E { a }",
        "interface I { fn f() throws F; } error F { a }",
        "breaks: `f`: throws: the other end throws p.F, this end looks for p.E",
        "breaks: `f`: throws: the other end throws p.E, this end looks for p.F",
    ),
    (
        "interface I { fn f(a: u8) -> u8; }",
        "interface I { fn f(a: u16) -> u16; }",
        "breaks: `f`: result: u16 is sent, this end expects u8",
        "breaks: `f`: parameter `a`: u16 is sent, the other end expects u8",
    ),
    (
        "interface I { fn f(a: map<string, list<(u8, S)>>); } struct S { s: S?, x: u8 }",
        "interface I { fn f(a: map<string, list<(u8, S)>>); } struct S { s: S?, x: string }",
        "breaks: `f`: field `x` of struct `p.S`: u8 is sent, the other end expects string",
        "breaks: `f`: field `x` of struct `p.S`: string is sent, the other end expects u8",
    ),
    (
        "interface I { fn f(a: stream<u8>); }",
        "interface I { fn f(a: stream<u8?>); }",
        "compatible: `f`: parameter `a`: it is never absent",
        "breaks: `f`: parameter `a`: it may be absent, which the other end does not accept",
    ),
    (
        "interface I { @idempotent fn f(); }",
        "interface I { fn f(); }",
        "compatible: `f`: function: the other end does not say that it is idempotent",
        "compatible: `f`: function: the other end says that it is idempotent",
    ),
    (
        "interface I { fn f(a: A); } type A = list<u8>; /// Doc.\n error E { a \"old\" }",
        "interface I { /// Doc.\n @timeout(1s) fn f(a: list<u8>); }",
        "",
        "",
    ),
    (
        "interface I { fn f(a: S); } struct S { x: u8 }",
        "interface I { fn f(a: R); } struct R { x: u8 }",
        "",
        "",
    ),
    (
        "interface I { fn f(a: S); } struct S { x: u8? }",
        "interface I { fn f(a: S); } enum S { x }",
        "breaks: `f`: type `p.S`: `p.S` is sent, which is a type of another kind",
        "breaks: `f`: type `p.S`: `p.S` is sent, which is a type of another kind",
    ),
];

#[test]
fn what_a_stranger_declares_is_compared_in_bounded_time() {
    // Types that contain each other, and a chain that ours meets at each step.
    let ours =
        one("package p; interface I { fn f(a: S) -> S; } struct S { next: S?, other: list<S> }");
    let mut theirs = ours.clone();
    let declaration = |next: String| {
        let text = format!("package p; struct S {{ next: {next}?, other: list<{next}> }}");
        read(&text).unwrap().types.remove("p.S").unwrap()
    };
    for index in 0..10_000 {
        theirs.types.insert(
            format!("p.S{index}"),
            declaration(format!("p.S{}", index + 1)),
        );
    }
    theirs
        .types
        .insert("p.S".to_owned(), declaration("p.S0".to_owned()));
    let found = kaa_rpc_describe::compare(&ours, &theirs, "");
    // The last one is not declared.
    assert!(!found.is_compatible(), "{found}");

    // More differences than anybody reads.
    let fields: Vec<String> = (0..20_000).map(|index| format!("f{index}: u8")).collect();
    let text = format!("package p; struct S {{ {} }}", fields.join(", "));
    theirs.types = read(&text).unwrap().types;
    let found = kaa_rpc_describe::compare(&ours, &theirs, "");
    assert!(found.incomplete && !found.is_compatible() && !found.is_same());
    assert!(found.differences.len() <= 1000);
}

#[test]
fn hostile_37_nothing_in_a_description_steers_a_terminal() {
    let mut description = one("package p; interface I { fn f(a: S) -> S; } struct S { x: u8 }");
    let evil = "\u{1b}[2J\r\n\u{202e}evil";
    let function = &mut description.functions[0];
    function.name = evil.to_owned();
    function.about.doc = evil.to_owned();
    function.parameters[0].name = evil.to_owned();
    function.parameters[0].default = Some(evil.to_owned());
    function.throws = Some(evil.to_owned());
    description.interfaces[0].about.deprecated = Some(evil.to_owned());
    let declaration = description.types.remove("p.S").unwrap();
    description
        .types
        .insert(format!("{evil}.evil"), declaration);
    let text = description.to_text();
    let found = kaa_rpc_describe::compare(&description, &Description::default(), evil).to_string();
    for text in [text, found] {
        assert!(text.contains("evil"), "{text}");
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(bad), "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with("evil")), "{text}");
    }
}
