//! The handshake against an attacker who holds every connection: all that can happen, searched.
//!
//! The attacker gets whatever the ends of a few connections send, and decides what each of them
//! receives, and when: it passes messages on to any end, in any order, any number of times or never;
//! sends them back; sets roles, nonces, instance ids and, as a scenario says, every other field; and
//! makes messages of its own. What it cannot do is make a MAC without the secret, or guess one.
//!
//! In every state that can be reached, an end that opens must have exactly one honest counterpart:
//! of the other role, with the same secret, which saw the same messages over the same channel, made
//! the proof that was accepted, and believes the same of limits, features, services and names
//! (injective agreement; see `property`).
//!
//! That the search can find what it looks for is shown by weaker schemes: the handshake is written a
//! second time, with parts of its proofs that can be left out (`rebuilt`). With all of them it does
//! the same as the real types in every past of an end that the search meets. Without some, attacks
//! come out, those on `kaa.rpc` among them.
//!
//! The bounds are in the scenarios: two to six ends at the same time, each of which is used once.
//! `cargo test -p kaa-rpc-proto --test model -- --nocapture` tells how much was searched.

mod attacker;
mod property;
mod rebuilt;
mod scheme;
mod search;

use kaa_rpc_proto::Limits;
use kaa_rpc_proto::handshake::{
    Features, InstanceId, KeyId, Role, ServiceName, Settings, Transport,
};

use attacker::{Fields, Scenario};
use property::Break;
use rebuilt::{Covers, Formulas};
use scheme::{End, Held, Real, Scheme};
use search::{Report, search, search_and_watch};

const SECRET: [u8; 32] = [0x42; 32];
const OTHER_SECRET: [u8; 32] = [0x43; 32];

fn held(key_id: &str, secret: [u8; 32]) -> Held {
    Held {
        key_id: KeyId::new(key_id).unwrap(),
        secret,
    }
}

/// Ends of one role are of one program: only their nonces differ.
fn end(role: Role, nonce: u8) -> End {
    let (instance, max_calls, offered, required, service) = match role {
        Role::Client => (1, 7, 0b0011, 0b0001, ""),
        Role::Server => (2, 8, 0b0101, 0b0000, "player"),
    };
    let settings = Settings {
        service: ServiceName::new(service).unwrap(),
        offered: Features(offered),
        required: Features(required),
        limits: Limits {
            max_calls,
            ..Limits::default()
        },
        ..Settings::new(Transport::Unix, InstanceId([instance; 16]))
    };
    End {
        role,
        settings,
        nonce: [nonce; 32],
        binding: b"",
        secrets: vec![held("alice", SECRET)],
    }
}

fn ends(clients: u8, servers: u8) -> Vec<End> {
    let clients = (0..clients).map(|n| end(Role::Client, 0x10 + n));
    let servers = (0..servers).map(|n| end(Role::Server, 0x20 + n));
    clients.chain(servers).collect()
}

fn scenario(name: &'static str, ends: Vec<End>, fields: Fields) -> Scenario {
    Scenario {
        name,
        ends,
        stolen: Vec::new(),
        fields,
    }
}

/// Programs that are client and server, so that what one says as a client may be of use at its
/// server's end.
fn both_roles() -> Scenario {
    let mut ends = ends(2, 2);
    for (instance, end) in (1..).zip(&mut ends) {
        end.settings.instance = InstanceId([instance; 16]);
        end.settings.service = ServiceName::EMPTY;
    }
    scenario(
        "two programs that are client and server",
        ends,
        Fields::Some,
    )
}

/// The server knows two secrets, of which the attacker has one.
fn insider() -> Scenario {
    let mut ends = ends(1, 2);
    for server in &mut ends[1..] {
        server.secrets.push(held("eve", OTHER_SECRET));
    }
    Scenario {
        stolen: vec![held("eve", OTHER_SECRET)],
        ..scenario("one of two secrets is stolen", ends, Fields::Some)
    }
}

fn two_channels() -> Scenario {
    let mut ends = ends(1, 1);
    for (end, binding) in ends.iter_mut().zip([b"one channel", b"the other 1"]) {
        end.settings.transport = Transport::Other;
        end.binding = binding;
    }
    scenario("ends of two channels", ends, Fields::All)
}

fn two_transports() -> Scenario {
    let mut ends = ends(1, 2);
    ends[1].settings.transport = Transport::Inherited;
    scenario("ends of two transports", ends, Fields::Some)
}

fn tell(scheme: &str, scenario: &Scenario, report: &Report) {
    println!(
        "{scheme}, {}: {} states, {} deliveries; {} pasts of an end, {} messages refused; opened \
         {} with an honest end, {} with the attacker",
        scenario.name,
        report.states,
        report.deliveries,
        report.pasts,
        report.refused,
        report.honest,
        report.admitted
    );
    for (kind, way) in &report.breaks {
        println!("    {kind:?}: {}", way.join("; "));
    }
}

/// Searches the real types for anything wrong, and compares the rebuilt ones with them on the way.
/// At least so many states must be there, and somebody must open.
#[track_caller]
fn holds(scenario: &Scenario, least: usize) -> Report {
    let report = search_and_watch(&Real::default(), scenario, &mut |end, received, run| {
        assert_eq!(
            &Formulas::FULL.run(end, received),
            run,
            "{end:?} {received:x?}"
        );
    });
    tell("the real types", scenario, &report);
    assert_eq!(report.kinds(), [], "{}", scenario.name);
    assert!(report.states >= least, "{} states", report.states);
    report
}

#[test]
fn one_connection_whose_every_field_is_changed() {
    let report = holds(&scenario("one connection", ends(1, 1), Fields::All), 9_000);
    assert!(report.honest > 0);
}

#[test]
fn two_connections() {
    let report = holds(
        &scenario("two connections", ends(2, 2), Fields::Some),
        30_000,
    );
    assert!(report.honest > 0);
}

#[test]
fn three_connections() {
    let report = holds(
        &scenario("three connections", ends(3, 3), Fields::None),
        200_000,
    );
    assert!(report.honest > 0);
}

#[test]
fn programs_that_are_client_and_server() {
    let report = holds(&both_roles(), 60_000);
    assert!(report.honest > 0);
}

#[test]
fn one_role_alone_opens_with_nobody() {
    for (clients, servers) in [(3, 0), (0, 3)] {
        let alone = scenario("ends of one role", ends(clients, servers), Fields::Some);
        assert_eq!(holds(&alone, 150).honest, 0);
    }
}

#[test]
fn a_stolen_secret_opens_nothing_in_anothers_name() {
    let report = holds(&insider(), 10_000);
    assert!(report.honest > 0 && report.admitted > 0);
}

#[test]
fn nothing_opens_between_channels() {
    assert_eq!(holds(&two_channels(), 9_000).honest, 0);
    // One of the servers is on another transport than the client, the other is not.
    let report = holds(&two_transports(), 1_000);
    assert!(report.honest > 0);
}

#[test]
fn nothing_opens_between_secrets() {
    let mut ends = ends(1, 1);
    ends[1].secrets = vec![held("alice", OTHER_SECRET)];
    let report = holds(&scenario("two secrets", ends, Fields::All), 9_000);
    assert_eq!((report.honest, report.admitted), (0, 0));
}

/// The attacker's moves suffice to open a connection, if it has what it must not have.
#[test]
fn who_has_the_secret_gets_in() {
    for (clients, servers) in [(1, 0), (0, 1)] {
        let stolen = Scenario {
            stolen: vec![held("alice", SECRET)],
            ..scenario("the secret is stolen", ends(clients, servers), Fields::Some)
        };
        assert!(holds(&stolen, 1).admitted > 0);
    }
}

/// Why nonces must be new for each connection: with the same one again, a recording opens.
#[test]
fn a_nonce_that_comes_again_is_found() {
    let mut ends = ends(1, 2);
    ends[2].nonce = ends[1].nonce;
    let repeated = scenario("a nonce comes again", ends, Fields::None);
    let report = search(&Real::default(), &repeated);
    tell("the real types", &repeated, &report);
    assert_eq!(report.kinds(), [Break::Twice]);
}

/// Each part of the proofs, left out, and what comes of it.
#[test]
fn what_each_part_of_the_proofs_is_for() {
    let full = Formulas::FULL;
    let unlabelled = Formulas {
        labels: false,
        ..full
    };
    let unchained = Formulas {
        chained: false,
        ..full
    };
    let covers = |covers| Formulas { covers, ..full };
    let one = || scenario("one connection", ends(1, 1), Fields::Some);
    let two = || scenario("two connections", ends(2, 2), Fields::None);

    // Labels, and that the server's proof covers the client's, are both against a proof that is
    // sent back. Each of them is enough.
    finds(unlabelled, &two(), &[]);
    finds(unchained, &two(), &[]);
    let neither = Formulas {
        labels: false,
        ..unchained
    };
    finds(neither, &two(), &[Break::Echo]);

    finds(covers(Covers::Nonces), &one(), &[Break::Tampered]);
    finds(
        covers(Covers::Challenge),
        &one(),
        &[Break::Borrowed, Break::Tampered],
    );
    finds(covers(Covers::Challenge), &two(), &[Break::Borrowed]);

    let without_channel = Formulas {
        channel: false,
        ..full
    };
    finds(without_channel, &two(), &[]);
    finds(without_channel, &two_channels(), &[Break::OtherChannel]);
}

/// Two connections to the attacker, and no server at all: each answers the other's challenge.
#[test]
fn the_reflection_that_broke_kaa_rpc_is_found() {
    let clients = || scenario("two clients", ends(2, 0), Fields::None);
    let report = finds(Formulas::KAA_RPC, &clients(), &[Break::Reflection]);
    let last = report.breaks[&Break::Reflection].last();
    assert_eq!(
        last.map(String::as_str),
        Some("client 0 gets a proof of client 1")
    );

    let labelled = Formulas {
        labels: true,
        ..Formulas::KAA_RPC
    };
    finds(labelled, &clients(), &[]);
}

/// A client that talks with the attacker opens a server for it; and without a challenge, what was
/// said once opens a server again.
#[test]
fn relay_and_replay_are_found() {
    let one = scenario("one connection", ends(1, 1), Fields::Some);
    let report = finds(Formulas::KAA_RPC, &one, &[Break::Borrowed, Break::Tampered]);
    let way = &report.breaks[&Break::Borrowed];
    let last = way.last().map(String::as_str);
    assert_eq!(last, Some("server 1 gets a proof of client 0"));
    assert!(way.contains(&"client 0 gets a hello of the attacker".to_owned()));

    let two = scenario("one client, two servers", ends(1, 2), Fields::None);
    let nothing = Formulas {
        covers: Covers::Nothing,
        ..Formulas::FULL
    };
    finds(nothing, &two, &[Break::Borrowed]);
}

#[track_caller]
fn finds(formulas: Formulas, scenario: &Scenario, expected: &[Break]) -> Report {
    let report = search(&formulas, scenario);
    tell(&format!("{formulas:?}"), scenario, &report);
    assert_eq!(report.kinds(), expected, "{formulas:?}, {}", scenario.name);
    report
}
