//! Items: what functions yield, and the streams that callers send along.
//!
//! | | gives | takes |
//! | --- | --- | --- |
//! | `yields T` | the handler, with a [`Yielder`] | the caller, from [`InProgress::next`](crate::InProgress::next) |
//! | `stream<T>` | the caller: any [`ItemSource`] | the handler, from [`Items`] |

mod give;
mod source;
mod take;

use std::fmt;

use kaa_rpc_proto::Connection;
use kaa_rpc_proto::msgpack::{self, Shape};
use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

pub use give::{Give, GiveError, Yielder};
pub(crate) use source::{BoxedSource, Step};
pub use source::{ItemIter, ItemReceiver, ItemSender, ItemSource, item_channel, item_iter};
pub(crate) use take::decode;
pub use take::{Items, TakeError};

/// What a call yields that yields nothing, or whose items nobody wants.
#[derive(Clone, Copy, Debug)]
pub enum NoItems {}

/// Stands in the arguments for the stream of this number, counted from 0 in the order in which
/// [`Call::stream`](crate::Call::stream) adds them.
///
/// ```
/// # use kaa_rpc_runtime::{Channel, Items, StreamArgument, item_channel, params};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (_server, client) = Channel::pair(
///     |side| {
///         let sum = async |mut numbers: Items<u64>| {
///             let mut sum = 0;
///             while let Some(number) = numbers.next().await? {
///                 sum += number;
///             }
///             Ok(sum)
///         };
///         side.register_fn("sum", params(["numbers"], sum))
///     },
///     |side| side,
/// )
/// .await?;
/// let (mut sender, numbers) = item_channel::<u64>();
/// let call = client.rpc::<u64, _>("sum", (StreamArgument(0),)).stream(numbers).start();
/// for number in 1..=4 {
///     sender.give(&number).await?;
/// }
/// sender.finish().await?;
/// assert_eq!(call.await?, 10);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamArgument(pub u8);

impl Serialize for StreamArgument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for StreamArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = StreamArgument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a stream")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<StreamArgument, E> {
                u8::try_from(number)
                    .map(StreamArgument)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }

        // Not as a u8: what is expected is a stream, in the words of the schema.
        deserializer.deserialize_any(Number)
    }
}

/// An item as it travels.
#[derive(Debug, Default)]
pub(crate) struct EncodedItem {
    pub(crate) value: Vec<u8>,
    pub(crate) shape: Shape,
}

impl EncodedItem {
    /// Puts another one in its place. This runs user code. The error says what is wrong with it.
    fn encode<T: Serialize>(&mut self, item: &T) -> Result<(), String> {
        self.value.clear();
        self.shape =
            msgpack::encode_measured(&mut self.value, item).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Whether the other end accepts its shape.
    pub(crate) fn check(&self, connection: &Connection) -> Result<(), GiveError> {
        match self.shape.exceeds(connection.opened().peer_limits()) {
            None => Ok(()),
            Some(exceeded) => Err(GiveError::TooLarge(format!("an item has {exceeded}"))),
        }
    }
}
