//! Text that came from the other end, made safe to print.

use std::fmt::{self, Write};

/// Shows text with control characters escaped, so that it cannot steer a terminal or forge a line of
/// a log. Line feeds and tabs stay.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            let harmless = matches!(character, '\n' | '\t');
            if (character.is_control() && !harmless) || is_direction_mark(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Characters that reorder what is displayed around them.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_37_control_characters_are_escaped() {
        assert_eq!(
            Escaped("a\x1b[31mb\r\n\u{202e}c").to_string(),
            "a\\u{1b}[31mb\\u{d}\n\\u{202e}c"
        );
    }
}
