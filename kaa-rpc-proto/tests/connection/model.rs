//! What the protocol allows, written down a second time and much simpler: an observer between the
//! two ends who sees each frame when it is written and when it arrives. It knows nothing of
//! [`kaa_rpc_proto::Connection`].

use std::collections::{BTreeMap, BTreeSet};

use kaa_rpc_proto::Limits;
use kaa_rpc_proto::frame::{CallId, Frame};

/// Why the observer objects.
pub(crate) type Objection = String;

macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use ensure;

/// Both ends, by index.
pub(crate) struct Model {
    ends: [EndModel; 2],
}

/// What one end has done, and what it knows.
struct EndModel {
    /// What it announced.
    limits: Limits,
    /// Its calls without a final frame that has arrived: each with its number and length.
    calls: BTreeMap<CallId, (u64, u32)>,
    /// Those it has cancelled.
    cancelled: BTreeSet<CallId>,
    oneways: u32,
    oneway_bytes: u64,
    /// Calls and oneway calls that it wrote.
    made: u64,
    /// The other end's calls that arrived, were accepted and have no final frame.
    serves: BTreeSet<CallId>,
    /// The other end's oneway calls that arrived and were not given back: how many, their lengths.
    serves_oneways: (u32, u64),
    accepted: u64,
    /// The user said goodbye, after so many accepted calls.
    closing: Option<u64>,
    wrote_goodbye: bool,
    heard_goodbye: bool,
    pings: BTreeSet<u64>,
    heard_pings: BTreeSet<u64>,
}

impl Model {
    pub(crate) fn new(limits: [Limits; 2]) -> Self {
        Self {
            ends: limits.map(|limits| EndModel {
                limits,
                calls: BTreeMap::new(),
                cancelled: BTreeSet::new(),
                oneways: 0,
                oneway_bytes: 0,
                made: 0,
                serves: BTreeSet::new(),
                serves_oneways: (0, 0),
                accepted: 0,
                closing: None,
                wrote_goodbye: false,
                heard_goodbye: false,
                pings: BTreeSet::new(),
                heard_pings: BTreeSet::new(),
            }),
        }
    }

    /// The user of an end said goodbye, or its driver did.
    pub(crate) fn says_goodbye(&mut self, end: usize) {
        let end = &mut self.ends[end];
        end.closing.get_or_insert(end.accepted);
    }

    /// Whether a call that arrives now is run.
    pub(crate) fn accepts(&self, end: usize) -> bool {
        self.ends[end].closing.is_none()
    }

    /// The last byte of a frame was written by `from`.
    pub(crate) fn sent(
        &mut self,
        from: usize,
        frame: &Frame<'_>,
        length: u32,
    ) -> Result<(), Objection> {
        let peer = self.ends[1 - from].limits;
        let end = &mut self.ends[from];
        ensure!(length <= peer.max_frame, "a frame of {length} bytes");
        match *frame {
            Frame::Call { .. } | Frame::Oneway { .. } if end.wrote_goodbye => {
                return Err("a call after goodbye".to_owned());
            }
            Frame::Call { id, .. } => {
                ensure!(id < peer.max_calls, "id {id} is beyond the window");
                ensure!(!end.calls.contains_key(&id), "id {id} is still live");
                end.makes_call(length, &peer)?;
                end.cancelled.remove(&id);
                // What was queued when goodbye came is still written, and known not to run.
                if !end.heard_goodbye {
                    end.calls.insert(id, (end.made, length));
                }
            }
            Frame::Oneway { .. } => {
                end.makes_call(length, &peer)?;
                end.oneways += 1;
                end.oneway_bytes += u64::from(length);
            }
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                ensure!(
                    end.serves.remove(&id),
                    "an answer to {id}, which does not run"
                );
            }
            Frame::Yield { .. }
            | Frame::Credit { .. }
            | Frame::Item { .. }
            | Frame::End { .. }
            | Frame::Grant { .. }
            | Frame::Stop { .. } => return Err("no schedule has items".to_owned()),
            Frame::Cancel { id } => {
                ensure!(end.cancelled.insert(id), "{id} is cancelled twice");
            }
            Frame::Done { calls, bytes } => {
                let (running, running_bytes) = end.serves_oneways;
                ensure!(
                    0 < calls && calls <= running,
                    "{calls} of {running} given back"
                );
                ensure!(
                    bytes <= running_bytes,
                    "{bytes} of {running_bytes} bytes given back"
                );
                end.serves_oneways = (running - calls, running_bytes - bytes);
            }
            Frame::Ping { token } => {
                ensure!(end.pings.insert(token), "ping {token} twice");
            }
            Frame::Pong { token } => {
                ensure!(
                    end.heard_pings.contains(&token),
                    "pong {token} without ping"
                );
                end.heard_pings.retain(|ping| *ping > token);
            }
            Frame::Goodbye { calls } => {
                ensure!(!end.wrote_goodbye, "goodbye twice");
                ensure!(Some(calls) == end.closing, "goodbye({calls})");
                end.wrote_goodbye = true;
            }
        }
        Ok(())
    }

    /// A frame arrives at `to`.
    pub(crate) fn arrived(
        &mut self,
        to: usize,
        frame: &Frame<'_>,
        length: u32,
    ) -> Result<(), Objection> {
        let accepts = self.accepts(to);
        let end = &mut self.ends[to];
        match *frame {
            Frame::Call { id, .. } if accepts => {
                end.accepted += 1;
                end.serves.insert(id);
            }
            Frame::Oneway { .. } => {
                end.accepted += u64::from(accepts);
                end.serves_oneways.0 += 1;
                end.serves_oneways.1 += u64::from(length);
            }
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                ensure!(
                    end.calls.remove(&id).is_some(),
                    "an answer to {id}, which is not live"
                );
            }
            Frame::Done { calls, bytes } => {
                end.oneways -= calls;
                end.oneway_bytes -= bytes;
            }
            Frame::Ping { token } => {
                end.heard_pings.insert(token);
            }
            Frame::Pong { token } => end.pings.retain(|ping| *ping > token),
            Frame::Goodbye { calls } => {
                end.heard_goodbye = true;
                end.calls.retain(|_, (number, _)| *number <= calls);
            }
            // None of these changes what is owed.
            _ => {}
        }
        Ok(())
    }

    /// Nothing is on its way and nothing runs: nobody may owe anything.
    pub(crate) fn check_end(&self) -> Result<(), Objection> {
        for (index, end) in self.ends.iter().enumerate() {
            ensure!(
                end.calls.is_empty(),
                "end {index} waits for {:?}",
                end.calls
            );
            ensure!(
                end.oneways == 0,
                "end {index} misses {} oneway calls",
                end.oneways
            );
            ensure!(
                end.oneway_bytes == 0,
                "end {index} misses {} bytes",
                end.oneway_bytes
            );
            ensure!(end.serves.is_empty(), "end {index} owes {:?}", end.serves);
            ensure!(
                end.pings.is_empty(),
                "end {index} misses pongs {:?}",
                end.pings
            );
            ensure!(end.wrote_goodbye, "end {index} has not said goodbye");
        }
        Ok(())
    }
}

impl EndModel {
    fn makes_call(&mut self, length: u32, peer: &Limits) -> Result<(), Objection> {
        let calls = self.calls.len() as u64 + u64::from(self.oneways);
        ensure!(
            calls < u64::from(peer.max_calls),
            "more calls than the window"
        );
        let bytes: u64 = self.calls.values().map(|(_, cost)| u64::from(*cost)).sum();
        let bytes = bytes + self.oneway_bytes + u64::from(length);
        ensure!(
            bytes <= peer.max_request_bytes,
            "{bytes} bytes of calls in flight"
        );
        self.made += 1;
        Ok(())
    }
}
