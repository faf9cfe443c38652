//! Values to JSON.

use base64ct::{Base64, Encoding};
use kaa_rpc_runtime::Value;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::key;

/// On one line.
pub(crate) fn write_compact(value: &Value) -> String {
    shield(serde_json::to_string(&Json(value)))
}

/// On as many lines as people like.
pub(crate) fn write_pretty(value: &Value) -> String {
    shield(serde_json::to_string_pretty(&Json(value)))
}

/// Writes characters that a terminal would act on as escapes. They stand in strings only, and JSON's
/// own rules demand it of just a few.
fn shield(text: serde_json::Result<String>) -> String {
    // Nothing that `Json` gives can fail: keys are strings, floats are finite.
    let text = text.unwrap_or_default();
    if !needs_escapes(&text) {
        return text;
    }
    let mut shielded = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shielded.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            shielded.push(character);
        }
    }
    shielded
}

/// Whether a terminal might act on something in `text`.
pub(crate) fn needs_escapes(text: &str) -> bool {
    text.chars().any(acts)
}

/// Control characters, and those that reorder the text around them. All have four hexadecimal digits.
fn acts(character: char) -> bool {
    let layout = character == '\n';
    (character.is_control() && !layout)
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value in the form that this module's parent describes.
struct Json<'a>(&'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => value.serialize(serializer),
            // The shortest number that rounds to it, where the exact one would show noise.
            Value::F32(value) => float(
                serializer,
                value.to_string().parse().unwrap_or((*value).into()),
            ),
            Value::F64(value) => float(serializer, *value),
            Value::String(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => special(serializer, key::BYTES, &Base64::encode_string(bytes)),
            Value::Timestamp(time) => special(serializer, key::TIMESTAMP, &time.to_string()),
            Value::List(items) => serializer.collect_seq(items.iter().map(Json)),
            Value::Map(entries) => map(serializer, entries),
        }
    }
}

fn float<S: Serializer>(serializer: S, value: f64) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(value)
    } else if value.is_nan() {
        special(serializer, key::FLOAT, "nan")
    } else {
        let text = if value > 0.0 { "inf" } else { "-inf" };
        special(serializer, key::FLOAT, text)
    }
}

fn map<S: Serializer>(serializer: S, entries: &[(Value, Value)]) -> Result<S::Ok, S::Error> {
    let names: Option<Vec<&str>> = entries.iter().map(|(key, _)| key.as_str()).collect();
    match names.as_deref() {
        Some(names) if !matches!(names, [name] if name.starts_with('$')) => {
            let values = entries.iter().map(|(_, value)| Json(value));
            serializer.collect_map(names.iter().zip(values))
        }
        _ => {
            let pairs = entries.iter().map(|(key, value)| (Json(key), Json(value)));
            special(serializer, key::MAP, &pairs.collect::<Vec<_>>())
        }
    }
}

fn special<S: Serializer, T: Serialize + ?Sized>(
    serializer: S,
    key: &str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(1))?;
    object.serialize_entry(key, value)?;
    object.end()
}
