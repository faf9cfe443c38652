//! The targets on a stable compiler: the seeds, everything else in the corpus, and random inputs.
//!
//! `BLESS=1 cargo test --no-default-features` writes the seeds.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs};

use kaa_fuzz::{TARGETS, seeds};
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
}

/// What a target does, and its seeds.
type Seeded = (fn(&[u8]), Vec<Vec<u8>>);

/// Each target with its seeds, in an order that is always the same.
fn committed() -> &'static [Seeded] {
    static SEEDS: OnceLock<Vec<Seeded>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let read = |target| {
            let entries = fs::read_dir(corpus(target)).unwrap();
            let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            paths.retain(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with("seed-")
            });
            paths.sort();
            paths.iter().map(|path| fs::read(path).unwrap()).collect()
        };
        TARGETS.map(|(name, run)| (run, read(name))).to_vec()
    })
}

#[test]
fn the_seeds_are_committed() {
    for seed in seeds() {
        let path = corpus(seed.target).join(format!("seed-{}", seed.name));
        if env::var_os("BLESS").is_some() {
            fs::write(&path, &seed.bytes).unwrap();
        }
        let committed = fs::read(&path).unwrap_or_default();
        assert!(
            committed == seed.bytes,
            "{} is not as the code makes it: run with BLESS=1",
            path.display()
        );
    }
}

#[test]
fn every_target_survives_its_corpus() {
    for (name, run) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(corpus(name)).unwrap() {
            run(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= 5, "{name} has {count} seeds");
    }
}

/// What a mutation does to a seed.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
    /// A part of another seed of the target comes in between.
    Splice(Index, Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    let byte = prop_oneof![
        any::<u8>(),
        select(vec![0, 0x7f, 0x80, 0xc1, 0xdd, 0xdf, 0xff])
    ];
    prop_oneof![
        4 => (index(), byte.clone()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (index(), prop::collection::vec(byte, 1..8)).prop_map(|(at, new)| Edit::Insert(at, new)),
        2 => (index(), 1..16_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        1 => index().prop_map(Edit::Cut),
        1 => (index(), index(), index()).prop_map(|(at, other, from)| Edit::Splice(at, other, from)),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit, seeds: &[Vec<u8>]) {
    let at = |index: &Index| index.index(bytes.len() + 1);
    match edit {
        Edit::Set(place, byte) => {
            let place = at(place);
            if let Some(old) = bytes.get_mut(place) {
                *old = *byte;
            }
        }
        Edit::Insert(place, new) => {
            let place = at(place);
            bytes.splice(place..place, new.iter().copied());
        }
        Edit::Remove(place, count) => {
            let place = at(place);
            bytes.drain(place..(place + count).min(bytes.len()));
        }
        Edit::Cut(place) => bytes.truncate(at(place)),
        Edit::Splice(place, other, from) => {
            let (place, other) = (at(place), other.get(seeds));
            let part = &other[from.index(other.len() + 1)..];
            bytes.splice(place..place, part.iter().take(64).copied());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_target_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (_, run) in TARGETS {
            run(&bytes);
        }
    }

    #[test]
    fn every_target_survives_mutated_seeds(which in any::<Index>(), edits in prop::collection::vec(edit(), 1..6)) {
        for (run, seeds) in committed() {
            let mut bytes = which.get(seeds).clone();
            for edit in &edits {
                apply(&mut bytes, edit, seeds);
            }
            run(&bytes);
        }
    }
}
