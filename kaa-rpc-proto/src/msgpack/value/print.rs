//! Values for people: like JSON, and cut where they are long.

use std::fmt::{self, Write as _};

use super::Value;

/// Characters of a text, and bytes of a byte string, before it is cut.
const MAX_TEXT: usize = 200;
const MAX_BYTES: usize = 32;
/// Scalars, lists and maps in all before the rest is left out.
const MAX_VALUES: u32 = 200;

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer {
            f,
            values_left: MAX_VALUES,
        }
        .value(self)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Printer<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    values_left: u32,
}

impl Printer<'_, '_> {
    fn value(&mut self, value: &Value) -> fmt::Result {
        let Some(left) = self.values_left.checked_sub(1) else {
            return self.f.write_char('…');
        };
        self.values_left = left;
        match value {
            Value::Null => self.f.write_str("null"),
            Value::Bool(value) => write!(self.f, "{value}"),
            Value::Integer(value) => write!(self.f, "{value}"),
            // With a point, to tell them from integers.
            Value::F32(value) => write!(self.f, "{value:?}"),
            Value::F64(value) => write!(self.f, "{value:?}"),
            Value::String(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Timestamp(time) => write!(self.f, "{time}"),
            Value::List(items) => {
                self.f.write_char('[')?;
                self.contents(items, Self::value)?;
                self.f.write_char(']')
            }
            Value::Map(entries) => {
                self.f.write_char('{')?;
                self.contents(entries, |printer, (key, value)| {
                    printer.value(key)?;
                    printer.f.write_str(": ")?;
                    printer.value(value)
                })?;
                self.f.write_char('}')
            }
        }
    }

    fn contents<T>(
        &mut self,
        contents: &[T],
        print: impl Fn(&mut Self, &T) -> fmt::Result,
    ) -> fmt::Result {
        for (index, item) in contents.iter().enumerate() {
            if index > 0 {
                self.f.write_str(", ")?;
            }
            if self.values_left == 0 {
                return write!(self.f, "… {} more", contents.len() - index);
            }
            print(self, item)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> fmt::Result {
        self.f.write_char('"')?;
        let mut characters = text.chars();
        for character in characters.by_ref().take(MAX_TEXT) {
            match character {
                '\'' => self.f.write_char('\'')?,
                _ => write!(self.f, "{}", character.escape_debug())?,
            }
        }
        self.f.write_char('"')?;
        match characters.count() {
            0 => Ok(()),
            more => write!(self.f, "… {more} more"),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        self.f.write_str("0x")?;
        for byte in bytes.iter().take(MAX_BYTES) {
            write!(self.f, "{byte:02x}")?;
        }
        match bytes.len().saturating_sub(MAX_BYTES) {
            0 => Ok(()),
            more => write!(self.f, "… {more} more"),
        }
    }
}
