//! The records of an encrypted connection, with somebody on the way.

use kaa_rpc_proto::Secret;
use kaa_rpc_proto::handshake::{
    HandshakeError, InstanceId, KeyId, Keyring, Keys, Settings, Transport, client, server,
};
use kaa_rpc_proto::noise::{AwaitFirst, RecordError, Records, Secured, Split, start};

use crate::input::Input;

/// So much is sealed in one direction, and a record more.
const MAX_SEALED: usize = 256 << 10;

/// What happens after an honest handshake: the ends seal records, and somebody on the way passes
/// bytes on in pieces, and changes, repeats, leaves out and makes up others.
pub fn records(data: &[u8]) {
    let [client, server] = secured().expect("an honest handshake opens");
    let mut ends = [End::new(client.records), End::new(server.records)];
    let mut ways = [Way::default(), Way::default()];
    let mut input = Input::new(data);
    while !input.is_empty() {
        step(&mut input, &mut ends, &mut ways);
    }
    // What is still on its way arrives.
    for (from, to) in [(0, 1), (1, 0)] {
        ways[from].pass(usize::MAX, &mut ends[to]);
    }
}

fn step(input: &mut Input<'_>, ends: &mut [End; 2], ways: &mut [Way; 2]) {
    let choice = input.byte();
    let from = usize::from(choice % 2);
    let (to, way) = (1 - from, &mut ways[from]);
    match choice / 2 % 11 {
        0 => {
            let count = usize::from(input.byte());
            ends[from].seal(input.take(count), way);
        }
        1 => ends[from].seal(&vec![choice; usize::from(input.short())], way),
        2 | 3 => way.pass(usize::from(input.byte()), &mut ends[to]),
        4 => way.pass(usize::MAX, &mut ends[to]),
        5 => way.next += usize::from(input.byte()),
        6 => way.next = way.next.saturating_sub(usize::from(input.byte())),
        7 => way.next = way.after_record(),
        8 => way.next = way.before_record(),
        9 => {
            let change = input.byte();
            if let Some(byte) = way.sealed.get(way.next) {
                ends[to].receive(&[byte ^ change], way);
                way.next += 1;
            }
        }
        _ => match usize::from(input.byte()) {
            // What an end sealed comes back to it.
            255 => {
                let own = ways[to].sealed.clone();
                ends[to].receive(&own, &mut ways[from]);
            }
            count => ends[to].receive(input.take(count), way),
        },
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    /// All that the sender sealed.
    sealed: Vec<u8>,
    /// Where in that each record ends, and what is in it.
    records: Vec<(usize, Vec<u8>)>,
    /// What is passed on next.
    next: usize,
    /// All that the receiver got.
    delivered: Vec<u8>,
    /// So many of the bytes that the receiver got are those that were sealed.
    sound: usize,
}

impl Way {
    /// Passes up to `count` bytes on, in one piece.
    fn pass(&mut self, count: usize, to: &mut End) {
        let begin = self.next.min(self.sealed.len());
        let end = begin.saturating_add(count).min(self.sealed.len());
        let piece = self.sealed[begin..end].to_vec();
        self.next = end;
        to.receive(&piece, self);
    }

    fn after_record(&self) -> usize {
        let ends = self.records.iter().map(|(end, _)| *end);
        ends.clone().find(|end| *end > self.next).unwrap_or(0)
    }

    fn before_record(&self) -> usize {
        let ends = self.records.iter().map(|(end, _)| *end);
        ends.rev().find(|end| *end < self.next).unwrap_or(0)
    }

    /// So many records arrived as they were sealed, with nothing else before or between them.
    fn arrived(&mut self) -> usize {
        let rest = self.sealed.iter().zip(&self.delivered).skip(self.sound);
        self.sound += rest.take_while(|(sealed, came)| sealed == came).count();
        self.records.partition_point(|(end, _)| *end <= self.sound)
    }
}

struct End {
    records: Records,
    /// Received, and not yet a whole record.
    partial: Vec<u8>,
    opened: usize,
    failed: Option<RecordError>,
}

impl End {
    fn new(records: Records) -> Self {
        Self {
            records,
            partial: Vec::new(),
            opened: 0,
            failed: None,
        }
    }

    fn seal(&mut self, plain: &[u8], way: &mut Way) {
        let before = way.sealed.len();
        if before > MAX_SEALED {
            return;
        }
        match self.records.seal(plain, &mut way.sealed) {
            Ok(()) => {
                let overhead = Records::HEADER_LEN + Records::TAG_LEN;
                assert_eq!(way.sealed.len(), before + plain.len() + overhead);
                way.records.push((way.sealed.len(), plain.to_vec()));
            }
            Err(error) => {
                assert!(
                    plain.is_empty() || plain.len() > Records::MAX_PLAIN,
                    "{error}"
                );
                assert_eq!(way.sealed.len(), before);
            }
        }
    }

    /// Opens what can be opened: exactly what the other end sealed, in its order, and nothing after
    /// the first byte that is another.
    fn receive(&mut self, piece: &[u8], way: &mut Way) {
        way.delivered.extend_from_slice(piece);
        self.partial.extend_from_slice(piece);
        let partial = std::mem::take(&mut self.partial);
        let mut rest = partial.as_slice();
        let failed = loop {
            match self.records.split(rest) {
                Ok(Split::Record(record, end)) => {
                    assert_eq!(&rest[Records::HEADER_LEN..end], record);
                    assert!(record.len() > Records::TAG_LEN);
                    // Also after a bad one somebody might try the next, which must not open.
                    rest = &rest[end..];
                    let mut plain = vec![0; record.len()];
                    match self.records.open(record, &mut plain) {
                        Ok(length) => assert_eq!(plain[..length], way.records[self.opened].1),
                        Err(error) => break Some(error),
                    }
                    self.opened += 1;
                }
                Ok(Split::Incomplete) => break None,
                Err(error) => break Some(error),
            }
        };
        assert_eq!(self.opened, way.arrived());
        assert!(self.failed.is_none() || self.failed == failed, "it went on");
        if let Some(error) = failed {
            assert!(way.sound < way.delivered.len() && !error.to_string().is_empty());
        }
        self.failed = failed;
        self.partial = rest.to_vec();
    }
}

/// What client and server have after the handshake; each time the same.
fn secured() -> Result<[Secured; 2], HandshakeError> {
    let secret = Secret::from([1; 32]);
    let mut keyring = Keyring::new([2; 32]);
    keyring.insert(KeyId::EMPTY, &secret);
    let keys = Keys::derive(&secret);
    let settings = |instance| Settings::new(Transport::Tcp, InstanceId([instance; 16]));
    let preamble = client::start(settings(3), KeyId::EMPTY, keys.clone(), [4; 32])?.send;
    let (first, client) = start(&keys, &preamble, [5; 32].into())?.into();
    let server = server::AwaitPreamble::new(settings(6), [7; 32])?;
    let agreed = server.receive(exactly(&preamble), &keyring)?.next;
    let server = AwaitFirst::new(&agreed, &preamble, [8; 32].into())?;
    let (second, server) = server.receive(exactly(&first))?.into();
    let client = client.receive(exactly(&second))?;
    assert_eq!(client.binding, server.binding);
    Ok([client, server])
}

fn exactly<const N: usize>(message: &[u8]) -> &[u8; N] {
    message.try_into().expect("it has the size that is due")
}
