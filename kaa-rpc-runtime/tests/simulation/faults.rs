//! What goes wrong, and when.

use std::collections::VecDeque;
use std::time::Duration;

use turmoil::Sim;

use crate::MENDED;
use crate::random::Random;

pub(crate) struct Faults(VecDeque<(Duration, Event)>);

#[derive(Clone, Copy, Debug)]
enum Event {
    Begin(Fault),
    End(Fault),
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing comes through in either direction, and is not sent again.
    Partition,
    /// Nothing comes through to the server.
    Deaf,
    /// Nothing comes through to the client.
    Mute,
    /// What is sent is held back and comes later.
    Hold,
    /// Some messages are lost.
    Loss,
    /// Everything takes this many milliseconds at most.
    Slow(u64),
    /// The server's machine is off.
    Crash,
    /// The server's machine restarts at once.
    Bounce,
}

impl Faults {
    pub(crate) fn plan(random: &mut Random) -> Self {
        let mut events = Vec::new();
        for _ in 0..1 + random.below(5) {
            let fault = match random.below(9) {
                0 => Fault::Partition,
                1 => Fault::Deaf,
                2 => Fault::Mute,
                3 => Fault::Hold,
                4 => Fault::Loss,
                5 => Fault::Slow(50 + random.below(1000)),
                6 | 7 => Fault::Crash,
                _ => Fault::Bounce,
            };
            let from = Duration::from_millis(random.below(6000));
            let to = from + Duration::from_millis(random.below(1500));
            events.push((from, Event::Begin(fault)));
            events.push((to.min(MENDED), Event::End(fault)));
        }
        events.sort_by_key(|(at, _)| *at);
        Self(events.into())
    }

    /// Lets happen what is due.
    pub(crate) fn apply(&mut self, sim: &mut Sim<'_>) {
        while let Some((at, event)) = self.0.front().copied()
            && at <= sim.elapsed()
        {
            self.0.pop_front();
            match event {
                Event::Begin(fault) => fault.begin(sim),
                Event::End(fault) => fault.end(sim),
            }
        }
    }
}

impl Fault {
    fn begin(self, sim: &mut Sim<'_>) {
        match self {
            Self::Partition => sim.partition("client", "server"),
            Self::Deaf => sim.partition_oneway("client", "server"),
            Self::Mute => sim.partition_oneway("server", "client"),
            Self::Hold => sim.hold("client", "server"),
            Self::Loss => sim.set_link_fail_rate("client", "server", 0.05),
            Self::Slow(most) => {
                sim.set_link_max_message_latency("client", "server", Duration::from_millis(most));
            }
            Self::Crash => sim.crash("server"),
            Self::Bounce => sim.bounce("server"),
        }
    }

    /// Other faults that last longer may be mended with it.
    fn end(self, sim: &mut Sim<'_>) {
        match self {
            Self::Partition | Self::Deaf | Self::Mute => sim.repair("client", "server"),
            Self::Hold => sim.release("client", "server"),
            Self::Loss => {
                sim.set_link_fail_rate("client", "server", 0.0);
                sim.repair("client", "server");
            }
            Self::Slow(_) => {
                sim.set_link_max_message_latency("client", "server", Duration::from_millis(100));
            }
            Self::Crash => {
                if !sim.is_host_running("server") {
                    sim.bounce("server");
                }
            }
            Self::Bounce => {}
        }
    }
}
