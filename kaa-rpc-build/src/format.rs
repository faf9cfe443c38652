//! Makes text of tokens, formatted so that it reads as if a person had written it.

use proc_macro2::TokenStream;

/// A doc comment that stands for an empty line. No schema can write it: its documentation has no control
/// characters.
pub(crate) const EMPTY_LINE: &str = "\u{1}";

/// The text of `item`, and a line feed.
///
/// # Errors
///
/// If the tokens are no item, which would be a mistake of the generator.
pub(crate) fn format_item(item: TokenStream) -> Result<String, String> {
    let text = item.to_string();
    let file = syn::parse2(item)
        .map_err(|error| format!("the generator made an item that is no Rust: {error}\n{text}"))?;
    let text = prettyplease::unparse(&file);
    let lines = text.lines().map(|line| {
        if line.trim_start() == concat!("///", "\u{1}") {
            ""
        } else {
            line
        }
    });
    Ok(hang_closures(&lines.collect::<Vec<_>>()))
}

/// Where a closure with a body is the last argument of a call, prettyplease gives each argument a line;
/// rustfmt and people let the closure hang.
fn hang_closures(lines: &[&str]) -> String {
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        match HangingCall::at(lines, index) {
            Some(call) => {
                call.write(&mut out);
                index = call.end + 1;
            }
            None => {
                out.push((*line).to_owned());
                index += 1;
            }
        }
    }
    out.join("\n") + "\n"
}

/// The lines of a call whose last argument is a closure.
struct HangingCall<'a> {
    /// The line that ends with the opening parenthesis.
    opening: &'a str,
    /// The other arguments, one a line.
    arguments: &'a [&'a str],
    /// `|object, cx, arguments| {`
    head: &'a str,
    /// The lines of the closure's body.
    body: Vec<&'a str>,
    /// The line that begins with the closing parenthesis.
    closing: &'a str,
    /// Its index.
    end: usize,
}

impl<'a> HangingCall<'a> {
    fn at(lines: &'a [&'a str], start: usize) -> Option<Self> {
        let opening = *lines.get(start)?;
        let inner = indent(opening) + 4;
        if !opening.ends_with('(') {
            return None;
        }
        let at = (start + 1..lines.len())
            .take_while(|&index| indent(lines[index]) == inner)
            .find(|&index| lines[index].trim_start().starts_with('|'))?;
        let closure = lines[at].trim_start();
        let (head, body, end) = if closure.ends_with("| {") {
            let close = (at + 1..lines.len())
                .find(|&index| indent(lines[index]) <= inner && !lines[index].is_empty())?;
            (
                closure,
                lines[at + 1..close].to_vec(),
                (lines[close].trim() == "},").then_some(close + 1)?,
            )
        } else {
            // It fitted on a line.
            let (head, body) = closure.strip_suffix(" },")?.split_once("| { ")?;
            (&closure[..head.len() + 3], vec![body], at + 1)
        };
        let closing = *lines.get(end)?;
        let is_call = closing.trim_start().starts_with(')');
        is_call.then_some(Self {
            opening,
            arguments: &lines[start + 1..at],
            head,
            body,
            closing,
            end,
        })
    }

    fn write(&self, out: &mut Vec<String>) {
        let arguments: Vec<&str> = self
            .arguments
            .iter()
            .map(|line| line.trim())
            .chain([self.head])
            .collect();
        let mut first = format!("{}{}", self.opening, arguments.join(" "));
        // `functions` alone on a line before `.add(`, and nothing behind the call.
        let is_receiver = |line: &String| {
            indent(line) + 4 == indent(self.opening)
                && line.trim().chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        let is_chain = self.opening.trim_start().starts_with('.');
        if is_chain
            && self.closing.trim() == ");"
            && out.last().is_some_and(is_receiver)
            && let Some(receiver) = out.pop()
        {
            first = format!("{receiver}{}", first.trim_start());
        }
        let outer = " ".repeat(indent(&first));
        out.push(first);
        let indented = self.body.first().map_or(0, |line| indent(line));
        for line in &self.body {
            let line = line.get(indented..).unwrap_or_default();
            out.push(if line.is_empty() {
                String::new()
            } else {
                format!("{outer}    {line}")
            });
        }
        out.push(format!("{outer}}}{}", self.closing.trim_start()));
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn closures_hang() {
        let text = format_item(quote! {
            fn register(functions: &mut Functions) {
                functions.add("play", &self.object, |object, cx, arguments| {
                    let id = arguments.required("id")?;
                    Ok(async move { object.play(&cx, id).await })
                });
                functions.add("start", &self.object, |object, cx, arguments| {
                    Ok(async move { object.start(&cx).await })
                }).serial();
            }
        });
        let expected = r#"fn register(functions: &mut Functions) {
    functions.add("play", &self.object, |object, cx, arguments| {
        let id = arguments.required("id")?;
        Ok(async move { object.play(&cx, id).await })
    });
    functions
        .add("start", &self.object, |object, cx, arguments| {
            Ok(async move { object.start(&cx).await })
        })
        .serial();
}
"#;
        assert_eq!(text.as_deref(), Ok(expected));
    }

    #[test]
    fn empty_lines_stand_where_they_were_marked() {
        let text = format_item(quote! {
            impl Player {
                fn a() {}
                #[doc = #EMPTY_LINE]
                /// Documented.
                fn b() {}
            }
        });
        assert_eq!(
            text.as_deref(),
            Ok("impl Player {\n    fn a() {}\n\n    /// Documented.\n    fn b() {}\n}\n")
        );
    }
}
