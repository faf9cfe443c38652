//! What an end exposes and how it calls: functions and callers that do what the plan of their
//! call says, and write down what they see.

use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_runtime::codegen::{Functions, items, yielder};
use kaa_rpc_runtime::{
    Arguments, Bytes, Call as Rpc, Channel, Context, Error, InProgress, Items, Outcome,
    StreamArgument, Yielder,
};

use crate::common::Exposing;
use crate::log::{Log, Run, Token, Told};
use crate::schedule::{Act, Call, Fate, Function, HandlerEnd, Then};
use crate::sources::send_along;

/// An item: of which call, of which of its streams, which one, and something to carry.
pub(crate) type Item = (usize, u8, usize, Bytes);

/// Stands for what the call yields.
const YIELDS: u8 = 255;

/// What the ends have in common.
pub(crate) struct World {
    pub(crate) log: Log,
    /// What a pause of one is.
    pub(crate) tick: Duration,
}

impl World {
    pub(crate) async fn pause(&self, ticks: u8) {
        if ticks > 0 {
            tokio::time::sleep(self.tick * u32::from(ticks)).await;
        }
    }
}

/// A panic that was planned says nothing on standard error.
pub(crate) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("planned"))
}

pub(crate) fn names(function: Function) -> [&'static str; 3] {
    match function {
        Function::Plain => ["plain0", "plain1", "plain2"],
        Function::Serial => ["serial0", "serial1", "serial2"],
        Function::Uncancelled => ["uncancelled0", "uncancelled1", "uncancelled2"],
    }
}

/// The functions of an end.
pub(crate) fn exposed(world: &Arc<World>, end: usize) -> Exposing<impl FnOnce(&mut Functions)> {
    let world = Arc::clone(world);
    Exposing(move |functions: &mut Functions| {
        for function in [Function::Plain, Function::Serial, Function::Uncancelled] {
            for (streams, name) in names(function).into_iter().enumerate() {
                let added = functions.add(name, &world, move |world, cx, arguments| {
                    let token: Token = arguments.required("token")?;
                    let _: Bytes = arguments.required("data")?;
                    let mut inputs = [None, None];
                    for (input, name) in inputs.iter_mut().zip(["a", "b"]).take(streams) {
                        *input = Some(items(&cx, arguments, name)?);
                    }
                    Ok(run(world, cx, end, token, inputs))
                });
                match function {
                    Function::Plain => {}
                    Function::Serial => drop(added.serial()),
                    Function::Uncancelled => drop(added.uncancelled()),
                }
            }
        }
    })
}

/// Writes down how a function ended, however it did.
struct Running {
    world: Arc<World>,
    end: usize,
    token: Token,
    run: Run,
    /// Which of the serial functions it is.
    serial: Option<usize>,
}

impl Running {
    fn begin(world: Arc<World>, end: usize, token: Token) -> (Self, Call) {
        let mut log = world.log.lock();
        log.begun[end].push(token);
        let entry = &mut log.entries[token];
        entry.runs += 1;
        let (plan, caller) = (entry.plan.clone(), entry.caller);
        let serial = (plan.function == Function::Serial).then_some(plan.sources.len());
        if caller == end {
            let text = format!("call {token} came to the end that made it");
            log.objections.push(text);
        }
        if let Some(which) = serial {
            log.serial[end][which] += 1;
            if log.serial[end][which] > 1 {
                let text = format!("call {token} is serial, and another one runs");
                log.objections.push(text);
            }
        }
        drop(log);
        let run = Run::Dropped;
        (
            Self {
                world,
                end,
                token,
                run,
                serial,
            },
            plan,
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut log = self.world.log.lock();
        if let Some(which) = self.serial {
            log.serial[self.end][which] -= 1;
        }
        log.entries[self.token].run = Some(self.run);
    }
}

async fn run(
    world: Arc<World>,
    cx: Context,
    end: usize,
    token: Token,
    mut inputs: [Option<Items<Item>>; 2],
) -> Outcome<usize> {
    let (mut running, plan) = Running::begin(Arc::clone(&world), end, token);
    let items: Yielder<Item> = yielder(&cx);
    for act in plan.acts {
        match act {
            Act::Pause(ticks) => world.pause(ticks).await,
            Act::Yield(count, size) => give(&world, token, &items, count, size).await,
            Act::Take(stream, count) => {
                if let Some(input) = &mut inputs[stream] {
                    take(&world, token, stream, input, count).await;
                }
            }
            Act::Release(stream) => inputs[stream] = None,
            Act::Nest(call) => {
                let nested = begin(&world, &cx.channel(), end, &call, Some(token));
                nested.follow(&world).await;
            }
        }
    }
    if plan.end == HandlerEnd::Never {
        std::future::pending::<()>().await;
    }
    running.run = match plan.end {
        HandlerEnd::Fails => Run::Failed,
        HandlerEnd::Panics => Run::Panicked,
        _ => Run::Returned,
    };
    match running.run {
        Run::Failed => Err("planned".into()),
        Run::Panicked => panic_quietly(),
        _ => Ok(token),
    }
}

async fn give(world: &World, token: Token, items: &Yielder<Item>, count: u8, size: usize) {
    for _ in 0..count {
        let number = world.log.with(token, |entry| entry.given);
        let item = (token, YIELDS, number, Bytes::from(vec![0; size]));
        if items.give(&item).await.is_err() {
            // Whoever runs to its end is told that nobody wants more.
            return;
        }
        world.log.with(token, |entry| entry.given += 1);
    }
}

/// Takes items of a stream, in their order.
async fn take(
    world: &World,
    token: Token,
    stream: usize,
    input: &mut Items<Item>,
    count: Option<u8>,
) {
    let mut left = count.map_or(usize::MAX, usize::from);
    while left > 0
        && world
            .log
            .with(token, |entry| entry.inputs[stream].end.is_none())
    {
        let next = input.next().await;
        let mut log = world.log.lock();
        let taken = &mut log.entries[token].inputs[stream];
        match next {
            Ok(Some((of, which, number, _))) => {
                let expected = (token, stream, taken.taken);
                taken.taken += 1;
                if (of, usize::from(which), number) != expected {
                    let text =
                        format!("item {number} of {of}, stream {which} came for {expected:?}");
                    log.objections.push(text);
                }
            }
            Ok(None) => taken.end = Some(Ok(())),
            Err(error) => taken.end = Some(Err(error)),
        }
        left -= 1;
    }
}

/// A call that was made.
pub(crate) struct Begun {
    handle: Handle,
    fate: Fate,
    token: Token,
}

enum Handle {
    Oneway(InProgress<()>),
    Plain(InProgress<usize>),
    Items(InProgress<usize, Error, Item>),
}

/// Makes a call.
pub(crate) fn begin(
    world: &Arc<World>,
    channel: &Channel,
    end: usize,
    plan: &Call,
    outer: Option<Token>,
) -> Begun {
    let token = world.log.add(plan.clone(), end, outer);
    let name = names(plan.function)[plan.sources.len()];
    let data = Bytes::from(vec![0; plan.size]);
    let (first, second) = (StreamArgument(0), StreamArgument(1));
    let handle = match plan.sources.len() {
        0 if matches!(plan.fate, Fate::Oneway) => {
            let call = channel.rpc::<(), _>(name, (token, data)).oneway();
            Handle::Oneway(match plan.timeout {
                Some(ticks) => call.timeout(world.tick * u32::from(ticks)).start(),
                None => call.start(),
            })
        }
        0 => start(world, channel.rpc(name, (token, data)), plan, token),
        1 => start(world, channel.rpc(name, (token, data, first)), plan, token),
        _ => {
            let arguments = (token, data, first, second);
            start(world, channel.rpc(name, arguments), plan, token)
        }
    };
    let fate = plan.fate;
    Begun {
        handle,
        fate,
        token,
    }
}

fn start<A: Arguments>(
    world: &Arc<World>,
    mut call: Rpc<'_, A, usize>,
    plan: &Call,
    token: Token,
) -> Handle {
    for (number, source) in plan.sources.iter().enumerate() {
        call = send_along(world, call, token, number, source.clone());
    }
    if let Some(ticks) = plan.timeout {
        call = call.timeout(world.tick * u32::from(ticks));
    }
    if matches!(plan.fate, Fate::Take(..)) {
        return Handle::Items(call.items().start());
    }
    world.log.with(token, |entry| entry.ignores = true);
    Handle::Plain(call.start())
}

/// Tells that nobody waits for the outcome any more, if that is so.
struct Waiting<'a>(&'a World, Token);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.log.with(self.1, |entry| {
            entry.gave_up = entry.told.is_empty() && !entry.detached;
            entry.ignores = true;
        });
    }
}

impl Begun {
    /// Does with the call what is to be done with it.
    pub(crate) async fn follow(self, world: &World) {
        let token = self.token;
        // Dropped after the handle, or it could be told that nobody waits when somebody does.
        let _waiting = Waiting(world, token);
        let told = match (self.handle, self.fate) {
            (Handle::Oneway(call), _) => call.await.map_or_else(Told::Failed, |()| Told::Sent),
            (Handle::Plain(call), Fate::Drop(ticks)) => {
                world.pause(ticks).await;
                return drop(call);
            }
            (Handle::Plain(call), Fate::Detach) => return detach(world, token, call),
            (Handle::Plain(call), _) => call.await.map_or_else(Told::Failed, Told::Value),
            (Handle::Items(mut call), Fate::Take(count, pause, then)) => {
                if let Err(error) = take_yields(world, token, &mut call, count, pause).await {
                    world.log.tell(token, Told::Failed(error));
                    // It says the same again.
                    if call.await.is_ok() {
                        world
                            .log
                            .object(format!("{token} failed, and then it did not"));
                    }
                    return;
                }
                world.log.with(token, |entry| entry.ignores = true);
                match then {
                    Then::Drop => return drop(call),
                    Then::Detach => return detach(world, token, call),
                    Then::Finish => call.finish().await.map_or_else(Told::Failed, Told::Value),
                }
            }
            (Handle::Items(_), _) => unreachable!("nobody asked for its items"),
        };
        world.log.tell(token, told);
    }
}

fn detach<Y>(world: &World, token: Token, call: InProgress<usize, Error, Y>) {
    world.log.with(token, |entry| {
        entry.detached = true;
        entry.ignores = true;
    });
    if let Err(error) = call.try_detach() {
        world.log.tell(token, Told::Failed(error));
    }
}

/// Takes items that the call yields, in their order.
async fn take_yields(
    world: &World,
    token: Token,
    call: &mut InProgress<usize, Error, Item>,
    count: Option<u8>,
    pause: u8,
) -> Result<(), Error> {
    let mut left = count.map_or(usize::MAX, usize::from);
    while left > 0 {
        world.pause(pause).await;
        let Some((of, which, number, _)) = call.next().await? else {
            world.log.with(token, |entry| entry.all_taken = true);
            return Ok(());
        };
        let expected = world.log.with(token, |entry| {
            entry.taken += 1;
            entry.taken - 1
        });
        if (of, which, number) != (token, YIELDS, expected) {
            let text = format!("item {number} of {of}/{which} came as {expected} of {token}");
            world.log.object(text);
        }
        left -= 1;
    }
    Ok(())
}
