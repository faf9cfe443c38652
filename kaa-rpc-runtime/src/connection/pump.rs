//! What moves the items of a caller's stream: a task for each stream that goes with a call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::shared::Shared;
use crate::error::Error;
use crate::items::{BoxedSource, EncodedItem, GiveError, Step};

/// Sends the items of `sources` after the call that they go with.
pub(crate) fn pump(shared: &Arc<Shared>, slot: usize, sources: Vec<BoxedSource>) {
    for (key, source) in shared.outputs(slot).into_iter().zip(sources) {
        let pump = Pump {
            output: Output {
                shared: Arc::clone(shared),
                key,
                complete: false,
            },
            source,
            item: EncodedItem::default(),
            holds_item: false,
        };
        // The task ends with the call, and with the runtime; then the callee is told.
        shared.runtime().spawn(pump);
    }
}

struct Pump {
    /// Dropped first, so that the callee is told even if the source is long in going.
    output: Output,
    source: BoxedSource,
    /// Not yet sent, if it holds one.
    item: EncodedItem,
    holds_item: bool,
}

/// The right to send items of one stream; its end is told however the pump ends.
struct Output {
    shared: Arc<Shared>,
    key: usize,
    complete: bool,
}

impl Drop for Output {
    fn drop(&mut self) {
        self.shared.end_output(self.key, self.complete);
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            output,
            source,
            item,
            holds_item,
        } = &mut *self;
        let Output {
            shared,
            key,
            complete,
        } = output;
        loop {
            if !*holds_item {
                match source.poll_step(cx, item) {
                    Poll::Pending => return shared.poll_unwanted(*key, cx),
                    Poll::Ready(Step::Item) => *holds_item = true,
                    Poll::Ready(Step::End) => {
                        *complete = true;
                        return Poll::Ready(());
                    }
                    Poll::Ready(Step::Broken) => return Poll::Ready(()),
                    Poll::Ready(Step::Unencodable(error)) => {
                        shared.fail_output(*key, Error::Unencodable(error));
                        return Poll::Ready(());
                    }
                }
            }
            match ready!(shared.poll_send(*key, item, cx)) {
                Ok(()) => *holds_item = false,
                Err(GiveError::TooLarge(message)) => {
                    let sent = true;
                    shared.fail_output(*key, Error::TooLarge { sent, message });
                    return Poll::Ready(());
                }
                // The call is over, or the callee wants no more.
                Err(_) => return Poll::Ready(()),
            }
        }
    }
}
