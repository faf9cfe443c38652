//! What makes the items of a stream that goes with a call.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::{EncodedItem, GiveError, Items};

/// Items between a sender and its call, beyond those on their way.
const CHANNEL: usize = 16;

/// What makes the items of a stream:
///
/// | source | complete |
/// | --- | --- |
/// | any [`Stream`] of them | when it ends |
/// | [`item_iter`] of any iterator, such as a list | when that ends |
/// | the receiving end of an [`item_channel`], for what may fail half-way | after [`ItemSender::finish`] |
/// | [`Items`] of another call, which are passed on | if that stream was |
///
/// It is polled on a task of the channel's runtime, and dropped when the call ends or the other end
/// wants no more. If it panics, the other end is told that the stream is not complete.
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no items of the type `{T}`",
    label = "expected a stream of `{T}`",
    note = "a `Stream` whose items are exactly of this type; for a list, `item_iter(list)`; for what may fail half-way, `item_channel()`"
)]
pub trait ItemSource<T> {
    #[doc(hidden)]
    fn into_source(self) -> BoxedSource;
}

/// The next step of a source.
pub(crate) enum Step {
    /// An item, encoded.
    Item,
    /// That was all.
    End,
    /// That was not all, but no more will come.
    Broken,
    /// An item that has no form in MessagePack.
    Unencodable(String),
}

/// A source of items of a type that does not matter.
pub struct BoxedSource(Pin<Box<dyn Source + Send>>);

impl BoxedSource {
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>, out: &mut EncodedItem) -> Poll<Step> {
        self.0.as_mut().poll_step(cx, out)
    }
}

/// Makes encoded items.
trait Source {
    /// Replaces what is in `out` with the next item.
    fn poll_step(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut EncodedItem) -> Poll<Step>;
}

#[diagnostic::do_not_recommend]
impl<T, S> ItemSource<T> for S
where
    T: Serialize + Send + 'static,
    S: Stream<Item = T> + Send + 'static,
{
    fn into_source(self) -> BoxedSource {
        BoxedSource(Box::pin(StreamSource { stream: self }))
    }
}

pin_project_lite::pin_project! {
    struct StreamSource<S> {
        #[pin]
        stream: S,
    }
}

impl<T: Serialize, S: Stream<Item = T>> Source for StreamSource<S> {
    fn poll_step(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut EncodedItem) -> Poll<Step> {
        let Some(item) = ready!(self.project().stream.poll_next(cx)) else {
            return Poll::Ready(Step::End);
        };
        Poll::Ready(step(&item, out))
    }
}

fn step<T: Serialize>(item: &T, out: &mut EncodedItem) -> Step {
    match out.encode(item) {
        Ok(()) => Step::Item,
        Err(message) => Step::Unencodable(message),
    }
}

/// Passes on what came with another call, at the pace of who takes it. What breaks that stream off, or an
/// item that is of another type, breaks this one off, too.
impl<T: Serialize + DeserializeOwned + 'static> ItemSource<T> for Items<T> {
    fn into_source(self) -> BoxedSource {
        BoxedSource(Box::pin(Passed(self)))
    }
}

struct Passed<T>(Items<T>);

impl<T: Serialize + DeserializeOwned> Source for Passed<T> {
    fn poll_step(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut EncodedItem,
    ) -> Poll<Step> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll_next(cx)) {
            Some(Ok(item)) => step(&item, out),
            Some(Err(_)) => Step::Broken,
            None => Step::End,
        })
    }
}

/// The items of a list, or of whatever can be iterated over, as a [source](ItemSource).
///
/// ```
/// # use kaa_rpc_runtime::{Channel, Items, StreamArgument, item_iter, params};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let longest = async |mut names: Items<String>| {
/// #     let mut longest = 0;
/// #     while let Some(name) = names.next().await? {
/// #         longest = longest.max(name.len());
/// #     }
/// #     Ok(longest)
/// # };
/// # let (_server, client) = Channel::pair(
/// #     |side| side.register_fn("longest", params(["names"], longest)),
/// #     |side| side,
/// # )
/// # .await?;
/// let names = item_iter(["Lucia", "Norma", "Il pirata"]);
/// let longest: usize = client.rpc("longest", (StreamArgument(0),)).stream(names).await?;
/// assert_eq!(longest, 9);
/// # Ok(()) }
/// ```
#[must_use]
pub fn item_iter<I: IntoIterator>(items: I) -> ItemIter<I::IntoIter> {
    ItemIter(items.into_iter())
}

/// See [`item_iter`].
#[derive(Clone, Debug)]
pub struct ItemIter<I>(I);

/// Pinned or not, it is the same to an iterator.
impl<I> Unpin for ItemIter<I> {}

impl<I: Iterator> Stream for ItemIter<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// A sender of items, and the source that goes with a call and has what the sender gives.
#[must_use]
pub fn item_channel<T: Serialize>() -> (ItemSender<T>, ItemReceiver<T>) {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let marker = PhantomData;
    (
        ItemSender { sender, marker },
        ItemReceiver { receiver, marker },
    )
}

enum Message {
    Item(EncodedItem),
    End,
}

/// Gives items to the stream of a call, one after the other. See [`item_channel`].
///
/// The stream is complete only after [`finish`](Self::finish). If the sender is dropped without it, the
/// other end is told that the stream is not: a task that fails or is cancelled half-way does not look like
/// one that has sent all.
pub struct ItemSender<T> {
    sender: mpsc::Sender<Message>,
    marker: PhantomData<fn(T)>,
}

impl<T: Serialize> ItemSender<T> {
    /// Gives an item; waits while the other end holds enough of them, and while its call waits to be sent.
    ///
    /// # Errors
    ///
    /// [`GiveError::Stopped`] if nobody wants more, [`GiveError::Unencodable`]. That an item is too large
    /// is found out later; then the call fails.
    ///
    /// **Cancel safe:** if the future is dropped before it is ready, the item was not given.
    pub async fn give(&mut self, item: &T) -> Result<(), GiveError> {
        let mut encoded = EncodedItem::default();
        encoded.encode(item).map_err(GiveError::Unencodable)?;
        self.send(Message::Item(encoded)).await
    }

    /// That was all.
    ///
    /// # Errors
    ///
    /// [`GiveError::Stopped`] if nobody wanted all of it.
    pub async fn finish(self) -> Result<(), GiveError> {
        self.send(Message::End).await
    }

    async fn send(&self, message: Message) -> Result<(), GiveError> {
        let sent = self.sender.send(message).await;
        sent.map_err(|_| GiveError::Stopped)
    }
}

impl<T> fmt::Debug for ItemSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemSender").finish_non_exhaustive()
    }
}

/// The source that has what an [`ItemSender`] gives. See [`item_channel`].
pub struct ItemReceiver<T> {
    receiver: mpsc::Receiver<Message>,
    marker: PhantomData<fn(T)>,
}

impl<T: 'static> ItemSource<T> for ItemReceiver<T> {
    fn into_source(self) -> BoxedSource {
        BoxedSource(Box::pin(self))
    }
}

impl<T> Source for ItemReceiver<T> {
    fn poll_step(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut EncodedItem,
    ) -> Poll<Step> {
        Poll::Ready(match ready!(self.receiver.poll_recv(cx)) {
            Some(Message::Item(item)) => {
                *out = item;
                Step::Item
            }
            Some(Message::End) => Step::End,
            None => Step::Broken,
        })
    }
}

impl<T> fmt::Debug for ItemReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemReceiver").finish_non_exhaustive()
    }
}
