//! What the attacker can say. It holds every connection: what an end sends goes to the attacker, and
//! what an end receives comes from it.

use kaa_rpc_proto::handshake::{KeyId, Role};

use crate::rebuilt::{Conversation, Formulas, number, write_hello, write_preamble};
use crate::scheme::{Due, End, Held};

/// The honest ends of a search, and what the attacker may do.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) ends: Vec<End>,
    /// Secrets that the attacker has.
    pub(crate) stolen: Vec<Held>,
    pub(crate) fields: Fields,
}

/// Which fields the attacker sets in messages that it makes or passes on, beside roles and nonces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    /// None: many connections, and messages as they were sent but for roles and nonces.
    None,
    /// Instance ids and limits.
    Some,
    /// Everything that a message has.
    All,
}

/// A message that the attacker can make once it has seen the nonce of an end.
pub(crate) struct Offer {
    pub(crate) bytes: Vec<u8>,
    /// Whose nonce is in it; `None`: the attacker's own or none.
    pub(crate) nonce_of: Option<usize>,
}

impl Offer {
    fn plain(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            nonce_of: None,
        }
    }
}

const NONCE: [u8; 32] = [0xaa; 32];
const INSTANCE: [u8; 16] = [0xab; 16];

impl Scenario {
    /// All messages, but for proofs, that could be given to an end at which `due` is due. Those that
    /// honest ends send are among them.
    pub(crate) fn offers(&self, due: Due) -> Vec<Offer> {
        match due {
            Due::Preamble => self.preambles().into_iter().map(Offer::plain).collect(),
            Due::Answer => self.answers().into_iter().map(Offer::plain).collect(),
            Due::Hello => self.hellos(),
            Due::Proof => Vec::new(),
        }
    }

    fn preambles(&self) -> Vec<Vec<u8>> {
        let mut key_ids: Vec<KeyId> = self.ends.iter().map(|end| end.secrets[0].key_id).collect();
        key_ids.extend(self.stolen.iter().map(|held| held.key_id));
        if self.fields == Fields::All {
            key_ids.push(KeyId::new("nobodys").unwrap());
        }
        let mut preambles = Vec::new();
        for key_id in key_ids {
            for transport in self.ends.iter().map(|end| number(end.settings.transport)) {
                let preamble = write_preamble(key_id, transport);
                if self.fields == Fields::All {
                    // Another range of versions, a reserved byte, a role.
                    preambles.extend(changed(&preamble, &[(10, 2), (10, 0), (63, 1), (8, 2)]));
                }
                preambles.push(preamble);
            }
        }
        without_doubles(preambles)
    }

    fn answers(&self) -> Vec<Vec<u8>> {
        let answer = b"\xc1kaa-rpc\x02\x01\x01\x01\0\0\0\0".to_vec();
        let mut answers = Vec::new();
        if self.fields == Fields::All {
            // Another range of versions or choice, a reserved byte, a role.
            answers.extend(changed(
                &answer,
                &[(11, 2), (9, 0), (9, 2), (15, 1), (8, 1)],
            ));
        }
        answers.push(answer);
        answers
    }

    /// A hello of each role, with each nonce that there is and the settings that ends of that role
    /// have. Those that the ends send are among them, and each is offered to all ends.
    fn hellos(&self) -> Vec<Offer> {
        let mut hellos = Vec::new();
        for owner in (0..self.ends.len()).map(Some).chain([None]) {
            for role in [Role::Client, Role::Server] {
                for instance in self.instances(role, owner) {
                    let mut hello = self.settings_of(role);
                    hello[8..24].copy_from_slice(&instance);
                    hello[24..56].copy_from_slice(&owner.map_or(NONCE, |end| self.ends[end].nonce));
                    hellos.extend(self.altered(&hello).into_iter().map(|bytes| Offer {
                        bytes,
                        nonce_of: owner,
                    }));
                }
            }
        }
        hellos
    }

    /// The hello of an end of this role; of another with that role in it if there is none.
    fn settings_of(&self, role: Role) -> Vec<u8> {
        let of_role = self.ends.iter().find(|end| end.role == role);
        let end = of_role.unwrap_or(&self.ends[0]);
        write_hello(&End {
            role,
            ..end.clone()
        })
    }

    /// The instance ids to put into a hello of this role with the nonce of `owner`.
    fn instances(&self, role: Role, owner: Option<usize>) -> Vec<[u8; 16]> {
        let owner = owner.map(|end| &self.ends[end]);
        let own = owner.map_or(INSTANCE, |end| end.settings.instance.0);
        let is_as_sent = owner.is_some_and(|end| end.role == role);
        match self.fields {
            Fields::Some if owner.is_some() => vec![own, INSTANCE],
            _ if is_as_sent => vec![own],
            _ => vec![INSTANCE],
        }
    }

    /// `hello` as it is, and with changes that an honest end may accept.
    fn altered(&self, hello: &[u8]) -> Vec<Vec<u8>> {
        let changes: &[(usize, u8)] = match self.fields {
            Fields::None => &[],
            // `max_calls`
            Fields::Some => &[(79, 9)],
            // `max_calls`, `max_depth`, an offered and a required feature, the service, and reserved
            // bytes in two places; a limit out of its range, the other roles.
            Fields::All => &[
                (79, 9),
                (99, 9),
                (63, 1),
                (71, 4),
                (136, b'q'),
                (7, 1),
                (255, 1),
                (95, 0),
                (0, 1),
                (0, 2),
            ],
        };
        let mut all = changed(hello, changes);
        all.push(hello.to_vec());
        all
    }

    /// The proofs that the attacker can make for an end of this role: with no secret a guess, with
    /// one that it has the right one over what this end has seen.
    pub(crate) fn proofs(
        &self,
        formulas: Formulas,
        receiver: Role,
        about: &Conversation<'_>,
        client_proof: Option<&[u8]>,
    ) -> Vec<Offer> {
        let mut proofs = vec![vec![0; 32]];
        for Held { secret, .. } in &self.stolen {
            proofs.push(match (receiver, client_proof) {
                (Role::Client, Some(theirs)) => formulas.server_proof(secret, about, theirs),
                _ => formulas.client_proof(secret, about),
            });
        }
        proofs.into_iter().map(Offer::plain).collect()
    }
}

/// `message` with one byte set to another value, for each of `changes`.
fn changed(message: &[u8], changes: &[(usize, u8)]) -> Vec<Vec<u8>> {
    let change = |&(at, value): &(usize, u8)| {
        let mut message = message.to_vec();
        message[at] = value;
        message
    };
    changes.iter().map(change).collect()
}

fn without_doubles<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}
