//! A peer that speaks bytes: after a real handshake it says whatever a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_proto::handshake::{InstanceId, KeyId, Keyring, Keys, Settings, Transport};
use kaa_rpc_proto::handshake::{client, server};
use kaa_rpc_proto::msgpack::{Arguments, encode_arguments, to_vec};
use kaa_rpc_runtime::Limits;

/// The arguments of a call that has none.
pub const NOTHING: &[u8] = b"\x90\x80";

pub struct Peer {
    pub stream: UnixStream,
}

/// What came, without its length field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came(pub Vec<u8>);

impl Came {
    pub fn frame(&self) -> Frame<'_> {
        Frame::decode(&self.0).unwrap()
    }
}

fn secret() -> kaa_rpc_proto::Secret {
    kaa_rpc_proto::Secret::from([7; 32])
}

fn settings(limits: Limits, instance: [u8; 16]) -> Settings {
    let mut settings = Settings::new(Transport::Unix, InstanceId(instance));
    settings.limits = limits;
    settings
}

/// Random bytes.
pub fn rand<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .unwrap();
    bytes
}

impl Peer {
    fn new(stream: UnixStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self { stream }
    }

    /// Connects to a server and proves that it knows the secret.
    pub fn connect(path: &Path, limits: Limits) -> Self {
        Self::connect_as(rand(), path, limits)
    }

    /// With an instance id by which the server's end of the channel can be known.
    pub fn connect_as(instance: [u8; 16], path: &Path, limits: Limits) -> Self {
        let mut peer = Self::new(UnixStream::connect(path).unwrap());
        let (send, state) = client::start(
            settings(limits, instance),
            KeyId::EMPTY,
            Keys::derive(&secret()),
            rand(),
        )
        .unwrap()
        .into();
        peer.send_bytes(&send);
        let state = state.receive(&peer.exactly()).unwrap().bind(&[]);
        let (send, state) = state.receive(&peer.exactly(), 0).unwrap().into();
        peer.send_bytes(&send);
        let _opened = state.receive(&peer.exactly()).unwrap();
        peer
    }

    /// Accepts one client and lets it prove itself.
    pub fn accept(listener: &UnixListener, limits: Limits) -> Self {
        let mut peer = Self::new(listener.accept().unwrap().0);
        let mut keyring = Keyring::new(rand());
        keyring.insert(KeyId::EMPTY, &secret());
        let state = server::AwaitPreamble::new(settings(limits, rand()), rand()).unwrap();
        let (mut answer, state) = state
            .receive(&peer.exactly(), &keyring)
            .unwrap_or_else(|refusal| panic!("{}", refusal.error))
            .into();
        let (send, state) = state.bind(&[]).into();
        answer.extend_from_slice(&send);
        peer.send_bytes(&answer);
        let state = state.receive(&peer.exactly()).unwrap();
        let (send, _opened) = state.receive(&peer.exactly(), 0).unwrap().into();
        peer.send_bytes(&send);
        peer
    }

    fn exactly<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends what the other end takes; it may have closed already.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn send(&mut self, frame: &Frame<'_>) {
        self.send_bytes(&bytes(frame));
    }

    pub fn call(&mut self, id: u32, name: &str, arguments: impl Arguments) {
        self.send_bytes(&call(id, name, arguments));
    }

    pub fn result(&mut self, id: u32, value: impl serde::Serialize) {
        let value = to_vec(&value).unwrap();
        self.send(&Frame::Result { id, value: &value });
    }

    /// The next frame; `None` when the other end has closed.
    pub fn receive(&mut self) -> Option<Came> {
        let mut length = [0; 4];
        if !self.fill(&mut length) {
            return None;
        }
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        assert!(self.fill(&mut body), "the stream ended within a frame");
        Some(Came(body))
    }

    /// `false` at a clean end or reset before the first byte.
    fn fill(&mut self, mut bytes: &mut [u8]) -> bool {
        let all = bytes.len();
        while !bytes.is_empty() {
            match self.stream.read(bytes) {
                Ok(0) => {
                    assert_eq!(bytes.len(), all, "the stream ended within a field");
                    return false;
                }
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
                Err(error) => panic!("{error}: nothing came in time"),
            }
        }
        true
    }

    /// Whether nothing comes for a moment. Only for what must never come.
    pub fn hears_nothing(&mut self) -> bool {
        self.stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let read = self.stream.read(&mut [0]);
        self.stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads until the other end closes; gives what came before.
    pub fn until_closed(&mut self) -> Vec<Came> {
        std::iter::from_fn(|| self.receive()).collect()
    }

    pub fn is_closed_by_other_end(&mut self) -> bool {
        // Nothing but goodbye may come before it.
        self.until_closed().is_empty()
    }

    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// A listener that clients of the runtime trust.
pub fn listen(path: &Path) -> UnixListener {
    let listener = UnixListener::bind(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    listener
}

pub fn bytes(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

pub fn arguments(arguments: impl Arguments) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_arguments(&mut bytes, &arguments).unwrap();
    bytes
}

/// The bytes of a call.
pub fn call(id: u32, name: &str, of: impl Arguments) -> Vec<u8> {
    bytes(&Frame::Call {
        id,
        head: CallHead::new(name),
        arguments: &arguments(of),
    })
}
