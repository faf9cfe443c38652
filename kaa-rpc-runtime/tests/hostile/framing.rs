//! Bytes that are no frames, or not the right ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kaa_rpc_proto::Violation;
use kaa_rpc_proto::frame::{CallHead, Frame};
use kaa_rpc_runtime::{CloseReason, Limits};

use crate::common::raw::{self, NOTHING};
use crate::common::{Was, multi_threaded, single_threaded};
use crate::stage::Stage;

const MAX_FRAME: u32 = 1 << 20;

fn small() -> Limits {
    Limits {
        max_frame: MAX_FRAME,
        ..Limits::default()
    }
}

#[test]
fn hostile_15_a_length_that_cannot_be_ends_the_channel_before_the_body_comes() {
    let mut stage = Stage::with_limits(multi_threaded(), small());
    for length in [0, MAX_FRAME + 1, 1 << 31, u32::MAX] {
        for before in [0, 1] {
            let mut guest = stage.guest();
            let mut bytes = Vec::new();
            for _ in 0..before {
                bytes.extend(raw::call(0, "add", (1, 2)));
            }
            bytes.extend(length.to_be_bytes());
            guest.peer.send_bytes(&bytes);
            if before == 1 {
                // What came before it is answered, or not; never anything after.
                let reason = stage.runtime.block_on(guest.channel.closed());
                assert!(matches!(*reason, CloseReason::Violation(_)), "{reason:?}");
                stage.assert_honest_is_served();
                continue;
            }
            stage.assert_closed(
                guest,
                |violation| matches!(violation, Violation::FrameLength { length: got, max_frame: MAX_FRAME } if *got == length),
            );
        }
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn hostile_16_a_promised_length_takes_no_memory_until_it_comes() {
    let limits = Limits {
        max_frame: 1 << 30,
        max_request_bytes: 1 << 40,
        ..Limits::default()
    };
    let mut stage = Stage::with_limits(multi_threaded(), limits);
    let before = resident();
    let mut guests: Vec<_> = (0..32).map(|_| stage.guest()).collect();
    for guest in &mut guests {
        guest.peer.send_bytes(&(1u32 << 30).to_be_bytes());
        guest.peer.send_bytes(&[1; 1000]);
    }
    for _ in 0..50 {
        for guest in &mut guests {
            guest.peer.send_bytes(&[1]);
        }
        stage.assert_honest_is_served();
    }
    // 32 GiB were promised, and 32 KiB came.
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    assert!(guests.iter().all(|guest| !guest.channel.is_closed()));
}

#[test]
fn hostile_17_an_end_at_any_offset_runs_nothing_that_is_not_whole() {
    let mut stage = Stage::new(multi_threaded());
    let bytes = [raw::call(0, "wait", (1,)), raw::call(1, "wait", (2,))];
    let first = bytes[0].len();
    let bytes = bytes.concat();
    for end in 0..bytes.len() {
        let mut guest = stage.guest();
        guest.peer.send_bytes(&bytes[..end]);
        if end >= first {
            let started = stage.runtime.block_on(stage.told.next());
            assert_eq!(started, Was::Started(1));
        }
        drop(guest.peer);
        let reason = stage.runtime.block_on(guest.channel.closed());
        assert!(matches!(*reason, CloseReason::Ended), "{end}: {reason:?}");
        if end >= first {
            let dropped = stage.runtime.block_on(stage.told.next());
            assert_eq!(dropped, Was::Dropped(1));
        }
        assert_eq!(stage.told.so_far(), [], "{end}");
        if end % 10 == 0 {
            stage.assert_honest_is_served();
        }
    }
}

#[test]
fn hostile_18_every_split_of_the_stream_gives_the_same() {
    for runtime in [single_threaded(), multi_threaded()] {
        let mut stage = Stage::new(runtime);
        let frames = [
            raw::call(0, "add", (1, 2)),
            raw::bytes(&Frame::Ping { token: 9 }),
            raw::call(1, "length", ("no bytes",)),
            raw::bytes(&Frame::Cancel { id: 1 }),
            raw::call(2, "add", (3, 4)),
        ];
        let bytes = frames.concat();
        let mut guest = stage.guest();
        let mut whole = None;
        for split in 0..=bytes.len() {
            // Once in two parts, and once in parts of this length.
            let parts = [
                vec![&bytes[..split], &bytes[split..]],
                bytes.chunks(split.max(1)).collect(),
            ];
            for parts in parts {
                let mut peer = guest.peer;
                let parts: Vec<Vec<u8>> = parts.into_iter().map(<[u8]>::to_vec).collect();
                let talking = std::thread::spawn(move || {
                    for part in parts {
                        peer.send_bytes(&part);
                        std::thread::yield_now();
                    }
                    let mut answers: Vec<raw::Came> =
                        (0..4).map(|_| peer.receive().unwrap()).collect();
                    // A pong may overtake.
                    answers.sort_by(|a, b| a.0.cmp(&b.0));
                    (peer, answers)
                });
                // A runtime of one thread runs only while it is waited for.
                let joined = stage
                    .runtime
                    .handle()
                    .spawn_blocking(|| talking.join().unwrap());
                let (peer, answers) = stage.runtime.block_on(joined).unwrap();
                guest.peer = peer;
                assert_eq!(
                    *whole.get_or_insert_with(|| answers.clone()),
                    answers,
                    "{split}"
                );
            }
        }
        assert!(!guest.channel.is_closed());
        stage.assert_honest_is_served();
    }
}

#[test]
fn hostile_21_an_unknown_kind_of_frame_ends_the_channel() {
    let mut stage = Stage::new(multi_threaded());
    for kind in [0, 99, 100, 255] {
        let mut guest = stage.guest();
        guest.peer.send_bytes(&[0, 0, 0, 1, kind]);
        stage.assert_closed(
            guest,
            |violation| matches!(violation, Violation::UnknownFrame(got) if *got == kind),
        );
    }
}

#[test]
fn hostile_21_a_body_that_is_not_as_its_kind_says_ends_the_channel() {
    let mut stage = Stage::new(multi_threaded());
    let head = |flags: u8, length: u8, name: &[u8]| {
        let mut body = vec![1, 0, 0, 0, 0, flags, 0, 0, length];
        body.extend_from_slice(name);
        body.extend_from_slice(NOTHING);
        body
    };
    for body in [
        vec![1],
        vec![1, 0, 0, 0],
        vec![7, 0, 0, 0],
        vec![7, 0, 0, 0, 0, 0],
        vec![9; 5],
        vec![11, 1],
        head(0x80, 3, b"add"),
        head(4, 3, b"add"),
        head(1, 3, b"add"),
        head(2, 3, b"add"),
        head(0, 200, b"add"),
        head(0, 0, b""),
        head(0, 3, b"a\xff\xfe"),
    ] {
        let mut guest = stage.guest();
        let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(&body);
        guest.peer.send_bytes(&bytes);
        stage.assert_closed(guest, |violation| {
            matches!(violation, Violation::Malformed(_))
        });
    }
}

/// Any bytes: the channel may end, the process and the others go on.
#[test]
fn hostile_21_rubbish_hurts_nobody() {
    let mut stage = Stage::with_limits(multi_threaded(), small());
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let sound = [
        raw::call(0, "add", (1, 2)),
        raw::bytes(&Frame::Oneway {
            head: CallHead::new("add"),
            arguments: &raw::arguments((1, 2)),
        }),
        raw::bytes(&Frame::Ping { token: 1 }),
        raw::call(1, "step", ()),
    ]
    .concat();
    for round in 0..300 {
        let mut guest = stage.guest();
        let mut bytes = sound.clone();
        for _ in 0..=round % 4 {
            let place = random() as usize % bytes.len();
            bytes[place] ^= 1 << (random() % 8);
        }
        guest.peer.try_send_bytes(&bytes);
        guest.peer.half_close();
        let reason = stage.runtime.block_on(guest.channel.closed());
        assert!(
            matches!(*reason, CloseReason::Ended | CloseReason::Violation(_)),
            "{reason:?}"
        );
        if round % 50 == 0 {
            stage.assert_honest_is_served();
        }
    }
    stage.assert_honest_is_served();
}

/// A runtime of one thread also serves others while one peer keeps it busy.
#[test]
fn hostile_41_a_flood_of_small_frames_starves_nobody() {
    let mut stage = Stage::new(single_threaded());
    for flood in ["pings", "cancels", "calls", "unknown"] {
        let mut guest = stage.guest();
        let frame = match flood {
            "pings" => raw::bytes(&Frame::Ping { token: 1 }),
            "cancels" => [
                raw::call(0, "add", (1, 2)),
                raw::bytes(&Frame::Cancel { id: 0 }),
            ]
            .concat(),
            "calls" => raw::call(0, "add", (1, 2)),
            _ => raw::call(0, "no such function", ()),
        };
        let bytes = frame.repeat(5000);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut reader = guest.peer.stream.try_clone().unwrap();
        let reading = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while matches!(std::io::Read::read(&mut reader, &mut buffer), Ok(1..)) {}
        });
        let flooding = std::thread::spawn(move || {
            // The ids of calls in a flood may collide: then the channel ends, and the next one floods.
            while !stopped.load(Ordering::Relaxed) && guest.peer.try_send_bytes(&bytes) {}
            let _ = guest.peer.stream.shutdown(std::net::Shutdown::Both);
        });
        stage.assert_honest_is_served();
        stop.store(true, Ordering::Relaxed);
        stage.runtime.block_on(guest.channel.closed());
        flooding.join().unwrap();
        reading.join().unwrap();
    }
}
