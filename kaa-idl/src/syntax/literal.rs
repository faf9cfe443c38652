//! Numbers and strings, read from their text.

use super::ast::ValueKind;
use super::span::Span;
use crate::diagnostics::{Code, Diagnostic, Sink};
use std::time::Duration;

/// The value of the number `text` at `span`. A malformed one is reported.
pub(super) fn number(text: &str, span: Span, sink: &mut Sink) -> ValueKind {
    match parse_number(text) {
        Ok(value) => value,
        Err(mistake) => {
            let mut diagnostic =
                Diagnostic::new(Code::BadNumber, span, format!("`{text}` is no number"))
                    .labelled(mistake.what);
            if let Some(help) = mistake.help {
                diagnostic = diagnostic.with_help(help);
            }
            sink.push(diagnostic);
            ValueKind::Invalid
        }
    }
}

#[derive(Debug, PartialEq)]
struct Mistake {
    what: String,
    help: Option<String>,
}

impl Mistake {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: None,
        }
    }

    fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

fn parse_number(text: &str) -> Result<ValueKind, Mistake> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => {
            return Err(
                Mistake::new("a number has no `+`").with_help(format!("write `{}`", &text[1..]))
            );
        }
        _ => (false, text),
    };
    if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        return integer(hex, 16, negative);
    }
    if let Some(prefix @ ("0b" | "0o" | "0B" | "0O")) = digits.get(..2) {
        return Err(Mistake::new(format!("`{prefix}` is no known prefix"))
            .with_help("integers are decimal or hexadecimal: `255`, `0xff`"));
    }
    let end = digits
        .find(|c: char| !(c.is_ascii_digit() || c == '_'))
        .unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(end);
    match rest {
        "" => integer(whole, 10, negative),
        _ if rest.starts_with(['.', 'e', 'E']) => float(digits, negative),
        unit => duration(whole, unit, negative),
    }
}

/// Removes `_`, which may stand between digits only.
fn without_underscores(digits: &str) -> Result<String, Mistake> {
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return Err(Mistake::new("`_` stands between two digits only"));
    }
    Ok(digits.replace('_', ""))
}

fn integer(digits: &str, radix: u32, negative: bool) -> Result<ValueKind, Mistake> {
    let digits = without_underscores(digits)?;
    if digits.is_empty() {
        return Err(Mistake::new("expected digits"));
    }
    if let Some(c) = digits.chars().find(|c| !c.is_digit(radix)) {
        return Err(Mistake::new(format!("`{c}` is no digit")));
    }
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return Err(Mistake::new("a decimal number does not begin with 0")
            .with_help("remove the leading zeros"));
    }
    // Longer ones fit no type.
    let value = i128::from_str_radix(&digits, radix)
        .map_err(|_| Mistake::new("larger than any integer type holds"))?;
    Ok(ValueKind::Integer(if negative { -value } else { value }))
}

fn float(text: &str, negative: bool) -> Result<ValueKind, Mistake> {
    for part in text
        .split(['.', 'e', 'E', '-', '+'])
        .filter(|part| !part.is_empty())
    {
        without_underscores(part)?;
        if let Some(c) = part.chars().find(|c| !c.is_ascii_digit() && *c != '_') {
            return Err(Mistake::new(format!("`{c}` does not belong in a float"))
                .with_help("durations are whole numbers with a unit, such as `1500ms`"));
        }
    }
    let value: f64 = text
        .replace('_', "")
        .parse()
        .map_err(|_| Mistake::new("expected a float such as `1.5` or `2e3`"))?;
    if value.is_infinite() {
        return Err(Mistake::new("larger than any float type holds"));
    }
    Ok(ValueKind::Float(if negative { -value } else { value }))
}

fn duration(whole: &str, unit: &str, negative: bool) -> Result<ValueKind, Mistake> {
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => {
            return Err(Mistake::new(format!("`{unit}` is no unit"))
                .with_help("the units of durations are `ms`, `s`, `m` and `h`"));
        }
    };
    if negative {
        return Err(Mistake::new("a duration is not negative"));
    }
    let ValueKind::Integer(count) = integer(whole, 10, false)? else {
        return Err(Mistake::new("expected digits"));
    };
    u64::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(milliseconds))
        .map(|total| ValueKind::Duration(Duration::from_millis(total)))
        .ok_or_else(|| Mistake::new("longer than any duration"))
}

/// The content of the string literal `literal` (with its quotes) at `span`. Unknown escapes are
/// reported and left out.
pub(super) fn string(literal: &str, span: Span, sink: &mut Sink) -> String {
    let inner = literal
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(literal);
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        let escape = &rest[backslash..];
        let (c, length) = unescape(escape);
        match c {
            Some(c) => out.push(c),
            None => {
                let start = span.start + 1 + (inner.len() - escape.len());
                sink.push(bad_escape(
                    Span {
                        start,
                        end: start + length,
                        ..span
                    },
                    &escape[..length],
                ));
            }
        }
        rest = &escape[length..];
    }
    out.push_str(rest);
    out
}

fn bad_escape(span: Span, escape: &str) -> Diagnostic {
    Diagnostic::new(Code::BadEscape, span, format!("`{escape}` is no escape"))
        .labelled("unknown")
        .with_help("the escapes are `\\n` `\\r` `\\t` `\\0` `\\\\` `\\\"` and `\\u{1f600}`")
}

/// The character that the escape at the beginning of `text` stands for, and the length of the escape.
fn unescape(text: &str) -> (Option<char>, usize) {
    let mut chars = text.chars().skip(1);
    let Some(kind) = chars.next() else {
        return (None, text.len());
    };
    let length = 1 + kind.len_utf8();
    let c = match kind {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        '\\' => '\\',
        '"' => '"',
        'u' => return unicode(text),
        _ => return (None, length),
    };
    (Some(c), length)
}

/// `\u{…}`
fn unicode(text: &str) -> (Option<char>, usize) {
    let Some(digits) = text.strip_prefix("\\u{") else {
        return (None, 2);
    };
    let Some(length) = digits.find('}') else {
        return (None, 3);
    };
    let digits = &digits[..length];
    let valid =
        (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let c = if valid {
        u32::from_str_radix(digits, 16)
            .ok()
            .and_then(char::from_u32)
    } else {
        None
    };
    (c, "\\u{}".len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        match parse_number(text) {
            Ok(value) => format!("{value:?}"),
            Err(mistake) => mistake.what,
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(value("0"), "Integer(0)");
        assert_eq!(value("-1_000"), "Integer(-1000)");
        assert_eq!(value("0xff_FF"), "Integer(65535)");
        assert_eq!(value("1.5"), "Float(1.5)");
        assert_eq!(value("-2e-3"), "Float(-0.002)");
        assert_eq!(value("250ms"), "Duration(250ms)");
        assert_eq!(value("2m"), "Duration(120s)");
        assert_eq!(value("1h"), "Duration(3600s)");
    }

    #[test]
    fn malformed_numbers() {
        assert_eq!(value("1_"), "`_` stands between two digits only");
        assert_eq!(value("1__0"), "`_` stands between two digits only");
        assert_eq!(value("007"), "a decimal number does not begin with 0");
        assert_eq!(value("0x"), "expected digits");
        assert_eq!(value("0xg"), "`g` is no digit");
        assert_eq!(value("0b1"), "`0b` is no known prefix");
        assert_eq!(value("5sec"), "`sec` is no unit");
        assert_eq!(value("1.5s"), "`s` does not belong in a float");
        assert_eq!(value("-5s"), "a duration is not negative");
        assert_eq!(value("+5"), "a number has no `+`");
        assert_eq!(value("1e999"), "larger than any float type holds");
        assert_eq!(value("1e"), "expected a float such as `1.5` or `2e3`");
        assert_eq!(value(&"9".repeat(60)), "larger than any integer type holds");
        assert_eq!(value("18446744073709551615h"), "longer than any duration");
    }

    #[test]
    fn escapes() {
        let mut sink = Sink::default();
        let span = Span {
            source: 0,
            start: 10,
            end: 50,
        };
        assert_eq!(
            string(r#""a\n\t\r\0\\\"\u{e9}\u{1F600}z""#, span, &mut sink),
            "a\n\t\r\0\\\"é😀z"
        );
        assert!(!sink.has_errors());
        assert_eq!(
            string(r#""é\q\u{d800}\u12\u{1234567}x""#, span, &mut sink),
            "é12x"
        );
        let found = sink.into_sorted();
        let spans: Vec<_> = found
            .iter()
            .filter_map(Diagnostic::span)
            .map(|it| (it.start, it.end))
            .collect();
        assert_eq!(spans, [(13, 15), (15, 23), (23, 25), (27, 38)]);
    }
}
