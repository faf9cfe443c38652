//! Closures that block as functions.

use std::marker::PhantomData;
use std::sync::Arc;

use kaa_rpc_proto::msgpack::{ArgumentError, ArgumentReader};
use serde::Serialize;

use super::functions::{BoxedHandler, Mode};
use super::params::{ClosureParameter, Handler, Parameter};
use crate::context::Context;
use crate::outcome::Outcome;

/// As [`params`](crate::params), for a closure that is not async and may block or compute for long: it runs on one
/// of the threads that tokio has for that, up to 512 in a runtime by default. Calls are
/// handed to them in order.
///
/// ```
/// # use kaa_rpc_runtime::{Channel, blocking_params};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lines = |path: String| Ok(std::fs::read_to_string(path)?.lines().count());
/// let (_server, client) =
///     Channel::pair(|side| side.register_fn("lines", blocking_params(["path"], lines)), |side| side).await?;
/// assert!(client.rpc::<usize, _>("lines", ("/etc/passwd",)).await? > 0);
/// # Ok(()) }
/// ```
///
/// It can wait for calls of its own: `cx.channel().rpc(…).`[`wait()`](crate::Call::wait).
///
/// When its call is cancelled it runs to its end, unless it asks [`Context::is_cancelled`]; until then the call
/// keeps its place in the window, so that a caller that cancels and calls again has no more threads than places.
/// One that has not begun by then never does. A panic is a fault, as everywhere.
///
/// A runtime that is dropped waits for those that run.
pub fn blocking_params<const N: usize, F, M>(
    names: [&'static str; N],
    function: F,
) -> BlockingParams<N, F, M>
where
    F: BlockingClosure<M, N>,
{
    BlockingParams {
        names,
        function: Arc::new(function),
        marker: PhantomData,
    }
}

/// A closure that may block, and the names of its parameters; made by [`blocking_params`].
#[derive(Debug)]
pub struct BlockingParams<const N: usize, F, M> {
    names: [&'static str; N],
    function: Arc<F>,
    marker: PhantomData<fn() -> M>,
}

impl<const N: usize, F, M> Handler for BlockingParams<N, F, M>
where
    F: BlockingClosure<M, N>,
    M: 'static,
{
    fn run(
        &self,
        cx: Context,
        arguments: &mut ArgumentReader<'_>,
    ) -> Result<BoxedHandler, ArgumentError> {
        F::run(&self.function, &self.names, cx, arguments)
    }

    fn mode(&self) -> Mode {
        Mode::Blocking
    }

    fn parameters(&self) -> Vec<ClosureParameter> {
        let parameters = self.names.iter().zip(F::STREAMS);
        let parameters = parameters.map(|(&name, &stream)| ClosureParameter { name, stream });
        parameters.collect()
    }
}

/// An `Fn` of `N` parameters that gives an [`Outcome`], with or without a [`Context`] before them; `M` keeps the
/// cases apart.
pub trait BlockingClosure<M, const N: usize>: Send + Sync + 'static {
    #[doc(hidden)]
    const STREAMS: &'static [bool];

    #[doc(hidden)]
    fn run(
        this: &Arc<Self>,
        names: &[&'static str; N],
        cx: Context,
        arguments: &mut ArgumentReader<'_>,
    ) -> Result<BoxedHandler, ArgumentError>;
}

macro_rules! closures {
    ($count:literal: $($parameter:ident $name:ident),*) => {
        impl<F, R, $($parameter),*> BlockingClosure<fn($($parameter),*) -> R, $count> for F
        where
            F: Fn($($parameter),*) -> Outcome<R> + Send + Sync + 'static,
            R: Serialize + Send + 'static,
            $($parameter: Parameter + Send + 'static,)*
        {
            const STREAMS: &'static [bool] = &[$($parameter::STREAM),*];

            fn run(
                this: &Arc<Self>,
                names: &[&'static str; $count],
                _cx: Context,
                _arguments: &mut ArgumentReader<'_>,
            ) -> Result<BoxedHandler, ArgumentError> {
                let [$($name),*] = *names;
                $(let $name = Parameter::read(&_cx, _arguments, $name)?;)*
                let this = Arc::clone(this);
                Ok(BoxedHandler::new(async move { this($($name),*) }))
            }
        }

        impl<F, R, $($parameter),*> BlockingClosure<fn(Context, ($($parameter,)*)) -> R, $count> for F
        where
            F: Fn(Context, $($parameter),*) -> Outcome<R> + Send + Sync + 'static,
            R: Serialize + Send + 'static,
            $($parameter: Parameter + Send + 'static,)*
        {
            const STREAMS: &'static [bool] = &[$($parameter::STREAM),*];

            fn run(
                this: &Arc<Self>,
                names: &[&'static str; $count],
                cx: Context,
                _arguments: &mut ArgumentReader<'_>,
            ) -> Result<BoxedHandler, ArgumentError> {
                let [$($name),*] = *names;
                $(let $name = Parameter::read(&cx, _arguments, $name)?;)*
                let this = Arc::clone(this);
                Ok(BoxedHandler::new(async move { this(cx, $($name),*) }))
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
