//! Places for connections that have yet to prove that they know the secret.
//!
//! There are a few hundred. A newcomer always gets one: if all are taken, a stranger goes. So a crowd
//! that connects and says nothing takes no more than that many sockets, and keeps nobody out.
//!
//! Who goes is drawn by lot. A rule that a stranger could foresee (the oldest, the newest) would be one
//! that it can use: an honest client is the oldest of a crowd that connects fast enough, and the newest
//! of one that connected before.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::transport::Transport;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// An address of version 4.
    V4([u8; 4]),
    /// A network of version 6: whoever has one address of a /64 has all of them.
    V6([u8; 8]),
    /// A user of this machine.
    User(u32),
    /// Nothing tells.
    Unknown,
}

impl Origin {
    pub(super) fn of(transport: &Transport) -> Self {
        match (transport.peer_credentials(), transport.peer_address()) {
            (Some(peer), _) => Self::User(peer.uid()),
            (None, Some(address)) => Self::from(address),
            (None, None) => Self::Unknown,
        }
    }
}

impl From<SocketAddr> for Origin {
    fn from(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What a connection has shown of itself so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    /// A sound preamble, where nothing better comes before the proof. Anybody can send one, but a crowd
    /// that only connects does not.
    Preamble,
    /// A Noise message, of which this is the beginning, that takes the secret to be made. Such a
    /// connection does not go for a stranger.
    #[cfg_attr(not(feature = "tcp"), allow(dead_code, reason = "only TCP encrypts"))]
    Secret([u8; 32]),
}

/// The places of one server.
pub(super) struct Places {
    table: Mutex<Table>,
    /// How many there are.
    all: usize,
    /// How many an origin may hold and still go only as any other.
    share: usize,
}

struct Table {
    seats: Vec<Seat>,
    /// How many seats each origin has; none has 0.
    held: HashMap<Origin, usize>,
    next: u64,
    /// Keys from the operating system; the hash of a number is a lot that nobody can foresee.
    lots: RandomState,
    drawn: u64,
}

struct Seat {
    number: u64,
    origin: Origin,
    shown: Shown,
    /// Tells its connection that it has to go.
    go: oneshot::Sender<()>,
}

/// One place, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    told: Option<oneshot::Receiver<()>>,
}

/// What came of asking for a place.
pub(super) enum Asked {
    /// There was one left.
    Free(Place),
    /// A stranger went for it.
    Displacing(Place),
    /// All are held by connections that have shown that they know the secret.
    Full,
}

impl Places {
    pub(super) fn new(all: usize, share: usize) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::new(Table {
                seats: Vec::new(),
                held: HashMap::new(),
                next: 0,
                lots: RandomState::new(),
                drawn: 0,
            }),
            all: all.max(1),
            share,
        })
    }

    /// How many there are.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that was accepted just now.
    pub(super) fn ask(self: &Arc<Self>, origin: Origin) -> Asked {
        let (go, told) = oneshot::channel();
        let mut table = self.lock();
        let mut gone = None;
        if table.seats.len() >= self.all {
            let Some(index) = table.draw(origin, self.all, self.share) else {
                return Asked::Full;
            };
            gone = Some(table.remove(index));
        }
        let number = table.next;
        table.next += 1;
        *table.held.entry(origin).or_default() += 1;
        table.seats.push(Seat {
            number,
            origin,
            shown: Shown::Nothing,
            go,
        });
        drop(table);
        let place = Place {
            places: Arc::clone(self),
            number,
            told: Some(told),
        };
        match gone {
            None => Asked::Free(place),
            Some(seat) => {
                // This wakes a task, so not under the lock.
                let _ = seat.go.send(());
                Asked::Displacing(place)
            }
        }
    }
}

impl Table {
    /// Who goes for a newcomer from `origin`. Only those that cannot be told from strangers; of these the
    /// ones whose origin holds more than its share, if there are such; of these any.
    fn draw(&mut self, origin: Origin, all: usize, share: usize) -> Option<usize> {
        let silent = |seat: &Seat| seat.shown == Shown::Nothing;
        // As long as a silent crowd has most of the places, a client that has said something is safe
        // from it. If the crowd sends preambles too, all are equal: else a newcomer, which has not had
        // the time to say anything, would be the next to go, always.
        let only_silent = self.seats.iter().filter(|seat| silent(seat)).count() > all / 2;
        let may_go = |seat: &Seat| match seat.shown {
            Shown::Nothing => true,
            Shown::Preamble => !only_silent,
            Shown::Secret(_) => false,
        };
        let over_share = |seat: &Seat| {
            let held = self.held.get(&seat.origin).copied().unwrap_or_default();
            held + usize::from(seat.origin == origin) > share
        };
        let indexes = |of: &dyn Fn(&Seat) -> bool| -> Vec<usize> {
            let seats = self.seats.iter().enumerate();
            seats
                .filter(|(_, seat)| may_go(seat) && of(seat))
                .map(|(index, _)| index)
                .collect()
        };
        let mut lots = indexes(&over_share);
        if lots.is_empty() {
            lots = indexes(&|_| true);
        }
        self.drawn += 1;
        let lot = self.lots.hash_one(self.drawn);
        let count = u64::try_from(lots.len()).ok().filter(|&count| count > 0)?;
        let index = usize::try_from(lot % count).ok()?;
        lots.get(index).copied()
    }

    fn remove(&mut self, index: usize) -> Seat {
        let seat = self.seats.swap_remove(index);
        if let Some(held) = self.held.get_mut(&seat.origin) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&seat.origin);
            }
        }
        seat
    }

    fn seat(&mut self, number: u64) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.number == number)
    }
}

impl Place {
    /// The connection has sent a sound preamble.
    pub(super) fn showed_preamble(&self) {
        if let Some(seat) = self.places.lock().seat(self.number) {
            seat.shown = Shown::Preamble;
        }
    }

    /// The connection has sent a message that takes the secret to be made. A recorded one can be sent
    /// again, so only the first that sends it gains by it.
    #[cfg_attr(not(feature = "tcp"), allow(dead_code, reason = "only TCP encrypts"))]
    pub(super) fn showed_secret(&self, message: &[u8]) {
        let Some(beginning) = message.first_chunk() else {
            return;
        };
        let shown = Shown::Secret(*beginning);
        let mut table = self.places.lock();
        if table.seats.iter().any(|seat| seat.shown == shown) {
            return;
        }
        if let Some(seat) = table.seat(self.number) {
            seat.shown = shown;
        }
    }

    /// Waits until it is given to somebody else; for ever, if it is given back. Only the first caller
    /// learns of it.
    pub(super) fn lost(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let told = self.told.take();
        async move {
            let lost = match told {
                Some(told) => told.await.is_ok(),
                None => false,
            };
            if !lost {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.lock();
        let index = table
            .seats
            .iter()
            .position(|seat| seat.number == self.number);
        let seat = index.map(|index| table.remove(index));
        drop(table);
        drop(seat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Origin {
        Origin::from(text.parse::<SocketAddr>().unwrap())
    }

    fn take(places: &Arc<Places>, origin: Origin) -> Place {
        match places.ask(origin) {
            Asked::Free(place) | Asked::Displacing(place) => place,
            Asked::Full => panic!("no place"),
        }
    }

    fn is_lost(place: &mut Place) -> bool {
        place.told.as_mut().unwrap().try_recv() != Err(oneshot::error::TryRecvError::Empty)
    }

    fn lost(places: &mut [Place]) -> usize {
        places
            .iter_mut()
            .filter_map(|place| is_lost(place).then_some(()))
            .count()
    }

    #[test]
    fn a_network_of_version_6_is_one_origin() {
        assert_eq!(address("[2001:db8::1]:1"), address("[2001:db8::ffff:2]:9"));
        assert_ne!(address("[2001:db8::1]:1"), address("[2001:db8:0:1::1]:1"));
        assert_eq!(address("[::ffff:192.0.2.1]:1"), address("192.0.2.1:2"));
        assert_ne!(address("192.0.2.1:1"), address("192.0.2.2:1"));
    }

    #[test]
    fn hostile_04_the_places_of_a_crowd_are_bounded_and_a_newcomer_always_gets_one() {
        let places = Places::new(256, 16);
        let mut crowd: Vec<_> = (0..10_000)
            .map(|_| take(&places, address("192.0.2.1:1")))
            .collect();
        assert_eq!(places.lock().seats.len(), 256);
        assert_eq!(lost(&mut crowd), 10_000 - 256);
        // By lot: neither the first nor the last all stayed.
        assert!(lost(&mut crowd[..256]) > 0);
        assert!(lost(&mut crowd[10_000 - 256..]) > 0);
        drop(crowd);
        assert!(places.lock().seats.is_empty() && places.lock().held.is_empty());
    }

    #[test]
    fn hostile_04_one_address_cannot_take_the_places_of_others() {
        let places = Places::new(64, 16);
        let mut others: Vec<_> = (0..16)
            .map(|_| take(&places, address("198.51.100.1:1")))
            .collect();
        let mut crowd: Vec<_> = (0..1000)
            .map(|n| take(&places, address(&format!("[2001:db8::{n:x}]:1"))))
            .collect();
        assert_eq!(lost(&mut others), 0);
        assert_eq!(lost(&mut crowd), 1000 - 48);
        // One more of an address that has its share is itself over it.
        let _seventeenth = take(&places, address("198.51.100.1:1"));
        assert_eq!(lost(&mut others) + lost(&mut crowd), 1000 - 48 + 1);
    }

    #[test]
    fn hostile_04_who_has_shown_the_secret_does_not_go_for_a_stranger() {
        let places = Places::new(16, 4);
        let mut known: Vec<_> = (0..15_u8)
            .map(|n| {
                let place = take(&places, address("192.0.2.1:1"));
                place.showed_secret(&[n; 48]);
                place
            })
            .collect();
        let mut strangers: Vec<_> = (0..100)
            .map(|_| take(&places, address("192.0.2.2:1")))
            .collect();
        assert_eq!(lost(&mut known), 0);
        assert_eq!(lost(&mut strangers), 99);
        // A recorded message is worth nothing while the place of whoever sent it is taken.
        strangers[99].showed_secret(&[3; 48]);
        let last = take(&places, address("192.0.2.3:1"));
        assert_eq!(lost(&mut strangers), 100);
        last.showed_secret(&[99; 48]);
        assert!(matches!(places.ask(Origin::Unknown), Asked::Full));
        assert_eq!(lost(&mut known), 0);
    }

    #[test]
    fn hostile_04_a_preamble_protects_from_a_silent_crowd_and_gives_nothing_to_one_that_sends_it() {
        let places = Places::new(64, 64);
        let user = Origin::User(1000);
        let mut honest = take(&places, user);
        honest.showed_preamble();
        let mut silent: Vec<_> = (0..1000).map(|_| take(&places, user)).collect();
        assert!(!is_lost(&mut honest));
        assert_eq!(lost(&mut silent), 1000 - 63);

        let mut crowd: Vec<_> = (0..1000)
            .map(|_| {
                let place = take(&places, user);
                place.showed_preamble();
                place
            })
            .collect();
        // Newcomers stay in spite of it: the next one displaces any of 64.
        let newcomers: Vec<_> = (0..200)
            .map(|_| {
                let mut newcomer = take(&places, user);
                crowd.push(take(&places, user));
                crowd.last().unwrap().showed_preamble();
                is_lost(&mut newcomer)
            })
            .collect();
        let went = newcomers.iter().filter(|&&lost| lost).count();
        assert!(went < 40, "{went} of 200");
    }
}
