//! What the protocol allows, written down a second time and much simpler: an observer between the
//! two ends who sees each frame when it is written and when it arrives. It knows nothing of
//! [`kaa_rpc_proto::Connection`].

use std::collections::{BTreeMap, BTreeSet};

use kaa_rpc_proto::Limits;
use kaa_rpc_proto::frame::{CallId, Frame};

use crate::streams::{Amount, Streams};

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
    pub(crate) streams: Streams,
}

/// What one end has done, and what it knows.
struct EndModel {
    /// What it announced.
    limits: Limits,
    /// Its calls without a final frame that has arrived: each with its number and cost.
    calls: BTreeMap<CallId, (u64, u64)>,
    /// The numbers of the last calls that it wrote with each id, and whether they were cancelled.
    wrote: BTreeMap<CallId, u64>,
    cancelled: BTreeSet<CallId>,
    oneways: u32,
    oneway_bytes: u64,
    /// Calls and oneway calls that it wrote.
    made: u64,
    /// The other end's calls that arrived, were accepted and have no final frame: each with its number.
    serves: BTreeMap<CallId, u64>,
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
            streams: Streams::new(limits),
            ends: limits.map(|limits| EndModel {
                limits,
                calls: BTreeMap::new(),
                wrote: BTreeMap::new(),
                cancelled: BTreeSet::new(),
                oneways: 0,
                oneway_bytes: 0,
                made: 0,
                serves: BTreeMap::new(),
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
        let (end, streams) = (&mut self.ends[from], &mut self.streams);
        ensure!(length <= peer.max_frame, "a frame of {length} bytes");
        match *frame {
            Frame::Call { .. } | Frame::Oneway { .. } if end.wrote_goodbye => {
                return Err("a call after goodbye".to_owned());
            }
            Frame::Call { id, head, .. } => {
                ensure!(id < peer.max_calls, "id {id} is beyond the window");
                ensure!(!end.calls.contains_key(&id), "id {id} is still live");
                let held = u64::from(head.streams) * u64::from(peer.max_stream_bytes);
                let cost = u64::from(length) + held;
                end.makes_call(cost, &peer)?;
                end.cancelled.remove(&id);
                end.wrote.insert(id, end.made);
                streams.open(from, end.made, head.streams);
                // What was queued when goodbye came is still written, and known not to run.
                if !end.heard_goodbye {
                    end.calls.insert(id, (end.made, cost));
                }
            }
            Frame::Oneway { .. } => {
                end.makes_call(length.into(), &peer)?;
                end.oneways += 1;
                end.oneway_bytes += u64::from(length);
            }
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                end.runs(id)?;
                end.serves.remove(&id);
            }
            Frame::Metadata { id, .. } => drop(end.runs(id)?),
            Frame::Yield { id, .. } => streams.sent((1 - from, end.runs(id)?, None), length)?,
            Frame::Grant {
                id,
                stream,
                items,
                bytes,
            } => {
                let key = (1 - from, end.runs(id)?, Some(stream));
                streams.gives_back(key, Amount(items, bytes))?;
            }
            Frame::Stop { id, stream } => {
                streams.stops((1 - from, end.runs(id)?, Some(stream)))?;
            }
            Frame::Credit { id, items, bytes } => {
                let key = (from, end.speaks_of(id)?, None);
                streams.gives_back(key, Amount(items, bytes))?;
            }
            Frame::Item { id, stream, .. } => {
                streams.sent((from, end.speaks_of(id)?, Some(stream)), length)?;
            }
            Frame::End { id, stream, .. } => {
                streams.ends((from, end.speaks_of(id)?, Some(stream)))?;
            }
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
        let (end, streams) = (&mut self.ends[to], &mut self.streams);
        match *frame {
            Frame::Call { id, .. } if accepts => {
                end.accepted += 1;
                end.serves.insert(id, end.accepted);
            }
            Frame::Oneway { .. } => {
                end.accepted += u64::from(accepts);
                end.serves_oneways.0 += 1;
                end.serves_oneways.1 += u64::from(length);
            }
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                end.live(id)?;
                end.calls.remove(&id);
            }
            Frame::Yield { id, .. } => streams.arrived((to, end.live(id)?, None), length)?,
            Frame::Grant {
                id,
                stream,
                items,
                bytes,
            } => {
                let key = (to, end.live(id)?, Some(stream));
                streams.given_back(key, Amount(items, bytes))?;
            }
            Frame::Stop { id, .. } | Frame::Metadata { id, .. } => drop(end.live(id)?),
            // What comes for a call that has ended is nobody's any more.
            Frame::Item { id, stream, .. } => {
                if let Some(number) = end.serves.get(&id) {
                    streams.arrived((1 - to, *number, Some(stream)), length)?;
                }
            }
            Frame::Credit { id, items, bytes } => {
                if let Some(number) = end.serves.get(&id) {
                    streams.given_back((1 - to, *number, None), Amount(items, bytes))?;
                }
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
    /// The number of the other end's call that runs here.
    fn runs(&self, id: CallId) -> Result<u64, Objection> {
        let number = self.serves.get(&id);
        let text = || format!("a word to {id}, which does not run");
        number.copied().ok_or_else(text)
    }

    /// The number of the own call that is live.
    fn live(&self, id: CallId) -> Result<u64, Objection> {
        let call = self.calls.get(&id);
        let text = || format!("an answer to {id}, which is not live");
        call.map(|(number, _)| *number).ok_or_else(text)
    }

    /// The number of the own call of which this end says something. It may have ended meanwhile.
    fn speaks_of(&self, id: CallId) -> Result<u64, Objection> {
        ensure!(
            !self.cancelled.contains(&id),
            "a word of {id} after its cancel"
        );
        let number = self.wrote.get(&id).copied();
        number.ok_or_else(|| format!("a word of {id}, which was never made"))
    }

    fn makes_call(&mut self, cost: u64, peer: &Limits) -> Result<(), Objection> {
        let calls = self.calls.len() as u64 + u64::from(self.oneways);
        ensure!(
            calls < u64::from(peer.max_calls),
            "more calls than the window"
        );
        let bytes: u64 = self.calls.values().map(|(_, cost)| cost).sum();
        let bytes = bytes + self.oneway_bytes + cost;
        ensure!(
            bytes <= peer.max_request_bytes,
            "{bytes} bytes of calls in flight"
        );
        self.made += 1;
        Ok(())
    }
}
