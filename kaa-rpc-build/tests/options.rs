//! What can be chosen, and what is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kaa_idl::Style;
use kaa_idl::schema::Schema;
use kaa_rpc_build::{Config, generate};

/// The schema of files in memory; the first is checked, the others it may import.
fn schema(files: &[(&str, &str)]) -> Schema {
    let loader: BTreeMap<PathBuf, String> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    let checked = kaa_idl::check(&[files[0].0.into()], &[], &loader);
    checked
        .into_schema()
        .unwrap_or_else(|checked| panic!("{}", checked.render(Style::Plain)))
}

fn source(text: &str, config: &Config) -> String {
    generate(&schema(&[("a.kidl", text)]), config)
        .unwrap()
        .pop()
        .unwrap()
        .source
}

#[track_caller]
fn refused(text: &str, config: &Config, expected: &str) {
    let error = generate(&schema(&[("a.kidl", text)]), config).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("{error:?}"), expected);
}

const BOTH: &str = "package p; interface Up { fn up(); } interface Down { fn down(); } interface Loose { fn loose(); }
    channel Wire { server: Up; client: Down; }";

#[track_caller]
fn has(source: &str, present: &[&str], absent: &[&str]) {
    for text in present {
        assert!(source.contains(text), "{text} is missing from\n{source}");
    }
    for text in absent {
        assert!(!source.contains(text), "{text} should not be in\n{source}");
    }
}

#[test]
fn a_client_needs_no_server() {
    let source = source(BOTH, &Config::new().client_only());
    let present = [
        "trait Down",
        "DownService",
        "UpClient",
        "LooseClient",
        "fn connect(",
        "fn connect_lazy(",
        "WireClient",
    ];
    let absent = [
        "trait Up",
        "UpService",
        "DownClient",
        "trait Loose",
        "fn server(",
        "WirePeer",
        "ServerBuilder",
        "[`Up`]",
    ];
    has(&source, &present, &absent);
}

#[test]
fn a_server_needs_no_client() {
    let source = source(BOTH, &Config::new().server_only());
    let present = [
        "trait Up",
        "UpService",
        "DownClient",
        "trait Loose",
        "LooseService",
        "fn server(",
        "WirePeer",
    ];
    let absent = [
        "trait Down",
        "DownService",
        "UpClient",
        "LooseClient",
        "fn connect",
        "WireClient",
        "ConnectError",
    ];
    has(&source, &present, &absent);
}

#[test]
fn more_can_be_derived() {
    let text = "package p.q; struct Track { id: u64 } struct Other { id: u64? } enum Kind { a }";
    let config = Config::new()
        .derive("Track", "PartialOrd")
        .derive("p.q.Kind", "schemars::JsonSchema");
    let source = source(text, &config.derive("Other", "Default"));
    let present = [
        "#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd)]\npub struct Track",
        "#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]\npub struct Other",
        "#[derive(Clone, Debug, PartialEq, Eq, Hash, schemars::JsonSchema)]\npub enum Kind",
    ];
    has(&source, &present, &["impl Default"]);
}

#[test]
fn floats_are_not_eq_wherever_they_hide() {
    let text = "package p; struct A { b: list<B> } struct B { c: C? } enum C { d { e: map<string, (u8, F)>, a: A? } } type F = f32;
        struct Plain { any: any, at: timestamp }";
    let source = source(text, &Config::new());
    for derived in [
        "Debug, PartialEq)]\npub struct A",
        "Default, PartialEq)]\npub struct B",
        "Debug, PartialEq)]\npub enum C",
    ] {
        has(&source, &[derived], &[]);
    }
    has(&source, &["PartialEq, Eq, Hash)]\npub struct Plain"], &[]);
}

#[test]
fn the_runtime_may_have_another_name() {
    let source = source(
        "package p; interface Up { fn up(); }",
        &Config::new().runtime("crate::rpc"),
    );
    has(
        &source,
        &["use crate::rpc::codegen;", "use crate::rpc::{"],
        &["kaa_rpc_runtime"],
    );
}

#[test]
fn imported_packages_are_found_beside_or_where_one_says() {
    let files = [
        (
            "a.kidl",
            "package p.main; import \"b.kidl\"; struct A { b: p.type.B } interface I { fn f() throws p.type.E; }",
        ),
        ("b.kidl", "package p.type; struct B {} error E { e }"),
    ];
    let files_of = |config: &Config| generate(&schema(&files), config).unwrap();
    let beside = files_of(&Config::new());
    assert_eq!(
        beside
            .iter()
            .map(|file| file.package.as_str())
            .collect::<Vec<_>>(),
        ["p.type", "p.main"]
    );
    has(
        &beside[1].source,
        &["pub b: super::r#type::B", "CallError<super::r#type::E>"],
        &[],
    );
    let elsewhere = files_of(&Config::new().module("p.type", "crate::schemas::kinds"));
    has(
        &elsewhere[1].source,
        &["pub b: crate::schemas::kinds::B"],
        &["super::"],
    );
}

#[test]
fn modules_of_one_name_must_be_told_apart() {
    let files = [
        (
            "a.kidl",
            "package p; import \"b.kidl\"; import \"c.kidl\"; struct A { b: b.types.T, c: c.types.T }",
        ),
        ("b.kidl", "package b.types; struct T {}"),
        ("c.kidl", "package c.types; struct T {}"),
    ];
    let error = generate(&schema(&files), &Config::new()).unwrap_err();
    let expected = "error: p (a.kidl): `b.types` and `c.types` would both be found as `super::types`; say where one of them \
                    is with `.module(\"c.types\", \"crate::…\")`";
    assert_eq!(error.to_string(), expected);
    assert!(
        generate(
            &schema(&files),
            &Config::new().module("c.types", "crate::c")
        )
        .is_ok()
    );
}

#[test]
fn names_that_meet_anyway_are_named() {
    let text = "package p; interface Guide { fn client(x: u8?); } struct GuideClient {}";
    refused(
        text,
        &Config::new(),
        "error: p (a.kidl): a call of `Guide.client` finds both `GuideClient` and `GuideClient_` taken; rename one of those",
    );
}

#[test]
fn a_configuration_names_what_is_there() {
    let config = Config::new()
        .derive("Trac", "Default")
        .derive("Track", "not a path")
        .module("q", "crate::q");
    refused(
        "package p; struct Track { a: u8 }",
        &config.runtime("1"),
        "error: `derive(\"Trac\", …)`: the schema has no struct, enum or error of that name\n\
         error: `derive(…, \"not a path\")`: that is no path of a derive macro\n\
         error: `module(\"q\", …)`: the schema has no package of that name\n\
         error: `runtime(\"1\")`: that is no path of a crate",
    );
}
