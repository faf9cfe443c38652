//! What two ends do to each other: which calls are made, what their functions and their callers do, and
//! what becomes of the connection.

use kaa_rpc_runtime::Limits;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) limits: [Limits; 2],
    pub(crate) pace: Pace,
    /// Each with the end that does it.
    pub(crate) steps: Vec<(usize, Step)>,
    pub(crate) ending: Ending,
}

/// How bytes pass the wire: so many at a time, with so long pauses between, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    pub(crate) chunks: Vec<usize>,
    pub(crate) pauses: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Call(Call),
    Pause(u8),
}

/// What happens after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All calls end, then both ends part.
    Rest,
    /// An end says goodbye while calls are running.
    Close(usize),
    /// All handles of an end are dropped while calls are running.
    Drop(usize),
    /// The wire breaks when it has carried so many bytes, which may be during the steps; or at the end.
    Cut(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: Function,
    /// Bytes of its argument.
    pub(crate) size: usize,
    pub(crate) sources: Vec<Source>,
    /// What its function does, one after the other, and how it ends.
    pub(crate) acts: Vec<Act>,
    pub(crate) end: HandlerEnd,
    pub(crate) fate: Fate,
    pub(crate) timeout: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Plain,
    Serial,
    Uncancelled,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Pause(u8),
    /// Gives so many items of so many bytes.
    Yield(u8, usize),
    /// Takes so many items of a stream, or all.
    Take(usize, Option<u8>),
    /// Wants no more of a stream.
    Release(usize),
    /// Calls back, and waits for what becomes of it.
    Nest(Box<Call>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerEnd {
    Returns,
    Fails,
    Panics,
    /// Waits until it is dropped.
    Never,
}

/// What the caller does with its call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Oneway,
    Await,
    Detach,
    /// Drops it after a while.
    Drop(u8),
    /// Takes so many items, or all, with a pause before each.
    Take(Option<u8>, u8, Then),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Finish,
    Detach,
    Drop,
}

/// A stream that goes with a call.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) items: u8,
    pub(crate) size: usize,
    /// Before each item.
    pub(crate) pause: u8,
    pub(crate) end: SourceEnd,
    /// Through a sender, not as a stream of its own.
    pub(crate) sender: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceEnd {
    Complete,
    Breaks,
    /// It waits for ever. Not through a sender, who cannot see that nobody wants more.
    Never,
}

impl Call {
    /// Whether the function may never end by itself. Who drops the call ends it all the same.
    fn needs_time(&self) -> bool {
        if matches!(self.fate, Fate::Drop(_)) && self.function != Function::Uncancelled {
            return false;
        }
        self.end == HandlerEnd::Never || self.sources.iter().any(|s| s.end == SourceEnd::Never)
    }

    /// What cannot be is made possible, so that every schedule comes to an end.
    fn sound(mut self) -> Self {
        if self.function == Function::Uncancelled && self.end == HandlerEnd::Never {
            self.end = HandlerEnd::Returns;
        }
        if matches!(self.fate, Fate::Oneway) {
            self.sources.clear();
        }
        if self.needs_time() {
            self.timeout.get_or_insert(40);
        }
        self
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let depth = prop_oneof![1 => 1..4_u32, 3 => Just(32_u32)];
    (1..6_u32, 0..6_u64, 1..5_u32, depth).prop_map(|(max_calls, more, items, max_depth)| Limits {
        max_calls,
        max_frame: 64 << 10,
        max_request_bytes: (64 << 10) + (more << 15),
        max_depth,
        max_stream_items: items,
        max_stream_bytes: 64 << 10,
        ..Limits::default()
    })
}

fn pace() -> impl Strategy<Value = Pace> {
    let chunk = prop_oneof![3 => 1..40_usize, 2 => 40..2000_usize, 3 => Just(usize::MAX)];
    let pause = prop_oneof![3 => Just(0_u8), 1 => 1..4_u8];
    (vec(chunk, 1..4), vec(pause, 1..4)).prop_map(|(chunks, pauses)| Pace { chunks, pauses })
}

fn pause() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0_u8), 2 => 1..10_u8]
}

/// Mostly small, sometimes so large that few fit.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..60_usize, 1 => 5_000..30_000_usize]
}

fn source() -> impl Strategy<Value = Source> {
    let end = prop_oneof![
        6 => Just(SourceEnd::Complete),
        2 => Just(SourceEnd::Breaks),
        1 => Just(SourceEnd::Never),
    ];
    (0..12_u8, size(), pause(), end, any::<bool>()).prop_map(|(items, size, pause, end, sender)| {
        Source {
            items,
            size,
            pause,
            end,
            sender,
        }
    })
}

fn act(nested: Option<BoxedStrategy<Call>>) -> BoxedStrategy<Act> {
    let count = || option::weighted(0.4, 0..6_u8);
    let acts = prop_oneof![
        3 => pause().prop_map(Act::Pause),
        4 => (1..10_u8, size()).prop_map(|(items, size)| Act::Yield(items, size)),
        4 => (0..2_usize, count()).prop_map(|(stream, count)| Act::Take(stream, count)),
        1 => (0..2_usize).prop_map(Act::Release),
    ];
    match nested {
        None => acts.boxed(),
        Some(call) => prop_oneof![
            4 => acts,
            1 => call.prop_map(|call| Act::Nest(Box::new(call))),
        ]
        .boxed(),
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    let then = prop_oneof![
        3 => Just(Then::Finish),
        1 => Just(Then::Detach),
        1 => Just(Then::Drop),
    ];
    let count = option::weighted(0.5, 0..6_u8);
    prop_oneof![
        3 => Just(Fate::Oneway),
        6 => Just(Fate::Await),
        1 => Just(Fate::Detach),
        3 => pause().prop_map(Fate::Drop),
        6 => (count, pause(), then).prop_map(|(count, pause, then)| Fate::Take(count, pause, then)),
    ]
}

/// A call whose function may call back, and so on, so deep.
fn call(depth: u8) -> BoxedStrategy<Call> {
    let nested = (depth > 0).then(|| {
        call(depth - 1).prop_map(|mut call| {
            // One that is serial could wait for a function that waits for it.
            if call.function == Function::Serial {
                call.function = Function::Plain;
            }
            call
        })
    });
    let function = prop_oneof![
        4 => Just(Function::Plain),
        1 => Just(Function::Serial),
        1 => Just(Function::Uncancelled),
    ];
    let end = prop_oneof![
        8 => Just(HandlerEnd::Returns),
        1 => Just(HandlerEnd::Fails),
        1 => Just(HandlerEnd::Panics),
        1 => Just(HandlerEnd::Never),
    ];
    (
        function,
        size(),
        vec(source(), 0..3),
        vec(act(nested.map(Strategy::boxed)), 0..4),
        end,
        fate(),
        option::weighted(0.2, 0..20_u8),
    )
        .prop_map(|(function, size, sources, acts, end, fate, timeout)| {
            let call = Call {
                function,
                size,
                sources,
                acts,
                end,
                fate,
                timeout,
            };
            call.sound()
        })
        .boxed()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => call(2).prop_map(Step::Call),
        1 => (0..10_u8).prop_map(Step::Pause),
    ]
}

pub(crate) fn schedule() -> impl Strategy<Value = Schedule> {
    let ending = prop_oneof![
        3 => Just(Ending::Rest),
        1 => (0..2_usize).prop_map(Ending::Close),
        1 => (0..2_usize).prop_map(Ending::Drop),
        2 => (0..4000_usize).prop_map(Ending::Cut),
    ];
    (
        [limits(), limits()],
        pace(),
        vec((0..2_usize, step()), 1..16),
        ending,
    )
        .prop_map(|(limits, pace, steps, ending)| Schedule {
            limits,
            pace,
            steps,
            ending,
        })
}
