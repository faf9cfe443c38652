//! Calls that are kept: until there is room or a connection, and to be sent again after a loss.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use kaa_rpc_proto::Token;
use kaa_rpc_proto::msgpack::{Encoded, Shape};

use super::callers::{Callers, Slot, token};
use super::request::{Ended, Request, Started, Time};
use super::state::After;
use super::waiting::{Place, Rank};
use crate::buffers;
use crate::close::CloseReason;
use crate::error::Error;

/// What is needed to send a call.
pub(super) struct Parked {
    pub(super) name: Cow<'static, str>,
    pub(super) arguments: Encoded,
    pub(super) shape: Shape,
    pub(super) metadata: Vec<u8>,
    pub(super) time: Time,
    pub(super) depth: u16,
    pub(super) oneway: bool,
    pub(super) place: Place,
    /// So often it may go over one more connection. If not 0, it is kept also while it is on its way.
    pub(super) resends: u32,
    /// It waits for the next connection, too.
    waits: bool,
    idempotent: bool,
    /// Why the connection was lost over which it was sent before, and may have run.
    lost: Option<Arc<CloseReason>>,
    /// Calls that are sent again keep their order.
    order: u64,
}

impl Parked {
    /// Whether it may have run already.
    pub(super) fn was_sent(&self) -> bool {
        self.lost.is_some()
    }

    /// What it ends with if it may have run already, whatever else happens now.
    pub(super) fn lost(&mut self) -> Option<Error> {
        self.lost.take().map(Error::ConnectionLost)
    }

    /// What it ends with if it is not sent any more.
    fn failure(&mut self, reason: &Arc<CloseReason>) -> Error {
        self.lost()
            .unwrap_or_else(|| Error::NotConnected(Arc::clone(reason)))
    }

    /// It was on its way when the connection was lost. If it may go over the next one, it is prepared
    /// for that; if not, gives what it ends with. `sent`: it may have run.
    fn again(&mut self, sent: bool, reason: &Arc<CloseReason>) -> Result<(), Error> {
        if sent {
            self.lost = Some(Arc::clone(reason));
        }
        if self.resends == 0 || (sent && !self.idempotent) {
            return Err(self.failure(reason));
        }
        self.resends -= 1;
        self.waits = true;
        Ok(())
    }
}

impl Callers {
    pub(super) fn pack(&mut self, request: &mut Request<'_>, time: Time) -> Box<Parked> {
        self.kept += 1;
        Box::new(Parked {
            name: request.name.keep(),
            arguments: std::mem::take(&mut request.arguments),
            shape: request.shape,
            metadata: std::mem::take(&mut request.metadata),
            time,
            depth: request.depth,
            oneway: request.oneway,
            place: Place::NONE,
            resends: request.resends,
            waits: request.waits.unwrap_or(true),
            idempotent: request.idempotent,
            lost: None,
            order: self.kept,
        })
    }

    /// A call is on its way; what it was made of is kept only if it may have to be sent again.
    pub(super) fn keep_or_give(&mut self, started: Started, request: &mut Request<'_>, time: Time) {
        match started {
            Started::Waiting(slot) if request.resends > 0 => {
                let parked = self.pack(request, time);
                if let Some(Slot::Sent { kept, .. }) = self.slots.get_mut(slot) {
                    *kept = Some(parked);
                }
            }
            // What it shares with others is dropped with the request, without the lock.
            _ => buffers::give(request.arguments.take_buffer()),
        }
    }

    /// A call takes its place in the line. `greets`: it is the hook's.
    pub(super) fn line_up(&mut self, mut parked: Box<Parked>, greets: bool) -> usize {
        let greets = greets && self.waiting.is_greeting();
        let rank = if greets { Rank::Greets } else { Rank::Comes };
        let entry = self.slots.vacant_entry();
        let slot = entry.key();
        let bytes = parked.arguments.len() + parked.metadata.len();
        parked.place = self.waiting.add(slot, bytes, rank);
        self.told.forget(slot);
        entry.insert(Slot::Parked {
            parked,
            waker: None,
        });
        slot
    }

    /// No more calls can be sent, or for now only those that do not wait for a connection
    /// (`not_waiting`): these fail.
    pub(super) fn refuse_parked(
        &mut self,
        reason: &Arc<CloseReason>,
        not_waiting: bool,
        after: &mut After,
    ) {
        let mut over = Vec::new();
        for index in self.waiting.slots() {
            let Some(place @ Slot::Parked { .. }) = self.slots.get_mut(index) else {
                continue;
            };
            if let Slot::Parked { parked, waker } = place
                && !(not_waiting && parked.waits)
            {
                after.wake(waker.take());
                self.waiting.remove(parked.place);
                let detached = parked.place.is_detached();
                let ended = Slot::Done(Ended::Error(parked.failure(reason)));
                after.drop_slot(std::mem::replace(place, ended));
                over.push((index, detached));
            }
        }
        for (index, detached) in over {
            self.settle_streams(index, after);
            if detached {
                // Nobody fetches its outcome.
                self.streaming.forget(index, after);
                self.slots.try_remove(index);
            }
        }
    }

    /// The other end said goodbye and did not run these. If there is to be a next connection, those
    /// that may be sent again go over that.
    pub(super) fn not_run(
        &mut self,
        tokens: Vec<Token>,
        reason: &Arc<CloseReason>,
        next: bool,
        after: &mut After,
    ) {
        let not_run = tokens.into_iter().map(|token| token as usize);
        self.take_back(
            not_run.map(|slot| (slot, false)).collect(),
            reason,
            next,
            after,
        );
    }

    /// The connection is gone. Nothing was sent of `unsent`. If there is to be a next connection, what
    /// waits for it stays; all other calls end.
    pub(super) fn lose(
        &mut self,
        unsent: &HashSet<Token>,
        reason: &Arc<CloseReason>,
        next: bool,
        after: &mut After,
    ) {
        self.waiting.greet(false);
        self.refuse_parked(reason, next, after);
        let sent: Vec<(usize, bool)> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Sent { .. }))
            .map(|(slot, _)| (slot, !unsent.contains(&token(slot))))
            .collect();
        self.take_back(sent, reason, next, after);
    }

    /// These calls will have no answer. The ones that may be sent again are parked, before all others;
    /// the others end. With each goes whether it may have run.
    fn take_back(
        &mut self,
        calls: Vec<(usize, bool)>,
        reason: &Arc<CloseReason>,
        next: bool,
        after: &mut After,
    ) {
        for (index, sent) in calls {
            let Some(place) = self.slots.get_mut(index) else {
                continue;
            };
            let Slot::Sent { waker, kept, .. } = place else {
                continue;
            };
            let waker = waker.take();
            let mut kept = kept.take();
            if self.streaming.has_yielded(index) {
                after.drop_parked(kept.take());
            }
            let error = match kept {
                Some(mut parked) => match parked.again(sent, reason) {
                    Ok(()) if next => {
                        let bytes = parked.arguments.len() + parked.metadata.len();
                        self.told.forget(index);
                        parked.place = self.waiting.add_again(index, bytes, parked.order);
                        *place = Slot::Parked { parked, waker };
                        continue;
                    }
                    again => {
                        let error = again.err().unwrap_or_else(|| parked.failure(reason));
                        after.drop_parked(Some(parked));
                        error
                    }
                },
                None if sent => Error::ConnectionLost(Arc::clone(reason)),
                None => Error::NotConnected(Arc::clone(reason)),
            };
            after.wake(waker);
            *place = Slot::Done(Ended::Error(error));
            self.settle_streams(index, after);
        }
    }
}
