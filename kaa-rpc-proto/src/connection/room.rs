//! Room for the items of one stream: what its sender may still send, what its receiver owes.

use std::collections::VecDeque;

use crate::error::Violation;
use crate::limits::Limits;

/// A number of items and the bytes of their frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) items: u32,
    pub(super) bytes: u64,
}

impl Amount {
    /// What an end with these limits holds of one stream before it has taken anything.
    pub(super) fn window(receiver: &Limits) -> Self {
        Self {
            items: receiver.max_stream_items,
            bytes: u64::from(receiver.max_stream_bytes),
        }
    }

    fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            items: self.items.checked_sub(other.items)?,
            bytes: self.bytes.checked_sub(other.bytes)?,
        })
    }

    fn saturating_add(self, other: Self) -> Self {
        Self {
            items: self.items.saturating_add(other.items),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// The amount of one item.
    pub(super) fn one(cost: u32) -> Self {
        Self {
            items: 1,
            bytes: u64::from(cost),
        }
    }
}

/// The sending end of a stream.
#[derive(Debug)]
pub(super) struct Sending {
    window: Amount,
    room: Amount,
    /// No more items may be sent.
    pub(super) over: bool,
    /// The receiver wants no more, which is the last that it says.
    stopped: bool,
}

impl Sending {
    pub(super) fn new(receiver: &Limits) -> Self {
        let window = Amount::window(receiver);
        Self {
            window,
            room: window,
            over: false,
            stopped: false,
        }
    }

    /// Takes room for an item; `false`: there is none.
    pub(super) fn take(&mut self, cost: u32) -> bool {
        match self.room.checked_sub(Amount::one(cost)) {
            Some(room) => {
                self.room = room;
                true
            }
            None => false,
        }
    }

    /// The receiver has taken so much.
    pub(super) fn give(&mut self, amount: Amount) -> Result<(), Violation> {
        let room = self.room.saturating_add(amount);
        let too_much = room.items > self.window.items || room.bytes > self.window.bytes;
        // No item is without bytes.
        let torn = (room.items == self.window.items) != (room.bytes == self.window.bytes);
        if amount.items == 0 || self.stopped || too_much || torn {
            return Err(Violation::TooMuchCredit);
        }
        self.room = room;
        Ok(())
    }

    /// The receiver wants no more. Says whether it had not said so before.
    pub(super) fn stop(&mut self) -> bool {
        self.over = true;
        !std::mem::replace(&mut self.stopped, true)
    }

    /// How many items were sent and not given back.
    pub(super) fn outstanding(&self) -> u32 {
        self.window.items - self.room.items
    }
}

/// The receiving end of a stream.
///
/// What was taken gives room again when the frame that tells it was written, not merely queued: the
/// other end cannot have read it before, and one that never reads would otherwise fill the output
/// without end by sending items that are taken, and told, again and again.
#[derive(Debug)]
pub(super) struct Receiving {
    window: Amount,
    room: Amount,
    /// Taken, and not yet told.
    owed: Amount,
    /// Told, by frames that may not be written yet: where they end in the stream. Each is of half of the
    /// window, so there are two at most.
    told: VecDeque<(u64, Amount)>,
    /// This end wants no more.
    pub(super) stopped: bool,
    /// The other end sends no more.
    pub(super) over: bool,
}

impl Receiving {
    pub(super) fn new(receiver: &Limits) -> Self {
        let window = Amount::window(receiver);
        Self {
            window,
            room: window,
            owed: Amount::default(),
            told: VecDeque::new(),
            stopped: false,
            over: false,
        }
    }

    /// An item came, when the stream was written up to `written`.
    pub(super) fn receive(&mut self, cost: u32, written: u64) -> Result<(), Violation> {
        while let Some(&(end, amount)) = self.told.front()
            && end <= written
        {
            self.room = self.room.saturating_add(amount);
            self.told.pop_front();
        }
        self.room = self
            .room
            .checked_sub(Amount::one(cost))
            .ok_or(Violation::CreditExceeded {
                max_stream_items: self.window.items,
                max_stream_bytes: self.window.bytes,
            })?;
        Ok(())
    }

    /// So much of what came was taken. Gives what is to be told to the sender now, in a frame that ends
    /// at `end` in the stream: as soon as it is half of the window, so that a stream whose items are each
    /// at most half of it never stands still, and few frames tell of many items.
    pub(super) fn taken(&mut self, amount: Amount, end: u64) -> Option<Amount> {
        self.owed = self.owed.saturating_add(amount);
        let due = self.owed.items >= self.window.items.div_ceil(2)
            || self.owed.bytes >= self.window.bytes.div_ceil(2);
        if !due || self.stopped || self.over {
            return None;
        }
        let owed = std::mem::take(&mut self.owed);
        self.told.push_back((end, owed));
        Some(owed)
    }

    /// How many frames may still come: for each item that there is room for, and the end.
    pub(super) fn expected(&self) -> u64 {
        if self.over {
            0
        } else {
            let told = self.told.iter().map(|(_, told)| u64::from(told.items));
            u64::from(self.room.items) + told.sum::<u64>() + 1
        }
    }
}

/// The longest item, in bytes of its frame, that an end with these limits takes: half of what it holds
/// of a stream, see [`Receiving::taken`].
pub(super) fn longest_item(receiver: &Limits) -> u32 {
    receiver.max_frame.min(receiver.max_stream_bytes / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_stream_items: 4,
            max_stream_bytes: 100,
            ..Limits::default()
        }
    }

    #[test]
    fn hostile_45_no_more_than_the_window_is_given_or_received() {
        let mut sending = Sending::new(&limits());
        assert_eq!(
            sending.give(Amount::one(1)),
            Err(Violation::TooMuchCredit),
            "nothing was sent"
        );
        assert!(sending.take(60));
        assert!(!sending.take(41), "no bytes left for it");
        assert_eq!(
            sending.give(Amount { items: 0, bytes: 9 }),
            Err(Violation::TooMuchCredit)
        );
        assert_eq!(
            sending.give(Amount {
                items: 1,
                bytes: 61
            }),
            Err(Violation::TooMuchCredit)
        );
        assert_eq!(sending.give(Amount::one(60)), Ok(()));
        assert_eq!(sending.outstanding(), 0);

        let mut receiving = Receiving::new(&limits());
        for _ in 0..4 {
            receiving.receive(10, 0).unwrap();
        }
        assert!(receiving.receive(10, 0).is_err(), "no items left");
        let mut receiving = Receiving::new(&limits());
        assert!(receiving.receive(101, 0).is_err());
    }

    #[test]
    fn half_a_window_is_told_and_nothing_when_nobody_sends_any_more() {
        let mut receiving = Receiving::new(&limits());
        receiving.receive(10, 0).unwrap();
        receiving.receive(10, 0).unwrap();
        assert_eq!(receiving.taken(Amount::one(10), 7), None);
        assert_eq!(
            receiving.taken(Amount::one(10), 7),
            Some(Amount {
                items: 2,
                bytes: 20
            })
        );
        assert_eq!(receiving.expected(), 5);
        receiving.receive(50, 7).unwrap();
        receiving.over = true;
        assert_eq!(receiving.taken(Amount::one(50), 9), None);
        assert_eq!(receiving.expected(), 0);
        let mut receiving = Receiving::new(&limits());
        receiving.receive(50, 0).unwrap();
        receiving.stopped = true;
        assert_eq!(receiving.taken(Amount::one(50), 9), None);
    }

    #[test]
    fn hostile_47_the_account_of_a_stream_is_small() {
        // A call has up to 255 streams, each of which stands for at least 64 KiB of `max_request_bytes`.
        assert!(size_of::<Receiving>() <= 96);
        let mut receiving = Receiving::new(&limits());
        for end in 0..1000 {
            for _ in 0..4 {
                receiving.receive(10, end).unwrap();
                receiving.taken(Amount::one(10), end + 1);
            }
            assert!(receiving.told.len() <= 2);
        }
    }

    #[test]
    fn whatever_was_taken_and_not_told_leaves_room_for_the_longest_item() {
        for (items, bytes) in (1..6).flat_map(|items| (2..30).map(move |bytes| (items, bytes))) {
            let limits = Limits {
                max_stream_items: items,
                max_stream_bytes: bytes,
                ..Limits::default()
            };
            for taken in 1..=items {
                for bytes in u64::from(taken)..=u64::from(bytes) {
                    let mut sending = Sending::new(&limits);
                    let amount = Amount {
                        items: taken,
                        bytes,
                    };
                    if Receiving::new(&limits).taken(amount, 0).is_none() {
                        sending.room = sending.window.checked_sub(amount).unwrap();
                    }
                    let longest = longest_item(&limits);
                    assert!(sending.take(longest), "{amount:?} of {:?}", sending.window);
                }
            }
        }
    }

    #[test]
    fn hostile_42_what_is_told_gives_room_when_it_was_written() {
        let mut receiving = Receiving::new(&limits());
        for _ in 0..4 {
            receiving.receive(10, 0).unwrap();
        }
        for end in [7, 14] {
            assert!(
                receiving
                    .taken(
                        Amount {
                            items: 2,
                            bytes: 20
                        },
                        end
                    )
                    .is_some()
            );
        }
        assert_eq!(receiving.expected(), 5, "both may be read before the end");
        assert!(receiving.receive(10, 6).is_err());
        receiving.receive(10, 7).unwrap();
        receiving.receive(10, 13).unwrap();
        assert!(receiving.receive(10, 13).is_err());
        receiving.receive(10, 14).unwrap();
    }
}
