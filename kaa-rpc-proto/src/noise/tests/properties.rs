//! Whatever somebody on the way does, what opens is what was sealed, from the first record on.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{records, seal};
use crate::noise::{RecordError, Records, Split};

/// What somebody on the way does to the list of records.
#[derive(Clone, Debug)]
enum Edit {
    Drop(Index),
    Repeat(Index, Index),
    Exchange(Index, Index),
    Change(Index, Index, u8),
    Cut(Index, Index),
    Insert(Index, Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Edit::Drop),
        (index(), index()).prop_map(|(which, to)| Edit::Repeat(which, to)),
        (index(), index()).prop_map(|(one, other)| Edit::Exchange(one, other)),
        (index(), index(), any::<u8>()).prop_map(|(which, at, bits)| Edit::Change(which, at, bits)),
        (index(), index()).prop_map(|(which, at)| Edit::Cut(which, at)),
        (index(), vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
    ]
}

fn apply(pieces: &mut Vec<Vec<u8>>, edit: Edit) {
    let count = pieces.len();
    match edit {
        Edit::Insert(at, bytes) => pieces.insert(at.index(count + 1), bytes),
        _ if count == 0 => {}
        Edit::Drop(which) => drop(pieces.remove(which.index(count))),
        Edit::Repeat(which, to) => pieces.insert(to.index(count + 1), which.get(pieces).clone()),
        Edit::Exchange(one, other) => pieces.swap(one.index(count), other.index(count)),
        Edit::Change(which, at, bits) => {
            let piece = which.get_mut(pieces);
            if !piece.is_empty() {
                *at.get_mut(piece) ^= bits;
            }
        }
        Edit::Cut(which, at) => {
            let piece = which.get_mut(pieces);
            piece.truncate(at.index(piece.len() + 1));
        }
    }
}

/// Opens what there is at the beginning of `received`, and removes it. A record that does not open is
/// removed too: the next one must not open either.
fn receive(
    records: &mut Records,
    received: &mut Vec<u8>,
    opened: &mut Vec<Vec<u8>>,
) -> Result<(), RecordError> {
    while let Split::Record(record, end) = records.split(received)? {
        let mut plain = vec![0; record.len()];
        let length = records.open(record, &mut plain);
        received.drain(..end);
        plain.truncate(length?);
        opened.push(plain);
    }
    Ok(())
}

proptest! {
    #[test]
    fn hostile_19_what_opens_is_what_was_sealed_up_to_the_first_change(
        plains in vec(vec(any::<u8>(), 1..50), 0..6),
        edits in vec(edit(), 0..4),
        cuts in vec(1..70_usize, 1..8),
    ) {
        let (mut client, mut server) = records();
        let mut pieces: Vec<_> = plains.iter().map(|plain| seal(&mut client, plain)).collect();
        let sealed = pieces.clone();
        for edit in edits {
            apply(&mut pieces, edit);
        }
        let stream = pieces.concat();

        let (mut rest, mut received, mut opened) = (stream.as_slice(), Vec::new(), Vec::new());
        let mut error = None;
        for cut in cuts.iter().cycle() {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            received.extend_from_slice(piece);
            let result = receive(&mut server, &mut received, &mut opened);
            prop_assert!(error.is_none() || result.err() == error, "it went on after {:?}", error);
            error = result.err();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }

        let all_sealed = sealed.concat();
        let equal = all_sealed.iter().zip(&stream).take_while(|(one, other)| one == other).count();
        let mut end = 0;
        let whole = sealed.iter().take_while(|record| {
            end += record.len();
            end <= equal
        });
        prop_assert_eq!(&opened, &plains[..whole.count()]);
        prop_assert!(error.is_none() || equal < stream.len());
    }
}
