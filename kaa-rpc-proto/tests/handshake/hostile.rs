//! What strangers, eavesdroppers and those on the way send. Each test shows too that the server goes
//! on to serve.

use kaa_rpc_proto::handshake::{
    Blame, HandshakeError, KeyId, Role, Settings, Stage, Transport, client, server,
};

use crate::ends::{
    self, CLIENT_MESSAGES, Client, SERVER_MESSAGES, Server, To, assert_honest_client_is_served,
    connect, settings,
};

#[test]
fn hostile_03_strangers_are_closed_on_without_a_reply() {
    let strangers: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a hello of TLS",
        &[0; 64],
        &[0xff; 64],
        b"\xc1kaa-rpd\x01\x01\x01\x01 almost this protocol",
    ];
    for bytes in strangers {
        // Told from its first bytes, without waiting for the rest.
        server::AwaitPreamble::check_beginning(&bytes[..8]).unwrap_err();
        let mut server = ends::server(settings(2), 2);
        server.deliver(&bytes.repeat(3));
        let error = server.silent_error();
        assert_eq!(
            error,
            HandshakeError::NotKaa {
                got: bytes[..8].into()
            }
        );
        assert_eq!(error.blame(), Blame::Peer);
        client::AwaitVersion::check_beginning(&bytes[..8]).unwrap_err();
        assert_honest_client_is_served();
    }
    let error = HandshakeError::NotKaa {
        got: b"\x16\x03GET".as_slice().into(),
    };
    assert!(
        error
            .to_string()
            .ends_with(r#"it began with "\x16\x03GET""#),
        "{error}"
    );
}

#[test]
fn hostile_05_a_frame_before_the_proof_is_never_taken_for_one() {
    let frame = [&[0, 0, 0, 9, 1][..], &[0; 8]].concat();
    for cut in [0, 64, 64 + 256] {
        let mut client = ends::client(settings(1), 1);
        let mut server = ends::server(settings(2), 2);
        let mut sent = client.take_output();
        server.deliver(&sent);
        client.deliver(&server.take_output());
        sent.extend(client.take_output());

        let mut server = ends::server(settings(2), 2);
        server.deliver(&sent[..cut]);
        server.take_output();
        server.deliver(&frame.repeat(40));
        assert!(server.silent_error().blame() != Blame::Here);
    }
    assert_honest_client_is_served();
}

#[test]
fn hostile_06_a_proof_that_is_wrong_anywhere_is_wrong() {
    for position in 0..32 {
        let (client, server) = tampered(To::Server, CLIENT_MESSAGES[1] + position, 0x01);
        let wrong = HandshakeError::WrongSecret {
            key_id: KeyId::EMPTY,
        };
        assert_eq!(server.silent_error(), wrong, "position {position}");
        assert_eq!(client.silent_error(), HandshakeError::Refused);

        // The server's proof is checked as strictly.
        let (client, _) = tampered(To::Client, SERVER_MESSAGES[1] + position, 0x80);
        assert_eq!(client.silent_error(), HandshakeError::ServerNotProven);
    }
    assert_honest_client_is_served();
}

#[test]
fn hostile_10_the_transports_must_be_the_same() {
    let other = Settings {
        transport: Transport::PlainTcp,
        ..settings(1)
    };
    let mut client = ends::client(other, 1);
    let mut server = ends::server(settings(2), 2);
    connect(&mut client, &mut server, |_, _, _| {});
    let error = server.silent_error();
    assert_eq!(
        error,
        HandshakeError::TransportMismatch {
            ours: Transport::Unix,
            theirs: 3
        }
    );
    assert!(
        error
            .to_string()
            .contains("expected a Unix socket, got plain TCP"),
        "{error}"
    );
    let closed = HandshakeError::Closed {
        awaiting: Stage::Version,
        expected: 16,
        got: 0,
    };
    assert_eq!(client.silent_error(), closed);

    // An end that is lied to about it fails at the proof: the kind is part of that.
    let mut server = ends::server(settings(2), 2);
    let mut client = ends::client(other, 1);
    connect(&mut client, &mut server, |to, offset, bytes| {
        if (to, offset) == (To::Server, 0) {
            bytes[11] = 1;
        }
    });
    assert_eq!(
        server.silent_error(),
        HandshakeError::WrongSecret {
            key_id: KeyId::EMPTY
        }
    );
    assert_honest_client_is_served();
}

#[test]
fn hostile_10_the_binding_data_must_be_the_same() {
    let run = |at_client: &[u8], at_server: &[u8]| {
        let keys = kaa_rpc_proto::handshake::Keys::derive(&ends::secret());
        let client = client::start(settings(1), KeyId::EMPTY, keys, [1; 32]).unwrap();
        let server = server::AwaitPreamble::new(settings(2), [2; 32]).unwrap();
        let preamble = client.send.as_slice().try_into().unwrap();
        let answer = server.receive(preamble, &ends::keyring()).unwrap();
        let server = answer.next.bind(at_server);
        let client = client
            .next
            .receive(answer.send.as_slice().try_into().unwrap())
            .unwrap();
        let hello = server.send.as_slice().try_into().unwrap();
        let client = client.bind(at_client).receive(hello, 0).unwrap();
        let (hello, proof) = client.send.split_at(256);
        let server = server.next.receive(hello.try_into().unwrap()).unwrap();
        server.receive(proof.try_into().unwrap(), 0).map(drop)
    };
    assert_eq!(run(b"channel", b"channel"), Ok(()));
    for (at_client, at_server) in [(&b"channel"[..], &b"other"[..]), (b"", b"\0"), (b"a", b"")] {
        let wrong = HandshakeError::WrongSecret {
            key_id: KeyId::EMPTY,
        };
        assert_eq!(run(at_client, at_server), Err(wrong));
    }
    assert_honest_client_is_served();
}

#[test]
fn hostile_11_any_bit_flipped_fails_both_ends() {
    for (to, length) in [
        (To::Server, CLIENT_MESSAGES[2]),
        (To::Client, SERVER_MESSAGES[1]),
    ] {
        for offset in 0..length {
            for bit in 0..8 {
                let (client, server) = tampered(to, offset, 1 << bit);
                assert!(client.has_failed(), "bit {bit} of byte {offset} to {to:?}");
                assert!(server.has_failed(), "bit {bit} of byte {offset} to {to:?}");
            }
        }
    }
    assert_honest_client_is_served();
}

#[test]
fn hostile_12_an_end_refuses_its_own_instance() {
    let mut client = ends::client(settings(7), 1);
    let mut server = ends::server(settings(7), 2);
    connect(&mut client, &mut server, |_, _, _| {});
    assert_eq!(client.silent_error(), HandshakeError::SelfConnection);

    // And the server, whose client did not look.
    let mut client = ends::client(settings(7), 1);
    let mut believed = ends::server(settings(8), 2);
    let mut server = ends::server(settings(7), 2);
    let preamble = client.take_output();
    believed.deliver(&preamble);
    server.deliver(&preamble);
    server.take_output();
    client.deliver(&believed.take_output());
    server.deliver(&client.take_output());
    assert_eq!(server.silent_error(), HandshakeError::SelfConnection);
    assert_honest_client_is_served();
}

#[test]
fn hostile_13_nothing_may_follow_the_message_before_a_proof() {
    // After the client's proof, before the server's.
    let (client, server) = changed(|to, offset, bytes| {
        if to == To::Server && offset == CLIENT_MESSAGES[0] {
            bytes.extend_from_slice(b"frame");
        }
    });
    let unexpected = HandshakeError::UnexpectedBytes {
        after: Stage::Proof,
        got: 5,
    };
    assert_eq!(server.silent_error(), unexpected);
    assert_eq!(client.silent_error(), HandshakeError::Refused);

    // After the server's hello, before the client's proof.
    let (client, _) = changed(|to, offset, bytes| {
        if to == To::Client && offset == 0 {
            bytes.push(0);
        }
    });
    let unexpected = HandshakeError::UnexpectedBytes {
        after: Stage::Hello,
        got: 1,
    };
    assert_eq!(client.silent_error(), unexpected);

    // Who cannot prove anything does not learn that extra bytes are what is wrong.
    let (_, server) = changed(|to, offset, bytes| {
        if to == To::Server && offset == CLIENT_MESSAGES[0] {
            bytes[256] ^= 1;
            bytes.push(0);
        }
    });
    assert_eq!(
        server.silent_error(),
        HandshakeError::WrongSecret {
            key_id: KeyId::EMPTY
        }
    );
    assert_honest_client_is_served();
}

#[test]
fn hostile_14_a_server_that_dies_between_the_proofs_never_opens_the_client() {
    for got in 0..32 {
        let (client, server) = changed(|to, offset, bytes| {
            if to == To::Client && offset == SERVER_MESSAGES[1] {
                bytes.truncate(got);
            }
        });
        assert!(server.opened().is_some());
        let expected = match got {
            0 => HandshakeError::Refused,
            _ => HandshakeError::Closed {
                awaiting: Stage::Proof,
                expected: 32,
                got,
            },
        };
        assert_eq!(client.silent_error(), expected);
    }
    assert_honest_client_is_served();
}

#[test]
fn hostile_17_a_message_cut_short_opens_nothing() {
    for cut in 0..CLIENT_MESSAGES[2] {
        let (client, server) = changed(|to, offset, bytes| {
            if to == To::Server {
                bytes.truncate(cut.saturating_sub(offset));
            }
        });
        assert!(
            client.has_failed() && server.has_failed(),
            "cut to {cut} bytes"
        );
        let error = server.silent_error();
        assert!(
            matches!(error, HandshakeError::Closed { .. }),
            "cut to {cut} bytes: {error}"
        );
    }
    for cut in 0..SERVER_MESSAGES[1] {
        let (client, server) = changed(|to, offset, bytes| {
            if to == To::Client {
                bytes.truncate(cut.saturating_sub(offset));
            }
        });
        assert!(
            client.has_failed() && server.has_failed(),
            "cut to {cut} bytes"
        );
    }
    assert_honest_client_is_served();
}

#[test]
fn impossible_fields_are_named() {
    let cases = [
        (To::Server, 9, 0x01, Stage::Preamble, "versions"), // lowest version 0
        (To::Server, 10, 0x01, Stage::Preamble, "versions"), // highest below lowest
        (To::Server, 20, 0x07, Stage::Preamble, "key id"),
        (To::Client, 16 + 136, 0x07, Stage::Hello, "service name"),
    ];
    for (to, offset, flip, stage, field) in cases {
        let (client, server) = tampered(to, offset, flip);
        let error = match to {
            To::Client => client.silent_error(),
            To::Server => server.silent_error(),
        };
        assert_eq!(error, HandshakeError::Malformed { stage, field });
    }
}

#[test]
fn a_role_that_is_none_is_refused() {
    let (_, server) = tampered(To::Server, CLIENT_MESSAGES[0], 0x04);
    let conflict = HandshakeError::RoleConflict {
        expected: Role::Client,
        got: 5,
    };
    assert_eq!(server.silent_error(), conflict);
}

/// A connection of two sound ends on whose way one byte is changed.
fn tampered(to: To, position: usize, flip: u8) -> (Client, Server) {
    changed(|way, offset, bytes| {
        if way == to
            && let Some(byte) = position
                .checked_sub(offset)
                .and_then(|at| bytes.get_mut(at))
        {
            *byte ^= flip;
        }
    })
}

fn changed(tamper: impl FnMut(To, usize, &mut Vec<u8>)) -> (Client, Server) {
    let mut client = ends::client(settings(1), 1);
    let mut server = ends::server(settings(2), 2);
    connect(&mut client, &mut server, tamper);
    (client, server)
}
