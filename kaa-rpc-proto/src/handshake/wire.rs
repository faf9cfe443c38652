//! The bytes of the messages, apart from the proofs. `docs/protocol.md` has the same tables.

use super::error::{HandshakeError, Stage};
use super::name::{KeyId, ServiceName};
use super::settings::{Features, InstanceId, Role, Transport, Versions};
use crate::limits::Limits;

/// What the first message of each direction starts with. No MessagePack starts with 0xC1.
pub(crate) const MAGIC: [u8; 8] = *b"\xc1kaa-rpc";

/// The size of a [`Preamble`], in every version.
pub(crate) const PREAMBLE_LEN: usize = 64;
/// The size of an [`Answer`], in every version.
pub(crate) const ANSWER_LEN: usize = 16;
/// The size of a [`Hello`].
pub(crate) const HELLO_LEN: usize = 256;
/// The size of a proof.
pub(crate) const PROOF_LEN: usize = 32;

/// Fails unless `received`, of any length, can be the beginning of a preamble or answer.
pub(crate) fn check_magic(received: &[u8]) -> Result<(), HandshakeError> {
    let start = received.get(..MAGIC.len()).unwrap_or(received);
    if MAGIC.starts_with(start) {
        return Ok(());
    }
    Err(HandshakeError::NotKaa { got: start.into() })
}

/// The client's first message.
///
/// ```text
/// 0  8  magic
/// 8  1  role, 1
/// 9  1  lowest major version    10 1  highest major version
/// 11 1  transport               12 4  reserved
/// 16 32 key id                  48 16 reserved
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    pub(crate) versions: Versions,
    /// The number of a [`Transport`], or one that this version does not know.
    pub(crate) transport: u8,
    pub(crate) key_id: KeyId,
}

impl Preamble {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PREAMBLE_LEN);
        out.extend_from_slice(&MAGIC);
        out.push(Role::Client.number());
        out.extend_from_slice(&[self.versions.lowest, self.versions.highest, self.transport]);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(self.key_id.as_field());
        out.extend_from_slice(&[0; 16]);
        out
    }

    pub(crate) fn decode(bytes: &[u8; PREAMBLE_LEN]) -> Result<Self, HandshakeError> {
        check_magic(bytes)?;
        let mut reader = Reader::new(Stage::Preamble, bytes);
        reader.reserved::<8>()?;
        reader.role(Role::Client)?;
        let versions = reader.versions()?;
        let transport = reader.u8()?;
        reader.reserved::<4>()?;
        let key_id = KeyId::from_field(reader.array()?).ok_or(reader.malformed("key id"))?;
        reader.reserved::<16>()?;
        Ok(Self {
            versions,
            transport,
            key_id,
        })
    }
}

/// The server's answer to a [`Preamble`].
///
/// ```text
/// 0  8  magic
/// 8  1  role, 2                 9  1  chosen major version, 0 for none
/// 10 1  the server's lowest     11 1  the server's highest
/// 12 4  reserved
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) chosen: Option<u8>,
    pub(crate) versions: Versions,
}

impl Answer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ANSWER_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[Role::Server.number(), self.chosen.unwrap_or(0)]);
        out.extend_from_slice(&[self.versions.lowest, self.versions.highest]);
        out.extend_from_slice(&[0; 4]);
        out
    }

    pub(crate) fn decode(bytes: &[u8; ANSWER_LEN]) -> Result<Self, HandshakeError> {
        check_magic(bytes)?;
        let mut reader = Reader::new(Stage::Version, bytes);
        reader.reserved::<8>()?;
        reader.role(Role::Server)?;
        let chosen = Some(reader.u8()?).filter(|&version| version != 0);
        let versions = reader.versions()?;
        reader.reserved::<4>()?;
        Ok(Self { chosen, versions })
    }
}

/// What each end says of itself.
///
/// ```text
/// 0   1  role                    1   7  reserved
/// 8   16 instance id             24  32 nonce
/// 56  8  offered features        64  8  required features
/// 72  64 limits
/// 136 64 service name            200 56 reserved
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The number of a [`Role`], or any other.
    pub(crate) role: u8,
    pub(crate) instance: InstanceId,
    pub(crate) nonce: [u8; 32],
    pub(crate) offered: Features,
    pub(crate) required: Features,
    pub(crate) limits: Limits,
    pub(crate) service: ServiceName,
}

impl Hello {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HELLO_LEN);
        out.push(self.role);
        out.extend_from_slice(&[0; 7]);
        out.extend_from_slice(&self.instance.0);
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.offered.0.to_be_bytes());
        out.extend_from_slice(&self.required.0.to_be_bytes());
        self.limits.encode(&mut out);
        out.extend_from_slice(self.service.as_field());
        out.extend_from_slice(&[0; 56]);
        out
    }

    pub(crate) fn decode(bytes: &[u8; HELLO_LEN]) -> Result<Self, HandshakeError> {
        let mut reader = Reader::new(Stage::Hello, bytes);
        let role = reader.u8()?;
        reader.reserved::<7>()?;
        let instance = InstanceId(reader.array()?);
        let nonce = reader.array()?;
        let offered = Features(reader.u64()?);
        let required = Features(reader.u64()?);
        let limits = Limits::decode(&mut reader)?;
        let service = ServiceName::from_field(reader.array()?);
        let service = service.ok_or(reader.malformed("service name"))?;
        reader.reserved::<56>()?;
        Ok(Self {
            role,
            instance,
            nonce,
            offered,
            required,
            limits,
            service,
        })
    }
}

impl Role {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }
}

impl Transport {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Unix => 1,
            Self::Tcp => 2,
            Self::PlainTcp => 3,
            Self::Inherited => 4,
            Self::Other => 5,
        }
    }
}

/// Reads fields from the front of a message.
pub(crate) struct Reader<'a> {
    stage: Stage,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(stage: Stage, message: &'a [u8]) -> Self {
        Self {
            stage,
            rest: message,
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], HandshakeError> {
        let Some((field, rest)) = self.rest.split_first_chunk() else {
            return Err(self.malformed("size"));
        };
        self.rest = rest;
        Ok(*field)
    }

    /// Passes over bytes whose value does not matter; the transcript still covers them.
    pub(crate) fn reserved<const N: usize>(&mut self) -> Result<(), HandshakeError> {
        self.array::<N>().map(drop)
    }

    /// The role of the sender.
    fn role(&mut self, expected: Role) -> Result<(), HandshakeError> {
        match self.u8()? {
            got if got == expected.number() => Ok(()),
            got => Err(HandshakeError::RoleConflict { expected, got }),
        }
    }

    fn versions(&mut self) -> Result<Versions, HandshakeError> {
        let versions = Versions {
            lowest: self.u8()?,
            highest: self.u8()?,
        };
        if versions.is_range() {
            Ok(versions)
        } else {
            Err(self.malformed("versions"))
        }
    }

    fn malformed(&self, field: &'static str) -> HandshakeError {
        HandshakeError::Malformed {
            stage: self.stage,
            field,
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, HandshakeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, HandshakeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, HandshakeError> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_size_and_give_their_fields_back() {
        let preamble = Preamble {
            versions: Versions {
                lowest: 1,
                highest: 3,
            },
            transport: 77,
            key_id: KeyId::new("screen-1").unwrap(),
        };
        let bytes: [u8; PREAMBLE_LEN] = preamble.encode().try_into().unwrap();
        assert_eq!(Preamble::decode(&bytes).unwrap(), preamble);

        for chosen in [None, Some(2)] {
            let answer = Answer {
                chosen,
                versions: Versions {
                    lowest: 1,
                    highest: 3,
                },
            };
            let bytes: [u8; ANSWER_LEN] = answer.encode().try_into().unwrap();
            assert_eq!(Answer::decode(&bytes).unwrap(), answer);
        }

        let hello = Hello {
            role: 2,
            instance: InstanceId([3; 16]),
            nonce: [4; 32],
            offered: Features(5),
            required: Features(1),
            limits: Limits::default(),
            service: ServiceName::new("player").unwrap(),
        };
        let bytes: [u8; HELLO_LEN] = hello.encode().try_into().unwrap();
        assert_eq!(Hello::decode(&bytes).unwrap(), hello);
    }

    #[test]
    fn the_beginning_tells_strangers_early() {
        for len in 0..=MAGIC.len() {
            check_magic(&MAGIC[..len]).unwrap();
        }
        check_magic(b"\xc1kaa-rpc and more").unwrap();
        for wrong in [
            &b"G"[..],
            b"GET / HTTP/1.1",
            b"\x16\x03\x01",
            b"\xc1kaa-RPC",
            b"\0",
        ] {
            check_magic(wrong).unwrap_err();
        }
    }
}
