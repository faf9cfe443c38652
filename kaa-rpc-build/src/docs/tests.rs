use super::*;

fn lines(doc: &str) -> String {
    let items = BTreeSet::from(["Track".to_owned()]);
    Docs::new(&items).lines(doc).join("\n")
}

#[track_caller]
fn same(doc: &str) {
    assert_eq!(lines(doc), doc);
}

#[test]
fn prose_stays_as_it_is() {
    same(
        "Plays *it*.\n\n# Heading\n\n- one\n- two\n  and more\n\n1. first\n2. second\n\n> quoted\n\nEnd: über `code` & co.",
    );
}

#[test]
fn what_is_no_link_is_escaped() {
    assert_eq!(
        lines("an array[0], [x] and [^1]"),
        r"an array\[0], \[x] and \[^1]"
    );
    assert_eq!(
        lines("[Track], [`Track`], [Other]"),
        r"[Track], [`Track`], \[Other]"
    );
    assert_eq!(lines("`[0]` and ``a`[0]``"), "`[0]` and ``a`[0]``");
    assert_eq!(lines("a lone ` and [x]"), r"a lone \` and \[x]");
    same(r"already \[escaped\] \<b>");
}

#[test]
fn html_is_escaped_and_addresses_are_linked() {
    assert_eq!(lines("a list<T> of <b>"), r"a list\<T> of \<b>");
    assert_eq!(
        lines("See https://kaa.example/a_b."),
        "See <https://kaa.example/a_b>."
    );
    same("<https://kaa.example> and [home](https://kaa.example)");
    assert_eq!(
        lines("[home](file:///etc) [a](b c)"),
        r"\[home](file:///etc) \[a](b c)"
    );
}

#[test]
fn code_never_becomes_a_doctest() {
    assert_eq!(
        lines("Like:\n\n```\nlet x = [0];\n```\nend"),
        "Like:\n\n```text\nlet x = [0];\n```\nend"
    );
    assert_eq!(lines("```rust,no_run\nx\n```"), "```text\nx\n```");
    assert_eq!(lines("```json\n{}\n```"), "```json\n{}\n```");
    assert_eq!(lines("~~~ E0308\nx\n~~~~"), "~~~text\nx\n~~~~");
    assert_eq!(
        lines("- entry\n  ```\n  x\n  ```"),
        "- entry\n  ```text\n  x\n  ```"
    );
    assert_eq!(lines("> ```\n> x\n> ```"), "> ```text\n> x\n> ```");
    assert_eq!(lines("```\nnot closed"), "```text\nnot closed\n```");
}

#[test]
fn indented_code_becomes_a_block() {
    assert_eq!(
        lines("Like:\n\n    let x = 1;\n\n      y\n\nend"),
        "Like:\n\n```text\nlet x = 1;\n\n  y\n```\n\nend"
    );
    assert_eq!(lines("    at the start"), "```text\nat the start\n```");
    assert_eq!(lines("\tas a tab"), "```text\nas a tab\n```");
    assert_eq!(lines("a paragraph\n    goes on"), "a paragraph\n   goes on");
    assert_eq!(lines("- entry\n\n      code"), "- entry\n\n     code");
    assert_eq!(lines("-     code"), "- code");
}

#[test]
fn hostile_characters_are_left_out() {
    assert_eq!(lines("a\u{202e}b\u{0}c\u{1}d\r"), "abcd");
}

#[test]
fn notes_come_last() {
    let items = BTreeSet::new();
    let lifetime = Lifetime {
        since: Some("1.2".to_owned()),
        deprecated: Some("use play".to_owned()),
    };
    let tokens =
        Docs::new(&items).declared("Stops.", "", &lifetime, &["`0` if absent.".to_owned()]);
    let expected = r#"# [doc = " Stops."] # [doc = ""] # [doc = " `0` if absent. Since 1.2."] # [deprecated (note = "use play")]"#;
    assert_eq!(tokens.to_string(), expected);
    let tokens = Docs::new(&items).declared("", "`id: u64`", &lifetime, &[]);
    let expected = r#"# [doc = " `id: u64`. Since 1.2."] # [deprecated (note = "use play")]"#;
    assert_eq!(tokens.to_string(), expected);
}
