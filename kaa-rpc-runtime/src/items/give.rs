//! Giving items.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use kaa_rpc_proto::{CannotSend, TooLarge};
use serde::Serialize;

use super::EncodedItem;
use crate::buffers;
use crate::connection::{CallRef, Session};

/// With this a handler gives items to its caller, before its result.
///
/// ```
/// # use kaa_rpc_runtime::{Channel, Context, params};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (_server, client) = Channel::pair(
///     |side| {
///         let count = async |cx: Context, to: u64| {
///             let items = cx.yielder();
///             for number in 1..=to {
///                 items.give(&number).await?;
///             }
///             Ok(to)
///         };
///         side.register_fn("count", params(["to"], count))
///     },
///     |side| side,
/// )
/// .await?;
/// let mut numbers = client.rpc::<u64, _>("count", (3,)).items::<u64>().start();
/// let mut sum = 0;
/// while let Some(number) = numbers.next().await? {
///     sum += number;
/// }
/// assert_eq!((sum, numbers.finish().await?), (6, 3));
/// # Ok(()) }
/// ```
pub struct Yielder<T> {
    session: Arc<Session>,
    call: CallRef,
    marker: PhantomData<fn(T)>,
}

impl<T: Serialize> Yielder<T> {
    pub(crate) fn new(session: Arc<Session>, call: CallRef) -> Self {
        Self {
            session,
            call,
            marker: PhantomData,
        }
    }

    /// Gives an item. It is encoded now, and waits if the caller holds as many as it wants to without
    /// having taken any (its `max_stream_items` and `max_stream_bytes`), so that a slow caller slows this
    /// function down, and nothing else. Items reach the caller in the order in which they are awaited.
    ///
    /// A caller that awaits only the result, or has detached the call, gets none; they are thrown away
    /// there. Who sent a oneway call is not sent any.
    ///
    /// **Cancel safe:** if the future is dropped before it is ready, the item was not given.
    pub fn give(&self, item: &T) -> Give<'_> {
        let mut encoded = EncodedItem {
            value: buffers::take(),
            ..EncodedItem::default()
        };
        let unencodable = encoded.encode(item).err();
        Give {
            session: &self.session,
            call: self.call,
            item: encoded,
            unencodable,
        }
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder")
            .field("call", &self.call.number)
            .finish_non_exhaustive()
    }
}

/// An item on its way to the caller; see [`Yielder::give`].
#[must_use = "an item is given when this is awaited"]
pub struct Give<'a> {
    session: &'a Session,
    call: CallRef,
    item: EncodedItem,
    unencodable: Option<String>,
}

impl Future for Give<'_> {
    type Output = Result<(), GiveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(message) = self.unencodable.take() {
            return Poll::Ready(Err(GiveError::Unencodable(message)));
        }
        let given = ready!(self.session.poll_give(self.call, &self.item, cx));
        buffers::give(std::mem::take(&mut self.item.value));
        Poll::Ready(given)
    }
}

impl fmt::Debug for Give<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Give").finish_non_exhaustive()
    }
}

/// Why an item was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GiveError {
    /// Nobody wants more items: the other end has stopped them, or the call is over.
    Stopped,
    /// It is larger than the other end accepts, whose limits the text names. Others may still be given.
    TooLarge(String),
    /// It has no form in MessagePack. Others may still be given.
    Unencodable(String),
}

impl From<CannotSend> for GiveError {
    fn from(cannot: CannotSend) -> Self {
        match cannot {
            CannotSend::TooLarge(TooLarge { length, max_frame }) => Self::TooLarge(format!(
                "an item takes {length} bytes, and the other end accepts {max_frame} (half of its max_stream_bytes, \
                 and its max_frame)"
            )),
            CannotSend::Over | CannotSend::NoCredit | CannotSend::Backlog => Self::Stopped,
        }
    }
}

impl fmt::Display for GiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str(
                "nobody wants more items: the other end has stopped them, or the call is over",
            ),
            Self::TooLarge(message) => f.write_str(message),
            Self::Unencodable(message) => write!(f, "the item cannot be encoded: {message}"),
        }
    }
}

impl std::error::Error for GiveError {}
