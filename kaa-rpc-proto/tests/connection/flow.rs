//! Carries out what a schedule says of items.

use kaa_rpc_proto::Token;
use kaa_rpc_proto::frame::{CallId, Frame, StreamNumber};

use crate::driver::{Output, Waiting};
use crate::model::{Objection, ensure};
use crate::pair::{ALL, Seen};
use crate::schedules::{Flaw, ItemStep};
use crate::simulation::Simulation;
use crate::streams::{Amount, largest};

/// A frame without its value.
const YIELD: usize = 5;
const ITEM: usize = 6;

impl Simulation {
    pub(crate) fn step_items(&mut self, end: usize, step: ItemStep) -> Result<(), Objection> {
        match step {
            ItemStep::Yield(which, size) => self.give_item(end, which, size),
            ItemStep::Send(which, size) => match self.output(end, which) {
                Some((token, stream)) => self.send_item(end, token, stream, size),
                None => Ok(()),
            },
            ItemStep::End(which, broken) => {
                self.end_stream(end, which, broken);
                Ok(())
            }
            ItemStep::TakeYields(which, count) => {
                let calls = self.drivers[end].in_flight.values();
                let tokens: Vec<_> = calls.map(|(token, _)| *token).collect();
                match pick(&tokens, which) {
                    Some(token) => self.take_yields(end, token, count),
                    None => Ok(()),
                }
            }
            ItemStep::TakeItems(which, count) => {
                let inputs: Vec<_> = self.drivers[end].inputs.keys().copied().collect();
                match pick(&inputs, which) {
                    Some(input) => self.take_items(end, input, count),
                    None => Ok(()),
                }
            }
            ItemStep::Stop(which) => {
                let inputs: Vec<_> = self.drivers[end].inputs.keys().copied().collect();
                if let Some(key) = pick(&inputs, which) {
                    let (id, input) = self.drivers[end].inputs.get_mut(&key).expect("picked");
                    input.over = true;
                    let connection = &mut self.pair.ends[end].connection;
                    connection.stop_stream((*id, key.0), key.1);
                }
                Ok(())
            }
        }
    }

    /// A call that runs, or has run, yields something.
    fn give_item(&mut self, end: usize, which: usize, size: usize) -> Result<(), Objection> {
        let driver = &mut self.drivers[end];
        let runs = driver.runs.iter().map(|run| (run.id, run.number));
        let calls: Vec<_> = runs.chain(driver.ran.iter().copied()).collect();
        let Some((id, number)) = pick(&calls, which) else {
            return Ok(());
        };
        let mut ended = Output {
            over: true,
            ..Output::default()
        };
        let run = driver.runs.iter_mut().find(|run| run.number == number);
        let output = match run {
            Some(run) if !run.cancelled => &mut run.yields,
            _ => &mut ended,
        };
        let connection = &mut self.pair.ends[end].connection;
        let (receiver, backlog) = (*connection.opened().peer_limits(), connection.has_backlog());
        let cost = u32::try_from(YIELD + size).unwrap();
        let expected = expected(output, cost, largest(&receiver), backlog, |out| {
            out.fits(&receiver)
        });
        let value = vec![output.count; size];
        let sent = connection.give_item(id, number, &value);
        check(sent.err(), expected)?;
        if expected.is_empty() {
            output.sends(cost);
        } else if expected == "NoCredit" && self.flaw == Some(Flaw::IgnoresRoom) {
            let frame = Frame::Yield { id, value: &value };
            self.pair.ends[end].inject(&frame);
        }
        Ok(())
    }

    /// A stream of an own call.
    fn output(&self, end: usize, which: usize) -> Option<(Token, StreamNumber)> {
        let calls = self.drivers[end].calls.iter();
        // Those that have ended, too, as long as no other has their id.
        let free = |id: &CallId| {
            let live = self.drivers[end].in_flight.get(id);
            live.map(|(token, _)| *token)
        };
        let calls = calls.filter(|(token, call)| free(&call.id).is_none_or(|live| live == **token));
        let outputs: Vec<_> = calls
            .flat_map(|(token, call)| (0..call.streams.len()).map(|at| (*token, at as u8)))
            .collect();
        pick(&outputs, which)
    }

    fn send_item(
        &mut self,
        end: usize,
        token: Token,
        stream: StreamNumber,
        size: usize,
    ) -> Result<(), Objection> {
        let driver = &mut self.drivers[end];
        let call = driver.calls.get_mut(&token).expect("picked");
        let id = call.id;
        let gone = call.waiting == Waiting::Cancelled || !driver.in_flight.contains_key(&id);
        let output = &mut call.streams[usize::from(stream)];
        output.over |= gone;
        let connection = &mut self.pair.ends[end].connection;
        let (receiver, backlog) = (*connection.opened().peer_limits(), connection.has_backlog());
        let cost = u32::try_from(ITEM + size).unwrap();
        let expected = expected(output, cost, largest(&receiver), backlog, |out| {
            out.fits(&receiver)
        });
        let value = vec![output.count; size];
        let sent = connection.send_item(id, stream, &value);
        check(sent.err(), expected)?;
        if expected.is_empty() {
            output.sends(cost);
        } else if expected == "NoCredit" && self.flaw == Some(Flaw::IgnoresRoom) {
            self.inject_item(end, id, stream);
        }
        Ok(())
    }

    pub(crate) fn inject_item(&mut self, end: usize, id: CallId, stream: StreamNumber) {
        self.pair.ends[end].inject(&Frame::Item {
            id,
            stream,
            value: b"\xc0",
        });
    }

    fn end_stream(&mut self, end: usize, which: usize, broken: bool) {
        let Some((token, stream)) = self.output(end, which) else {
            return;
        };
        let call = self.drivers[end].calls.get_mut(&token).expect("picked");
        let (id, cancelled) = (call.id, call.waiting == Waiting::Cancelled);
        call.streams[usize::from(stream)].over = true;
        let connection = &mut self.pair.ends[end].connection;
        connection.end_stream(id, stream, broken);
        if self.flaw == Some(Flaw::SendsAfterEnd) && !cancelled {
            self.inject_item(end, id, stream);
        }
    }

    pub(crate) fn take_yields(
        &mut self,
        end: usize,
        token: Token,
        count: usize,
    ) -> Result<(), Objection> {
        let call = self.drivers[end].calls.get_mut(&token).expect("picked");
        let (id, taken) = (call.id, call.yields.take(count));
        if taken.0 == 0 {
            return Ok(());
        }
        self.model
            .streams
            .took((end, u64::from(token) + 1, None), taken)?;
        if self.flaw == Some(Flaw::NeverGivesBack) {
            return Ok(());
        }
        let values = taken.1 - u64::from(taken.0) * YIELD as u64;
        let connection = &mut self.pair.ends[end].connection;
        connection.yields_taken(id, taken.0, values);
        if self.flaw == Some(Flaw::GivesBackTwice) {
            self.pair.ends[end].inject(&Frame::Credit {
                id,
                items: taken.0,
                bytes: taken.1,
            });
        }
        Ok(())
    }

    /// A function takes items, also when its call has ended.
    fn take_items(
        &mut self,
        end: usize,
        (number, stream): (u64, StreamNumber),
        count: usize,
    ) -> Result<(), Objection> {
        let input = self.drivers[end].inputs.get_mut(&(number, stream));
        let (id, input) = input.expect("picked");
        let (id, taken) = (*id, input.take(count));
        let key = (1 - end, number, Some(stream));
        self.model.streams.took(key, taken)?;
        if self.flaw == Some(Flaw::NeverGivesBack) || taken.0 == 0 {
            return Ok(());
        }
        let values = taken.1 - u64::from(taken.0) * ITEM as u64;
        let connection = &mut self.pair.ends[end].connection;
        connection.items_taken((id, number), stream, taken.0, values);
        if self.flaw == Some(Flaw::GivesBackTwice) && connection.serves(id) {
            self.pair.ends[end].inject(&Frame::Grant {
                id,
                stream,
                items: taken.0,
                bytes: taken.1,
            });
        }
        Ok(())
    }

    /// A frame came that has to do with items.
    pub(crate) fn see_items(
        &mut self,
        end: usize,
        frame: &Frame<'_>,
        event: &Seen,
    ) -> Result<(), Objection> {
        let driver = &mut self.drivers[end];
        match (frame, event) {
            (Frame::Yield { id, value }, event) => {
                let (token, _) = driver.in_flight[id];
                let call = driver.own(*id)?;
                let length = u32::try_from(YIELD + value.len()).unwrap();
                match (call.waiting, event) {
                    (Waiting::Yes, Seen::Yield(told, item)) if *told == token && item == value => {
                        call.yields.comes(item, length)?;
                    }
                    (Waiting::Cancelled, Seen::Liveness) => {}
                    // Nobody wants it, so it is taken at once.
                    (Waiting::Detached, Seen::Liveness) => {
                        let key = (end, u64::from(token) + 1, None);
                        self.model.streams.took(key, Amount::one(length))?;
                    }
                    (waiting, event) => return Err(format!("{event:?}, but {waiting:?}")),
                }
            }
            (
                Frame::Item { id, stream, value },
                Seen::Item {
                    call: (told, number),
                    stream: of,
                    value: item,
                },
            ) => {
                ensure!(
                    (id, stream, *value) == (told, of, item.as_slice()),
                    "another item was told"
                );
                let run = driver.run(*id).ok_or("an item of a call that has ended")?;
                ensure!(run.number == *number, "{number} is told, of {}", run.number);
                let (_, input) = driver.inputs.get_mut(&(*number, *stream)).expect("it came");
                input.comes(item, u32::try_from(ITEM + item.len()).unwrap())?;
            }
            (
                Frame::End { id, stream, broken },
                Seen::End {
                    call: (told, number),
                    stream: of,
                    broken: how,
                },
            ) => {
                ensure!(
                    (id, stream, broken) == (told, of, how),
                    "another end was told"
                );
                let run = driver.run(*id).ok_or("an end of a call that has ended")?;
                ensure!(run.number == *number, "{number} is told, of {}", run.number);
                let (_, input) = driver.inputs.get_mut(&(*number, *stream)).expect("it came");
                ensure!(!input.over, "a stream ended twice");
                input.over = true;
            }
            (Frame::Item { id, stream, .. } | Frame::End { id, stream, .. }, Seen::Liveness) => {
                if let Some(run) = driver.run(*id) {
                    let key = (run.number, *stream);
                    ensure!(driver.inputs[&key].1.over, "an item was swallowed");
                }
            }
            (Frame::Credit { id, items, bytes }, event) => match (driver.run(*id), event) {
                (Some(run), Seen::Credit(told)) if told == id => {
                    run.yields.out.sub(Amount(*items, *bytes))?;
                }
                (None, Seen::Liveness) => {}
                (_, event) => return Err(format!("credit of {id} became {event:?}")),
            },
            (
                Frame::Grant {
                    id,
                    stream,
                    items,
                    bytes,
                },
                event,
            ) => {
                let call = driver.own(*id)?;
                check_told(
                    call.waiting,
                    event,
                    |event| matches!(event, Seen::Grant(_, of) if of == stream),
                )?;
                let output = &mut call.streams[usize::from(*stream)];
                output.out.sub(Amount(*items, *bytes))?;
            }
            (Frame::Stop { id, stream }, event) => {
                let call = driver.own(*id)?;
                check_told(
                    call.waiting,
                    event,
                    |event| matches!(event, Seen::Stop(_, of) if of == stream),
                )?;
                call.streams[usize::from(*stream)].over = true;
            }
            (frame, event) => return Err(format!("{frame:?} became {event:?}")),
        }
        Ok(())
    }

    /// Once everything was taken and has arrived, each stream that is not over takes an item of any size.
    pub(crate) fn check_flow(&mut self) -> Result<(), Objection> {
        for _ in 0..6 {
            for end in 0..2 {
                for token in self.drivers[end].calls.keys().copied().collect::<Vec<_>>() {
                    if self.drivers[end].is_in_flight(token) {
                        self.take_yields(end, token, ALL)?;
                    }
                }
                for input in self.drivers[end].inputs.keys().copied().collect::<Vec<_>>() {
                    self.take_items(end, input, ALL)?;
                }
                self.write(end, ALL)?;
                self.write(end, ALL)?;
                self.deliver(1 - end, ALL)?;
            }
        }
        for end in 0..2 {
            for place in 0..self.drivers[end].runs.len() {
                let run = &self.drivers[end].runs[place];
                if !run.cancelled {
                    self.model
                        .streams
                        .check_flows((1 - end, run.number, None))?;
                    let receiver = *self.pair.ends[end].connection.opened().peer_limits();
                    self.give_item(end, place, largest(&receiver) as usize - YIELD)?;
                    self.empty(end)?;
                }
            }
            let calls = self.drivers[end].calls.iter();
            let calls = calls.filter(|(token, call)| {
                self.drivers[end].is_in_flight(**token) && call.waiting != Waiting::Cancelled
            });
            let outputs: Vec<_> = calls
                .flat_map(|(token, call)| {
                    let streams = call.streams.iter().enumerate();
                    let open = streams.filter(|(_, stream)| !stream.over);
                    open.map(|(at, _)| (*token, at as u8)).collect::<Vec<_>>()
                })
                .collect();
            for (token, stream) in outputs {
                let key = (end, u64::from(token) + 1, Some(stream));
                self.model.streams.check_flows(key)?;
                let receiver = *self.pair.ends[end].connection.opened().peer_limits();
                let size = largest(&receiver) as usize - ITEM;
                self.send_item(end, token, stream, size)?;
                self.empty(end)?;
            }
        }
        Ok(())
    }

    /// Nothing waits to be written.
    fn empty(&mut self, end: usize) -> Result<(), Objection> {
        self.write(end, ALL)?;
        self.deliver(1 - end, ALL)
    }
}

fn pick<T: Copy>(all: &[T], which: usize) -> Option<T> {
    all.get(which.checked_rem(all.len())?).copied()
}

/// Why an item should not be sent; empty: it should.
fn expected(
    output: &Output,
    cost: u32,
    largest: u32,
    backlog: bool,
    fits: impl Fn(Amount) -> bool,
) -> &'static str {
    let mut out = output.out;
    out.add(Amount::one(cost));
    if cost > largest {
        "TooLarge"
    } else if backlog {
        "Backlog"
    } else if output.over {
        "Over"
    } else if fits(out) {
        ""
    } else {
        "NoCredit"
    }
}

fn check(refused: Option<impl std::fmt::Debug>, expected: &str) -> Result<(), Objection> {
    let refused = refused.map_or(String::new(), |refused| format!("{refused:?}"));
    ensure!(
        refused.starts_with(expected) && refused.is_empty() == expected.is_empty(),
        "an item that should be {expected:?} was {refused:?}"
    );
    Ok(())
}

/// Only who waits for a call is told of its streams.
fn check_told(
    waiting: Waiting,
    event: &Seen,
    is_it: impl Fn(&Seen) -> bool,
) -> Result<(), Objection> {
    let told = match waiting {
        Waiting::Yes => is_it(event),
        _ => *event == Seen::Liveness,
    };
    ensure!(told, "{event:?}, but {waiting:?}");
    Ok(())
}
