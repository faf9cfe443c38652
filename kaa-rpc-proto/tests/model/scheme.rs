//! One end of a connection as the search sees it: a function from what it received to what it sent.

use std::cell::RefCell;

use kaa_rpc_proto::handshake::{
    Features, HandshakeError, InstanceId, KeyId, Keyring, Keys, Opened, Role, ServiceName,
    Settings, client, server,
};
use kaa_rpc_proto::{Limits, Secret};

use crate::rebuilt::Formulas;

/// An honest end, before it has received anything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) role: Role,
    pub(crate) settings: Settings,
    pub(crate) nonce: [u8; 32],
    pub(crate) binding: &'static [u8],
    /// A client has one secret; a server may have several.
    pub(crate) secrets: Vec<Held>,
}

/// A secret and the key id that it goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) key_id: KeyId,
    pub(crate) secret: [u8; 32],
}

/// What is due at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Preamble,
    Answer,
    Hello,
    Proof,
}

/// What an end has done with all that it received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// A client: preamble, hello, proof. A server: answer, hello, proof.
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Awaits(Due),
    Opened(Box<View>),
    Failed,
}

/// What an end that opened believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) key_id: KeyId,
    pub(crate) service: ServiceName,
    pub(crate) instance: InstanceId,
    pub(crate) limits: Limits,
    pub(crate) features: Features,
    pub(crate) session: [u8; 32],
}

/// A handshake that can be searched. Ends are deterministic, so a state is what they received.
pub(crate) trait Scheme {
    /// Runs `end` from its beginning over `received`, messages of the sizes that are due.
    fn run(&self, end: &End, received: &[Vec<u8>]) -> Run;

    /// How somebody with a secret makes proofs.
    fn formulas(&self) -> Formulas;
}

/// The types of the crate, as a driver uses them.
#[derive(Default)]
pub(crate) struct Real {
    /// What secrets give, since a search asks for the same again and again.
    derived: RefCell<Vec<(Vec<Held>, Keys, Keyring)>>,
}

impl Real {
    fn derive(&self, secrets: &[Held]) -> (Keys, Keyring) {
        let mut derived = self.derived.borrow_mut();
        if let Some((_, keys, keyring)) = derived.iter().find(|(known, ..)| known == secrets) {
            return (keys.clone(), keyring.clone());
        }
        let keys = Keys::derive(&Secret::from(secrets[0].secret));
        let mut keyring = Keyring::new([0xdd; 32]);
        for Held { key_id, secret } in secrets {
            keyring.insert(*key_id, &Secret::from(*secret));
        }
        derived.push((secrets.to_vec(), keys.clone(), keyring.clone()));
        (keys, keyring)
    }
}

impl Scheme for Real {
    fn run(&self, end: &End, received: &[Vec<u8>]) -> Run {
        let mut sent = Vec::new();
        let (keys, keyring) = self.derive(&end.secrets);
        let status = match end.role {
            Role::Client => run_client(end, keys, received, &mut sent),
            Role::Server => run_server(end, &keyring, received, &mut sent),
        };
        Run {
            sent,
            status: status.unwrap_or(Status::Failed),
        }
    }

    fn formulas(&self) -> Formulas {
        Formulas::FULL
    }
}

fn run_client(
    end: &End,
    keys: Keys,
    received: &[Vec<u8>],
    sent: &mut Vec<Vec<u8>>,
) -> Result<Status, HandshakeError> {
    let key_id = end.secrets[0].key_id;
    let mut received = received.iter();

    let (preamble, state) = client::start(end.settings, key_id, keys, end.nonce)?.into();
    sent.push(preamble);
    let Some(answer) = received.next() else {
        return Ok(Status::Awaits(Due::Answer));
    };
    let state = state.receive(exactly(answer))?.bind(end.binding);
    let Some(hello) = received.next() else {
        return Ok(Status::Awaits(Due::Hello));
    };
    let (mut hello, state) = state.receive(exactly(hello), 0)?.into();
    let proof = hello.split_off(server::AwaitHello::NEEDS);
    sent.extend([hello, proof]);
    let Some(proof) = received.next() else {
        return Ok(Status::Awaits(Due::Proof));
    };
    Ok(opened(&state.receive(exactly(proof))?))
}

fn run_server(
    end: &End,
    keyring: &Keyring,
    received: &[Vec<u8>],
    sent: &mut Vec<Vec<u8>>,
) -> Result<Status, HandshakeError> {
    let mut received = received.iter();

    let state = server::AwaitPreamble::new(end.settings, end.nonce)?;
    let Some(preamble) = received.next() else {
        return Ok(Status::Awaits(Due::Preamble));
    };
    let (answer, state) = match state.receive(exactly(preamble), keyring) {
        Ok(step) => step.into(),
        Err(refusal) => {
            sent.extend((!refusal.send.is_empty()).then_some(refusal.send));
            return Err(refusal.error);
        }
    };
    let (hello, state) = state.bind(end.binding).into();
    sent.extend([answer, hello]);
    let Some(hello) = received.next() else {
        return Ok(Status::Awaits(Due::Hello));
    };
    let state = state.receive(exactly(hello))?;
    let Some(proof) = received.next() else {
        return Ok(Status::Awaits(Due::Proof));
    };
    let (proof, at_end) = state.receive(exactly(proof), 0)?.into();
    sent.push(proof);
    Ok(opened(&at_end))
}

fn opened(opened: &Opened) -> Status {
    let peer = opened.peer();
    Status::Opened(Box::new(View {
        key_id: opened.key_id(),
        service: peer.service,
        instance: peer.instance,
        limits: peer.limits,
        features: opened.features(),
        session: opened.session().0,
    }))
}

fn exactly<const N: usize>(message: &[u8]) -> &[u8; N] {
    message
        .try_into()
        .expect("a message of the size that is due")
}
