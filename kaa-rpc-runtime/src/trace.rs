//! Which trace a call belongs to, as W3C Trace Context has it.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

use kaa_rpc_proto::{Metadata, MetadataError};

/// The keys of [metadata](crate::Metadata) that say which trace a call belongs to.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// Which step of which trace makes a call: the `traceparent` and `tracestate` of [W3C Trace
/// Context](https://www.w3.org/TR/trace-context/).
///
/// A trace that came in goes on by itself with calls that the handler makes. To begin one, send it along:
///
/// ```no_run
/// # use kaa_rpc_runtime::{Channel, Error, TraceContext};
/// # async fn example(channel: Channel) -> Result<(), Error> {
/// let trace = TraceContext::root();
/// channel.rpc::<u64, _>("scan", ()).metadata("traceparent", trace.to_string()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
    state: Option<Box<str>>,
}

impl TraceContext {
    /// A new trace, which is recorded (`sampled`), and its first step.
    #[must_use]
    pub fn root() -> Self {
        let mut trace_id = [0; 16];
        let (high, low) = trace_id.split_at_mut(8);
        high.copy_from_slice(&random().to_be_bytes());
        low.copy_from_slice(&random().to_be_bytes());
        Self {
            trace_id,
            span_id: random().to_be_bytes(),
            flags: 1,
            state: None,
        }
    }

    /// Another step of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: random().to_be_bytes(),
            ..self.clone()
        }
    }

    /// Names the trace, in all programs: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex(&self.trace_id)
    }

    /// Names the step: 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        hex(&self.span_id)
    }

    /// Whether whoever began the trace records it.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// What came along with a call. What is not as the standard says counts as none.
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        let mut trace: Self = metadata.get(TRACEPARENT)?.parse().ok()?;
        trace.state = metadata.get(TRACESTATE).map(Into::into);
        Some(trace)
    }

    /// Sends it along in place of another one.
    pub(crate) fn send_along(&self, metadata: &mut Metadata) -> Result<(), MetadataError> {
        metadata.insert(TRACEPARENT, self.to_string())?;
        match &self.state {
            Some(state) => metadata.insert(TRACESTATE, &**state),
            None => Ok(()),
        }
    }

    /// Sends it along, unless the user sends another one, or there is no room for it.
    pub(crate) fn add_to(&self, metadata: &mut Metadata) {
        if metadata.get(TRACEPARENT).is_some() {
            return;
        }
        let _ = self.send_along(metadata);
    }
}

/// As a `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flags, .. } = self;
        write!(
            f,
            "00-{}-{}-{flags:02x}",
            hex(&self.trace_id),
            hex(&self.span_id)
        )
    }
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParentError;

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a traceparent: VERSION-TRACE_ID-SPAN_ID-FLAGS in lower-case hexadecimal digits")
    }
}

impl std::error::Error for TraceParentError {}

/// Of a `traceparent`. Of a version that is not 00, what follows the flags is passed over.
impl FromStr for TraceContext {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(TraceParentError);
        let ([version], trace_id, span_id, [flags]) = (
            digits(part()?)?,
            digits(part()?)?,
            digits(part()?)?,
            digits(part()?)?,
        );
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) || trace_id == [0; 16] || span_id == [0; 8] {
            return Err(TraceParentError);
        }
        Ok(Self {
            trace_id,
            span_id,
            // Of later versions only this bit is known, and 00 has no other that is passed on.
            flags: flags & 1,
            state: None,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digits<const N: usize>(text: &str) -> Result<[u8; N], TraceParentError> {
    let sound = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * N || !text.as_bytes().iter().all(sound) {
        return Err(TraceParentError);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| TraceParentError)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| TraceParentError)?;
    }
    Ok(bytes)
}

/// Not 0, and another one each time, in all programs: ids need not be hard to guess.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::process::id()));
    }
    loop {
        let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.set(state);
        // SplitMix64, by Guy Steele, Doug Lea and Christine Flood.
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = mixed ^ (mixed >> 31);
        if number != 0 {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_is_read_and_written_as_the_standard_says() {
        let trace: TraceContext = PARENT.parse().unwrap();
        assert_eq!(trace.to_string(), PARENT);
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.span_id(), "00f067aa0ba902b7");
        assert!(trace.is_sampled());
        // A later version may say more.
        let later = PARENT.replacen("00", "cc", 1) + "-what-else";
        assert_eq!(later.parse(), Ok(trace.clone()));
        let child = trace.child();
        assert_eq!(child.trace_id(), trace.trace_id());
        assert_ne!(child.span_id(), trace.span_id());
        assert_ne!(
            TraceContext::root().trace_id(),
            TraceContext::root().trace_id()
        );
    }

    #[test]
    fn hostile_traces_that_are_none_count_as_none() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(
                text.parse::<TraceContext>(),
                Err(TraceParentError),
                "{text}"
            );
            let mut metadata = Metadata::new();
            metadata.insert(TRACEPARENT, text).unwrap();
            assert_eq!(TraceContext::of(&metadata), None);
        }
    }
}
