//! Attackers who have no secret, but what others sent: echo, role swap, reflection, replay, relay.

use kaa_rpc_proto::handshake::{HandshakeError, KeyId, Role};

use crate::ends::{self, Client, Server, assert_honest_client_is_served, connect, settings};

const WRONG: HandshakeError = HandshakeError::WrongSecret {
    key_id: KeyId::EMPTY,
};

#[test]
fn hostile_07_an_end_that_gets_back_what_it_sent_refuses() {
    // The server's own hello, then any proof.
    let mut server = greeted();
    let hello = &server.take_output()[16..];
    server.deliver(&[hello, &[0; 32]].concat());
    assert_eq!(server.silent_error(), HandshakeError::SelfConnection);

    // The same under another instance id: the role is wrong.
    let mut server = greeted();
    let mut hello = server.take_output().split_off(16);
    hello[8..24].fill(9);
    server.deliver(&hello);
    let conflict = HandshakeError::RoleConflict {
        expected: Role::Client,
        got: 2,
    };
    assert_eq!(server.silent_error(), conflict);

    // And with a client's role: the attacker still has no key.
    let mut server = greeted();
    let mut hello = server.take_output().split_off(16);
    hello[8..24].fill(9);
    hello[0] = 1;
    server.deliver(&hello);
    server.deliver(&hello[24..56]);
    assert_eq!(server.silent_error(), WRONG);

    // The client's own preamble is no answer, and its proof none of a server.
    let mut client = ends::client(settings(1), 1);
    let preamble = client.take_output();
    client.deliver(&preamble);
    let conflict = HandshakeError::RoleConflict {
        expected: Role::Server,
        got: 1,
    };
    assert_eq!(client.silent_error(), conflict);
    let (mut client, sent) = proving_client();
    client.deliver(&sent[256..]);
    assert_eq!(client.silent_error(), HandshakeError::ServerNotProven);
    assert_honest_client_is_served();
}

#[test]
fn hostile_07_the_clients_proof_is_not_the_servers() {
    // Even over the very same transcript: another key, another label.
    let (mut client, mut server, _) = at_the_proofs();
    let sent = client.take_output();
    server.deliver(&sent);
    let proof = server.take_output();
    assert_ne!(proof, sent[256..]);
    client.deliver(&sent[256..]);
    assert_eq!(client.silent_error(), HandshakeError::ServerNotProven);
}

#[test]
fn hostile_08_two_connections_to_one_server_prove_nothing_to_each_other() {
    // The attacker opens two connections to the server and gives each what the other said, to have
    // the server make the proof that the attacker cannot.
    let mut first = greeted();
    let mut second = greeted_with(3);
    let from_first = first.take_output();
    let from_second = second.take_output();
    let as_client = |answer: &[u8]| {
        let mut hello = answer[16..].to_vec();
        hello[0] = 1;
        hello[8..24].fill(9);
        hello
    };
    first.deliver(&as_client(&from_second));
    second.deliver(&as_client(&from_first));
    // Neither has said a word that depends on the secret.
    assert_eq!(
        (first.take_output(), second.take_output()),
        (vec![], vec![])
    );
    first.deliver(&[0; 32]);
    second.deliver(&[0; 32]);
    assert_eq!(
        (first.silent_error(), second.silent_error()),
        (WRONG, WRONG)
    );
    assert_honest_client_is_served();
}

#[test]
fn hostile_08_a_clients_proof_for_one_connection_is_none_for_another() {
    // A victim's client connects to the attacker, who hopes to be let in elsewhere with its proof.
    let mut victim = ends::client(settings(1), 1);
    let preamble = victim.take_output();
    let mut shown = ends::server(settings(2), 2);
    let mut target = ends::server(settings(3), 3);
    shown.deliver(&preamble);
    target.deliver(&preamble);
    target.take_output();
    victim.deliver(&shown.take_output());
    target.deliver(&victim.take_output());
    assert_eq!(target.silent_error(), WRONG);
    assert_honest_client_is_served();
}

#[test]
fn hostile_08_roles_cannot_be_swapped() {
    // The attacker turns a client's hello round and passes it as a server's to another client.
    let (_, sent) = proving_client();
    let mut other = ends::client(settings(4), 4);
    other.take_output();
    other.deliver(b"\xc1kaa-rpc\x02\x01\x01\x01\0\0\0\0");
    let mut hello = sent[..256].to_vec();
    hello[0] = 2;
    other.deliver(&hello);
    other.take_output();
    other.deliver(&sent[256..]);
    assert_eq!(other.silent_error(), HandshakeError::ServerNotProven);

    let mut other = ends::client(settings(4), 4);
    other.take_output();
    other.deliver(b"\xc1kaa-rpc\x02\x01\x01\x01\0\0\0\0");
    other.deliver(&sent[..256]);
    let conflict = HandshakeError::RoleConflict {
        expected: Role::Server,
        got: 1,
    };
    assert_eq!(other.silent_error(), conflict);
    assert_honest_client_is_served();
}

#[test]
fn hostile_09_a_recorded_session_opens_nothing() {
    let mut client = ends::client(settings(1), 1);
    let mut server = ends::server(settings(2), 2);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    connect(&mut client, &mut server, |to, _, bytes| match to {
        ends::To::Server => to_server.extend_from_slice(bytes),
        ends::To::Client => to_client.extend_from_slice(bytes),
    });
    assert!(client.opened().is_some() && server.opened().is_some());

    // To the server, which has a new nonce.
    let mut server = ends::server(settings(2), 22);
    server.deliver(&to_server);
    server.take_output();
    assert_eq!(server.silent_error(), WRONG);

    // To the client, which has a new nonce too.
    let mut client = ends::client(settings(1), 11);
    client.take_output();
    client.deliver(&to_client[..16 + 256]);
    client.take_output();
    client.deliver(&to_client[16 + 256..]);
    assert_eq!(client.silent_error(), HandshakeError::ServerNotProven);
    assert_honest_client_is_served();
}

/// A server with a client's preamble.
fn greeted() -> Server {
    greeted_with(2)
}

fn greeted_with(nonce: u8) -> Server {
    let mut server = ends::server(settings(2), nonce);
    server.deliver(&ends::client(settings(1), 1).take_output());
    server
}

/// A client that has sent its hello and proof, and these.
fn proving_client() -> (Client, Vec<u8>) {
    let (mut client, _, _) = at_the_proofs();
    let sent = client.take_output();
    (client, sent)
}

/// A client whose hello and proof are not yet delivered to the server, and what the server sent.
fn at_the_proofs() -> (Client, Server, Vec<u8>) {
    let mut client = ends::client(settings(1), 1);
    let mut server = ends::server(settings(2), 2);
    server.deliver(&client.take_output());
    let sent = server.take_output();
    client.deliver(&sent);
    (client, server, sent)
}
