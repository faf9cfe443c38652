//! A wall clock that jumps, and a machine that slept, change nothing: time is counted, not read off.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kaa_rpc_proto::frame::Frame;
use kaa_rpc_runtime::{Channel, Limits};

use crate::common::raw::{self, Peer};
use crate::common::{multi_threaded, private_address, secret};

/// What travels is the time that is left: the same call says the same an hour later.
#[test]
fn hostile_59_deadlines_travel_as_time_that_is_left() {
    let runtime = multi_threaded();
    let (folder, address) = private_address();
    let listener = raw::listen(&folder.path().join("s"));
    let accepting = std::thread::spawn(move || Peer::accept(&listener, Limits::default()));
    let client = runtime
        .block_on(Channel::connect(&address, &secret()))
        .unwrap();
    let mut peer = accepting.join().unwrap();
    let given = Duration::from_secs(60);
    for _ in 0..3 {
        let call = client.rpc::<u64, _>("f", ()).timeout(given).start();
        let came = peer.receive().unwrap();
        let Frame::Call { id, head, .. } = came.frame() else {
            panic!("{came:?}")
        };
        let left = Duration::from_micros(head.remaining.unwrap());
        assert!(left <= given && left > given / 2, "{left:?}");
        peer.result(id, 1);
        assert_eq!(runtime.block_on(call).unwrap(), 1);
        // An instant, as opposed to a time, would be another one now.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The wall clock is known where timestamps are made of it, and nowhere else.
#[test]
fn hostile_59_nothing_reads_the_wall_clock() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for source in ["src", "../kaa-rpc-proto/src"] {
        collect(&here.join(source), &mut files);
    }
    assert!(files.len() > 50, "{} files", files.len());
    let mut readers: Vec<String> = files
        .iter()
        .filter(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            [
                "SystemTime",
                "UNIX_EPOCH",
                "CLOCK_REALTIME",
                "ClockId::Realtime",
            ]
            .iter()
            .any(|clock| text.contains(clock))
        })
        .map(|file| {
            let path = file.to_string_lossy().replace('\\', "/");
            path.rsplit_once("/src/").unwrap().1.to_owned()
        })
        .collect();
    readers.sort();
    assert_eq!(
        readers,
        ["msgpack/timestamp/mod.rs", "msgpack/value/convert.rs"]
    );
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
