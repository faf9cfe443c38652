//! A client and a server over bytes in memory, each driven as a real driver does it: reads of exact
//! size, a look at what is left before a proof, and nothing sent after a failure.

use std::mem;

use kaa_rpc_proto::Secret;
use kaa_rpc_proto::handshake::{
    HandshakeError, InstanceId, KeyId, Keyring, Keys, Opened, Settings, Transport, client, server,
};

/// Bytes that a client sends, up to the end of each message.
pub(crate) const CLIENT_MESSAGES: [usize; 3] = [64, 64 + 256, 64 + 256 + 32];
/// Bytes that a server sends, up to the end of each message.
pub(crate) const SERVER_MESSAGES: [usize; 3] = [16, 16 + 256, 16 + 256 + 32];

pub(crate) fn secret() -> Secret {
    Secret::from([0x42; 32])
}

pub(crate) fn settings(instance: u8) -> Settings {
    Settings::new(Transport::Unix, InstanceId([instance; 16]))
}

pub(crate) fn keyring() -> Keyring {
    let mut keyring = Keyring::new([0xdd; 32]);
    keyring.insert(KeyId::EMPTY, &secret());
    keyring
}

/// One end of a connection and what it has received.
pub(crate) struct End<State> {
    state: Option<State>,
    inbox: Vec<u8>,
    /// What it has sent and nobody took yet.
    pub(crate) outbox: Vec<u8>,
    /// How it ended.
    pub(crate) result: Option<Result<Opened, HandshakeError>>,
}

pub(crate) enum ClientState {
    Version(client::AwaitVersion),
    Hello(client::AwaitHello),
    Proof(client::AwaitProof),
}

pub(crate) enum ServerState {
    Preamble(server::AwaitPreamble, Keyring),
    Hello(server::AwaitHello),
    Proof(server::AwaitProof),
}

/// What a state makes of its message: bytes to send, and how it goes on.
type Outcome<State> = (Vec<u8>, Result<Next<State>, HandshakeError>);

pub(crate) enum Next<State> {
    State(State),
    Opened(Box<Opened>),
}

pub(crate) trait Drive: Sized {
    fn needs(&self) -> usize;
    fn receive(self, message: &[u8], unread: usize) -> Outcome<Self>;
    fn closed(&self, got: usize) -> HandshakeError;
}

pub(crate) type Client = End<ClientState>;
pub(crate) type Server = End<ServerState>;

pub(crate) fn client(settings: Settings, nonce: u8) -> Client {
    client_with(settings, KeyId::EMPTY, &secret(), nonce)
}

pub(crate) fn client_with(settings: Settings, key_id: KeyId, secret: &Secret, nonce: u8) -> Client {
    let (outbox, state) = client::start(settings, key_id, Keys::derive(secret), [nonce; 32])
        .expect("the settings are sound")
        .into();
    End {
        state: Some(ClientState::Version(state)),
        inbox: Vec::new(),
        outbox,
        result: None,
    }
}

pub(crate) fn server(settings: Settings, nonce: u8) -> Server {
    server_with(settings, keyring(), nonce)
}

pub(crate) fn server_with(settings: Settings, keyring: Keyring, nonce: u8) -> Server {
    let state = server::AwaitPreamble::new(settings, [nonce; 32]).expect("the settings are sound");
    let state = Some(ServerState::Preamble(state, keyring));
    End {
        state,
        inbox: Vec::new(),
        outbox: Vec::new(),
        result: None,
    }
}

impl<State: Drive> End<State> {
    /// Bytes arrive, all at once.
    pub(crate) fn deliver(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        while let Some(state) = self
            .state
            .take_if(|state| state.needs() <= self.inbox.len())
        {
            let message: Vec<u8> = self.inbox.drain(..state.needs()).collect();
            let (send, next) = state.receive(&message, self.inbox.len());
            self.outbox.extend_from_slice(&send);
            match next {
                Ok(Next::State(state)) => self.state = Some(state),
                Ok(Next::Opened(opened)) => self.result = Some(Ok(*opened)),
                Err(error) => self.result = Some(Err(error)),
            }
        }
    }

    /// The other end closes.
    pub(crate) fn close(&mut self) {
        if let Some(state) = self.state.take() {
            self.result = Some(Err(state.closed(self.inbox.len())));
        }
    }

    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.outbox)
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }

    pub(crate) fn opened(&self) -> Option<&Opened> {
        self.result.as_ref()?.as_ref().ok()
    }

    /// The error; the end has sent nothing that was not taken yet.
    #[track_caller]
    pub(crate) fn silent_error(&self) -> HandshakeError {
        assert_eq!(self.outbox, [], "an end that fails says nothing");
        match &self.result {
            Some(Err(error)) => error.clone(),
            other => panic!("expected a failure, got {other:?}"),
        }
    }
}

impl Drive for ClientState {
    fn needs(&self) -> usize {
        match self {
            Self::Version(_) => client::AwaitVersion::NEEDS,
            Self::Hello(_) => client::AwaitHello::NEEDS,
            Self::Proof(_) => client::AwaitProof::NEEDS,
        }
    }

    fn receive(self, message: &[u8], unread: usize) -> Outcome<Self> {
        match self {
            Self::Version(state) => {
                let next = state.receive(exactly(message));
                (
                    Vec::new(),
                    next.map(|next| Next::State(Self::Hello(next.bind(&[])))),
                )
            }
            Self::Hello(state) => match state.receive(exactly(message), unread) {
                Ok(step) => (step.send, Ok(Next::State(Self::Proof(step.next)))),
                Err(error) => (Vec::new(), Err(error)),
            },
            Self::Proof(state) => (
                Vec::new(),
                state
                    .receive(exactly(message))
                    .map(|opened| Next::Opened(Box::new(opened))),
            ),
        }
    }

    fn closed(&self, got: usize) -> HandshakeError {
        match self {
            Self::Version(state) => state.closed(got),
            Self::Hello(state) => state.closed(got),
            Self::Proof(state) => state.closed(got),
        }
    }
}

impl Drive for ServerState {
    fn needs(&self) -> usize {
        match self {
            Self::Preamble(..) => server::AwaitPreamble::NEEDS,
            Self::Hello(_) => server::AwaitHello::NEEDS,
            Self::Proof(_) => server::AwaitProof::NEEDS,
        }
    }

    fn receive(self, message: &[u8], unread: usize) -> Outcome<Self> {
        match self {
            Self::Preamble(state, keyring) => match state.receive(exactly(message), &keyring) {
                Ok(answer) => {
                    let hello = answer.next.bind(&[]);
                    (
                        [answer.send, hello.send].concat(),
                        Ok(Next::State(Self::Hello(hello.next))),
                    )
                }
                Err(refusal) => (refusal.send, Err(refusal.error)),
            },
            Self::Hello(state) => {
                let next = state.receive(exactly(message));
                (Vec::new(), next.map(|next| Next::State(Self::Proof(next))))
            }
            Self::Proof(state) => match state.receive(exactly(message), unread) {
                Ok(step) => (step.send, Ok(Next::Opened(Box::new(step.next)))),
                Err(error) => (Vec::new(), Err(error)),
            },
        }
    }

    fn closed(&self, got: usize) -> HandshakeError {
        match self {
            Self::Preamble(state, _) => state.closed(got),
            Self::Hello(state) => state.closed(got),
            Self::Proof(state) => state.closed(got),
        }
    }
}

fn exactly<const N: usize>(message: &[u8]) -> &[u8; N] {
    message
        .try_into()
        .expect("as many bytes as the state needs")
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Client,
    Server,
}

/// Carries bytes between the ends until both are done, through someone who may change them. `offset`
/// is where in its direction's stream the bytes stand.
pub(crate) fn connect(
    client: &mut Client,
    server: &mut Server,
    mut tamper: impl FnMut(To, usize, &mut Vec<u8>),
) {
    let (mut to_server, mut to_client) = (0, 0);
    loop {
        let mut bytes = client.take_output();
        let mut answer = server.take_output();
        if bytes.is_empty() && answer.is_empty() {
            // Nobody has more to say: who waits, learns that the other has gone.
            client.close();
            server.close();
            return;
        }
        let sent = (bytes.len(), answer.len());
        for (to, offset, bytes) in [
            (To::Server, to_server, &mut bytes),
            (To::Client, to_client, &mut answer),
        ] {
            if !bytes.is_empty() {
                tamper(to, offset, bytes);
            }
        }
        (to_server, to_client) = (to_server + sent.0, to_client + sent.1);
        server.deliver(&bytes);
        client.deliver(&answer);
    }
}

/// An honest client is served: the same settings, keyring and secret still open a connection.
#[track_caller]
pub(crate) fn assert_honest_client_is_served() {
    let mut client = client(settings(1), 11);
    let mut server = server(settings(2), 12);
    connect(&mut client, &mut server, |_, _, _| {});
    assert!(client.opened().is_some(), "{:?}", client.result);
    assert!(server.opened().is_some(), "{:?}", server.result);
}
