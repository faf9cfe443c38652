//! The host's side.

use std::future::poll_fn;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::{MAGIC, SECRET_LEN};
use crate::close::CloseReason;
use crate::secret::{Secret, random};
use crate::transport::socket::UnixSocket;
use crate::transport::{Transport, fds};

/// A process that has closed its end without a word has so long to end by itself, and tell its status.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// A child that was started, with the host's end of the pair.
pub(crate) struct Hosted {
    pub(crate) child: ChildProcess,
    pub(crate) transport: Transport,
    /// What the child was handed.
    pub(crate) secret: Secret,
}

impl Hosted {
    /// Starts a child; `grace` is how long it has to end after its channel. Must run inside a tokio runtime.
    pub(crate) fn start(mut command: Command, grace: Duration) -> io::Result<Self> {
        let (ours, theirs) = fds::socket_pair()?;
        // Only the host's end is read and written without waiting. Whatever program the child is, it may
        // find a descriptor that behaves as most do.
        rustix::io::ioctl_fionbio(&theirs, false)?;
        let mut ours = UnixStream::from(ours);
        let bytes = Zeroizing::new(random::<SECRET_LEN>()?);
        let secret = Secret::from_bytes(bytes.as_slice()).map_err(io::Error::other)?;
        // An empty pair has room for both.
        ours.write_all(&MAGIC)?;
        ours.write_all(bytes.as_slice())?;
        let child = command
            .stdin(Stdio::from(theirs))
            .kill_on_drop(true)
            .spawn()?;
        // It holds the child's end, whose end would not be noticed otherwise.
        drop(command);
        let (life, killed) = oneshot::channel();
        let child = ChildProcess {
            keeper: tokio::spawn(keep(child, killed)),
            _life: life,
            ended: None,
            grace,
        };
        Ok(Self {
            child,
            transport: Transport::host(UnixSocket::new(ours.into())?),
            secret,
        })
    }
}

/// A process. It is killed when this is dropped, and never left a zombie as long as the runtime lives.
pub(crate) struct ChildProcess {
    /// Waits for its end. `None`: the system does not tell its status.
    keeper: JoinHandle<Option<ExitStatus>>,
    /// Its end tells the keeper to kill.
    _life: oneshot::Sender<()>,
    ended: Option<Option<ExitStatus>>,
    grace: Duration,
}

impl ChildProcess {
    /// Waits for it to end by itself.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Option<ExitStatus>> {
        if let Some(status) = self.ended {
            return Poll::Ready(status);
        }
        let Poll::Ready(status) = Pin::new(&mut self.keeper).poll(cx) else {
            return Poll::Pending;
        };
        let status = status.ok().flatten();
        self.ended = Some(status);
        Poll::Ready(status)
    }

    /// Ends it: it has `patience` to do so by itself; after that it is killed. Gives the status of one that
    /// has ended by itself. It is reaped in any case.
    async fn end(mut self, patience: Duration) -> Option<ExitStatus> {
        let ended = poll_fn(|cx| self.poll_ended(cx));
        if let Ok(status) = tokio::time::timeout(patience, ended).await {
            return status;
        }
        let Self { keeper, _life, .. } = self;
        drop(_life);
        let _ = keeper.await;
        tracing::warn!(
            ?patience,
            "a child process did not end by itself and was killed"
        );
        None
    }

    /// As [`end`](Self::end), of a child with which no channel could be opened.
    pub(crate) async fn end_unopened(self) -> Option<ExitStatus> {
        self.end(LAST_BREATH).await
    }

    /// Ends it after its channel was closed, and says what its status adds to the reason.
    pub(crate) async fn end_after(self, reason: CloseReason) -> CloseReason {
        let patience = if reason.is_orderly() {
            self.grace
        } else {
            self.grace.min(LAST_BREATH)
        };
        match (reason, self.end(patience).await) {
            // A goodbye is not all that it had to do.
            (CloseReason::ClosedByPeer, Some(status)) if status.success() => {
                CloseReason::ClosedByPeer
            }
            (
                CloseReason::Ended | CloseReason::Lost(_) | CloseReason::ClosedByPeer,
                Some(status),
            ) => CloseReason::ChildEnded(status),
            (reason, _) => reason,
        }
    }
}

/// Waits for a process, or kills it; reaps it.
async fn keep(mut child: Child, killed: oneshot::Receiver<()>) -> Option<ExitStatus> {
    let by_itself = {
        let (mut wait, mut killed) = (pin!(child.wait()), pin!(killed));
        poll_fn(|cx| {
            if let Poll::Ready(status) = wait.as_mut().poll(cx) {
                return Poll::Ready(Some(status));
            }
            killed.as_mut().poll(cx).map(|_| None)
        })
        .await
    };
    match by_itself {
        Some(status) => status.ok(),
        None => {
            // It may have ended this moment.
            let _ = child.start_kill();
            child.wait().await.ok()
        }
    }
}
