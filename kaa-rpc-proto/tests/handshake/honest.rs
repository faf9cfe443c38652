//! Two sound ends, and two that do not fit each other.

use kaa_rpc_proto::handshake::{
    Blame, Features, HandshakeError, KeyId, Keyring, Keys, Role, ServiceName, Settings, Stage,
    Versions, client, server,
};
use kaa_rpc_proto::{Limits, Secret};

use crate::ends::{self, Client, Server, To, connect, settings};

fn open(client: Settings, server: Settings) -> (Client, Server) {
    let mut client = ends::client(client, 1);
    let mut server = ends::server(server, 2);
    connect(&mut client, &mut server, |_, _, _| {});
    (client, server)
}

fn service(instance: u8, name: &str) -> Settings {
    Settings {
        service: ServiceName::new(name).unwrap(),
        ..settings(instance)
    }
}

#[test]
fn both_ends_learn_the_same() {
    let ours = Settings {
        offered: Features(0b0111),
        required: Features(0b0001),
        limits: Limits {
            max_calls: 7,
            ..Limits::default()
        },
        ..service(1, "player")
    };
    let theirs = Settings {
        offered: Features(0b1011),
        required: Features(0b0010),
        limits: Limits {
            max_calls: 9,
            ..Limits::default()
        },
        ..settings(2)
    };
    let (client, server) = open(ours, theirs);
    let (client, server) = (client.opened().unwrap(), server.opened().unwrap());

    assert_eq!((client.role(), server.role()), (Role::Client, Role::Server));
    assert_eq!(client.session(), server.session());
    assert_eq!((client.version(), server.version()), (1, 1));
    assert_eq!(
        (client.features(), server.features()),
        (Features(0b0011), Features(0b0011))
    );
    assert_eq!(
        (client.key_id(), server.key_id()),
        (KeyId::EMPTY, KeyId::EMPTY)
    );
    assert_eq!((client.settings(), server.settings()), (&ours, &theirs));
    for (end, other) in [(client, server), (server, client)] {
        assert_eq!(end.peer_limits(), other.local_limits());
        assert_eq!(end.peer().service, other.settings().service);
        assert_eq!(end.peer().instance, other.settings().instance);
        assert_eq!(end.peer().offered, other.settings().offered);
    }
}

#[test]
fn each_connection_has_its_own_session() {
    let session = |nonce| {
        let mut client = ends::client(settings(1), nonce);
        let mut server = ends::server(settings(2), 2);
        connect(&mut client, &mut server, |_, _, _| {});
        client.opened().unwrap().session()
    };
    assert_ne!(session(3), session(4));
}

#[test]
fn messages_arrive_in_any_pieces() {
    let mut client = ends::client(settings(1), 1);
    let mut server = ends::server(settings(2), 2);
    while client.result.is_none() || server.result.is_none() {
        for byte in client.take_output() {
            server.deliver(&[byte]);
        }
        for byte in server.take_output() {
            client.deliver(&[byte]);
        }
    }
    assert!(client.opened().is_some() && server.opened().is_some());
}

#[test]
fn a_wrong_secret_is_told_at_both_ends() {
    let wrong = Secret::from([0x43; 32]);
    let mut client = ends::client_with(settings(1), KeyId::EMPTY, &wrong, 1);
    let mut server = ends::server(settings(2), 2);
    connect(&mut client, &mut server, |_, _, _| {});

    let error = server.silent_error();
    assert_eq!(
        error,
        HandshakeError::WrongSecret {
            key_id: KeyId::EMPTY
        }
    );
    assert!(error.to_string().starts_with("wrong secret"), "{error}");
    let error = client.silent_error();
    assert_eq!(error, HandshakeError::Refused);
    assert_eq!(
        error.to_string(),
        "closed after our proof: the secret differs from the server's, or the server refused"
    );
}

#[test]
fn a_server_tells_its_clients_apart_by_key_id() {
    let (left, right) = (KeyId::new("left").unwrap(), KeyId::new("right").unwrap());
    let (left_secret, right_secret) = (Secret::from([1; 32]), Secret::from([2; 32]));
    let mut keyring = Keyring::new([0; 32]);
    keyring.insert(left, &left_secret);
    keyring.insert(right, &right_secret);
    assert_eq!(keyring.ids().collect::<Vec<_>>(), [left, right]);

    let accepted = |keyring: &Keyring, id, secret| {
        let mut client = ends::client_with(settings(1), id, secret, 1);
        let mut server = ends::server_with(settings(2), keyring.clone(), 2);
        connect(&mut client, &mut server, |_, _, _| {});
        server.result.unwrap().map(|opened| opened.key_id())
    };
    assert_eq!(accepted(&keyring, left, &left_secret), Ok(left));
    assert_eq!(accepted(&keyring, right, &right_secret), Ok(right));
    let wrong = Err(HandshakeError::WrongSecret { key_id: right });
    assert_eq!(accepted(&keyring, right, &left_secret), wrong);

    // Rotated, then revoked.
    let rotated = Secret::from([3; 32]);
    keyring.insert(right, &rotated);
    assert_eq!(accepted(&keyring, right, &right_secret), wrong);
    assert_eq!(accepted(&keyring, right, &rotated), Ok(right));
    assert!(keyring.remove(&left) && !keyring.remove(&left));
    let wrong = Err(HandshakeError::WrongSecret { key_id: left });
    assert_eq!(accepted(&keyring, left, &left_secret), wrong);
}

#[test]
fn an_unknown_key_id_fails_like_a_wrong_secret_even_with_the_decoys_key() {
    let decoy = [9; 32];
    let unknown = KeyId::new("unknown").unwrap();
    let mut client = ends::client_with(settings(1), unknown, &Secret::from(decoy), 1);
    let mut server = ends::server_with(settings(2), Keyring::new(decoy), 2);
    connect(&mut client, &mut server, |_, _, _| {});
    assert_eq!(
        server.silent_error(),
        HandshakeError::WrongSecret { key_id: unknown }
    );
    assert_eq!(client.silent_error(), HandshakeError::Refused);
}

#[test]
fn services_match_if_equal_or_empty() {
    for (ours, theirs) in [("player", "player"), ("", "player"), ("player", "")] {
        let (client, server) = open(service(1, ours), service(2, theirs));
        assert!(client.opened().is_some() && server.opened().is_some());
    }
    let (client, server) = open(service(1, "player"), service(2, "recorder"));
    let error = client.silent_error();
    assert_eq!(
        error.to_string(),
        "this end is of the service `player`, the other of `recorder`: check the address"
    );
    assert_eq!(error.blame(), Blame::Between);
    let closed = HandshakeError::Closed {
        awaiting: Stage::Hello,
        expected: 256,
        got: 0,
    };
    assert_eq!(server.silent_error(), closed);
}

#[test]
fn a_required_feature_must_be_offered_by_the_other_end() {
    let picky = |instance| Settings {
        offered: Features(0b110),
        required: Features(0b100),
        ..settings(instance)
    };
    let (client, _) = open(picky(1), settings(2));
    let missing = Features(0b100);
    let error = HandshakeError::UnsupportedFeature {
        required_by: Role::Client,
        missing,
    };
    assert_eq!(client.silent_error(), error);
    assert!(
        error
            .to_string()
            .contains("the client requires feature bit 2"),
        "{error}"
    );

    let (client, _) = open(settings(1), picky(2));
    let error = HandshakeError::UnsupportedFeature {
        required_by: Role::Server,
        missing,
    };
    assert_eq!(client.silent_error(), error);
}

#[test]
fn a_server_judges_a_client_that_did_not() {
    // The client is made to believe in a server that fits it; the server hears the truth.
    let lie = |client: Settings, server: Settings| {
        let mut believed = ends::server(
            Settings {
                instance: server.instance,
                ..settings(2)
            },
            2,
        );
        let mut deceived = ends::client(client, 1);
        let mut server = ends::server(server, 2);
        let preamble = deceived.take_output();
        believed.deliver(&preamble);
        server.deliver(&preamble);
        server.take_output();
        deceived.deliver(&believed.take_output());
        server.deliver(&deceived.take_output());
        server.silent_error()
    };
    let other_service = lie(service(1, "player"), service(3, "recorder"));
    assert!(
        matches!(other_service, HandshakeError::ServiceMismatch { .. }),
        "{other_service}"
    );
    let picky = Settings {
        offered: Features(4),
        required: Features(4),
        ..settings(3)
    };
    let error = HandshakeError::UnsupportedFeature {
        required_by: Role::Server,
        missing: Features(4),
    };
    assert_eq!(lie(settings(1), picky), error);
}

#[test]
fn absurd_settings_do_not_even_start() {
    let absurd = Settings {
        limits: Limits {
            max_depth: 0,
            ..Limits::default()
        },
        ..settings(1)
    };
    let error = server::AwaitPreamble::new(absurd, [0; 32]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a limit of this end's settings: max_depth is 0: expected 1 to 1024"
    );
    assert_eq!(error.blame(), Blame::Here);
    let keys = Keys::derive(&ends::secret());
    let absurd = Settings {
        required: Features(8),
        ..settings(1)
    };
    let error = client::start(absurd, KeyId::EMPTY, keys, [0; 32]).unwrap_err();
    assert_eq!(
        error,
        HandshakeError::OwnFeatures {
            missing: Features(8)
        }
    );
}

#[test]
fn an_absurd_limit_of_the_other_end_is_named() {
    let mut client = ends::client(settings(1), 1);
    let mut server = ends::server(settings(2), 2);
    connect(&mut client, &mut server, |to, offset, bytes| {
        if (to, offset) == (To::Client, 0) {
            bytes[16 + 72 + 4..][..4].fill(0); // max_calls of the server's hello
        }
    });
    let error = client.silent_error();
    assert_eq!(
        error.to_string(),
        "a limit of the other end: max_calls is 0: expected 1 to 1048576"
    );
    assert_eq!(error.blame(), Blame::Peer);
}

#[test]
fn an_unsupported_version_is_answered_with_the_range() {
    let newer = Versions {
        lowest: 2,
        highest: 5,
    };
    let mut server = ends::server(settings(2), 2);
    let mut preamble = ends::client(settings(1), 1).take_output();
    preamble[9..11].copy_from_slice(&[2, 5]);
    server.deliver(&preamble);
    assert_eq!(server.take_output(), *b"\xc1kaa-rpc\x02\0\x01\x01\0\0\0\0");
    let ours = Versions::SUPPORTED;
    assert_eq!(
        server.silent_error(),
        HandshakeError::VersionMismatch {
            ours,
            theirs: newer
        }
    );

    let mut client = ends::client(settings(1), 1);
    client.take_output();
    client.deliver(b"\xc1kaa-rpc\x02\0\x02\x05\0\0\0\0");
    let error = client.silent_error();
    assert_eq!(
        error,
        HandshakeError::VersionMismatch {
            ours,
            theirs: newer
        }
    );
    assert_eq!(
        error.to_string(),
        "no common protocol version: this end has 1, the other 2 to 5; update the older one"
    );
}

#[test]
fn a_client_of_several_versions_gets_the_common_one() {
    let mut server = ends::server(settings(2), 2);
    let mut preamble = ends::client(settings(1), 1).take_output();
    preamble[10] = 9;
    server.deliver(&preamble);
    assert!(
        server
            .take_output()
            .starts_with(b"\xc1kaa-rpc\x02\x01\x01\x01")
    );
}

#[test]
fn an_answer_that_contradicts_itself_is_refused() {
    for (chosen, lowest, highest) in [(0, 1, 1), (2, 1, 1), (1, 0, 1), (1, 2, 1), (3, 1, 3)] {
        let mut client = ends::client(settings(1), 1);
        client.take_output();
        let mut answer = *b"\xc1kaa-rpc\x02\0\0\0\0\0\0\0";
        answer[9..12].copy_from_slice(&[chosen, lowest, highest]);
        client.deliver(&answer);
        let error = client.silent_error();
        assert!(
            matches!(
                error,
                HandshakeError::Malformed {
                    stage: Stage::Version,
                    ..
                }
            ),
            "{error}"
        );
    }
}
