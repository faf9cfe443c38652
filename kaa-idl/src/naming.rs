//! The casing of names, and what becomes of them in Rust.
//!
//! The checker refuses schemas in which two names would come out the same, and the generator writes
//! them: both ask here.

/// `UpperCamel`, for types and variants: `not_found` gives `NotFound`. What begins with a capital
/// and has no underscore stays as it is.
#[must_use]
pub fn upper_camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split('_').filter(|word| !word.is_empty()) {
        // `a_1_2` would else meet `a_12`.
        if out.ends_with(|c: char| c.is_ascii_digit())
            && word.starts_with(|c: char| c.is_ascii_digit())
        {
            out.push('_');
        }
        let mut chars = word.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        let shouting = word.len() > 1
            && name.contains('_')
            && !word.contains(|c: char| c.is_ascii_lowercase());
        out.extend(chars.map(|c| if shouting { c.to_ascii_lowercase() } else { c }));
    }
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

/// `snake_case`, for functions, parameters and fields: `fooBar` gives `foo_bar`.
#[must_use]
pub fn snake(name: &str) -> String {
    words(name, |c| c.to_ascii_lowercase())
}

/// `UPPER_CASE`, for constants: `maxTitle` gives `MAX_TITLE`.
#[must_use]
pub fn screaming(name: &str) -> String {
    words(name, |c| c.to_ascii_uppercase())
}

/// `name` with an underscore before each capital that begins a word, and each character cased.
fn words(name: &str, case: impl Fn(char) -> char) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| chars.get(before));
        let after = chars.get(index + 1);
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        if begins {
            out.push('_');
        }
        out.push(case(c));
    }
    out
}

/// `name` with an underscore behind it if it is one of the few words that cannot be raw identifiers.
#[must_use]
pub fn legal(name: String) -> String {
    match name.as_str() {
        "self" | "Self" | "super" | "crate" | "_" => name + "_",
        _ => name,
    }
}

/// The functions that every generated proxy has; a declared one of such a name gets an underscore.
pub const PROXY_FUNCTIONS: [&str; 5] = ["new", "at", "channel", "check", "check_at"];

/// The functions that every call has; the setter of an optional parameter of such a name gets an
/// underscore.
pub const CALL_FUNCTIONS: [&str; 4] = ["timeout", "start", "oneway", "into_future"];

/// The name of a function of an interface in Rust, without `r#`.
#[must_use]
pub fn function(name: &str) -> String {
    let name = snake(name);
    give_way(name, &PROXY_FUNCTIONS)
}

/// The name of the setter of an optional parameter in Rust, without `r#`.
#[must_use]
pub fn setter(name: &str) -> String {
    give_way(snake(name), &CALL_FUNCTIONS)
}

fn give_way(name: String, to: &[&str]) -> String {
    if to.contains(&name.as_str()) {
        name + "_"
    } else {
        legal(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_camel_case() {
        for (name, expected) in [
            ("not_found", "NotFound"),
            ("Track", "Track"),
            ("track", "Track"),
            ("HTTPServer", "HTTPServer"),
            ("HTTP", "HTTP"),
            ("NOT_FOUND", "NotFound"),
            ("fooBar", "FooBar"),
            ("_x", "X"),
            ("a_1_2", "A1_2"),
            ("_", "_"),
            ("_1", "_1"),
            ("self", "Self"),
        ] {
            assert_eq!(upper_camel(name), expected, "{name}");
        }
    }

    #[test]
    fn snake_case() {
        for (name, expected) in [
            ("fooBar", "foo_bar"),
            ("foo_bar", "foo_bar"),
            ("FooBar", "foo_bar"),
            ("HTTPServer", "http_server"),
            ("_sync", "_sync"),
            ("a1B", "a1_b"),
            ("ID", "id"),
        ] {
            assert_eq!(snake(name), expected, "{name}");
        }
        assert_eq!(screaming("maxTitle"), "MAX_TITLE");
    }

    #[test]
    fn names_that_rust_or_the_proxy_needs() {
        assert_eq!(legal("type".to_owned()), "type");
        assert_eq!(legal("self".to_owned()), "self_");
        assert_eq!(function("new"), "new_");
        assert_eq!(function("fooBar"), "foo_bar");
        assert_eq!(setter("timeout"), "timeout_");
        assert_eq!(setter("new"), "new");
    }
}
