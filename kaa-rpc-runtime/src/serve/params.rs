//! Closures as functions: [`params`] gives their parameters names.

use std::future::Future;
use std::marker::PhantomData;

use kaa_rpc_proto::msgpack::{self, ArgumentError, ArgumentReader};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::functions::{BoxedHandler, Mode};
use crate::context::Context;
use crate::items::Items;
use crate::outcome::Outcome;

/// A closure with named parameters, made by [`params`].
pub trait Handler: Send + Sync + 'static {
    #[doc(hidden)]
    fn run(
        &self,
        cx: Context,
        arguments: &mut ArgumentReader<'_>,
    ) -> Result<BoxedHandler, ArgumentError>;

    #[doc(hidden)]
    fn mode(&self) -> Mode {
        Mode::InPlace
    }

    #[doc(hidden)]
    fn parameters(&self) -> Vec<ClosureParameter> {
        Vec::new()
    }
}

/// What is known of a closure's parameter.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ClosureParameter {
    /// Ends with `?` if it may be left out.
    pub name: &'static str,
    pub stream: bool,
}

/// Names the parameters of a closure, so that it can be exposed without a schema and called with
/// positional and named arguments.
///
/// The closure is async, or gives a future, and takes as many parameters as there are names, up to
/// eight, with a [`Context`] before them if it wants one. A name that ends with `?` is of a parameter
/// that may be left out: its type must accept null, as `Option` does. A parameter of type [`Items`] takes
/// a stream; [`Context::yielder`] gives items to the caller.
///
/// ```
/// use kaa_rpc_runtime::{Channel, kwargs, params};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (left, right) = Channel::pair(
///     |left| {
///         let add = async |a: i64, b: Option<i64>| Ok(a + b.unwrap_or(1));
///         left.register_fn("add", params(["a", "b?"], add))
///     },
///     |right| right,
/// )
/// .await?;
/// let sum: i64 = right.rpc("add", (40, 2)).await?;
/// assert_eq!(sum, 42);
/// let sum: i64 = right.rpc("add", kwargs! { a: 40 }).await?;
/// assert_eq!(sum, 41);
/// # drop(left);
/// # Ok(()) }
/// ```
pub fn params<const N: usize, F, M>(names: [&'static str; N], function: F) -> Params<N, F, M>
where
    F: Closure<M, N>,
{
    Params {
        names,
        function,
        mode: Mode::InPlace,
        marker: PhantomData,
    }
}

/// A closure and the names of its parameters.
#[derive(Debug)]
pub struct Params<const N: usize, F, M> {
    names: [&'static str; N],
    function: F,
    mode: Mode,
    marker: PhantomData<fn() -> M>,
}

impl<const N: usize, F, M> Params<N, F, M> {
    /// Runs the closure's future in a task of its own from the beginning, for one that computes for more than
    /// a millisecond or so before its first await: handlers are first polled where their calls are read, and
    /// all other calls of the channel wait for that. Tasks are started in the order of the calls.
    ///
    /// What a closure that is not async does before it gives its future is done where the call was read.
    ///
    /// ```
    /// # use kaa_rpc_runtime::{Channel, params};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sum = async |numbers: Vec<u64>| Ok(numbers.iter().sum::<u64>());
    /// let (_server, client) =
    ///     Channel::pair(|side| side.register_fn("sum", params(["numbers"], sum).spawned()), |side| side).await?;
    /// let sum: u64 = client.rpc("sum", (vec![1, 2, 3],)).await?;
    /// assert_eq!(sum, 6);
    /// # Ok(()) }
    /// ```
    #[must_use = "it is to be registered"]
    pub fn spawned(mut self) -> Self {
        self.mode = Mode::Spawned;
        self
    }
}

impl<const N: usize, F, M> Handler for Params<N, F, M>
where
    F: Closure<M, N>,
    M: 'static,
{
    fn run(
        &self,
        cx: Context,
        arguments: &mut ArgumentReader<'_>,
    ) -> Result<BoxedHandler, ArgumentError> {
        self.function.run(&self.names, cx, arguments)
    }

    fn parameters(&self) -> Vec<ClosureParameter> {
        let parameters = self.names.iter().zip(F::STREAMS);
        let parameters = parameters.map(|(&name, &stream)| ClosureParameter { name, stream });
        parameters.collect()
    }

    fn mode(&self) -> Mode {
        self.mode
    }
}

/// An `Fn` of `N` parameters, with or without a [`Context`] before them; `M` keeps the cases apart.
pub trait Closure<M, const N: usize>: Send + Sync + 'static {
    /// Which of the parameters are streams.
    #[doc(hidden)]
    const STREAMS: &'static [bool];

    #[doc(hidden)]
    fn run(
        &self,
        names: &[&'static str; N],
        cx: Context,
        arguments: &mut ArgumentReader<'_>,
    ) -> Result<BoxedHandler, ArgumentError>;
}

/// Reads one argument, by a name that may end with `?`.
fn argument<T: DeserializeOwned>(
    arguments: &mut ArgumentReader<'_>,
    name: &'static str,
) -> Result<T, ArgumentError> {
    const NULL: &[u8] = &[0xc0];
    let Some(name) = name.strip_suffix('?') else {
        return arguments.required(name);
    };
    match arguments.optional(name)? {
        Some(value) => Ok(value),
        None => msgpack::from_slice(NULL).map_err(|error| {
            ArgumentError::from_wire(
                name,
                error.expected(),
                "nothing, which its type does not allow",
            )
        }),
    }
}

/// What a parameter of a closure can be: anything that can be decoded, or the [`Items`] of a stream.
pub trait Parameter: Sized {
    #[doc(hidden)]
    const STREAM: bool = false;

    #[doc(hidden)]
    fn read(
        cx: &Context,
        arguments: &mut ArgumentReader<'_>,
        name: &'static str,
    ) -> Result<Self, ArgumentError>;
}

impl<T: DeserializeOwned> Parameter for T {
    fn read(
        _: &Context,
        arguments: &mut ArgumentReader<'_>,
        name: &'static str,
    ) -> Result<Self, ArgumentError> {
        argument(arguments, name)
    }
}

impl<T> Parameter for Items<T> {
    const STREAM: bool = true;

    fn read(
        cx: &Context,
        arguments: &mut ArgumentReader<'_>,
        name: &'static str,
    ) -> Result<Self, ArgumentError> {
        cx.items(arguments, name)
    }
}

macro_rules! closures {
    ($count:literal: $($parameter:ident $name:ident),*) => {
        impl<F, Fut, R, $($parameter),*> Closure<fn($($parameter),*) -> R, $count> for F
        where
            F: Fn($($parameter),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Outcome<R>> + Send + 'static,
            R: Serialize + Send + 'static,
            $($parameter: Parameter + Send + 'static,)*
        {
            const STREAMS: &'static [bool] = &[$($parameter::STREAM),*];

            fn run(
                &self,
                names: &[&'static str; $count],
                _cx: Context,
                _arguments: &mut ArgumentReader<'_>,
            ) -> Result<BoxedHandler, ArgumentError> {
                let [$($name),*] = *names;
                $(let $name = Parameter::read(&_cx, _arguments, $name)?;)*
                // Nothing of the closure runs if an argument is left over.
                _arguments.finish()?;
                let future = self($($name),*);
                Ok(BoxedHandler::new(future))
            }
        }

        impl<F, Fut, R, $($parameter),*> Closure<fn(Context, ($($parameter,)*)) -> R, $count> for F
        where
            F: Fn(Context, $($parameter),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Outcome<R>> + Send + 'static,
            R: Serialize + Send + 'static,
            $($parameter: Parameter + Send + 'static,)*
        {
            const STREAMS: &'static [bool] = &[$($parameter::STREAM),*];

            fn run(
                &self,
                names: &[&'static str; $count],
                cx: Context,
                _arguments: &mut ArgumentReader<'_>,
            ) -> Result<BoxedHandler, ArgumentError> {
                let [$($name),*] = *names;
                $(let $name = Parameter::read(&cx, _arguments, $name)?;)*
                _arguments.finish()?;
                let future = self(cx, $($name),*);
                Ok(BoxedHandler::new(future))
            }
        }
    };
}

closures!(0:);
closures!(1: A a);
closures!(2: A a, B b);
closures!(3: A a, B b, C c);
closures!(4: A a, B b, C c, D d);
closures!(5: A a, B b, C c, D d, E e);
closures!(6: A a, B b, C c, D d, E e, G g);
closures!(7: A a, B b, C c, D d, E e, G g, H h);
closures!(8: A a, B b, C c, D d, E e, G g, H h, I i);
