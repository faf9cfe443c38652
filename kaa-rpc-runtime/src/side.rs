//! What both builders have in common: what one end exposes, and what it says of itself.

use std::sync::{Arc, Weak};
use std::time::Duration;

use kaa_rpc_proto::Limits;
use kaa_rpc_proto::handshake::{InstanceId, ServiceName};
use tokio::runtime::Handle;

use crate::blocking::turns::Turns;
use crate::call::MadeChain;
use crate::connection::Setup;
use crate::open::{Announcement, ConnectError};
use crate::secret::random;
use crate::serve::functions::{Functions, Registry};
use crate::serve::intercept::ServedChain;

/// What one end puts up with from the other, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) write_timeout: Duration,
    pub(crate) frame_timeout: Duration,
    pub(crate) keepalive: KeepaliveSetting,
    /// How many at once, and how many more each second.
    pub(crate) bad_calls: (u32, u32),
}

/// When a silent end is asked whether it lives, and how long it may then be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    pub(crate) interval: Duration,
    pub(crate) limit: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum KeepaliveSetting {
    /// On over a network, off on one machine: there the kernel tells if the other end is gone, and
    /// one that merely stands still, in a debugger perhaps, may go on.
    ByTransport,
    On(Keepalive),
    Off,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            write_timeout: Duration::from_secs(30),
            frame_timeout: Duration::from_secs(30),
            keepalive: KeepaliveSetting::ByTransport,
            bad_calls: (10_000, 1_000),
        }
    }
}

impl Patience {
    pub(crate) fn keepalive(&self, network: bool) -> Option<Keepalive> {
        match self.keepalive {
            KeepaliveSetting::On(keepalive) => Some(keepalive),
            KeepaliveSetting::ByTransport if network => Some(Keepalive {
                interval: Duration::from_secs(30),
                limit: Duration::from_secs(30),
            }),
            KeepaliveSetting::ByTransport | KeepaliveSetting::Off => None,
        }
    }

    /// A time of nothing would close each connection at once.
    fn check(&self) -> Result<(), ConnectError> {
        let keepalive = self.keepalive(false);
        let times = [
            ("write_timeout", Some(self.write_timeout)),
            ("frame_timeout", Some(self.frame_timeout)),
            ("the interval of keepalive", keepalive.map(|on| on.interval)),
            ("the limit of keepalive", keepalive.map(|on| on.limit)),
        ];
        match times.iter().find(|(_, time)| *time == Some(Duration::ZERO)) {
            Some((what, _)) => Err(ConnectError::Settings(format!(
                "{what} is 0: expected a time, at least a millisecond"
            ))),
            None => Ok(()),
        }
    }
}

/// One end of connections that are yet to be opened.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) functions: Functions,
    pub(crate) introspection: bool,
    pub(crate) limits: Limits,
    pub(crate) service: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) open_timeout: Duration,
    pub(crate) patience: Patience,
    pub(crate) served_chain: ServedChain,
    pub(crate) made_chain: MadeChain,
    /// Who is to drive the channel, if it gets a thread of its own.
    pub(crate) turns: Weak<Turns>,
    #[cfg(feature = "tcp")]
    pub(crate) plaintext: bool,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            functions: Functions::default(),
            introspection: true,
            limits: Limits::default(),
            service: String::new(),
            timeout: None,
            close_timeout: Duration::from_secs(5),
            open_timeout: Duration::from_secs(10),
            patience: Patience::default(),
            served_chain: ServedChain::default(),
            made_chain: MadeChain::default(),
            turns: Weak::new(),
            #[cfg(feature = "tcp")]
            plaintext: false,
        }
    }
}

/// A [`Side`] that was found to be sound.
#[derive(Clone)]
pub(crate) struct SoundSide {
    pub(crate) registry: Arc<Registry>,
    pub(crate) announcement: Announcement,
    timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) open_timeout: Duration,
    patience: Patience,
    served_chain: Option<Arc<ServedChain>>,
    made_chain: Option<Arc<MadeChain>>,
    turns: Weak<Turns>,
    #[cfg(feature = "tcp")]
    pub(crate) plaintext: bool,
}

impl Side {
    pub(crate) fn check(self) -> Result<SoundSide, ConnectError> {
        let registry =
            Registry::new(self.functions, self.introspection).map_err(ConnectError::Register)?;
        let service = ServiceName::new(&self.service).map_err(|error| {
            ConnectError::Settings(format!("the service name `{}`: {error}", self.service))
        })?;
        self.limits
            .validate()
            .map_err(|error| ConnectError::Settings(error.to_string()))?;
        self.patience.check()?;
        let instance = InstanceId(random().map_err(ConnectError::Random)?);
        Ok(SoundSide {
            registry: Arc::new(registry),
            announcement: Announcement {
                service,
                limits: self.limits,
                instance,
            },
            timeout: self.timeout,
            close_timeout: self.close_timeout,
            open_timeout: self.open_timeout,
            patience: self.patience,
            served_chain: (!self.served_chain.is_empty()).then(|| Arc::new(self.served_chain)),
            made_chain: (!self.made_chain.is_empty()).then(|| Arc::new(self.made_chain)),
            turns: self.turns,
            #[cfg(feature = "tcp")]
            plaintext: self.plaintext,
        })
    }
}

impl SoundSide {
    /// Of a channel that has one connection.
    pub(crate) fn setup(&self, runtime: Handle) -> Setup {
        Setup {
            functions: Arc::clone(&self.registry),
            limits: self.announcement.limits,
            timeout: self.timeout,
            close_timeout: self.close_timeout,
            patience: self.patience,
            waits: true,
            reconnects: false,
            resends: 0,
            served_chain: self.served_chain.clone(),
            made_chain: self.made_chain.clone(),
            server: Weak::new(),
            runtime,
            turns: Weak::clone(&self.turns),
        }
    }
}

/// The methods that [`crate::ChannelBuilder`] and [`crate::ServerBuilder`] share.
macro_rules! side_methods {
    () => {
        /// Exposes the functions of a service: an object, in the clothes that the generator made for
        /// its interface. Any number of them.
        pub fn register(self, service: impl crate::codegen::Service) -> Self {
            self.register_at("", service)
        }

        /// Exposes the functions of a service under a prefix, so that the same interface can be
        /// exposed several times: `register_at("left.", …)` is called through
        /// `PlayerClient::at(&channel, "left.")`.
        pub fn register_at(mut self, prefix: &str, service: impl crate::codegen::Service) -> Self {
            self.side.functions.add_service(prefix, service);
            self
        }

        /// Exposes a closure whose parameters got names from [`crate::params`].
        pub fn register_fn(mut self, name: &str, function: impl crate::Handler) -> Self {
            self.side.functions.add_fn(name, function);
            self
        }

        /// Does not answer `kaa.describe` and `kaa.ping`, which tell the other end what is exposed, and
        /// that this end is there. Calls of them fail as those of any unknown function.
        ///
        /// What is exposed can be called all the same by whoever knows the names.
        pub fn without_introspection(mut self) -> Self {
            self.side.introspection = false;
            self
        }

        /// Puts an interceptor around the calls that this end serves: an async function that gets each call
        /// before anything of it is decoded, goes on with it or refuses it, and sees what became of it. For
        /// logs, access control, limits of rate.
        ///
        /// ```
        /// use kaa_rpc_runtime::{Answer, Channel, Error, ServedCall, ServedNext, params};
        ///
        /// async fn only_reading(call: ServedCall, next: ServedNext) -> Answer {
        ///     if call.name().starts_with("set_") && call.context().peer().name() != "admin" {
        ///         return Answer::refused("only `admin` may change something");
        ///     }
        ///     next.run(call).await
        /// }
        ///
        /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// let (_server, client) = Channel::pair(
        ///     |side| {
        ///         side.register_fn("set_volume", params(["to"], async |to: u8| Ok(to)))
        ///             .intercept_served(only_reading)
        ///     },
        ///     |side| side,
        /// )
        /// .await?;
        /// let refused = client.rpc::<u8, _>("set_volume", (11,)).await;
        /// assert!(matches!(refused, Err(Error::Refused { .. })));
        /// # Ok(()) }
        /// ```
        ///
        /// Several stand around each other, the one that was added first outermost. They see every call, also
        /// those of functions that are not exposed ([`ServedCall::is_known`](crate::ServedCall::is_known)).
        /// Calls come to them in the order in which they were sent; one that waits lets others go past the
        /// call, and is dropped like a handler when the call is cancelled or its time is over. Around a call of
        /// a `@serial` function they begin when its turn has come. A panic is a fault of that call alone. Refused calls count for [`bad_calls`](Self::bad_calls).
        pub fn intercept_served<F, Fut>(mut self, intercept: F) -> Self
        where
            F: Fn(crate::ServedCall, crate::ServedNext) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = crate::Answer> + Send + 'static,
        {
            self.side.served_chain.add(intercept);
            self
        }

        /// Puts an interceptor around the calls that this end makes: an async function that gets each call
        /// before it is sent, may send metadata along, goes on with it or lets it fail, and sees what became of
        /// it.
        ///
        /// Several stand around each other, the one that was added first outermost. A call whose interceptors
        /// are ready at once is sent by `start`; otherwise it is sent while its handle is awaited, or once it
        /// is detached. While items are taken from a call, its interceptors are not polled.
        pub fn intercept_calls<F, Fut>(mut self, intercept: F) -> Self
        where
            F: Fn(crate::MadeCall, crate::MadeNext) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = crate::CallEnd> + Send + 'static,
        {
            self.side.made_chain.add(intercept);
            self
        }

        /// Makes a span of `tracing` for each call, served or made, named `call`, with the fields of
        /// OpenTelemetry's semantic conventions for RPC: `rpc.system.name`, `rpc.method` (`_OTHER` for a served
        /// call of a function that is not exposed), `rpc.response.status_code` (`ok`, or the kind of failure),
        /// `error.type`, and `otel.name`, `otel.kind`, `otel.status_code`. A call that was cancelled has no
        /// status.
        ///
        /// Spans are linked over processes by the trace that goes along with calls: `trace_id`, `span_id` and
        /// `parent_span_id` say how, and a call outside of any trace begins one. They stand inside the
        /// interceptors that were added before, and around those that are added after. Without this, no
        /// call pays for spans.
        pub fn trace_calls(mut self) -> Self {
            self.side.served_chain.add(crate::observe::spans::served);
            self.side.made_chain.add(crate::observe::spans::made);
            self
        }

        /// Measures each call, served or made, through the facade `metrics`: whoever wants to have the figures
        /// installs a recorder.
        ///
        /// | name | what | labels |
        /// | --- | --- | --- |
        /// | `rpc.server.call.duration`, `rpc.client.call.duration` | histogram, in seconds | `rpc.method`, `rpc.response.status_code` |
        /// | `kaa.server.calls`, `kaa.client.calls` | counter of calls that have ended | the same |
        /// | `kaa.server.calls_in_flight`, `kaa.client.calls_in_flight` | gauge | |
        /// | `kaa.server.received_bytes`, `kaa.client.sent_bytes` | counter of bytes of arguments | `rpc.method` |
        /// | `kaa.server.sent_bytes`, `kaa.client.received_bytes` | counter of bytes of results and failures | `rpc.method` |
        ///
        /// `rpc.method` is the wire name of an exposed function, or of one that a schema declares; all others
        /// are `_OTHER`, since nobody bounds how many there are. `rpc.response.status_code` is `ok`, a kind of
        /// failure or, for a call whose time was over or that nobody wanted any more, `cancelled`. Items are not
        /// counted.
        ///
        /// With the feature, and without this, two figures are kept: `kaa.channels`, a gauge of open
        /// connections, and `kaa.rejected`, a counter of connections that became no channel, by `reason`:
        /// `handshake` (a wrong secret, most often), `timed_out`, `crowded`, `too_many_channels`, `revoked`,
        /// `user`, `closing`, `io` or `other`.
        #[cfg(feature = "metrics")]
        pub fn measure_calls(mut self) -> Self {
            self.side.served_chain.add(crate::observe::measure::served);
            self.side.made_chain.add(crate::observe::measure::made);
            self
        }

        /// The time that this end's calls have which say nothing themselves, in code or schema.
        /// Without it, they wait as long as the channel lives.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.side.timeout = Some(timeout);
            self
        }

        /// What this end accepts; the other end is told and keeps to it.
        pub fn limits(mut self, limits: crate::Limits) -> Self {
            self.side.limits = limits;
            self
        }

        /// Names the service, so that a client never reaches another one that has the same secret.
        /// Both ends must give the same name, or one of them none. At most 64 bytes.
        pub fn service(mut self, name: impl Into<String>) -> Self {
            self.side.service = name.into();
            self
        }

        /// The time that an orderly close may take; 5 seconds by default. Calls that have not ended
        /// then are dropped.
        pub fn close_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.side.close_timeout = timeout;
            self
        }

        /// How long a write may be stuck because the other end does not read; 30 seconds by default. Then
        /// the channel closes with [`CloseReason::WriteTimedOut`](crate::CloseReason::WriteTimedOut).
        ///
        /// Each time that the system takes something, the time begins anew: an end that reads slowly is
        /// waited for. What waits to be written is bounded by the limits of both ends meanwhile.
        pub fn write_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.side.patience.write_timeout = timeout;
            self
        }

        /// How long the other end may take to send a frame that it began; 30 seconds by default, and one
        /// second more for each 64 KiB that have come. Then the channel closes with
        /// [`CloseReason::FrameTimedOut`](crate::CloseReason::FrameTimedOut).
        ///
        /// A line that carries 64 KiB a second is fast enough for frames of any size, a slower one for
        /// those that it carries in the given time. Bytes that trickle do not stretch it.
        pub fn frame_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.side.patience.frame_timeout = timeout;
            self
        }

        /// Asks the other end whether it lives when nothing came from it for `interval`, and closes the
        /// channel with [`CloseReason::Unresponsive`](crate::CloseReason::Unresponsive) if nothing at all
        /// comes within `limit` after that.
        ///
        /// By default it is on over TCP, 30 seconds each, and off on one machine: there the kernel tells
        /// when the other program ends, and one that was merely stopped may go on. A channel on which
        /// something comes all the time asks nothing. The answer does not depend on functions: a runtime
        /// gives it that runs at all.
        pub fn keepalive(
            mut self,
            interval: std::time::Duration,
            limit: std::time::Duration,
        ) -> Self {
            self.side.patience.keepalive =
                crate::side::KeepaliveSetting::On(crate::side::Keepalive { interval, limit });
            self
        }

        /// Never asks whether the other end lives. If it vanishes without a sign, the channel stays open
        /// until something is sent and not taken for the [`write_timeout`](Self::write_timeout).
        pub fn without_keepalive(mut self) -> Self {
            self.side.patience.keepalive = crate::side::KeepaliveSetting::Off;
            self
        }

        /// How many calls of the other end on one channel may fail before they run, for an unknown
        /// function, bad arguments or too much depth: `burst` at once and `per_second` each second;
        /// 10 000 and 1 000 by default. More close the channel with
        /// [`CloseReason::TooManyBadCalls`](crate::CloseReason::TooManyBadCalls). Oneway calls of
        /// unknown functions do not count: whoever has a newer schema tells everyone of its events.
        pub fn bad_calls(mut self, burst: u32, per_second: u32) -> Self {
            self.side.patience.bad_calls = (burst, per_second);
            self
        }

        /// Uses TCP without encryption: whoever is on the way can read all calls and change them. The
        /// secret is still proven, and is not shown.
        ///
        /// Both ends must ask for it; an end that did not is not connected with one that did. Unix
        /// sockets are not concerned.
        #[cfg(feature = "tcp")]
        pub fn dangerous_plaintext(mut self) -> Self {
            self.side.plaintext = true;
            self
        }

        /// The time that opening a connection may take, the handshake included; 10 seconds by default.
        pub fn open_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.side.open_timeout = timeout;
            self
        }
    };
}
pub(crate) use side_methods;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_end_is_asked_by_default_where_it_may_vanish_without_a_sign() {
        let patience = Patience::default();
        assert!(patience.keepalive(false).is_none());
        let on = patience.keepalive(true).unwrap();
        let half_a_minute = Duration::from_secs(30);
        assert_eq!((on.interval, on.limit), (half_a_minute, half_a_minute));
        let off = Patience {
            keepalive: KeepaliveSetting::Off,
            ..patience
        };
        assert!(off.keepalive(true).is_none());
    }
}
