//! Carries out a schedule on two connections, and compares what they say with what the model and the
//! drivers know.

use kaa_rpc_proto::frame::{CallHead, CallId, Frame};
use kaa_rpc_proto::{CannotCall, Progress, Token};

use crate::driver::{Driver, Input, Output, Own, Run, Waiting, cut, is_call};
use crate::model::{Model, Objection, ensure};
use crate::pair::{ALL, Pair, Seen};
use crate::schedules::{Flaw, Schedule, Step};

pub(crate) struct Simulation {
    pub(crate) pair: Pair,
    pub(crate) model: Model,
    pub(crate) drivers: [Driver; 2],
    pub(crate) flaw: Option<Flaw>,
}

pub(crate) fn run(schedule: &Schedule, flaw: Option<Flaw>) -> Result<(), Objection> {
    let [client, server] = schedule.limits;
    let mut simulation = Simulation {
        pair: Pair::new(client, server),
        model: Model::new(schedule.limits),
        drivers: Default::default(),
        flaw,
    };
    for (end, step) in &schedule.steps {
        simulation.step(*end, step)?;
    }
    if schedule.breaks {
        simulation.break_off()
    } else {
        simulation.part()
    }
}

impl Simulation {
    fn step(&mut self, end: usize, step: &Step) -> Result<(), Objection> {
        match *step {
            Step::Call { size, streams } => self.call(end, size, streams, false)?,
            Step::Oneway { size } => self.call(end, size, 0, true)?,
            Step::Cancel(which) => {
                if let Some(id) = self.forget(end, which, Waiting::Cancelled)? {
                    self.pair.ends[end].connection.cancel(id);
                    if self.flaw == Some(Flaw::FreesAtCancel) {
                        self.inject_call(end, id);
                    }
                    if self.flaw == Some(Flaw::SpeaksAfterCancel) {
                        self.inject_item(end, id, 0);
                    }
                }
            }
            Step::Detach(which) => {
                if let Some(id) = self.forget(end, which, Waiting::Detached)? {
                    self.pair.ends[end].connection.detach(id);
                }
            }
            Step::Result(which, size) => self.answer(end, which, size, false)?,
            Step::Error(which, size) => self.answer(end, which, size, true)?,
            Step::OnewayDone(which) => {
                let oneways = &mut self.drivers[end].oneways;
                if !oneways.is_empty() && self.flaw != Some(Flaw::KeepsOneways) {
                    let cost = oneways.swap_remove(which % oneways.len());
                    self.pair.ends[end].connection.oneway_done(cost);
                }
            }
            Step::Ping => {
                let connection = &mut self.pair.ends[end].connection;
                if !connection.awaits_pong() {
                    connection.ping();
                }
            }
            Step::Goodbye => self.goodbye(end),
            Step::Items(step) => self.step_items(end, step)?,
            Step::Write(count) => self.write(end, count)?,
            Step::Deliver(count) => self.deliver(end, count)?,
        }
        Ok(())
    }

    fn call(
        &mut self,
        end: usize,
        size: usize,
        streams: u8,
        oneway: bool,
    ) -> Result<(), Objection> {
        let driver = &mut self.drivers[end];
        let connection = &mut self.pair.ends[end].connection;
        let number = Token::try_from(driver.made.len()).unwrap();
        let name = number.to_string();
        let head = CallHead {
            streams,
            ..CallHead::new(&name)
        };
        let arguments = vec![0; size];
        let length = size + name.len() + if oneway { 5 } else { 9 } + usize::from(streams > 0);
        let peer = *connection.opened().peer_limits();
        let cost = length as u64 + u64::from(streams) * u64::from(peer.max_stream_bytes);
        let has_room = driver.has_room(cost, &peer);
        let sent = if oneway {
            connection.oneway(&head, &arguments).map(|()| None)
        } else {
            connection.call(number, &head, &arguments).map(Some)
        };
        let expected = if connection.is_closing() {
            "Closing"
        } else if length > 64 << 10 {
            "TooLarge"
        } else if cost > peer.max_request_bytes {
            "TooManyStreams"
        } else if has_room {
            ""
        } else {
            "WindowFull"
        };
        let refused = sent.err().map(|error| format!("{error:?}"));
        ensure!(
            refused.clone().unwrap_or_default().starts_with(expected)
                && refused.is_some() != expected.is_empty(),
            "a call that should be {expected:?} was {refused:?}"
        );
        match sent {
            Ok(None) => {
                driver.made.push(None);
                driver.oneways_in_flight.0 += 1;
                driver.oneways_in_flight.1 += cost;
            }
            Ok(Some(id)) => {
                driver.made.push(Some(number));
                driver.in_flight.insert(id, (number, cost));
                let streams = (0..streams).map(|_| Output::default()).collect();
                let own = Own {
                    id,
                    waiting: Waiting::Yes,
                    streams,
                    yields: Input::default(),
                };
                driver.calls.insert(number, own);
            }
            Err(CannotCall::WindowFull) if self.flaw == Some(Flaw::IgnoresWindow) => {
                self.inject_call(end, number);
            }
            Err(CannotCall::Closing) if self.flaw == Some(Flaw::CallsAfterGoodbye) => {
                self.inject_call(end, 0);
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// What a flawed driver sends behind the connection's back.
    fn inject_call(&mut self, end: usize, id: CallId) {
        self.pair.ends[end].inject(&Frame::Call {
            id,
            head: CallHead::new("flaw"),
            arguments: b"\x90\x80",
        });
    }

    fn forget(
        &mut self,
        end: usize,
        which: usize,
        how: Waiting,
    ) -> Result<Option<CallId>, Objection> {
        let calls = self.drivers[end].calls.iter();
        let waiting: Vec<_> = calls
            .filter(|(_, call)| call.waiting == Waiting::Yes)
            .map(|(token, call)| (*token, call.id))
            .collect();
        if waiting.is_empty() {
            return Ok(None);
        }
        let (token, id) = waiting[which % waiting.len()];
        if how == Waiting::Detached {
            // Nobody will take what is there.
            self.take_yields(end, token, ALL)?;
        }
        let call = self.drivers[end].calls.get_mut(&token);
        call.expect("it waits").waiting = how;
        Ok(Some(id))
    }

    fn answer(
        &mut self,
        end: usize,
        which: usize,
        size: usize,
        error: bool,
    ) -> Result<(), Objection> {
        let runs = &mut self.drivers[end].runs;
        if runs.is_empty() {
            return Ok(());
        }
        let Run {
            id,
            number,
            cancelled,
            ..
        } = runs.swap_remove(which % runs.len());
        self.drivers[end].ran.push((id, number));
        if cancelled && self.flaw == Some(Flaw::DropsCancelled) {
            return Ok(());
        }
        let connection = &mut self.pair.ends[end].connection;
        ensure!(connection.serves(id), "{id} runs, but is not live");
        let value = vec![0; size];
        let answered = if error {
            connection.error(id, &value)
        } else {
            connection.result(id, &value)
        };
        ensure!(
            answered.is_err() == (size + 5 > 64 << 10),
            "an answer of {size} bytes"
        );
        if answered.is_err() {
            connection
                .error(id, b"\x80")
                .map_err(|_| "a small error does not fit".to_owned())?;
        }
        ensure!(!connection.serves(id), "{id} was answered, but is live");
        if self.flaw == Some(Flaw::AnswersTwice) {
            self.pair.ends[end].inject(&Frame::Result { id, value: b"\xc0" });
        }
        if self.flaw == Some(Flaw::YieldsAfterFinal) {
            self.pair.ends[end].inject(&Frame::Yield { id, value: b"\xc0" });
        }
        Ok(())
    }

    fn goodbye(&mut self, end: usize) {
        self.model.says_goodbye(end);
        self.pair.ends[end].connection.goodbye();
    }

    pub(crate) fn write(&mut self, end: usize, count: usize) -> Result<(), Objection> {
        let bytes = self.pair.ends[end].write(count);
        let driver = &mut self.drivers[end];
        driver.written.extend(bytes);
        while let Some(body) = cut(&mut driver.written)? {
            let frame = Frame::decode(&body).map_err(|error| error.to_string())?;
            driver.calls_written += usize::from(is_call(&body));
            self.model.sent(end, &frame, body.len() as u32)?;
        }
        Ok(())
    }

    pub(crate) fn deliver(&mut self, to: usize, count: usize) -> Result<(), Objection> {
        let (bytes, seen) = self.pair.deliver(to, count);
        let seen = seen.map_err(|violation| format!("violation: {violation}"))?;
        self.drivers[to].arrived.extend(bytes);
        let mut frames = 0;
        while let Some(body) = cut(&mut self.drivers[to].arrived)? {
            let frame = Frame::decode(&body).map_err(|error| error.to_string())?;
            let accepts = self.model.accepts(to);
            self.model.arrived(to, &frame, body.len() as u32)?;
            let event = seen.get(frames).ok_or("a frame was swallowed")?;
            self.see(to, accepts, &frame, event)?;
            frames += 1;
        }
        ensure!(seen.len() == frames, "an event without a frame");
        // Like a real driver: the answer to goodbye is goodbye. Not within the batch, as all of it
        // went through the connection already.
        if seen.iter().any(|seen| matches!(seen, Seen::Goodbye(_))) {
            self.goodbye(to);
        }
        Ok(())
    }

    fn see(
        &mut self,
        end: usize,
        accepts: bool,
        frame: &Frame<'_>,
        event: &Seen,
    ) -> Result<(), Objection> {
        if matches!(
            event,
            Seen::Yield(..) | Seen::Item { .. } | Seen::End { .. }
        ) || matches!(
            frame,
            Frame::Credit { .. } | Frame::Grant { .. } | Frame::Stop { .. }
        ) || matches!(
            frame,
            Frame::Yield { .. } | Frame::Item { .. } | Frame::End { .. }
        ) {
            return self.see_items(end, frame, event);
        }
        let driver = &mut self.drivers[end];
        match (frame, event) {
            (Frame::Call { id, head, .. }, Seen::Call { id: told, name, .. }) if accepts => {
                ensure!(
                    Some(*id) == *told && head.name == name,
                    "another call was told"
                );
                driver.dispatched.push(name.clone());
                let number = driver.dispatched.len() as u64;
                for stream in 0..head.streams {
                    let input = (*id, Input::default());
                    driver.inputs.insert((number, stream), input);
                }
                driver.runs.push(Run {
                    id: *id,
                    number,
                    cancelled: false,
                    yields: Output::default(),
                });
            }
            (
                Frame::Oneway { head, .. },
                Seen::Call {
                    id: None,
                    cost,
                    name,
                    ..
                },
            ) if accepts => {
                ensure!(head.name == name, "another call was told");
                driver.oneways.push(*cost);
                driver.dispatched.push(name.clone());
            }
            (Frame::Call { .. } | Frame::Oneway { .. }, Seen::Refused) if !accepts => {}
            (Frame::Result { id, value: body }, Seen::Result(token, told))
            | (Frame::Error { id, failure: body }, Seen::Error(token, told)) => {
                ensure!(body == told, "another answer was told");
                driver.in_flight.remove(id);
                if let Some(token) = token {
                    let of = driver.calls[token].id;
                    ensure!(of == *id, "token {token} is of {of}, not of {id}");
                    driver.comes_back(*token)?;
                }
            }
            (Frame::Cancel { id }, Seen::Cancel(told)) => {
                let run = driver.run(*id);
                let run = run.ok_or("a call that does not run is cancelled")?;
                ensure!(id == told, "another call is cancelled");
                run.cancelled = true;
            }
            (Frame::Cancel { id }, Seen::Liveness) => {
                ensure!(driver.run(*id).is_none(), "a cancel was swallowed");
            }
            (Frame::Goodbye { calls }, Seen::Goodbye(tokens)) => {
                for token in tokens {
                    driver.comes_back(*token)?;
                }
                driver
                    .in_flight
                    .retain(|_, (token, _)| u64::from(*token) < *calls);
                let (driver, other) = self.two(end);
                for token in tokens {
                    let ran = other.dispatched.contains(&token.to_string());
                    ensure!(!ran, "call {token} ran, and was said not to have");
                }
                // The same for those that remain: whoever still waits, runs or ran there.
                for (token, call) in &driver.calls {
                    let ran = other.dispatched.contains(&token.to_string());
                    ensure!(
                        call.waiting != Waiting::Yes || ran,
                        "call {token} will never end"
                    );
                }
            }
            (Frame::Done { calls, bytes }, Seen::Freed) => {
                driver.oneways_in_flight.0 -= calls;
                driver.oneways_in_flight.1 -= bytes;
            }
            (Frame::Ping { .. } | Frame::Pong { .. }, Seen::Liveness) => {}
            (frame, event) => return Err(format!("{frame:?} became {event:?}")),
        }
        Ok(())
    }

    fn two(&self, end: usize) -> (&Driver, &Driver) {
        (&self.drivers[end], &self.drivers[1 - end])
    }

    /// All work is done, both ends say goodbye, and everything arrives.
    fn part(&mut self) -> Result<(), Objection> {
        self.check_flow()?;
        for _ in 0..10 {
            for end in 0..2 {
                while !self.drivers[end].runs.is_empty() {
                    self.answer(end, 0, 1, false)?;
                }
                for _ in 0..self.drivers[end].oneways.len() {
                    self.step(end, &Step::OnewayDone(0))?;
                }
                // Twice: the first takes what was left of an earlier one.
                self.write(end, ALL)?;
                self.write(end, ALL)?;
                self.deliver(1 - end, ALL)?;
            }
        }
        self.goodbye(0);
        for _ in 0..10 {
            for end in 0..2 {
                self.write(end, ALL)?;
                self.write(end, ALL)?;
                self.deliver(1 - end, ALL)?;
            }
        }
        ensure!(self.pair.is_quiet(), "there is no end to what is sent");
        for end in 0..2 {
            ensure!(
                self.pair.ends[end].connection.is_finished(),
                "end {end} does not finish"
            );
            ensure!(
                self.pair.ends[end].connection.abandon().is_empty(),
                "end {end} still has calls"
            );
            self.drivers[end].check_all_over()?;
            self.check_order(end)?;
        }
        self.model.check_end()
    }

    /// The connection is gone. Every call that somebody waits for comes back, with how far it got.
    fn break_off(&mut self) -> Result<(), Objection> {
        for end in 0..2 {
            let begun = self.calls_begun(end)?;
            for (token, progress) in self.pair.ends[end].connection.abandon() {
                let driver = &mut self.drivers[end];
                driver.comes_back(token)?;
                let number = token as usize;
                let expected = if number < begun {
                    Progress::MayHaveRun
                } else {
                    Progress::NeverSent
                };
                ensure!(
                    progress == expected,
                    "call {token}: {progress:?}, not {expected:?}"
                );
                let ran = self.drivers[1 - end]
                    .dispatched
                    .contains(&token.to_string());
                ensure!(
                    !ran || progress == Progress::MayHaveRun,
                    "call {token} ran unsent"
                );
            }
            self.drivers[end].check_all_over()?;
            self.check_order(end)?;
        }
        Ok(())
    }

    /// How many calls of an end have at least one byte written.
    fn calls_begun(&self, end: usize) -> Result<usize, Objection> {
        let driver = &self.drivers[end];
        if driver.written.is_empty() {
            return Ok(driver.calls_written);
        }
        // A part of a frame was written: which kind it is, may stand in what was not.
        let mut frame = driver.written.clone();
        frame.extend(self.pair.ends[end].unwritten());
        let body = cut(&mut frame)?.ok_or("half a frame was queued")?;
        Ok(driver.calls_written + usize::from(is_call(&body)))
    }

    /// What `end` dispatched is a beginning of what the other end called, in its order.
    fn check_order(&self, end: usize) -> Result<(), Objection> {
        let (this, other) = self.two(end);
        ensure!(
            this.dispatched.len() <= other.made.len(),
            "more calls than were made"
        );
        for (number, name) in this.dispatched.iter().enumerate() {
            ensure!(
                *name == number.to_string(),
                "call {name} came as number {number}"
            );
        }
        Ok(())
    }
}
