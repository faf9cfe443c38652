//! The handshake a second time, from docs/protocol.md alone, with parts of its proofs that can be
//! left out. With all of them it must do what the real types do; without some, the search must
//! find what they are there for.

use std::cell::RefCell;
use std::collections::HashMap;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use kaa_rpc_proto::Limits;
use kaa_rpc_proto::handshake::{Features, InstanceId, KeyId, Role, ServiceName, Transport};
use sha2::{Digest, Sha256};

use crate::scheme::{Due, End, Held, Run, Scheme, Status, View};

/// Which parts of the proofs are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formulas {
    /// Client and server have keys and labels of their own.
    pub(crate) labels: bool,
    pub(crate) covers: Covers,
    /// The transport and its binding data are covered.
    pub(crate) channel: bool,
    /// The server's proof covers the client's.
    pub(crate) chained: bool,
}

/// What of the messages a proof covers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Covers {
    /// All, by the hash of the transcript.
    Transcript,
    /// The nonces of both ends.
    Nonces,
    /// The nonce of the other end, as in `kaa.rpc`: a challenge and its response.
    Challenge,
    Nothing,
}

impl Formulas {
    /// The scheme of docs/protocol.md.
    pub(crate) const FULL: Self = Self {
        labels: true,
        covers: Covers::Transcript,
        channel: true,
        chained: true,
    };

    /// A response to the other end's challenge, made alike by both ends: that of `kaa.rpc`.
    pub(crate) const KAA_RPC: Self = Self {
        labels: false,
        covers: Covers::Challenge,
        channel: false,
        chained: false,
    };
}

/// The messages before the proofs, and the channel as an end knows it.
#[derive(Clone, Copy)]
pub(crate) struct Conversation<'a> {
    pub(crate) preamble: &'a [u8],
    pub(crate) answer: &'a [u8],
    pub(crate) server_hello: &'a [u8],
    pub(crate) client_hello: &'a [u8],
    pub(crate) transport: Transport,
    pub(crate) binding: &'a [u8],
}

impl<'a> Conversation<'a> {
    /// Whether the same messages went over both.
    pub(crate) fn is_like(&self, other: &Conversation<'_>) -> bool {
        self.messages() == other.messages()
    }

    /// The server's and the client's.
    pub(crate) fn nonces(&self) -> [&'a [u8]; 2] {
        [nonce(self.server_hello), nonce(self.client_hello)]
    }

    fn messages(&self) -> [&'a [u8]; 4] {
        [
            self.preamble,
            self.answer,
            self.server_hello,
            self.client_hello,
        ]
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for message in self.messages() {
            hash.update(prefixed(message));
        }
        hash.finalize().into()
    }
}

impl Formulas {
    pub(crate) fn client_proof(&self, secret: &[u8; 32], about: &Conversation<'_>) -> Vec<u8> {
        self.mac(secret, "client proof", about.server_hello, about)
            .finalize()
            .into_bytes()
            .to_vec()
    }

    pub(crate) fn server_proof(
        &self,
        secret: &[u8; 32],
        about: &Conversation<'_>,
        client_proof: &[u8],
    ) -> Vec<u8> {
        let mut mac = self.mac(secret, "server proof", about.client_hello, about);
        if self.chained {
            mac.update(&prefixed(client_proof));
        }
        mac.finalize().into_bytes().to_vec()
    }

    /// `theirs` is the hello of the end that the proof is for.
    fn mac(
        &self,
        secret: &[u8; 32],
        purpose: &str,
        theirs: &[u8],
        about: &Conversation<'_>,
    ) -> Hmac<Sha256> {
        let purpose = if self.labels { purpose } else { "proof" };
        let label = format!("kaa-rpc/1 {purpose}");
        let mut mac = Hmac::<Sha256>::new_from_slice(&derive(secret, &label)).unwrap();
        mac.update(&prefixed(label.as_bytes()));
        match self.covers {
            Covers::Transcript => mac.update(&prefixed(&about.hash())),
            Covers::Nonces => {
                mac.update(nonce(about.server_hello));
                mac.update(nonce(about.client_hello));
            }
            Covers::Challenge => mac.update(nonce(theirs)),
            Covers::Nothing => {}
        }
        if self.channel {
            mac.update(&[number(about.transport)]);
            mac.update(&prefixed(about.binding));
        }
        mac
    }
}

/// The key for a purpose; a search asks for the same again and again.
fn derive(secret: &[u8; 32], label: &str) -> [u8; 32] {
    type Keys = HashMap<([u8; 32], String), [u8; 32]>;
    thread_local! {
        static KEYS: RefCell<Keys> = RefCell::default();
    }
    KEYS.with_borrow_mut(|keys| {
        *keys.entry((*secret, label.to_owned())).or_insert_with(|| {
            let mut key = [0; 32];
            Hkdf::<Sha256>::new(Some(b"kaa-rpc/1 secret"), secret)
                .expand(label.as_bytes(), &mut key)
                .unwrap();
            key
        })
    })
}

impl Scheme for Formulas {
    fn run(&self, end: &End, received: &[Vec<u8>]) -> Run {
        let mut sent = Vec::new();
        let status = match end.role {
            Role::Client => self.run_client(end, received, &mut sent),
            Role::Server => self.run_server(end, received, &mut sent),
        };
        Run {
            sent,
            status: status.unwrap_or(Status::Failed),
        }
    }

    fn formulas(&self) -> Formulas {
        *self
    }
}

/// `None` is a failure.
impl Formulas {
    fn run_client(
        &self,
        end: &End,
        received: &[Vec<u8>],
        sent: &mut Vec<Vec<u8>>,
    ) -> Option<Status> {
        let Held { key_id, secret } = &end.secrets[0];
        let preamble = write_preamble(*key_id, number(end.settings.transport));
        sent.push(preamble.clone());
        let Some(answer) = received.first() else {
            return Some(Status::Awaits(Due::Answer));
        };
        let role_and_choice = [2, 1];
        if answer[..8] != *MAGIC
            || answer[8..10] != role_and_choice
            || answer[10] != 1
            || answer[11] == 0
        {
            return None;
        }
        let Some(server_hello) = received.get(1) else {
            return Some(Status::Awaits(Due::Hello));
        };
        let mut view = judge(end, server_hello)?;
        view.key_id = *key_id;
        let client_hello = write_hello(end);
        let about = Conversation {
            preamble: &preamble,
            answer,
            server_hello,
            client_hello: &client_hello,
            transport: end.settings.transport,
            binding: end.binding,
        };
        let ours = self.client_proof(secret, &about);
        let expected = self.server_proof(secret, &about, &ours);
        view.session = session(&about, &ours, &expected);
        sent.extend([client_hello, ours]);
        match received.get(2) {
            None => Some(Status::Awaits(Due::Proof)),
            Some(proof) => (*proof == expected).then(|| Status::Opened(Box::new(view))),
        }
    }

    fn run_server(
        &self,
        end: &End,
        received: &[Vec<u8>],
        sent: &mut Vec<Vec<u8>>,
    ) -> Option<Status> {
        let Some(preamble) = received.first() else {
            return Some(Status::Awaits(Due::Preamble));
        };
        let (lowest, highest) = (preamble[9], preamble[10]);
        if preamble[..8] != *MAGIC || preamble[8] != 1 || lowest == 0 || lowest > highest {
            return None;
        }
        let key_id = KeyId::new(read_name(&preamble[16..48])?).ok()?;
        let chosen = u8::from(lowest == 1);
        let answer = [MAGIC.as_slice(), &[2, chosen, 1, 1], &[0; 4]].concat();
        sent.push(answer.clone());
        if chosen == 0 {
            return None;
        }
        if preamble[11] != number(end.settings.transport) {
            sent.clear();
            return None;
        }
        let server_hello = write_hello(end);
        sent.push(server_hello.clone());
        let Some(client_hello) = received.get(1) else {
            return Some(Status::Awaits(Due::Hello));
        };
        let mut view = judge(end, client_hello)?;
        let Some(proof) = received.get(2) else {
            return Some(Status::Awaits(Due::Proof));
        };
        let Held { secret, .. } = end.secrets.iter().find(|held| held.key_id == key_id)?;
        let about = Conversation {
            preamble,
            answer: &answer,
            server_hello: &server_hello,
            client_hello,
            transport: end.settings.transport,
            binding: end.binding,
        };
        if *proof != self.client_proof(secret, &about) {
            return None;
        }
        let ours = self.server_proof(secret, &about, proof);
        view.key_id = key_id;
        view.session = session(&about, proof, &ours);
        sent.push(ours);
        Some(Status::Opened(Box::new(view)))
    }
}

const MAGIC: &[u8; 8] = b"\xc1kaa-rpc";

pub(crate) fn write_preamble(key_id: KeyId, transport: u8) -> Vec<u8> {
    let mut preamble = [MAGIC.as_slice(), &[1, 1, 1, transport], &[0; 4]].concat();
    preamble.extend_from_slice(key_id.as_str().as_bytes());
    preamble.resize(64, 0);
    preamble
}

pub(crate) fn write_hello(end: &End) -> Vec<u8> {
    let settings = &end.settings;
    let role = match end.role {
        Role::Client => 1,
        Role::Server => 2,
    };
    let mut hello = vec![role, 0, 0, 0, 0, 0, 0, 0];
    hello.extend_from_slice(&settings.instance.0);
    hello.extend_from_slice(&end.nonce);
    hello.extend_from_slice(&settings.offered.0.to_be_bytes());
    hello.extend_from_slice(&settings.required.0.to_be_bytes());
    let limits = &settings.limits;
    hello.extend_from_slice(&limits.max_frame.to_be_bytes());
    hello.extend_from_slice(&limits.max_calls.to_be_bytes());
    hello.extend_from_slice(&limits.max_request_bytes.to_be_bytes());
    for limit in [
        limits.max_items,
        limits.max_nesting,
        limits.max_depth,
        limits.max_stream_items,
        limits.max_stream_bytes,
    ] {
        hello.extend_from_slice(&limit.to_be_bytes());
    }
    hello.resize(136, 0);
    hello.extend_from_slice(settings.service.as_str().as_bytes());
    hello.resize(256, 0);
    hello
}

/// What `end` makes of the other end's hello; key id and session are still to come.
fn judge(end: &End, hello: &[u8]) -> Option<View> {
    let ours = &end.settings;
    let service = ServiceName::new(read_name(&hello[136..200])?).ok()?;
    let instance = InstanceId(hello[8..24].try_into().unwrap());
    let expected_role = match end.role {
        Role::Client => 2,
        Role::Server => 1,
    };
    let fits = service == ours.service || service.is_empty() || ours.service.is_empty();
    let (offered, required) = (Features(u64_at(hello, 56)), Features(u64_at(hello, 64)));
    let limits = Limits {
        max_frame: u32_at(hello, 72),
        max_calls: u32_at(hello, 76),
        max_request_bytes: u64_at(hello, 80),
        max_items: u32_at(hello, 88),
        max_nesting: u32_at(hello, 92),
        max_depth: u32_at(hello, 96),
        max_stream_items: u32_at(hello, 100),
        max_stream_bytes: u32_at(hello, 104),
    };
    let sound = instance != ours.instance
        && hello[0] == expected_role
        && fits
        && offered.contains(ours.required)
        && ours.offered.contains(required)
        && limits.validate().is_ok();
    sound.then_some(View {
        key_id: KeyId::EMPTY,
        service,
        instance,
        limits,
        features: ours.offered & offered,
        session: [0; 32],
    })
}

fn session(about: &Conversation<'_>, client: &[u8], server: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [b"kaa-rpc/1 session", &about.hash()[..], client, server] {
        hash.update(prefixed(part));
    }
    hash.finalize().into()
}

fn nonce(hello: &[u8]) -> &[u8] {
    &hello[24..56]
}

/// The name in a field, if only zeros follow it.
fn read_name(field: &[u8]) -> Option<&str> {
    let end = field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len());
    let filled = field[end..].iter().all(|&byte| byte == 0);
    filled.then(|| str::from_utf8(&field[..end]).ok())?
}

pub(crate) fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Unix => 1,
        Transport::Tcp => 2,
        Transport::PlainTcp => 3,
        Transport::Inherited => 4,
        _ => 5,
    }
}

fn prefixed(part: &[u8]) -> Vec<u8> {
    [&(part.len() as u64).to_be_bytes()[..], part].concat()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}
