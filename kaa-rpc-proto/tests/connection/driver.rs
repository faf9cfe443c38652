//! What one end of a simulation knows, beside its connection.

use std::collections::BTreeMap;

use kaa_rpc_proto::frame::{self, CallId, Split};
use kaa_rpc_proto::{Limits, Token};

use crate::model::{Objection, ensure};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// For its token.
    Yes,
    /// Cancelled or detached: the token must not come.
    No,
    /// The token came.
    Over,
}

/// What the driver of an end and its user know.
#[derive(Default)]
pub(crate) struct Driver {
    /// All that were ever made, in order; `None`: oneway.
    pub(crate) made: Vec<Option<Token>>,
    /// By token, which is the number of the call.
    pub(crate) calls: BTreeMap<Token, (CallId, Waiting)>,
    /// Costs of what is in flight.
    pub(crate) in_flight: BTreeMap<CallId, u32>,
    pub(crate) oneways_in_flight: (u32, u64),
    /// Calls of the other end that run; oneway ones by their cost.
    pub(crate) runs: Vec<(CallId, bool)>,
    pub(crate) oneways: Vec<u32>,
    /// Calls of the other end that arrived and were to be run.
    pub(crate) dispatched: Vec<String>,
    /// The observer's view of what was written and what arrived: whole frames are cut off.
    pub(crate) written: Vec<u8>,
    pub(crate) arrived: Vec<u8>,
    /// Calls whose last byte was written.
    pub(crate) calls_written: usize,
}

impl Driver {
    pub(crate) fn has_room(&self, cost: u32, peer: &Limits) -> bool {
        let (oneways, bytes) = self.oneways_in_flight;
        let calls = self.in_flight.len() as u64 + u64::from(oneways);
        let costs = self.in_flight.values().map(|cost| u64::from(*cost));
        let bytes = bytes + costs.sum::<u64>() + u64::from(cost);
        calls < u64::from(peer.max_calls) && bytes <= peer.max_request_bytes
    }

    pub(crate) fn comes_back(&mut self, token: Token) -> Result<(), Objection> {
        let (_, waiting) = self.calls.get_mut(&token).ok_or("a token of nobody")?;
        ensure!(
            *waiting == Waiting::Yes,
            "token {token} came, but was {waiting:?}"
        );
        *waiting = Waiting::Over;
        Ok(())
    }

    pub(crate) fn check_all_over(&self) -> Result<(), Objection> {
        for (token, (_, waiting)) in &self.calls {
            ensure!(*waiting != Waiting::Yes, "token {token} never came back");
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
