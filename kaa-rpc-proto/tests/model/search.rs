//! The search: every order of every delivery, up to what cannot matter.
//!
//! Ends are deterministic and the attacker forgets nothing, so a state of the whole is what each end
//! has received so far. What a message does at an end with a certain past is worked out once, in a
//! [`Node`]; a state is one node for each end. Left out are
//!
//! - deliveries that an end refuses: it says nothing then, so the attacker could as well have kept
//!   silent (each is run all the same, and counted);
//! - of states that differ only by the names of two ends of the same kind, all but those in which
//!   the first of the two received something first.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::attacker::{Offer, Scenario};
use crate::property::{Break, Seen, judge};
use crate::scheme::{Due, End, Run, Scheme, Status};

/// What a search found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) states: usize,
    pub(crate) deliveries: usize,
    /// Pasts of a single end that were run, and messages that were refused there.
    pub(crate) pasts: usize,
    pub(crate) refused: usize,
    /// Ends that opened with an honest one, or with an attacker who has the secret.
    pub(crate) honest: usize,
    pub(crate) admitted: usize,
    /// For each kind of break the shortest way there.
    pub(crate) breaks: BTreeMap<Break, Vec<String>>,
}

impl Report {
    pub(crate) fn kinds(&self) -> Vec<Break> {
        self.breaks.keys().copied().collect()
    }
}

/// An end with a past.
struct Node {
    end: usize,
    received: Vec<Vec<u8>>,
    run: Run,
    /// What the attacker can make for it and it accepts: whose nonce is needed for that, and where
    /// it leads.
    accepts: Option<Vec<(Option<usize>, NodeId)>>,
    /// Where the proof leads that an end sent which is at another node; `None`: it is refused.
    heard: HashMap<NodeId, Option<NodeId>>,
}

type NodeId = u16;

/// One node for each end; the rest is zero.
type State = [NodeId; MAX_ENDS];

const MAX_ENDS: usize = 6;

/// Sees each past that is run: the end, what it received, and what it did.
pub(crate) type Watch<'a> = dyn FnMut(&End, &[Vec<u8>], &Run) + 'a;

struct Search<'s, 'w, S> {
    scheme: &'s S,
    scenario: &'s Scenario,
    nodes: Vec<Node>,
    /// Each state with the one from which it was reached first.
    seen: HashMap<State, State>,
    report: Report,
    watch: &'s mut Watch<'w>,
}

/// Searches all that can happen.
pub(crate) fn search<S: Scheme>(scheme: &S, scenario: &Scenario) -> Report {
    search_and_watch(scheme, scenario, &mut |_, _, _| {})
}

pub(crate) fn search_and_watch<S: Scheme>(
    scheme: &S,
    scenario: &Scenario,
    watch: &mut Watch<'_>,
) -> Report {
    let mut search = Search {
        scheme,
        scenario,
        nodes: Vec::new(),
        seen: HashMap::new(),
        report: Report {
            states: 0,
            deliveries: 0,
            pasts: 0,
            refused: 0,
            honest: 0,
            admitted: 0,
            breaks: BTreeMap::new(),
        },
        watch,
    };
    search.run();
    search.report
}

impl<S: Scheme> Search<'_, '_, S> {
    fn run(&mut self) {
        let mut start = [0; MAX_ENDS];
        for (end, node) in start.iter_mut().enumerate().take(self.scenario.ends.len()) {
            *node = self.past(end, Vec::new()).expect("an end can begin");
        }
        self.seen.insert(start, start);
        let mut queue = VecDeque::from([start]);
        while let Some(state) = queue.pop_front() {
            for end in 0..self.scenario.ends.len() {
                if self.waits_for_its_double(&state, end) {
                    continue;
                }
                for next in self.deliveries(&state, end) {
                    self.report.deliveries += 1;
                    let mut reached = state;
                    reached[end] = next;
                    if let Entry::Vacant(place) = self.seen.entry(reached) {
                        place.insert(state);
                        self.judge(&reached, end);
                        queue.push_back(reached);
                    }
                }
            }
        }
        self.report.states = self.seen.len();
        self.report.pasts = self.nodes.len();
    }

    /// Ends of one kind stand side by side, and the second one waits until the first has received
    /// something.
    fn waits_for_its_double(&self, state: &State, end: usize) -> bool {
        let Some(before) = end.checked_sub(1) else {
            return false;
        };
        let ends = &self.scenario.ends;
        let alike = End {
            nonce: ends[end].nonce,
            ..ends[before].clone()
        } == ends[end];
        alike && self.nodes[usize::from(state[before])].received.is_empty()
    }

    /// The nodes that `end` can get to by one message.
    fn deliveries(&mut self, state: &State, end: usize) -> Vec<NodeId> {
        let node = state[end];
        let Status::Awaits(due) = self.nodes[usize::from(node)].run.status else {
            return Vec::new();
        };
        self.find_accepted(node, due);
        let accepts = self.nodes[usize::from(node)].accepts.iter().flatten();
        let known = accepts
            .filter(|(owner, _)| owner.is_none_or(|owner| self.has_shown_its_nonce(state[owner])));
        let mut reached: Vec<NodeId> = known.map(|(_, next)| *next).collect();
        if due == Due::Proof {
            let ends = &state[..self.scenario.ends.len()];
            reached.extend(ends.iter().filter_map(|&sender| self.pass_on(sender, node)));
        }
        reached
    }

    fn has_shown_its_nonce(&self, node: NodeId) -> bool {
        self.nodes[usize::from(node)].run.sent.len() >= 2
    }

    /// Tries all that the attacker can make.
    fn find_accepted(&mut self, node: NodeId, due: Due) {
        if self.nodes[usize::from(node)].accepts.is_some() {
            return;
        }
        let mut offers = self.scenario.offers(due);
        let me = self.look(node);
        if let (Due::Proof, Some(about)) = (due, me.conversation()) {
            let formulas = self.scheme.formulas();
            offers = self
                .scenario
                .proofs(formulas, me.end.role, &about, me.proof());
        }
        let mut accepts = Vec::new();
        for Offer { bytes, nonce_of } in offers {
            if let Some(next) = self.extend(node, bytes) {
                accepts.push((nonce_of, next));
            }
        }
        self.nodes[usize::from(node)].accepts = Some(accepts);
    }

    /// Gives the proof that `sender` has sent, if it has, to the end at `node`; that may be the same.
    fn pass_on(&mut self, sender: NodeId, node: NodeId) -> Option<NodeId> {
        let proof = self.look(sender).proof()?.to_vec();
        if let Some(&known) = self.nodes[usize::from(node)].heard.get(&sender) {
            return known;
        }
        let next = self.extend(node, proof);
        self.nodes[usize::from(node)].heard.insert(sender, next);
        next
    }

    fn extend(&mut self, node: NodeId, message: Vec<u8>) -> Option<NodeId> {
        let Node { end, received, .. } = &self.nodes[usize::from(node)];
        let received = [received.as_slice(), &[message]].concat();
        self.past(*end, received)
    }

    /// Runs an end over what it received; `None` if it fails at the last message.
    fn past(&mut self, end: usize, received: Vec<Vec<u8>>) -> Option<NodeId> {
        let run = self.scheme.run(&self.scenario.ends[end], &received);
        (self.watch)(&self.scenario.ends[end], &received, &run);
        if run.status == Status::Failed {
            self.report.refused += 1;
            return None;
        }
        let id = NodeId::try_from(self.nodes.len()).expect("a small search");
        self.nodes.push(Node {
            end,
            received,
            run,
            accepts: None,
            heard: HashMap::new(),
        });
        Some(id)
    }

    fn look(&self, node: NodeId) -> Seen<'_> {
        let node = &self.nodes[usize::from(node)];
        Seen {
            end: &self.scenario.ends[node.end],
            received: &node.received,
            run: &node.run,
        }
    }

    /// `end` was the last to receive something.
    fn judge(&mut self, state: &State, end: usize) {
        let ends: Vec<Seen<'_>> = state[..self.scenario.ends.len()]
            .iter()
            .map(|&node| self.look(node))
            .collect();
        let Some(view) = ends[end].view() else {
            return;
        };
        let mut held = ends[end].end.secrets.iter();
        let secret = held.find(|held| held.key_id == view.key_id);
        if secret.is_some_and(|held| self.scenario.stolen.contains(held)) {
            self.report.admitted += 1;
            return;
        }
        match judge(&ends, end) {
            None => self.report.honest += 1,
            Some(kind) if self.report.breaks.contains_key(&kind) => {}
            Some(kind) => {
                let way = self.way_to(state);
                self.report.breaks.insert(kind, way);
            }
        }
    }

    /// What was delivered, in order, to get to `state`.
    fn way_to(&self, state: &State) -> Vec<String> {
        let mut way = Vec::new();
        let mut state = *state;
        while let Some(&before) = self.seen.get(&state).filter(|before| **before != state) {
            let end = (0..state.len()).find(|&end| state[end] != before[end]);
            way.extend(end.map(|end| self.tell(&before, end, state[end])));
            state = before;
        }
        way.reverse();
        way
    }

    fn tell(&self, before: &State, end: usize, reached: NodeId) -> String {
        let name = |end: usize| format!("{} {end}", self.scenario.ends[end].role);
        let message = self.look(reached).received.last();
        let ends = &before[..self.scenario.ends.len()];
        let sender = ends.iter().enumerate().find(|(_, node)| {
            let sent = &self.look(**node).run.sent;
            message.is_some_and(|message| sent.contains(message))
        });
        let what = match self.look(before[end]).run.status {
            Status::Awaits(Due::Preamble) => "a preamble",
            Status::Awaits(Due::Answer) => "an answer",
            Status::Awaits(Due::Hello) => "a hello",
            _ => "a proof",
        };
        match sender {
            Some((sender, _)) => format!("{} gets {what} of {}", name(end), name(sender)),
            None => format!("{} gets {what} of the attacker", name(end)),
        }
    }
}
