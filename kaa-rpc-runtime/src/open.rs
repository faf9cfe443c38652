//! The handshake over a real stream: exact reads, one deadline, silence on failure.

#[cfg(feature = "process")]
mod child;
#[cfg(feature = "tcp")]
mod secure;

use std::fmt;
use std::io;
use std::time::Duration;

use kaa_rpc_proto::Limits;
use kaa_rpc_proto::handshake::server::{AwaitPreamble, Refusal, VersionAgreed};
use kaa_rpc_proto::handshake::{
    HandshakeError, InstanceId, KeyId, Keyring, Keys, Opened, ServiceName, Settings, Step,
    Transport as Announced, client, server,
};

#[cfg(feature = "process")]
pub(crate) use child::Newborn;

use crate::address::AddressError;
use crate::peer::Peer;
use crate::secret::random;
use crate::serve::functions::RegisterError;
#[cfg(feature = "tcp")]
use crate::transport::TcpConnectError;
use crate::transport::{Kind, Transport, UnixConnectError};

/// A stream whose other end has proved that it knows the secret.
pub(crate) struct Opening {
    pub(crate) opened: Opened,
    pub(crate) transport: Transport,
    pub(crate) peer: Peer,
}

/// What an end says of itself in the handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement {
    pub(crate) service: ServiceName,
    pub(crate) limits: Limits,
    pub(crate) instance: InstanceId,
}

impl Announcement {
    fn settings(&self, kind: Kind) -> Settings {
        let announced = match kind {
            Kind::Unix => Announced::Unix,
            #[cfg(feature = "tcp")]
            Kind::Tcp => Announced::Tcp,
            #[cfg(feature = "tcp")]
            Kind::PlainTcp => Announced::PlainTcp,
            #[cfg(feature = "process")]
            Kind::Inherited => Announced::Inherited,
            Kind::Other => Announced::Other,
        };
        let mut settings = Settings::new(announced, self.instance);
        settings.service = self.service;
        settings.limits = self.limits;
        settings
    }
}

/// Why a channel could not be opened. The text says whose fault it is and what to do.
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be read.
    Address(AddressError),
    /// This build has no transport of this kind.
    Unsupported(String),
    /// Nobody listens there, or it is not safe to talk to.
    Unix(UnixConnectError),
    /// The connector that the user supplied gave no stream.
    Connector(io::Error),
    /// Nobody listens there, or the host is not known.
    #[cfg(feature = "tcp")]
    Tcp(TcpConnectError),
    /// What this end exposes does not go together.
    Register(RegisterError),
    /// A name or limit that was set cannot be announced.
    Settings(String),
    /// The two ends do not go together: most often, their secrets differ.
    Handshake(HandshakeError),
    /// Over a stream that the user supplied with a binding: the secrets differ, or the bindings do, as they
    /// do if somebody is in the middle.
    Binding(HandshakeError),
    /// The program cannot be started.
    #[cfg(feature = "process")]
    Spawn {
        /// The program.
        program: String,
        /// What the system says.
        error: io::Error,
    },
    /// The program that was started did not open its channel.
    #[cfg(feature = "process")]
    Child {
        /// The program.
        program: String,
        /// What went wrong between the two.
        error: Box<Self>,
        /// How it ended; `None` if it had to be killed.
        status: Option<std::process::ExitStatus>,
    },
    /// The connection broke during the handshake.
    Io(io::Error),
    /// It took longer than the builder's `open_timeout`.
    TimedOut(Duration),
    /// At a server: it had shown nothing of itself when others came that needed its place, or had
    /// nobody left to displace.
    Crowded {
        /// How many connections may be opening at once: the server's `max_opening`.
        places: usize,
    },
    /// At a server: it has as many channels as it may have.
    TooManyChannels {
        /// The server's `max_channels`.
        limit: usize,
    },
    /// At a server: the secret was revoked while the channel was being opened.
    Revoked {
        /// Its id.
        key_id: String,
    },
    /// At a server, on a Unix socket: the other end runs as a user who is not allowed.
    User {
        /// That user.
        uid: u32,
        /// Who is.
        allowed: String,
    },
    /// The server is closing.
    Closing,
    /// The operating system gives no random numbers, without which no handshake is safe.
    Random(io::Error),
}

impl ConnectError {
    /// Whether a later attempt may succeed although nothing was changed at this end: nobody listens
    /// there now, the other end went away, it took too long. A wrong secret does not pass.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unix(error) => !matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
            ),
            #[cfg(feature = "tcp")]
            Self::Tcp(_) => true,
            Self::Handshake(error) | Self::Binding(error) => {
                matches!(error, HandshakeError::Closed { .. })
            }
            Self::Connector(_) | Self::Io(_) | Self::TimedOut(_) | Self::Random(_) => true,
            // Of servers.
            Self::Crowded { .. } | Self::TooManyChannels { .. } => true,
            Self::Revoked { .. } | Self::User { .. } | Self::Closing => false,
            #[cfg(feature = "process")]
            Self::Spawn { .. } | Self::Child { .. } => false,
            Self::Address(_) | Self::Unsupported(_) | Self::Register(_) | Self::Settings(_) => {
                false
            }
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Unsupported(what) => write!(f, "cannot connect: {what}"),
            Self::Unix(error) => error.fmt(f),
            #[cfg(feature = "tcp")]
            Self::Tcp(error) => error.fmt(f),
            Self::Connector(error) => write!(f, "cannot connect: {error}"),
            Self::Register(error) => error.fmt(f),
            Self::Settings(what) => f.write_str(what),
            Self::Handshake(error) => error.fmt(f),
            Self::Binding(error) => write!(
                f,
                "{error}; or the bindings differ that the two ends gave with the stream: then it is not one \
                 stream, and somebody is between them"
            ),
            #[cfg(feature = "process")]
            Self::Spawn { program, error } => write!(f, "cannot start `{program}`: {error}"),
            #[cfg(feature = "process")]
            Self::Child {
                program,
                status: Some(status),
                error,
            } => write!(
                f,
                "`{program}` ended ({status}) before its channel was open: {error}"
            ),
            #[cfg(feature = "process")]
            Self::Child { program, error, .. } => {
                write!(f, "`{program}` opened no channel and was killed: {error}")
            }
            Self::Io(error) => write!(f, "the connection broke while it was opened: {error}"),
            Self::TimedOut(limit) => write!(
                f,
                "the connection did not open within {limit:?} (open_timeout)"
            ),
            Self::Crowded { places } => write!(
                f,
                "let go before it was opened: all {places} places for connections that have yet to \
                 prove themselves were taken (max_opening)"
            ),
            Self::TooManyChannels { limit } => {
                write!(
                    f,
                    "{limit} channels are open, which is the limit (max_channels)"
                )
            }
            Self::Revoked { key_id } => {
                write!(
                    f,
                    "the secret `{key_id}` was revoked while the channel was being opened"
                )
            }
            Self::User { uid, allowed } => {
                write!(f, "the user {uid} is not allowed here, expected {allowed}")
            }
            Self::Closing => f.write_str("the server is closing"),
            Self::Random(error) => write!(f, "no random numbers for a handshake: {error}"),
        }
    }
}

/// As its text, which tells what to do: a `main` that gives it on prints this.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) | Self::Random(error) | Self::Connector(error) => Some(error),
            _ => None,
        }
    }
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

/// What a failure means where the proofs also cover what the user said of the stream.
fn with_binding(bound: bool) -> impl Fn(ConnectError) -> ConnectError {
    move |error| match error {
        ConnectError::Handshake(
            error @ (HandshakeError::WrongSecret { .. }
            | HandshakeError::Refused
            | HandshakeError::ServerNotProven),
        ) if bound => ConnectError::Binding(error),
        other => other,
    }
}

/// Opens a stream as its client.
pub(crate) async fn as_client(
    transport: Transport,
    announcement: &Announcement,
    key_id: KeyId,
    keys: Keys,
) -> Result<Opening, ConnectError> {
    let meaning = with_binding(!transport.binding().is_empty());
    let opening = open_as_client(transport, announcement, key_id, keys);
    opening.await.map_err(meaning)
}

async fn open_as_client(
    mut transport: Transport,
    announcement: &Announcement,
    key_id: KeyId,
    keys: Keys,
) -> Result<Opening, ConnectError> {
    let settings = announcement.settings(transport.kind());
    let nonce = random().map_err(ConnectError::Random)?;
    #[cfg_attr(not(feature = "tcp"), expect(unused_mut, reason = "TCP adds to it"))]
    let Step {
        mut send,
        next: version,
    } = client::start(settings, key_id, keys.clone(), nonce)?;
    #[cfg(feature = "tcp")]
    let noise = secure::begin(&transport, &keys, &mut send)?;
    write(&mut transport, &send).await?;

    let mut bytes = [0; client::AwaitVersion::NEEDS];
    let check = client::AwaitVersion::check_beginning;
    read_checked(&mut transport, &mut bytes, check, |got| version.closed(got)).await?;
    let version = version.receive(&bytes)?;
    #[cfg(feature = "tcp")]
    let mut transport = secure::client(transport, noise).await?;
    let hello = version.bind(transport.binding());

    let mut bytes = [0; client::AwaitHello::NEEDS];
    read(&mut transport, &mut bytes, |got| hello.closed(got)).await?;
    let Step { send, next: proof } = hello.receive(&bytes, unread(&mut transport))?;
    write(&mut transport, &send).await?;

    let mut bytes = [0; client::AwaitProof::NEEDS];
    read(&mut transport, &mut bytes, |got| proof.closed(got)).await?;
    let opened = proof.receive(&bytes)?;
    Ok(Opening::new(opened, transport))
}

/// What a server decides while a client opens a channel.
pub(crate) trait Doorkeeper {
    /// Judges the preamble, by the secrets that are accepted now.
    fn judge(
        &mut self,
        state: AwaitPreamble,
        preamble: &[u8; AwaitPreamble::NEEDS],
    ) -> Result<Step<VersionAgreed>, Refusal>;

    /// The client's first Noise message took the secret to be made.
    #[cfg_attr(not(feature = "tcp"), allow(dead_code, reason = "only TCP encrypts"))]
    fn showed_secret(&mut self, _message: &[u8]) {}

    /// The client has proved that it knows the secret. Unless it is let in, it gets no proof itself.
    fn admit(&mut self, _opened: &Opened) -> Result<(), ConnectError> {
        Ok(())
    }
}

/// Lets in everybody who has one of these secrets.
impl Doorkeeper for &Keyring {
    fn judge(
        &mut self,
        state: AwaitPreamble,
        preamble: &[u8; AwaitPreamble::NEEDS],
    ) -> Result<Step<VersionAgreed>, Refusal> {
        state.receive(preamble, self)
    }
}

impl<D: Doorkeeper> Doorkeeper for &mut D {
    fn judge(
        &mut self,
        state: AwaitPreamble,
        preamble: &[u8; AwaitPreamble::NEEDS],
    ) -> Result<Step<VersionAgreed>, Refusal> {
        (**self).judge(state, preamble)
    }

    fn showed_secret(&mut self, message: &[u8]) {
        (**self).showed_secret(message);
    }

    fn admit(&mut self, opened: &Opened) -> Result<(), ConnectError> {
        (**self).admit(opened)
    }
}

/// Opens a stream as its server.
pub(crate) async fn as_server(
    transport: Transport,
    announcement: &Announcement,
    door: impl Doorkeeper,
) -> Result<Opening, ConnectError> {
    let meaning = with_binding(!transport.binding().is_empty());
    let opening = open_as_server(transport, announcement, door);
    opening.await.map_err(meaning)
}

async fn open_as_server(
    mut transport: Transport,
    announcement: &Announcement,
    mut door: impl Doorkeeper,
) -> Result<Opening, ConnectError> {
    let settings = announcement.settings(transport.kind());
    let nonce = random().map_err(ConnectError::Random)?;
    let preamble = AwaitPreamble::new(settings, nonce)?;

    let mut bytes = [0; AwaitPreamble::NEEDS];
    read_checked(
        &mut transport,
        &mut bytes,
        AwaitPreamble::check_beginning,
        |got| preamble.closed(got),
    )
    .await?;
    let Step {
        send: mut answer,
        next: version,
    } = match door.judge(preamble, &bytes) {
        Ok(step) => step,
        Err(refusal) => {
            // Only an honest client of another version gets an answer.
            let _ = transport.write_all(&refusal.send).await;
            // What it sent along with its preamble must not turn the close into a reset, which may
            // overtake the answer.
            let _ = transport.try_read(&mut [0; 64]);
            return Err(refusal.error.into());
        }
    };
    #[cfg(feature = "tcp")]
    let mut transport = secure::server(transport, &version, &bytes, &mut answer, &mut door).await?;
    let Step { send, next: hello } = version.bind(transport.binding());
    // Both in one write.
    answer.extend_from_slice(&send);
    write(&mut transport, &answer).await?;

    let mut bytes = [0; server::AwaitHello::NEEDS];
    read(&mut transport, &mut bytes, |got| hello.closed(got)).await?;
    let proof = hello.receive(&bytes)?;

    let mut bytes = [0; server::AwaitProof::NEEDS];
    read(&mut transport, &mut bytes, |got| proof.closed(got)).await?;
    let Step { send, next: opened } = proof.receive(&bytes, unread(&mut transport))?;
    door.admit(&opened)?;
    write(&mut transport, &send).await?;
    Ok(Opening::new(opened, transport))
}

impl Opening {
    fn new(opened: Opened, transport: Transport) -> Self {
        let peer = Peer {
            credentials: transport.peer_credentials(),
            address: transport.peer_address(),
            instance: opened.peer().instance.0,
            session: opened.session().to_string(),
            service: opened.peer().service.as_str().to_owned(),
            key_id: opened.key_id().as_str().to_owned(),
        };
        Self {
            opened,
            transport,
            peer,
        }
    }
}

/// Reads exactly as much as is due. If the other end closes before, `closed` says what that means.
async fn read(
    transport: &mut Transport,
    bytes: &mut [u8],
    closed: impl Fn(usize) -> HandshakeError,
) -> Result<(), ConnectError> {
    read_checked(transport, bytes, |_| Ok(()), closed).await
}

/// As [`read`], but looks at the beginning as soon as it is there: a stranger that speaks another
/// protocol need not send as much as ours would.
async fn read_checked(
    transport: &mut Transport,
    bytes: &mut [u8],
    check: impl Fn(&[u8]) -> Result<(), HandshakeError>,
    closed: impl Fn(usize) -> HandshakeError,
) -> Result<(), ConnectError> {
    let mut got = 0;
    while let Some(rest) = bytes.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match std::future::poll_fn(|cx| transport.poll_read(cx, &mut *rest)).await {
            Ok(0) => return Err(closed(got).into()),
            Ok(count) => got += count,
            Err(error) if is_reset(&error) => return Err(closed(got).into()),
            Err(error) => return Err(ConnectError::Io(error)),
        }
        check(bytes.get(..got).unwrap_or_default())?;
    }
    Ok(())
}

/// Writes; an end that has closed already says so at the next read, where it is known what it means.
async fn write(transport: &mut Transport, bytes: &[u8]) -> Result<(), ConnectError> {
    match transport.write_all(bytes).await {
        Err(error) if !is_reset(&error) => Err(ConnectError::Io(error)),
        _ => Ok(()),
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            // TLS has an end of its own, which one who closes in silence does not send.
            | io::ErrorKind::UnexpectedEof
    )
}

/// Whether bytes are there that came too early: 1 if so.
fn unread(transport: &mut Transport) -> usize {
    transport.try_read(&mut [0]).unwrap_or(0)
}
