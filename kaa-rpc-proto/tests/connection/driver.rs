//! What one end of a simulation knows, beside its connection.

use std::collections::{BTreeMap, VecDeque};

use kaa_rpc_proto::frame::{self, CallId, Split, StreamNumber};
use kaa_rpc_proto::{Limits, Token};

use crate::model::{Objection, ensure};
use crate::streams::Amount;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// For its token.
    Yes,
    /// The token must not come.
    Cancelled,
    Detached,
    /// The token came.
    Over,
}

/// The sending end of a stream.
#[derive(Default)]
pub(crate) struct Output {
    /// Sent, and not given back.
    pub(crate) out: Amount,
    /// How many were sent so far.
    pub(crate) count: u8,
    pub(crate) over: bool,
}

impl Output {
    pub(crate) fn sends(&mut self, cost: u32) {
        self.out.add(Amount::one(cost));
        self.count = self.count.wrapping_add(1);
    }
}

/// The receiving end of a stream.
#[derive(Default)]
pub(crate) struct Input {
    /// Lengths of the frames of items that were not taken.
    pub(crate) held: VecDeque<u32>,
    /// How many came so far.
    pub(crate) count: u8,
    pub(crate) over: bool,
}

impl Input {
    /// Takes some; gives what they are.
    pub(crate) fn take(&mut self, count: usize) -> Amount {
        let mut taken = Amount::default();
        for cost in self.held.drain(..count.min(self.held.len())) {
            taken.add(Amount::one(cost));
        }
        taken
    }

    /// The next item came. Each consists of its number.
    pub(crate) fn comes(&mut self, value: &[u8], length: u32) -> Result<(), Objection> {
        ensure!(!self.over, "an item came that nobody wants");
        ensure!(
            value.first() == Some(&self.count),
            "an item is lost or in disorder"
        );
        self.count = self.count.wrapping_add(1);
        self.held.push_back(length);
        Ok(())
    }
}

/// A call of this end.
pub(crate) struct Own {
    pub(crate) id: CallId,
    pub(crate) waiting: Waiting,
    pub(crate) streams: Vec<Output>,
    pub(crate) yields: Input,
}

/// A call of the other end that runs.
pub(crate) struct Run {
    pub(crate) id: CallId,
    pub(crate) number: u64,
    pub(crate) cancelled: bool,
    pub(crate) yields: Output,
}

/// What the driver of an end and its user know.
#[derive(Default)]
pub(crate) struct Driver {
    /// All that were ever made, in order; `None`: oneway.
    pub(crate) made: Vec<Option<Token>>,
    /// By token, which is the number of the call.
    pub(crate) calls: BTreeMap<Token, Own>,
    /// What is in flight, and what it costs.
    pub(crate) in_flight: BTreeMap<CallId, (Token, u64)>,
    pub(crate) oneways_in_flight: (u32, u64),
    /// Calls of the other end that run; oneway ones by their cost.
    pub(crate) runs: Vec<Run>,
    /// Those that ran.
    pub(crate) ran: Vec<(CallId, u64)>,
    pub(crate) oneways: Vec<u32>,
    /// Streams that came with calls of the other end, which may have ended.
    pub(crate) inputs: BTreeMap<(u64, StreamNumber), (CallId, Input)>,
    /// Calls of the other end that arrived and were to be run.
    pub(crate) dispatched: Vec<String>,
    /// The observer's view of what was written and what arrived: whole frames are cut off.
    pub(crate) written: Vec<u8>,
    pub(crate) arrived: Vec<u8>,
    /// Calls whose last byte was written.
    pub(crate) calls_written: usize,
}

impl Driver {
    pub(crate) fn has_room(&self, cost: u64, peer: &Limits) -> bool {
        let (oneways, bytes) = self.oneways_in_flight;
        let calls = self.in_flight.len() as u64 + u64::from(oneways);
        let costs = self.in_flight.values().map(|(_, cost)| cost);
        let bytes = bytes + costs.sum::<u64>() + cost;
        calls < u64::from(peer.max_calls) && bytes <= peer.max_request_bytes
    }

    pub(crate) fn comes_back(&mut self, token: Token) -> Result<(), Objection> {
        let call = self.calls.get_mut(&token).ok_or("a token of nobody")?;
        let waiting = std::mem::replace(&mut call.waiting, Waiting::Over);
        ensure!(
            waiting == Waiting::Yes,
            "token {token} came, but was {waiting:?}"
        );
        Ok(())
    }

    /// The own call that is in flight under this id.
    pub(crate) fn own(&mut self, id: CallId) -> Result<&mut Own, Objection> {
        let (token, _) = self.in_flight.get(&id).ok_or("a call that is not made")?;
        Ok(self.calls.get_mut(token).expect("it was made"))
    }

    pub(crate) fn is_in_flight(&self, token: Token) -> bool {
        self.in_flight.values().any(|(live, _)| *live == token)
    }

    pub(crate) fn run(&mut self, id: CallId) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id == id)
    }

    pub(crate) fn check_all_over(&self) -> Result<(), Objection> {
        for (token, call) in &self.calls {
            let waits = call.waiting == Waiting::Yes;
            ensure!(!waits, "token {token} never came back");
        }
        Ok(())
    }
}

pub(crate) fn is_call(body: &[u8]) -> bool {
    matches!(body.first(), Some(1 | 2))
}

/// Takes the first whole frame, without its length.
pub(crate) fn cut(bytes: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Objection> {
    match frame::split(bytes, 64 << 10) {
        Ok(Split::Frame(body, consumed)) => {
            let body = body.to_vec();
            bytes.drain(..consumed);
            Ok(Some(body))
        }
        Ok(Split::Incomplete(_)) => Ok(None),
        Err(violation) => Err(violation.to_string()),
    }
}
