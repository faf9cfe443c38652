//! What may pass between two ends, written down a second time and much simpler: an observer who sees each
//! frame when it was written by one end, and before it can be read by the other. It knows nothing of the
//! runtime, and is told by the log what was taken.

use std::collections::{BTreeMap, BTreeSet};

use kaa_rpc_proto::frame::{CallId, Frame};
use kaa_rpc_proto::msgpack::{ArgumentReader, ScanLimits};
use kaa_rpc_runtime::Limits;

use crate::log::{Log, Token};
use crate::streams::{Amount, Key, Streams};

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
pub(crate) struct Observer {
    ends: [End; 2],
    streams: Streams,
}

/// What one end has done.
#[derive(Default)]
struct End {
    /// What it announced.
    limits: Limits,
    /// Its calls without a final frame that it may have read: each with its number and cost.
    calls: BTreeMap<CallId, (usize, u64)>,
    /// The numbers of its last calls with each id, and which of those were cancelled.
    wrote: BTreeMap<CallId, usize>,
    cancelled: BTreeSet<CallId>,
    oneways: Amount,
    /// Calls and oneway calls that it wrote, by number.
    made: Vec<Token>,
    /// How many of the other end's came to it.
    came: usize,
    /// The other end's calls that came and have no final frame: each with its number.
    serves: BTreeMap<CallId, usize>,
    /// The other end's oneway calls that came and were not given back.
    serves_oneways: Amount,
    /// How many calls its goodbye accepted.
    goodbye: Option<usize>,
    heard_goodbye: bool,
    pings: BTreeSet<u64>,
    heard_pings: BTreeSet<u64>,
}

impl Observer {
    pub(crate) fn new(limits: [Limits; 2]) -> Self {
        Self {
            streams: Streams::new(limits),
            ends: limits.map(|limits| End {
                limits,
                ..End::default()
            }),
        }
    }

    /// The calls of an end that were written, in their order.
    pub(crate) fn made(&self, end: usize) -> &[Token] {
        &self.ends[end].made
    }

    /// The same of those that may have come to the other end.
    pub(crate) fn came(&self, end: usize) -> &[Token] {
        &self.ends[end].made[..self.ends[1 - end].came]
    }

    /// The calls of an end that the other one has said not to run.
    pub(crate) fn refused(&self, end: usize) -> &[Token] {
        let made = &self.ends[end].made;
        let accepted = self.ends[1 - end].goodbye.unwrap_or(made.len());
        &made[accepted.min(made.len())..]
    }

    /// The last byte of a frame was written by `from`.
    pub(crate) fn sent(
        &mut self,
        from: usize,
        frame: &Frame<'_>,
        length: u32,
        log: &Log,
    ) -> Result<(), Objection> {
        let peer = self.ends[1 - from].limits;
        let came = self.ends[from].came;
        let [low, high] = &mut self.ends;
        let (end, other) = if from == 0 { (low, high) } else { (high, low) };
        let streams = &mut self.streams;
        ensure!(length <= peer.max_frame, "a frame of {length} bytes");
        match *frame {
            Frame::Call {
                id,
                head,
                arguments,
            } => {
                ensure!(id < peer.max_calls, "id {id} is beyond the window");
                ensure!(!end.calls.contains_key(&id), "id {id} is still live");
                let held = u64::from(head.streams) * u64::from(peer.max_stream_bytes);
                let cost = u64::from(length) + held;
                let number = end.makes_call(token(arguments)?, cost, &peer)?;
                end.cancelled.remove(&id);
                end.wrote.insert(id, number);
                streams.open(from, number, head.streams);
                // What was queued when goodbye came is still written, and known not to run.
                if !end.heard_goodbye {
                    end.calls.insert(id, (number, cost));
                }
            }
            Frame::Oneway { arguments, .. } => {
                end.makes_call(token(arguments)?, length.into(), &peer)?;
                end.oneways.add(Amount::one(length));
            }
            Frame::Result { id, .. } | Frame::Error { id, .. } => {
                end.runs(id)?;
                end.serves.remove(&id);
            }
            Frame::Yield { id, .. } => streams.sent((1 - from, end.runs(id)?, None), length)?,
            Frame::Grant {
                id,
                stream,
                items,
                bytes,
            } => {
                let number = end.runs(id)?;
                let of = other.made[number];
                let taken = log.with(of, |entry| entry.inputs[usize::from(stream)].taken);
                let key = (1 - from, number, Some(stream));
                streams.gives_back(key, Amount(items, bytes), taken)?;
            }
            Frame::Metadata { id, .. } => drop(end.runs(id)?),
            Frame::Stop { id, stream } => {
                streams.stops((1 - from, end.runs(id)?, Some(stream)))?;
            }
            Frame::Credit { id, items, bytes } => {
                let number = end.speaks_of(id)?;
                let taken = log.with(end.made[number], |entry| {
                    // Who ignores them gives back whatever has come.
                    if entry.ignores {
                        usize::MAX
                    } else {
                        entry.taken
                    }
                });
                streams.gives_back((from, number, None), Amount(items, bytes), taken)?;
            }
            Frame::Item { id, stream, .. } => {
                streams.sent((from, end.speaks_of(id)?, Some(stream)), length)?;
            }
            Frame::End { id, stream, .. } => {
                streams.ends((from, end.speaks_of(id)?, Some(stream)))?;
            }
            Frame::Cancel { id } => {
                end.speaks_of(id)?;
                end.cancelled.insert(id);
            }
            Frame::Done { calls, bytes } => {
                ensure!(calls > 0, "no oneway call is given back");
                let more = |text| format!("given back which did not come: {text}");
                end.serves_oneways.sub(Amount(calls, bytes)).map_err(more)?;
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
                ensure!(end.goodbye.is_none(), "goodbye twice");
                let accepted = usize::try_from(calls).unwrap_or(usize::MAX);
                ensure!(accepted <= came, "goodbye({calls}), and {came} came");
                end.goodbye = Some(accepted);
                end.serves.retain(|_, number| *number < accepted);
            }
        }
        Ok(())
    }

    /// The last byte of a frame is about to be given to `to`.
    pub(crate) fn arrives(
        &mut self,
        to: usize,
        frame: &Frame<'_>,
        length: u32,
    ) -> Result<(), Objection> {
        let (end, streams) = (&mut self.ends[to], &mut self.streams);
        match *frame {
            Frame::Call { id, .. } => {
                if end.goodbye.is_none_or(|accepted| end.came < accepted) {
                    end.serves.insert(id, end.came);
                }
                end.came += 1;
            }
            Frame::Oneway { .. } => {
                end.came += 1;
                end.serves_oneways.add(Amount::one(length));
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
            Frame::Done { calls, bytes } => end.oneways.sub(Amount(calls, bytes))?,
            Frame::Ping { token } => drop(end.heard_pings.insert(token)),
            Frame::Pong { token } => end.pings.retain(|ping| *ping > token),
            Frame::Goodbye { calls } => {
                end.heard_goodbye = true;
                let accepted = usize::try_from(calls).unwrap_or(usize::MAX);
                end.calls.retain(|_, (number, _)| *number < accepted);
            }
            Frame::End { .. } | Frame::Cancel { .. } => {}
        }
        Ok(())
    }

    /// Both ends have parted: nobody may owe anything.
    pub(crate) fn check_parted(&self) -> Result<(), Objection> {
        for (index, end) in self.ends.iter().enumerate() {
            ensure!(
                end.calls.is_empty(),
                "end {index} waits for {:?}",
                end.calls
            );
            ensure!(
                end.oneways == Amount(0, 0),
                "end {index} misses {:?}",
                end.oneways
            );
            ensure!(end.serves.is_empty(), "end {index} owes {:?}", end.serves);
            ensure!(end.goodbye.is_some(), "end {index} has not said goodbye");
        }
        Ok(())
    }
}

/// The first argument.
fn token(arguments: &[u8]) -> Result<Token, Objection> {
    let reader = ArgumentReader::new(arguments, &ScanLimits::default());
    let mut reader = reader.map_err(|error| error.to_string())?;
    reader
        .required("token")
        .map_err(|error| format!("{error:?}"))
}

impl End {
    /// The number of the other end's call that runs here.
    fn runs(&self, id: CallId) -> Result<usize, Objection> {
        let number = self.serves.get(&id);
        let text = || format!("a word to {id}, which does not run");
        number.copied().ok_or_else(text)
    }

    /// The number of the own call that is live.
    fn live(&self, id: CallId) -> Result<usize, Objection> {
        let call = self.calls.get(&id);
        let text = || format!("an answer to {id}, which is not live");
        call.map(|(number, _)| *number).ok_or_else(text)
    }

    /// The number of the own call of which this end says something. It may have ended meanwhile.
    fn speaks_of(&self, id: CallId) -> Result<usize, Objection> {
        ensure!(
            !self.cancelled.contains(&id),
            "a word of {id} after its cancel"
        );
        let number = self.wrote.get(&id).copied();
        number.ok_or_else(|| format!("a word of {id}, which was never made"))
    }

    fn makes_call(&mut self, token: Token, cost: u64, peer: &Limits) -> Result<usize, Objection> {
        ensure!(self.goodbye.is_none(), "a call after goodbye");
        ensure!(!self.made.contains(&token), "call {token} was sent twice");
        let calls = self.calls.len() + self.oneways.0 as usize;
        ensure!(
            calls < peer.max_calls as usize,
            "more calls than the window"
        );
        let bytes: u64 = self.calls.values().map(|(_, cost)| cost).sum();
        let bytes = bytes + self.oneways.1 + cost;
        ensure!(
            bytes <= peer.max_request_bytes,
            "{bytes} bytes of calls in flight"
        );
        self.made.push(token);
        Ok(self.made.len() - 1)
    }
}

/// For errors of the streams.
pub(crate) fn name((caller, call, stream): Key) -> String {
    match stream {
        Some(stream) => format!("stream {stream} of call {call} of end {caller}"),
        None => format!("what call {call} of end {caller} yields"),
    }
}
