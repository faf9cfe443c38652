//! What makes the items of the streams that go with calls, as their plans say.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use futures_core::Stream;
use kaa_rpc_runtime::{Arguments, Bytes, Call as Rpc, item_channel};
use tokio::time::Sleep;

use crate::log::Token;
use crate::party::{Item, World, panic_quietly};
use crate::schedule::{Source, SourceEnd};

/// Adds a stream to a call.
pub(crate) fn send_along<'a, A: Arguments>(
    world: &Arc<World>,
    call: Rpc<'a, A, usize>,
    token: Token,
    number: usize,
    plan: Source,
) -> Rpc<'a, A, usize> {
    let world = Arc::clone(world);
    // A sender that waits for ever would not see that nobody wants more.
    if !plan.sender || plan.end == SourceEnd::Never {
        return call.stream(Planned {
            world,
            token,
            number,
            plan,
            pause: None,
        });
    }
    let (mut sender, receiver) = item_channel::<Item>();
    tokio::spawn(async move {
        for made in 0..plan.items {
            world.pause(plan.pause).await;
            let item = item(token, number, made.into(), plan.size);
            if sender.give(&item).await.is_err() {
                return;
            }
            world
                .log
                .with(token, |entry| entry.inputs[number].made += 1);
        }
        let set = |complete: bool| {
            world.log.with(token, |entry| {
                entry.inputs[number].complete = complete;
                entry.inputs[number].broken = !complete;
            });
        };
        match plan.end {
            SourceEnd::Complete => {
                // Before it is said, or it could be heard before it is written down.
                set(true);
                let _ = sender.finish().await;
            }
            SourceEnd::Breaks => set(false),
            SourceEnd::Never => unreachable!("it is a stream of its own"),
        }
    });
    call.stream(receiver)
}

fn item(token: Token, stream: usize, number: usize, size: usize) -> Item {
    let stream = u8::try_from(stream).expect("there are two");
    (token, stream, number, Bytes::from(vec![0; size]))
}

/// A stream that does what its plan says.
struct Planned {
    world: Arc<World>,
    token: Token,
    number: usize,
    plan: Source,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Stream for Planned {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Item>> {
        let this = &mut *self;
        let (token, number) = (this.token, this.number);
        let made = this
            .world
            .log
            .with(token, |entry| entry.inputs[number].made);
        if made == usize::from(this.plan.items) {
            return match this.plan.end {
                SourceEnd::Never => Poll::Pending,
                SourceEnd::Complete => {
                    let log = &this.world.log;
                    log.with(token, |entry| entry.inputs[number].complete = true);
                    Poll::Ready(None)
                }
                SourceEnd::Breaks => {
                    let log = &this.world.log;
                    log.with(token, |entry| entry.inputs[number].broken = true);
                    panic_quietly()
                }
            };
        }
        if this.plan.pause > 0 {
            let pause = this.world.tick * u32::from(this.plan.pause);
            let sleep = || Box::pin(tokio::time::sleep(pause));
            ready!(this.pause.get_or_insert_with(sleep).as_mut().poll(cx));
            this.pause = None;
        }
        this.world
            .log
            .with(token, |entry| entry.inputs[number].made += 1);
        Poll::Ready(Some(item(token, number, made, this.plan.size)))
    }
}
