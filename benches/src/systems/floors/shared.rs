//! Many tasks on one connection, with a task that reads and writes for all of them, and frames of fixed
//! size instead of calls: what a runtime may hope for that gathers what it writes. The server gives back
//! whatever it reads, at once.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::reading::Descriptor;
use super::{HEADER, header, number};
use crate::Error;
use crate::systems::{Client, Echo, Place, System, listen};
use crate::workload::TEXT;

/// Bytes of every payload, and of every frame.
const PAYLOAD: usize = TEXT.len();
const FRAME: usize = HEADER + PAYLOAD;

/// So much is read and written at once.
const BUFFER: usize = 64 << 10;

/// Over a Unix socket.
pub struct SharedConnection;

impl System for SharedConnection {
    const NAME: &'static str = "floor2: a shared driver";
    type Client = Handle;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let echo = |stream| {
            tokio::spawn(echo(stream));
        };
        listen(&folder, echo).await
    }

    async fn connect(place: &Place) -> Result<Handle, Error> {
        let stream = UnixStream::connect(&place.address).await?;
        let shared = Arc::new(Shared {
            socket: Descriptor::new(stream)?,
            state: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&shared).drive());
        let back = [0; PAYLOAD];
        Ok(Handle { shared, back })
    }
}

/// Lets those that were woken before go first. tokio's `yield_now` would wait until a worker has nothing to
/// do, or looks at its sockets amid them.
async fn after_others() {
    let mut waited = false;
    poll_fn(|cx| {
        if mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

/// One task's handle on the connection.
pub struct Handle {
    shared: Arc<Shared>,
    back: [u8; PAYLOAD],
}

impl Client for Handle {
    fn another(&self) -> Result<Self, Error> {
        Ok(Self {
            shared: Arc::clone(&self.shared),
            back: self.back,
        })
    }

    async fn text(&mut self, text: &str) -> Result<Echo<'_>, Error> {
        let place = self.shared.start(text.as_bytes().try_into()?)?;
        self.back = poll_fn(|cx| self.shared.poll_answer(place, cx)).await?;
        Ok(Echo::Borrowed(&self.back))
    }
}

struct Shared {
    socket: Descriptor,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: Vec<Waiting>,
    /// Those of the places that are not in use.
    free: Vec<usize>,
    output: Vec<u8>,
    /// There only while the driver waits. One that runs, or will, must not be woken: it would come before
    /// the others that were.
    driver: Option<Waker>,
    ended: bool,
}

enum Waiting {
    Unpolled,
    For(Waker),
    Answered([u8; PAYLOAD]),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a frame, or leaves that to the driver unless it is the only one. Gives its place.
    fn start(&self, payload: [u8; PAYLOAD]) -> io::Result<usize> {
        let mut guard = self.state();
        let state = &mut *guard;
        let place = match state.free.pop() {
            Some(place) => {
                state.places[place] = Waiting::Unpolled;
                place
            }
            None => {
                state.places.push(Waiting::Unpolled);
                state.places.len() - 1
            }
        };
        let mut frame = [0; FRAME];
        frame[..HEADER].copy_from_slice(&header(place as u32, PAYLOAD));
        frame[HEADER..].copy_from_slice(&payload);
        let alone = state.free.len() + 1 == state.places.len() && state.output.is_empty();
        let sent = match alone {
            true => self.socket.try_send(&frame).unwrap_or(0),
            false => 0,
        };
        state.output.extend_from_slice(&frame[sent..]);
        if !state.output.is_empty() {
            let driver = state.driver.take();
            drop(guard);
            driver.inspect(Waker::wake_by_ref);
        }
        Ok(place)
    }

    fn poll_answer(&self, place: usize, cx: &mut Context<'_>) -> Poll<io::Result<[u8; PAYLOAD]>> {
        let mut state = self.state();
        if let Waiting::Answered(payload) = state.places[place] {
            state.free.push(place);
            return Poll::Ready(Ok(payload));
        }
        if state.ended {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        state.places[place] = Waiting::For(cx.waker().clone());
        Poll::Pending
    }

    async fn drive(self: Arc<Self>) -> io::Result<()> {
        let ended = self.transfer().await;
        let mut state = self.state();
        state.ended = true;
        for waiting in &state.places {
            if let Waiting::For(waker) = waiting {
                waker.wake_by_ref();
            }
        }
        ended
    }

    /// Reads much, wakes all whose answers came, lets them add what they want to send next, and writes that
    /// at once.
    async fn transfer(&self) -> io::Result<()> {
        let (mut input, mut begun) = (vec![0; BUFFER], 0);
        let (mut output, mut blocked, mut wakers) = (Vec::new(), None, Vec::new());
        loop {
            let count = poll_fn(|cx| self.poll_event(cx, &mut input[begun..])).await?;
            let whole = (begun + count) / FRAME * FRAME;
            self.answer(&input[..whole], &mut wakers);
            input.copy_within(whole..begun + count, 0);
            begun = begun + count - whole;
            let several = wakers.len() > 1;
            wakers.drain(..).for_each(Waker::wake);
            if several {
                after_others().await;
            }
            mem::swap(&mut output, &mut self.state().output);
            let mut rest = output.as_slice();
            while !rest.is_empty() {
                let count = poll_fn(|cx| self.socket.poll_send(&mut blocked, cx, rest)).await?;
                rest = &rest[count..];
            }
            output.clear();
        }
    }

    /// Ready with how much was read, which may be nothing if there is something to write.
    fn poll_event(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.socket.poll_receive(cx, buffer) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => {
                let mut state = self.state();
                if !state.output.is_empty() {
                    state.driver = None;
                    return Poll::Ready(Ok(0));
                }
                state.driver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn answer(&self, frames: &[u8], wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        state.driver = None;
        for frame in frames.chunks_exact(FRAME) {
            let mut payload = [0; PAYLOAD];
            payload.copy_from_slice(&frame[HEADER..]);
            let waiting = &mut state.places[number(frame) as usize];
            if let Waiting::For(waker) = mem::replace(waiting, Waiting::Answered(payload)) {
                wakers.push(waker);
            }
        }
    }
}
