//! What both builders have in common: what one end exposes, and what it says of itself.

use std::sync::Arc;
use std::time::Duration;

use kaa_rpc_proto::Limits;
use kaa_rpc_proto::handshake::{InstanceId, ServiceName};
use tokio::runtime::Handle;

use crate::connection::Setup;
use crate::open::{Announcement, ConnectError};
use crate::secret::random;
use crate::serve::functions::{Functions, Registry};

/// One end of connections that are yet to be opened.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) functions: Functions,
    pub(crate) limits: Limits,
    pub(crate) service: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) open_timeout: Duration,
    #[cfg(feature = "tcp")]
    pub(crate) plaintext: bool,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            functions: Functions::default(),
            limits: Limits::default(),
            service: String::new(),
            timeout: None,
            close_timeout: Duration::from_secs(5),
            open_timeout: Duration::from_secs(10),
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
    close_timeout: Duration,
    pub(crate) open_timeout: Duration,
    #[cfg(feature = "tcp")]
    pub(crate) plaintext: bool,
}

impl Side {
    pub(crate) fn check(self) -> Result<SoundSide, ConnectError> {
        let registry = Registry::new(self.functions).map_err(ConnectError::Register)?;
        let service = ServiceName::new(&self.service).map_err(|error| {
            ConnectError::Settings(format!("the service name `{}`: {error}", self.service))
        })?;
        self.limits
            .validate()
            .map_err(|error| ConnectError::Settings(error.to_string()))?;
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
            #[cfg(feature = "tcp")]
            plaintext: self.plaintext,
        })
    }
}

impl SoundSide {
    pub(crate) fn setup(&self, runtime: Handle) -> Setup {
        Setup {
            functions: Arc::clone(&self.registry),
            limits: self.announcement.limits,
            timeout: self.timeout,
            close_timeout: self.close_timeout,
            runtime,
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
