//! Compares what a caller was built for with what a callee exposes, by the rules of docs/language.md.
//!
//! The rules are about values that flow: arguments from the caller to the callee, what comes back the
//! other way. For each, the question is what a receiver makes of all that the sender may send. So what a
//! change breaks depends on the direction, and comparing OLD with NEW and NEW with OLD tells whom it
//! breaks.

mod flow;

use std::collections::BTreeMap;

use crate::model::{Description, Function, Kind, Parameter};
use crate::report::{Change, Compatibility, Difference, Effect};
use flow::Flow;

/// Enough for every sound description; what a stranger sends is not compared for ever.
const MAX_STEPS: usize = 1_000_000;
const MAX_DIFFERENCES: usize = 1_000;

/// Compares all functions of `caller` with those of the same name that `callee` has behind `prefix`.
#[must_use]
pub fn compare(caller: &Description, callee: &Description, prefix: &str) -> Compatibility {
    let mut report = Report {
        steps: MAX_STEPS,
        ..Report::default()
    };
    let exposed = callee.functions.iter().map(|it| (it.wire_name(), it));
    let exposed: BTreeMap<String, &Function> = exposed.collect();
    for ours in &caller.functions {
        report.function = format!("{prefix}{}", ours.name);
        match exposed.get(&report.function) {
            None => report.breaks(
                Change::NoFunction,
                "function",
                "the other end does not expose it: calls fail with \"unknown function\"",
            ),
            Some(theirs) => {
                let mut pair = Pair {
                    report: &mut report,
                    caller,
                    callee,
                    ours,
                    theirs,
                };
                pair.compare();
            }
        }
    }
    report.finish(caller, prefix)
}

/// Gathers what is found.
#[derive(Default)]
pub(crate) struct Report {
    /// What differs, and the functions that it concerns: what is about a type is told once.
    found: BTreeMap<(Change, Effect, String, String), Vec<String>>,
    incomplete: bool,
    /// The function that is being compared.
    function: String,
    steps: usize,
}

impl Report {
    pub(crate) fn add(&mut self, change: Change, effect: Effect, place: &str, what: &str) {
        if self.found.len() >= MAX_DIFFERENCES {
            self.incomplete = true;
            return;
        }
        let key = (change, effect, place.to_owned(), what.to_owned());
        let functions = self.found.entry(key).or_default();
        if functions.last() != Some(&self.function) {
            functions.push(self.function.clone());
        }
    }

    fn finish(self, caller: &Description, prefix: &str) -> Compatibility {
        let differences = self.found.into_iter();
        let differences =
            differences.map(|((change, effect, place, what), functions)| Difference {
                change,
                effect,
                place,
                what,
                functions,
            });
        let mut found = Compatibility {
            differences: differences.collect(),
            incomplete: self.incomplete,
            ..Compatibility::same(caller, prefix)
        };
        found.sort();
        found
    }

    pub(crate) fn breaks(&mut self, change: Change, place: &str, what: &str) {
        self.add(change, Effect::Breaks, place, what);
    }

    pub(crate) fn notes(&mut self, change: Change, place: &str, what: &str) {
        self.add(change, Effect::Compatible, place, what);
    }

    /// Whether there is time for one more step.
    pub(crate) fn step(&mut self) -> bool {
        match self.steps.checked_sub(1) {
            Some(left) => self.steps = left,
            None => self.incomplete = true,
        }
        !self.incomplete
    }
}

/// A function as both ends know it.
struct Pair<'a> {
    report: &'a mut Report,
    caller: &'a Description,
    callee: &'a Description,
    ours: &'a Function,
    theirs: &'a Function,
}

impl<'a> Pair<'a> {
    fn compare(&mut self) {
        let (ours, theirs) = (self.ours, self.theirs);
        if theirs.interface.is_none() {
            self.report.notes(
                Change::Untyped,
                "function",
                "the other end exposes a closure: only the names of its parameters are known",
            );
        } else {
            self.mode();
            self.outcome();
        }
        self.required();
        for parameter in &ours.parameters {
            if parameter.kind != Kind::Required {
                self.other(parameter);
            }
        }
        for parameter in &theirs.parameters {
            if !ours.parameters.iter().any(|it| it.name == parameter.name) {
                self.added(parameter);
            }
        }
    }

    fn mode(&mut self) {
        let (ours, theirs) = (self.ours, self.theirs);
        match (ours.oneway, theirs.oneway) {
            (true, false) => self.report.breaks(
                Change::Mode,
                "function",
                "this end knows it as oneway, the other end does not: nobody takes its outcome",
            ),
            (false, true) => self.report.breaks(
                Change::Mode,
                "function",
                "the other end knows it as oneway: its outcome says nothing",
            ),
            _ => {}
        }
        if ours.idempotent && !theirs.idempotent {
            self.report.notes(
                Change::Mode,
                "function",
                "the other end does not say that it is idempotent: a call that is sent again may run twice",
            );
        } else if theirs.idempotent && !ours.idempotent {
            let what = "the other end says that it is idempotent, which this end does not use";
            self.report.notes(Change::Mode, "function", what);
        }
    }

    fn outcome(&mut self) {
        let (ours, theirs) = (self.ours, self.theirs);
        for (place, ours, theirs) in [
            ("result", &ours.result, &theirs.result),
            ("yields", &ours.yields, &theirs.yields),
        ] {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => self.received(place).types(theirs, ours),
                (Some(ours), None) => {
                    let what = format!("this end expects {ours}, the other end gives nothing");
                    self.report.breaks(Change::Outcome, place, &what);
                }
                (None, Some(theirs)) => {
                    let what =
                        format!("the other end gives {theirs}, which this end does not expect");
                    self.report.breaks(Change::Outcome, place, &what);
                }
                (None, None) => {}
            }
        }
        match (&ours.throws, &theirs.throws) {
            (Some(ours), Some(theirs)) if ours == theirs => {
                self.received("throws").declared(theirs, ours);
            }
            (Some(ours), Some(theirs)) => {
                let what = format!("the other end throws {theirs}, this end looks for {ours}");
                self.report.breaks(Change::Outcome, "throws", &what);
            }
            (None, Some(theirs)) => {
                let what = format!("the other end throws {theirs}, which this end does not expect");
                self.report.breaks(Change::Outcome, "throws", &what);
            }
            (Some(ours), None) => {
                let what = format!("the other end never throws {ours}");
                self.report.notes(Change::Outcome, "throws", &what);
            }
            (None, None) => {}
        }
    }

    /// From the callee to the caller.
    fn received(&mut self, place: &str) -> Flow<'_> {
        let (theirs, ours) = (&self.callee.types, &self.caller.types);
        Flow::new(self.report, (theirs, ours), "this end", place)
    }

    /// From the caller to the callee.
    fn sent(&mut self, place: &str) -> Flow<'_> {
        let (ours, theirs) = (&self.caller.types, &self.callee.types);
        Flow::new(self.report, (ours, theirs), "the other end", place)
    }

    // ---- Parameters ----------------------------------------------------------------------------

    /// Those that travel by position: each meets the one that stands in its place.
    fn required(&mut self) {
        let required = |it: &&'a Parameter| it.kind == Kind::Required;
        // Behind `*args` nothing is given by position.
        let by_position = |it: &&'a Parameter| matches!(it.kind, Kind::Required | Kind::Optional);
        let mut places = self.theirs.parameters.iter().take_while(by_position);
        let rest = self
            .theirs
            .parameters
            .iter()
            .find(|it| it.kind == Kind::Rest);
        for ours in self.ours.parameters.iter().filter(required) {
            let place = format!("parameter `{}`", ours.name);
            match (places.next(), rest) {
                (Some(theirs), _) if theirs.name == ours.name => {
                    if theirs.kind == Kind::Optional {
                        let what = "the other end does not require it, this end gives it";
                        self.report.notes(Change::ParameterRequired, &place, what);
                    }
                    self.parameter(&place, ours, theirs);
                }
                (Some(theirs), _) => {
                    let what = format!("the other end has `{}` in its place", theirs.name);
                    self.report.breaks(Change::ParameterMoved, &place, &what);
                }
                (None, Some(rest)) => {
                    let what = format!("the other end takes it for one of `*{}`", rest.name);
                    self.report.breaks(Change::ParameterMoved, &place, &what);
                }
                (None, None) => {
                    let what = "the other end does not know it: it refuses all calls";
                    self.report.breaks(Change::ParameterUnknown, &place, what);
                }
            }
        }
    }

    /// Optional ones, which travel by name, and those that gather others.
    fn other(&mut self, ours: &Parameter) {
        let place = match ours.kind {
            Kind::Rest => format!("parameter `*{}`", ours.name),
            Kind::Kwargs => format!("parameter `**{}`", ours.name),
            _ => format!("parameter `{}`", ours.name),
        };
        let gathers = ours.kind != Kind::Optional;
        let known = self.theirs.parameters.iter().find(|it| match gathers {
            // Their names do not travel.
            true => it.kind == ours.kind,
            false => it.name == ours.name && matches!(it.kind, Kind::Required | Kind::Optional),
        });
        let kwargs = self
            .theirs
            .parameters
            .iter()
            .find(|it| it.kind == Kind::Kwargs);
        match (known, kwargs) {
            (Some(theirs), _) => {
                if !gathers && theirs.kind == Kind::Required {
                    let what = "the other end requires it: it refuses calls that do not set it";
                    self.report.breaks(Change::ParameterRequired, &place, what);
                }
                self.parameter(&place, ours, theirs);
            }
            (None, Some(kwargs)) if !gathers => {
                let what = format!("the other end takes it for one of `**{}`", kwargs.name);
                self.report.notes(Change::ParameterUnknown, &place, &what);
            }
            (None, _) => {
                let what = "the other end does not know it: it refuses calls that set it";
                self.report
                    .add(Change::ParameterUnknown, Effect::UnlessUsed, &place, what);
            }
        }
    }

    fn parameter(&mut self, place: &str, ours: &Parameter, theirs: &Parameter) {
        if self.theirs.interface.is_none() {
            return;
        }
        self.sent(place).types(&ours.ty, &theirs.ty);
        if ours.default != theirs.default
            && let (Kind::Optional, Some(theirs)) = (ours.kind, &theirs.default)
        {
            let known = ours.default.as_deref().unwrap_or("null");
            let what = format!("left out, it is {theirs} and not {known}");
            self.report.notes(Change::Default, place, &what);
        }
    }

    /// One that the caller does not know.
    fn added(&mut self, theirs: &Parameter) {
        let place = format!("parameter `{}`", theirs.name);
        match theirs.kind {
            Kind::Required => {
                let what =
                    "the other end requires it, this end does not know it: it refuses all calls";
                self.report.breaks(Change::ParameterAdded, &place, what);
            }
            Kind::Optional | Kind::Rest | Kind::Kwargs => {
                let gathers = |it: &Parameter| it.kind == theirs.kind;
                if theirs.kind == Kind::Optional || !self.ours.parameters.iter().any(gathers) {
                    let what = "this end does not know it and never sets it";
                    self.report.notes(Change::ParameterAdded, &place, what);
                }
            }
        }
    }
}
