//! Compares what callers were told with what functions did.

use std::collections::BTreeSet;

use kaa_rpc_runtime::{Error, TakeError};
use tokio::time::Instant;

use crate::log::{Entry, Inner, Log, Run, Token, Told};
use crate::observer::{Objection, ensure};
use crate::schedule::{Function, HandlerEnd, Schedule};
use crate::wire::State;

/// What happened to the connection, and when.
pub(crate) struct Facts {
    /// An end began to close it.
    pub(crate) closed: Instant,
    pub(crate) cut: Option<Instant>,
}

struct Judge<'a> {
    schedule: &'a Schedule,
    log: &'a Inner,
    state: &'a State,
    facts: &'a Facts,
}

/// The calls that have not ended, for a schedule that hangs.
pub(crate) fn waiting(log: &Log) -> String {
    let log = log.lock();
    let open = log.entries.iter().enumerate().filter(|(_, entry)| {
        let waits = entry.told.is_empty() && !entry.gave_up && !entry.detached;
        waits || (entry.runs > 0 && entry.run.is_none())
    });
    let lines = open.map(|(token, entry)| {
        let runs = entry.runs > 0 && entry.run.is_none();
        format!("call {token} (runs: {runs}, told: {:?}) ", entry.told)
    });
    lines.collect()
}

pub(crate) fn judge(
    schedule: &Schedule,
    log: &Log,
    state: &State,
    facts: &Facts,
) -> Result<(), Objection> {
    let log = &*log.lock();
    if let Some(objection) = log.objections.first() {
        return Err(objection.clone());
    }
    let judge = Judge {
        schedule,
        log,
        state,
        facts,
    };
    for (token, entry) in log.entries.iter().enumerate() {
        let context = |text| format!("call {token}: {text} (told: {:?})", entry.told);
        judge.call(token, entry).map_err(context)?;
        judge.function(token, entry).map_err(context)?;
        judge.streams(entry).map_err(context)?;
    }
    for end in 0..2 {
        judge.order(end)?;
    }
    Ok(())
}

impl Judge<'_> {
    /// What the caller was told.
    fn call(&self, token: Token, entry: &Entry) -> Result<(), Objection> {
        let made = self.state.observer.made(entry.caller).contains(&token);
        let refused = self.state.observer.refused(entry.caller).contains(&token);
        ensure!(entry.told.len() <= 1, "ended more than once");
        ensure!(entry.runs <= 1, "ran {} times", entry.runs);
        ensure!(!refused || entry.runs == 0, "was refused, and ran");
        let Some(told) = entry.told.first() else {
            ensure!(entry.gave_up || entry.detached, "did not end");
            return Ok(());
        };
        match told {
            Told::Value(value) => {
                ensure!(*value == token, "was told the value of {value}");
                ensure!(entry.run == Some(Run::Returned), "did not return");
                ensure!(
                    !entry.all_taken || entry.taken == entry.given,
                    "an item is missing"
                );
            }
            Told::Sent => {}
            Told::Failed(error) => {
                ensure!(
                    !error.never_ran() || entry.runs == 0,
                    "never ran, and did: {error}"
                );
                self.error(token, entry, error, made && !refused)?;
            }
        }
        Ok(())
    }

    /// Whether there was a reason for this failure.
    fn error(
        &self,
        token: Token,
        entry: &Entry,
        error: &Error,
        sent: bool,
    ) -> Result<(), Objection> {
        let lost = self.facts.cut.is_some_and(|cut| cut <= entry.told_at);
        let callee = self.schedule.limits[1 - entry.caller];
        match error {
            Error::Fault(fault) => {
                let run = if fault.is_panic() {
                    Run::Panicked
                } else {
                    Run::Failed
                };
                ensure!(entry.run == Some(run), "did not fail so");
            }
            Error::NotConnected(_) => {
                ensure!(!sent, "was sent, and told not to be");
                ensure!(lost || self.facts.closed <= entry.told_at, "was connected");
            }
            Error::ConnectionLost(_) => ensure!(lost, "the connection was not lost"),
            Error::TimedOut { sent: told, .. } => {
                ensure!(*told || !sent, "was sent, and told not to be");
                let due = self.due(token);
                ensure!(due.is_some_and(|due| due <= entry.told_at), "had time left");
            }
            Error::WindowFull { .. } | Error::RequestBytesFull { .. } => {
                ensure!(entry.outer.is_some(), "had time to wait");
                ensure!(!sent, "was sent, and told not to be");
            }
            Error::TooDeep { .. } => {
                ensure!(self.depth(token) > callee.max_depth, "was not too deep");
            }
            Error::TooLarge { sent: told, .. } => {
                ensure!(!told && !sent, "was sent, and told not to be");
                let streams = entry.plan.sources.len() as u64 * u64::from(callee.max_stream_bytes);
                let needs = streams + entry.plan.size as u64 + 100;
                ensure!(needs > callee.max_request_bytes, "was not too large");
            }
            other => return Err(format!("{other:?}")),
        }
        Ok(())
    }

    /// What the function did.
    fn function(&self, token: Token, entry: &Entry) -> Result<(), Objection> {
        let callee = self.schedule.limits[1 - entry.caller];
        let too_deep = self.depth(token) > callee.max_depth;
        ensure!(!too_deep || entry.runs == 0, "ran too deep");
        ensure!(
            entry.taken <= entry.given,
            "more items came than were given"
        );
        let Some(run) = entry.run else {
            ensure!(entry.runs == 0, "runs for ever");
            // Nothing kept it from running, and nobody can tell its caller.
            let late = self.due(token).is_some() || self.facts.cut.is_some() || too_deep;
            let refused = self.state.observer.refused(entry.caller).contains(&token);
            let expected = matches!(entry.told[..], [Told::Sent]) && !late && !refused;
            ensure!(!expected, "was sent, and did not run");
            return Ok(());
        };
        let planned = match entry.plan.end {
            HandlerEnd::Returns => Run::Returned,
            HandlerEnd::Fails => Run::Failed,
            HandlerEnd::Panics => Run::Panicked,
            HandlerEnd::Never => Run::Dropped,
        };
        ensure!(
            run == planned || run == Run::Dropped,
            "ended as was not planned: {run:?}"
        );
        if run == Run::Dropped {
            let stopped = entry.gave_up
                || self.facts.cut.is_some()
                || self.due(token).is_some()
                || matches!(entry.told[..], [Told::Failed(_)]);
            ensure!(stopped, "was dropped for no reason");
            let uncancelled = entry.plan.function == Function::Uncancelled;
            ensure!(!uncancelled, "was dropped, and was to run to its end");
        }
        Ok(())
    }

    /// What the function got of the streams that came with the call.
    fn streams(&self, entry: &Entry) -> Result<(), Objection> {
        let succeeded = matches!(entry.told[..], [Told::Value(_)]);
        for input in &entry.inputs {
            ensure!(input.taken <= input.made, "more items came than were made");
            let all = input.taken == input.made;
            match &input.end {
                None => {}
                Some(Ok(())) => {
                    ensure!(
                        input.complete,
                        "a stream is not complete, and was called so"
                    );
                    ensure!(all, "an item of a stream is missing");
                }
                Some(Err(TakeError::Broken)) if succeeded => {
                    ensure!(input.broken, "a stream was broken off for no reason");
                    ensure!(all, "an item of a stream that broke is missing");
                }
                Some(Err(TakeError::Broken | TakeError::Over)) => {
                    ensure!(!succeeded, "a stream was over before its call");
                }
                Some(Err(other)) => return Err(other.to_string()),
            }
        }
        Ok(())
    }

    /// Calls start in the order in which they came, and come in the order in which they were made.
    fn order(&self, end: usize) -> Result<(), Objection> {
        let came = self.state.observer.came(1 - end);
        // Those of a serial function wait for each other, and all others start at once.
        for serial in [None, Some(0), Some(1), Some(2)] {
            let is = |token: &&Token| {
                let plan = &self.log.entries[**token].plan;
                (plan.function == Function::Serial).then_some(plan.sources.len()) == serial
            };
            let began: Vec<_> = self.log.begun[end].iter().filter(is).collect();
            let ran: BTreeSet<_> = began.iter().copied().collect();
            let expected: Vec<_> = came.iter().filter(|token| ran.contains(token)).collect();
            ensure!(
                began == expected,
                "end {end} began {began:?}, and {expected:?} came"
            );
        }
        let sent = self.state.observer.made(end);
        let outermost = |token: &&Token| self.log.entries[**token].outer.is_none();
        let sent: Vec<_> = sent.iter().filter(outermost).collect();
        let expected = self.log.made[end].iter();
        let expected: Vec<_> = expected.filter(|token| sent.contains(token)).collect();
        ensure!(
            sent == expected,
            "end {end} sent {sent:?}, and made {expected:?}"
        );
        Ok(())
    }

    /// When the time of a call is over, its own or that of a call around it.
    fn due(&self, token: Token) -> Option<Instant> {
        let entry = &self.log.entries[token];
        let own = entry
            .plan
            .timeout
            .map(|ticks| entry.made + self.log.tick * u32::from(ticks));
        let outer = entry.outer.and_then(|outer| self.due(outer));
        [own, outer].into_iter().flatten().min()
    }

    fn depth(&self, token: Token) -> u32 {
        let outer = self.log.entries[token].outer;
        outer.map_or(0, |outer| 1 + self.depth(outer))
    }
}
