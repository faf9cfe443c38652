//! The wire between two ends. It carries bytes at its own pace, shows each frame to the observer, and
//! may break; or change frames, so that one end seems to have a flaw.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use kaa_rpc_proto::frame::{Frame, LENGTH_BYTES, Split, split};
use kaa_rpc_runtime::Limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::flaws::Injector;
use crate::log::Log;
use crate::observer::{Objection, Observer};
use crate::party::World;
use crate::schedule::Pace;

/// What the server and the client say before the first frame: see the opening in docs/protocol.md.
const OPENING: [usize; 2] = [16 + 256 + 32, 64 + 256 + 32];

/// So many turns at most are those of the pace, so that much data does not take for ever.
const SLOW: usize = 400;

pub(crate) struct Wire {
    world: Arc<World>,
    pace: Pace,
    state: Mutex<State>,
    broken: watch::Sender<bool>,
}

pub(crate) struct State {
    pub(crate) observer: Observer,
    injector: Option<Injector>,
    /// The first.
    objection: Option<Objection>,
    /// Bytes that may still pass.
    left: usize,
    /// Since when it is broken.
    pub(crate) cut: Option<Instant>,
}

impl Wire {
    pub(crate) fn new(
        world: &Arc<World>,
        limits: [Limits; 2],
        pace: Pace,
        left: usize,
        injector: Option<Injector>,
    ) -> Arc<Self> {
        let state = State {
            observer: Observer::new(limits),
            injector,
            objection: None,
            left,
            cut: None,
        };
        Arc::new(Self {
            world: Arc::clone(world),
            pace,
            state: Mutex::new(state),
            broken: watch::Sender::new(false),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What the observer has to say, the first of it.
    pub(crate) fn objection(&self) -> Option<Objection> {
        self.lock().objection.clone()
    }

    pub(crate) fn cut(&self) {
        self.lock().cut.get_or_insert_with(Instant::now);
        self.broken.send_replace(true);
    }

    /// Nothing that was seen is right any more after the first objection.
    fn note(&self, result: Result<(), Objection>) {
        if let Err(objection) = result {
            self.lock().objection.get_or_insert(objection);
            self.cut();
        }
    }

    /// Carries until both directions have ended, or the wire is broken.
    pub(crate) async fn carry<S: AsyncRead + AsyncWrite>(&self, ends: [S; 2]) {
        let [server, client] = ends.map(tokio::io::split);
        let both = async {
            tokio::join!(
                self.carry_one_way(0, server.0, client.1),
                self.carry_one_way(1, client.0, server.1),
            )
        };
        let mut broken = self.broken.subscribe();
        tokio::select! {
            _ = broken.wait_for(|broken| *broken) => {}
            _ = both => {}
        }
    }

    async fn carry_one_way(
        &self,
        from: usize,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut line = Line::new(from, &self.pace);
        let mut bytes = vec![0; 64 << 10];
        loop {
            let count = reader.read(&mut bytes).await.unwrap_or(0);
            if count == 0 {
                break;
            }
            line.came.extend_from_slice(&bytes[..count]);
            let sent = line.cut(&mut self.lock(), &self.world.log);
            self.note(sent);
            // Who does not read any more is still heard.
            let _ = self.deliver(&mut line, &mut writer).await;
            line.out.clear();
            line.ends.clear();
        }
        writer.shutdown().await
    }

    async fn deliver(
        &self,
        line: &mut Line,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut from = 0;
        while from < line.out.len() {
            // The opening has little time.
            let opens = line.ends.is_empty();
            let (chunk, pause) = if opens {
                (usize::MAX, 0)
            } else {
                line.next_pace()
            };
            let count = chunk.min(line.out.len() - from);
            let count = {
                let mut state = self.lock();
                let count = count.min(state.left);
                state.left -= count;
                count
            };
            let to = from + count;
            let arrived = line.announce(to, &mut self.lock());
            self.note(arrived);
            writer.write_all(&line.out[from..to]).await?;
            from = to;
            if self.lock().left == 0 {
                self.cut();
            }
            match pause {
                0 => tokio::task::yield_now().await,
                ticks => tokio::time::sleep(self.world.tick * u32::from(ticks)).await,
            }
        }
        Ok(())
    }
}

/// One direction.
struct Line {
    from: usize,
    /// Bytes of the opening that are still to come.
    opening: usize,
    /// What was read and is no whole frame yet.
    came: Vec<u8>,
    /// What is to be written, and where frames end in it.
    out: Vec<u8>,
    ends: Vec<usize>,
    /// How many ends were announced, and from where the next frame is.
    announced: (usize, usize),
    pace: Pace,
    turn: usize,
}

impl Line {
    fn new(from: usize, pace: &Pace) -> Self {
        Self {
            from,
            opening: OPENING[from],
            came: Vec::new(),
            out: Vec::new(),
            ends: Vec::new(),
            announced: (0, 0),
            pace: pace.clone(),
            turn: 0,
        }
    }

    fn next_pace(&mut self) -> (usize, u8) {
        let turn = self.turn;
        self.turn += 1;
        if turn > SLOW {
            return (usize::MAX, 0);
        }
        let Pace { chunks, pauses } = &self.pace;
        (chunks[turn % chunks.len()], pauses[turn % pauses.len()])
    }

    /// Moves what is complete to the output.
    fn cut(&mut self, state: &mut State, log: &Log) -> Result<(), Objection> {
        let opening = self.opening.min(self.came.len());
        self.out.extend(self.came.drain(..opening));
        self.opening -= opening;
        self.announced = (0, self.out.len());
        while self.opening == 0 {
            let found = split(&self.came, 64 << 10).map_err(|error| error.to_string())?;
            let Split::Frame(_, length) = found else {
                return Ok(());
            };
            let bytes: Vec<u8> = self.came.drain(..length).collect();
            let frames = match &mut state.injector {
                Some(injector) => injector.change(self.from, bytes),
                None => vec![bytes],
            };
            for bytes in frames {
                let frame = decode(&bytes)?;
                let length = length_of(&bytes);
                state.observer.sent(self.from, &frame, length, log)?;
                self.out.extend_from_slice(&bytes);
                self.ends.push(self.out.len());
            }
        }
        Ok(())
    }

    /// What ends before `to` may be read soon.
    fn announce(&mut self, to: usize, state: &mut State) -> Result<(), Objection> {
        while let Some(&end) = self.ends.get(self.announced.0)
            && end <= to
        {
            let bytes = &self.out[self.announced.1..end];
            self.announced = (self.announced.0 + 1, end);
            let frame = decode(bytes)?;
            state
                .observer
                .arrives(1 - self.from, &frame, length_of(bytes))?;
        }
        Ok(())
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Frame<'_>, Objection> {
    Frame::decode(&bytes[LENGTH_BYTES..]).map_err(|error| error.to_string())
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len() - LENGTH_BYTES).expect("frames are short")
}
