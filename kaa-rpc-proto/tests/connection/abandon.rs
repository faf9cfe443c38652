//! What becomes of calls when the connection is gone.

use kaa_rpc_proto::Progress::{MayHaveRun, NeverSent};

use crate::pair::{ALL, End, Pair, handshake, window};

fn caller() -> End {
    End::new(handshake(window(8), window(8)).0)
}

#[test]
fn hostile_48_never_sent_and_may_have_run_are_told_apart_at_every_byte() {
    let frame = 4 + 10 + 2;
    // Something else goes first, and between the calls.
    let starts = [9 + 4, 13 + frame, 13 + 2 * frame + 12];
    let queue = || {
        let mut client = caller();
        client.connection.ping();
        client.call(1);
        client.call(2);
        client.oneway();
        client.call(3);
        client
    };
    let total = queue().write(ALL).len();
    assert_eq!(total, starts[2] + frame);

    for written in 0..=total {
        let mut client = queue();
        client.write(written);
        let expected: Vec<_> = (1..)
            .zip(starts)
            .map(|(token, start)| {
                let sent = written > start;
                (token, if sent { MayHaveRun } else { NeverSent })
            })
            .collect();
        assert_eq!(client.connection.abandon(), expected, "{written} bytes");
        assert_eq!(client.connection.abandon(), []);
    }
}

#[test]
fn hostile_48_writing_in_place_counts_the_same() {
    for taken in 0..=16 {
        let mut client = caller();
        client.call(1);
        let all = client
            .connection
            .write_to(|bytes| Ok::<_, ()>(taken.min(bytes[0].len())));
        assert_eq!(all, Ok(taken == 16));
        let progress = if taken == 0 { NeverSent } else { MayHaveRun };
        assert_eq!(client.connection.abandon(), [(1, progress)]);
    }
}

#[test]
fn a_write_that_fails_sent_nothing() {
    let mut client = caller();
    client.call(1);
    assert_eq!(client.connection.write_to(|_| Err("broken")), Err("broken"));
    assert_eq!(client.connection.abandon(), [(1, NeverSent)]);
}

#[test]
fn positions_count_from_the_beginning_of_the_connection() {
    let mut pair = Pair::new(window(8), window(8));
    for token in 0..100 {
        let id = pair.ends[0].call(token);
        pair.exchange(1);
        pair.ends[1].connection.result(id, b"\xc0").unwrap();
        pair.exchange(0);
    }
    pair.ends[0].call(1);
    pair.ends[0].call(2);
    pair.ends[0].write(1);
    let ended = pair.ends[0].connection.abandon();
    assert_eq!(ended, [(1, MayHaveRun), (2, NeverSent)]);
}

#[test]
fn only_calls_that_somebody_waits_for_are_given() {
    let mut pair = Pair::new(window(8), window(8));
    let (client, _) = pair.both();
    let ids = [1, 2, 3, 4].map(|token| client.call(token));
    client.connection.cancel(ids[0]);
    client.connection.detach(ids[1]);
    client.oneway();
    pair.exchange(1);
    pair.ends[1].connection.result(ids[2], b"\xc0").unwrap();
    pair.exchange(0);
    assert_eq!(pair.ends[0].connection.abandon(), [(4, MayHaveRun)]);
    assert!(pair.ends[0].connection.is_idle());
}
