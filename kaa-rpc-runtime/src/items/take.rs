//! Taking items.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use kaa_rpc_proto::msgpack::{self, ArgumentError, ArgumentReader, ScanLimits};
use serde::de::DeserializeOwned;

use super::StreamArgument;
use crate::connection::{CallRef, InputState, Reader, Session};

/// The items of a stream that came with a call.
///
/// It holds as many items as this end's limits say before any is taken (`max_stream_items`,
/// `max_stream_bytes`); then the caller waits. Dropping it stops the caller's side.
///
/// It is a [`Stream`], too.
pub struct Items<T> {
    session: Arc<Session>,
    key: usize,
    reader: Reader,
    /// How many were taken, for errors.
    taken: u64,
    state: InputState,
    marker: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    /// The stream that `arguments` have for the parameter `name`.
    pub(crate) fn argument(
        session: &Arc<Session>,
        call: CallRef,
        arguments: &mut ArgumentReader<'_>,
        name: &'static str,
    ) -> Result<Self, ArgumentError> {
        let StreamArgument(number) = arguments.required(name)?;
        let Some(key) = session.claim(call, number) else {
            let got = format!(
                "the number {number}, which is of no stream of this call, or of one taken before"
            );
            return Err(ArgumentError::from_wire(name, "a stream", got));
        };
        Ok(Self {
            session: Arc::clone(session),
            key,
            reader: Reader::default(),
            taken: 0,
            state: InputState::Open,
            marker: PhantomData,
        })
    }
}

impl<T: DeserializeOwned> Items<T> {
    /// The next item; `None` after the last one, if the stream is complete.
    ///
    /// # Errors
    ///
    /// [`TakeError`]; then there are no more.
    ///
    /// **Cancel safe:** no item is lost.
    pub async fn next(&mut self) -> Result<Option<T>, TakeError> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, TakeError>> {
        loop {
            if self.reader.is_due() {
                self.session.items_taken(self.key, &mut self.reader);
            }
            if let Some(value) = self.reader.next() {
                let limits = self.session.shared().scan_limits();
                let item = decode(value, &limits);
                return Poll::Ready(match item {
                    Ok(item) => {
                        self.taken += 1;
                        Ok(Some(item))
                    }
                    Err(message) => {
                        self.state = InputState::Over;
                        self.reader = Reader::default();
                        Err(TakeError::BadItem {
                            index: self.taken,
                            message,
                        })
                    }
                });
            }
            match self.state {
                InputState::Open => {}
                InputState::Complete => return Poll::Ready(Ok(None)),
                InputState::Broken => return Poll::Ready(Err(TakeError::Broken)),
                InputState::Over => return Poll::Ready(Err(TakeError::Over)),
            }
            if let Some(state) = ready!(self.session.poll_items(self.key, &mut self.reader, cx)) {
                self.state = state;
            }
        }
    }
}

/// An item, or what is wrong with it.
pub(crate) fn decode<T: DeserializeOwned>(value: &[u8], limits: &ScanLimits) -> Result<T, String> {
    msgpack::scan(value, limits).map_err(|error| error.to_string())?;
    msgpack::from_slice(value).map_err(|error| error.to_string())
}

impl<T: DeserializeOwned> Stream for Items<T> {
    type Item = Result<T, TakeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx).map(Result::transpose)
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        self.session.release(self.key);
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("taken", &self.taken)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Why a stream gives no more items, although it is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeError {
    /// Its caller could not go on: what made the items has failed, or was dropped.
    Broken,
    /// The call is over, or the connection: this handle has outlived its handler.
    Over,
    /// An item is not of the type that it should be.
    BadItem {
        /// Which one, counted from 0.
        index: u64,
        /// What was expected, and what came.
        message: String,
    },
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("the caller broke the stream off: it is not complete"),
            Self::Over => f.write_str("the call that the stream came with is over"),
            Self::BadItem { index, message } => write!(f, "item {index} of the stream: {message}"),
        }
    }
}

impl std::error::Error for TakeError {}
