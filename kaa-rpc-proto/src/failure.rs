//! What an error frame carries.

use crate::msgpack::{self, Value};

/// The longest message, cause or trace line that is sent, in bytes; longer ones are cut.
pub const MAX_TEXT: usize = 4096;

/// The most causes and trace lines that are sent, each.
pub const MAX_LINES: usize = 32;

/// The most bytes of causes and of trace lines that are sent, each. With them a failure, but for the
/// value of a declared error, fits every frame: the smallest `max_frame` is 64 KiB.
pub const MAX_LINES_TEXT: usize = 16 * 1024;

/// Why a call ended without a result, as the callee tells it.
///
/// On the wire it is a MessagePack map from string; absent fields are left out, unknown ones ignored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// Which sort of failure.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
    /// Declared errors: the error's qualified name. Faults: the type of the error. Unknown
    /// functions: the closest name that there is. Timed out: the function.
    pub name: String,
    /// Declared errors: the error, encoded as an enum.
    pub value: Option<Vec<u8>>,
    /// Faults: what caused it, outermost first.
    pub causes: Vec<String>,
    /// Faults: where it passed, innermost first.
    pub trace: Vec<String>,
    /// Bad arguments: which parameter; empty if none in particular.
    pub parameter: String,
    /// Bad arguments: what was expected.
    pub expected: String,
    /// Bad arguments: what came.
    pub got: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The sorts of failure.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum FailureKind {
            $($(#[$doc])* $name,)*
        }

        impl FailureKind {
            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            fn from_wire(text: &str) -> Self {
                match text { $($text => Self::$name,)* _ => Self::Fault }
            }
        }
    };
}

kinds! {
    /// The function failed in a way that the schema does not name. Also what a receiver makes of a
    /// kind that it does not know.
    #[default]
    Fault = "fault",
    /// The function failed with an error that the schema names.
    Declared = "declared",
    /// The function panicked.
    Panic = "panic",
    /// The function was stopped because its caller cancelled, or its channel closed.
    Cancelled = "cancelled",
    /// The function was stopped because its time was up.
    TimedOut = "timed_out",
    /// The arguments do not fit the function.
    BadArguments = "bad_arguments",
    /// There is no such function.
    UnknownFunction = "unknown_function",
    /// The callee does not let this caller have it, or not now.
    Refused = "refused",
    /// Too many calls around this one.
    TooDeep = "too_deep",
    /// The result is larger than the caller accepts.
    TooLarge = "too_large",
}

impl Failure {
    /// A failure with a message and nothing else.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            ..Self::default()
        }
    }

    /// Appends the map.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let texts = [
            ("message", &self.message),
            ("name", &self.name),
            ("parameter", &self.parameter),
            ("expected", &self.expected),
            ("got", &self.got),
        ];
        let lists = [("causes", &self.causes), ("trace", &self.trace)];
        let fields = 1
            + texts.iter().filter(|(_, text)| !text.is_empty()).count()
            + lists.iter().filter(|(_, list)| !list.is_empty()).count()
            + usize::from(self.value.is_some());
        // Ten fields at most: a one-byte map header, and writing to a Vec does not fail.
        out.push(0x80 | u8::try_from(fields).unwrap_or(0x0f));
        write_text(out, "kind");
        write_text(out, self.kind.as_str());
        for (key, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            write_text(out, key);
            write_text(out, shorten(text));
        }
        for (key, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            write_text(out, key);
            let count = fitting(list);
            let _ = rmp::encode::write_array_len(out, u32::try_from(count).unwrap_or(0));
            list.iter()
                .take(count)
                .for_each(|line| write_text(out, shorten(line)));
        }
        if let Some(value) = &self.value {
            write_text(out, "value");
            out.extend_from_slice(value);
        }
    }

    /// Reads what [`Self::encode`] wrote. What is not as it should be is left out: a failure stays a
    /// failure, whatever its description looks like.
    #[must_use]
    pub fn decode(bytes: &[u8], limits: &msgpack::ScanLimits) -> Self {
        let readable = msgpack::scan(bytes, limits).is_ok();
        let Some(body) = readable
            .then(|| msgpack::from_slice::<Value>(bytes).ok())
            .flatten()
            .filter(|body| matches!(body, Value::Map(_)))
        else {
            return Self::new(
                FailureKind::Fault,
                "the other end failed and gave no readable reason",
            );
        };
        let text = |key| {
            body.get(key)
                .and_then(Value::as_str)
                .map(shorten)
                .unwrap_or_default()
                .to_owned()
        };
        let list = |key| match body.get(key) {
            Some(Value::List(list)) => list
                .iter()
                .filter_map(Value::as_str)
                .take(MAX_LINES)
                .map(|line| shorten(line).to_owned())
                .collect(),
            _ => Vec::new(),
        };
        Self {
            kind: FailureKind::from_wire(&text("kind")),
            message: text("message"),
            name: text("name"),
            value: body
                .get("value")
                .and_then(|value| msgpack::to_vec(value).ok()),
            causes: list("causes"),
            trace: list("trace"),
            parameter: text("parameter"),
            expected: text("expected"),
            got: text("got"),
        }
    }
}

/// Writing to a `Vec` does not fail, so there is no error to give on.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let _ = rmp::encode::write_str(out, text);
}

/// How many lines are sent.
fn fitting(list: &[String]) -> usize {
    let mut bytes = 0;
    list.iter()
        .take(MAX_LINES)
        .take_while(|line| {
            bytes += shorten(line).len();
            bytes <= MAX_LINES_TEXT
        })
        .count()
}

/// At most [`MAX_TEXT`] bytes, cut between characters.
fn shorten(text: &str) -> &str {
    if text.len() <= MAX_TEXT {
        return text;
    }
    let end = (0..=MAX_TEXT)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let full = Failure {
            kind: FailureKind::BadArguments,
            message: "m".into(),
            name: "n".into(),
            value: Some(vec![0xa4, b'b', b'u', b's', b'y']),
            causes: vec!["c1".into(), "c2".into()],
            trace: vec!["t".into()],
            parameter: "p".into(),
            expected: "e".into(),
            got: "g".into(),
        };
        for failure in [
            full,
            Failure::default(),
            Failure::new(FailureKind::Panic, "oh"),
        ] {
            let mut bytes = Vec::new();
            failure.encode(&mut bytes);
            assert_eq!(
                Failure::decode(&bytes, &msgpack::ScanLimits::default()),
                failure
            );
        }
    }

    #[test]
    fn rubbish_is_still_a_failure() {
        for bytes in [&b""[..], b"\xc1", b"\x90", b"\x81\xa4kind\x01"] {
            let failure = Failure::decode(bytes, &msgpack::ScanLimits::default());
            assert_eq!(failure.kind, FailureKind::Fault);
        }
    }

    #[test]
    fn hostile_37_huge_texts_are_cut_on_both_sides() {
        let failure = Failure::new(FailureKind::Fault, "ä".repeat(MAX_TEXT));
        let mut bytes = Vec::new();
        failure.encode(&mut bytes);
        assert!(bytes.len() < MAX_TEXT + 64);
        assert_eq!(shorten(&failure.message).len(), MAX_TEXT);
        assert_eq!(
            shorten(&format!("x{}", failure.message)).len(),
            MAX_TEXT - 1
        );
    }
}
