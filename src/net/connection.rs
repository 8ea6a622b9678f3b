//! The handle on one connection to one broker.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::BrokerAddress;
use crate::error::{Error, ErrorKind, Result, Written};
use crate::ids::BrokerId;
use crate::observability::ConnectionEvent;
use crate::runtime::{self, Runtime};
use crate::watch;
use crate::wire::frame::Frame;
use crate::wire::versions::{ApiKey, ApiVersions};

mod task;

pub(crate) use task::Setup;

/// Requests that may wait for the connection's task. More than any lane has in flight; senders
/// beyond it wait.
const QUEUE: usize = 64;

/// A connection that opens in the background, carries pipelined requests, and ends for good when
/// anything goes wrong.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    shared: Arc<ConnectionShared>,
    requests: mpsc::Sender<QueuedRequest>,
    state: watch::Watcher<ConnectionState>,
}

#[derive(Debug)]
pub(super) struct ConnectionShared {
    /// `None`: it is known by its address alone.
    pub(super) broker: Option<BrokerId>,
    pub(super) address: BrokerAddress,
    next_correlation_id: AtomicI32,
    load: AtomicUsize,
    pub(super) muted_until: Mutex<Option<Instant>>,
    hung_up: CancellationToken,
}

/// Opening → Ready → Ended, or Opening → Ended.
#[derive(Clone, Debug)]
pub(super) enum ConnectionState {
    Opening,
    Ready(Arc<ApiVersions>),
    Ended(Error),
}

/// A request on its way to the connection's task.
#[derive(Debug)]
pub(super) struct QueuedRequest {
    pub(super) api: ApiKey,
    pub(super) frame: Frame,
    pub(super) correlation_id: i32,
    pub(super) deadline: Instant,
    pub(super) answered: bool,
    pub(super) reply: oneshot::Sender<Result<Bytes>>,
}

/// Whether a broker answers a request: only Produce with `acks=0` goes unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    Expected,
    None,
}

impl Connection {
    /// Starts to open a connection; [`Connection::ready`] tells how that went.
    pub(crate) fn open(
        runtime: &Runtime,
        broker: Option<BrokerId>,
        address: BrokerAddress,
        setup: Setup,
    ) -> Self {
        setup.observer.tell(broker, &address, ConnectionEvent::Attempted);
        let shared = Arc::new(ConnectionShared {
            broker,
            address,
            next_correlation_id: AtomicI32::new(0),
            load: AtomicUsize::new(0),
            muted_until: Mutex::new(None),
            hung_up: CancellationToken::new(),
        });
        let (requests, queue) = mpsc::channel(QUEUE);
        let (publish, state) = watch::channel(ConnectionState::Opening);
        let serving = task::run(Arc::clone(&shared), setup, runtime.clone(), queue, publish);
        let hung_up = shared.hung_up.clone();
        // Those who wait hear of it by the end of the task.
        runtime.spawn(async move { hung_up.run_until_cancelled(serving).await.unwrap_or(()) });
        Self { shared, requests, state }
    }

    /// Waits until the connection can carry requests.
    ///
    /// # Errors
    /// Why it could not be opened, or why it has ended; [`ErrorKind::Timeout`] at the deadline.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<Arc<ApiVersions>> {
        let mut state = self.state.clone();
        let opened = tokio::time::timeout_at(
            deadline.into(),
            state.wait_for(|state| !matches!(state, ConnectionState::Opening)),
        )
        .await;
        match opened {
            Ok(Ok(state)) => match &*state {
                ConnectionState::Ready(versions) => Ok(Arc::clone(versions)),
                ConnectionState::Ended(error) => Err(error.clone()),
                ConnectionState::Opening => Err(self.shared.closed()),
            },
            Ok(Err(_)) => Err(self.shared.closed()),
            Err(_) => Err(self.shared.timeout("no connection").with_written(Written::No)),
        }
    }

    /// Hands over a frame made for this connection; requests reach the broker in the order in which
    /// this returns.
    ///
    /// # Errors
    /// [`ErrorKind::Disconnected`] or [`ErrorKind::Timeout`]; the request was not sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request is not sent.
    pub(crate) async fn submit(
        &self,
        api: ApiKey,
        frame: Frame,
        correlation_id: i32,
        answer: ReplyMode,
        deadline: Instant,
    ) -> Result<PendingReply> {
        let (reply, replied) = oneshot::channel();
        let queued = QueuedRequest {
            api,
            frame,
            correlation_id,
            deadline,
            answered: answer == ReplyMode::Expected,
            reply,
        };
        self.shared.load.fetch_add(1, Ordering::Relaxed);
        let pending = PendingReply { replied, deadline, shared: Arc::clone(&self.shared) };
        match tokio::time::timeout_at(deadline.into(), self.requests.send(queued)).await {
            Ok(Ok(())) => Ok(pending),
            Ok(Err(_)) => Err(self.why_ended().with_written(Written::No)),
            Err(_) => {
                Err(self.shared.timeout("a request could not be sent").with_written(Written::No))
            }
        }
    }

    /// The id for the next request.
    pub(crate) fn next_correlation_id(&self) -> i32 {
        self.shared.next_correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }

    /// Sends nothing for a while, as the broker has asked (KIP-219).
    pub(crate) fn mute(&self, duration: Duration) {
        let until = runtime::now() + duration;
        let mut muted =
            self.shared.muted_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *muted = (*muted).max(Some(until));
    }

    /// Closes it at once; whoever waits for a reply is told that it may have been served.
    pub(crate) fn hang_up(&self) {
        self.shared.hung_up.cancel();
    }

    pub(crate) fn address(&self) -> &BrokerAddress {
        &self.shared.address
    }

    /// How many requests wait or are in flight.
    pub(crate) fn load(&self) -> usize {
        self.shared.load.load(Ordering::Relaxed)
    }

    /// Whether it opens or is open.
    pub(crate) fn is_alive(&self) -> bool {
        !self.requests.is_closed() && !matches!(&*self.state.borrow(), ConnectionState::Ended(_))
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(&*self.state.borrow(), ConnectionState::Ready(_)) && !self.requests.is_closed()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn why_ended(&self) -> Error {
        match &*self.state.borrow() {
            ConnectionState::Ended(error) => error.clone(),
            ConnectionState::Opening | ConnectionState::Ready(_) => Error::new(
                ErrorKind::Disconnected,
                format!("the connection to {} was closed", self.shared.address),
            ),
        }
    }
}

/// A request that was handed over.
#[derive(Debug)]
pub(crate) struct PendingReply {
    replied: oneshot::Receiver<Result<Bytes>>,
    deadline: Instant,
    shared: Arc<ConnectionShared>,
}

impl PendingReply {
    /// Waits for the reply: the whole frame, header included; empty for a request that is not
    /// answered.
    ///
    /// # Errors
    /// [`ErrorKind::Disconnected`] or [`ErrorKind::Timeout`], with [`Error::written`] telling
    /// whether the request may have reached the broker.
    ///
    /// # Cancel safety
    /// If the future is dropped, the reply is thrown away when it comes; the connection lives on.
    pub(crate) async fn reply(mut self) -> Result<Bytes> {
        tokio::select! {
            biased;
            reply = &mut self.replied => {
                reply.unwrap_or_else(|_| Err(self.shared.closed().with_written(Written::Maybe)))
            }
            () = runtime::sleep_until(self.deadline) => {
                Err(self.shared.timeout("no reply").with_written(Written::Maybe))
            }
        }
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        self.shared.load.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ConnectionShared {
    /// The client was closed while something waited.
    fn closed(&self) -> Error {
        Error::new(
            ErrorKind::Closed,
            format!("the connection to {} was closed by this client", self.address),
        )
    }

    fn timeout(&self, what: &str) -> Error {
        Error::new(ErrorKind::Timeout, format!("{what} within the deadline ({})", self.address))
    }
}
