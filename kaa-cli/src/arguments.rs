//! The words of a command line as the arguments of a call.

use kaa_rpc_runtime::codegen::{EncodeError, Encoder};
use kaa_rpc_runtime::{Arguments, Kwargs, Value};

use crate::json::{self, NotRead};
use crate::report::Failure;
use crate::streams::Origin;

/// Positional and named arguments.
#[derive(Debug, Default)]
pub(crate) struct WordArguments {
    positional: Vec<Value>,
    named: Kwargs,
    /// The streams, for which their numbers stand in the arguments.
    streams: Vec<Origin>,
}

impl WordArguments {
    /// Of `JSON` and `KEY=JSON` in `words`, and `KEY=TEXT` in `strings`.
    pub(crate) fn parse(words: &[String], strings: &[String]) -> Result<Self, Failure> {
        let mut arguments = Self::default();
        for word in words {
            match split(word) {
                Some((name, text)) => {
                    let value = arguments.read(word, text)?;
                    arguments.name(name, value)?;
                }
                None => {
                    let value = arguments.read(word, word)?;
                    arguments.positional.push(value);
                }
            }
        }
        for word in strings {
            let Some((name, text)) = split(word) else {
                return Err(Failure::usage(format!(
                    "--string {word}: expected KEY=TEXT, the key a name such as `title`"
                )));
            };
            arguments.name(name, text.into())?;
        }
        Ok(arguments)
    }

    /// Gives the value of `text`, which is `word` or the part of it behind the key; of a stream, its number.
    fn read(&mut self, word: &str, text: &str) -> Result<Value, Failure> {
        let Some(stream) = Origin::parse(word, text) else {
            return read(word, text);
        };
        let stream = stream?;
        if stream.is_standard_input() && self.streams.iter().any(Origin::is_standard_input) {
            let message = format!("the argument `{word}`: another stream reads standard input");
            return Err(Failure::usage(message));
        }
        let number = self.streams.len() as u64;
        self.streams.push(stream);
        Ok(number.into())
    }

    pub(crate) fn has_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    /// The streams that go along, in the order of their numbers.
    pub(crate) fn take_streams(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.streams)
    }

    fn name(&mut self, name: &str, value: Value) -> Result<(), Failure> {
        if self.named.names().any(|known| known == name) {
            return Err(Failure::usage(format!(
                "the argument `{name}` is given twice"
            )));
        }
        self.named.insert(name, value);
        Ok(())
    }
}

impl Arguments for WordArguments {
    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
        for value in &self.positional {
            out.positional(value)?;
        }
        out.kwargs(&self.named)
    }
}

/// Splits `KEY=VALUE`. The key is an identifier, which no JSON text is that has a `=` right behind: so
/// `"a=b"`, with its quotation marks, is a positional string.
fn split(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let mut characters = name.chars();
    let begins = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let goes_on = characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    (begins && goes_on).then_some((name, value))
}

/// Reads the JSON `text`, which is `word` or the part of it behind the key.
fn read(word: &str, text: &str) -> Result<Value, Failure> {
    json::read(text).map_err(|error| match error {
        NotRead::Value(message) => Failure::usage(format!("the argument `{word}`: {message}")),
        NotRead::Json(message) => {
            let failure = Failure::usage(format!("the argument `{word}` is not JSON: {message}"));
            // A broken list or object is no string that lacks its quotation marks.
            if text.starts_with(['[', '{', '"']) {
                return failure;
            }
            let key = &word[..word.len() - text.len()];
            let quoted = quote_for_shell(&Value::from(text));
            let or = match key {
                "" => String::new(),
                _ => format!(", or --string {}", shell_word(word)),
            };
            failure.help(format!(
                "a string has quotation marks of its own, inside the shell's: {key}{quoted}{or}"
            ))
        }
    })
}

fn quote_for_shell(value: &Value) -> String {
    format!("'{}'", json::write_compact(value).replace('\'', r"'\''"))
}

/// The word as one would type it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_=-./:,@%+".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_identifiers() {
        assert_eq!(split("a=1"), Some(("a", "1")));
        assert_eq!(split("_a2=b=c"), Some(("_a2", "b=c")));
        assert_eq!(split("a="), Some(("a", "")));
        for word in ["\"a=b\"", "=1", "2=1", "a-b=1", "{\"a\": \"=\"}", "5", ""] {
            assert_eq!(split(word), None, "{word}");
        }
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(quote_for_shell(&"it's".into()), r#"'"it'\''s"'"#);
        assert_eq!(shell_word("a=b"), "a=b");
        assert_eq!(shell_word("a=b c's"), r"'a=b c'\''s'");
    }
}
