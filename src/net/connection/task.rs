//! The task of one connection: opens it, then moves requests out and replies in until something
//! goes wrong.
//!
//! One task owns the stream and polls both directions, so that reading never waits on writing. It
//! ends for good; a new connection is a new task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes};
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;
use tracing::{Instrument, debug, trace};

use super::{ConnectionShared, ConnectionState, QueuedRequest};
use crate::error::{Error, ErrorKind, Result, Written};
use crate::net::connector::{Connector, Io};
use crate::net::features::NewestFeatures;
use crate::net::handshake::{ClientSoftware, HandshakeOutcome};
use crate::net::incoming::Incoming;
use crate::net::inflight::{Inflight, OutOfStep};
use crate::net::min_idle::{CountedConnection, MinIdleConnections};
use crate::net::observer::ConnectionObserver;
use crate::net::reauthentication::Reauthentication;
use crate::net::security::ConnectionSecurity;
use crate::observability::{ConnectionEvent, spans};
use crate::runtime::{self, Runtime};
use crate::watch;
use crate::wire::frame::Frame;
use crate::wire::versions::{ApiKey, ApiVersions, VersionCaps};

mod opening;
mod reauthenticating;

pub(crate) use opening::Greetings;

/// What a connection needs to open and to live.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) client_id: Arc<str>,
    pub(crate) software: ClientSoftware,
    pub(crate) security: ConnectionSecurity,
    /// How long opening may take (`socket.connection.setup.timeout.ms`).
    pub(crate) setup_timeout: Duration,
    /// After how long without use it closes (`connections.max.idle.ms`).
    pub(crate) max_idle: Option<Duration>,
    /// After how long it closes once nothing is on its way, used or not.
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) warm: Arc<MinIdleConnections>,
    /// The longest reply that is accepted (`receive.message.max.bytes`).
    pub(crate) max_reply: usize,
    pub(crate) greetings: Arc<Greetings>,
    pub(crate) caps: Arc<VersionCaps>,
    pub(crate) features: Arc<NewestFeatures>,
    pub(crate) observer: ConnectionObserver,
}

/// Bytes that may wait to be written before no more requests are accepted (a guess: a few full
/// Produce requests).
const OUTGOING_LIMIT: usize = 4 * 1024 * 1024;

/// Slices passed to one vectored write: two for each partition of a Produce request, and the kernel
/// takes 1,024.
const SLICES: usize = 128;

/// Opens the connection and serves it to its end.
pub(super) async fn run(
    shared: Arc<ConnectionShared>,
    setup: Setup,
    runtime: Runtime,
    mut requests: mpsc::Receiver<QueuedRequest>,
    state: watch::Publisher<ConnectionState>,
) {
    let (begun, broker, address) = (runtime::now(), shared.broker, &shared.address);
    let opened = opening::open(&shared, &setup, &runtime)
        .instrument(spans::connect(&setup.client_id, address))
        .await;
    let took = runtime::now().saturating_duration_since(begun);
    let error = match opened {
        Ok((io, HandshakeOutcome { versions, lifetime })) => {
            debug!(%address, ?lifetime, "connected");
            let open = setup.observer.opened(broker, address, took);
            let versions = Arc::new(versions);
            state.send_replace(ConnectionState::Ready(Arc::clone(&versions)));
            let mut serving = Serving::new(io, &shared, &setup, &runtime, versions, lifetime);
            let ConnectionEnd(why) = poll_fn(|cx| serving.poll(cx, &mut requests)).await;
            let error = why.with_context(format_args!("connection to {address}"));
            // Nobody may find the connection alive once the first caller has heard of its end.
            state.send_replace(ConnectionState::Ended(error.clone()));
            serving.fail_all(&error);
            open.ended(&error);
            error
        }
        Err(error) => {
            setup.observer.tell(broker, address, ConnectionEvent::Failed { took, error: &error });
            state.send_replace(ConnectionState::Ended(error.clone()));
            error
        }
    };
    debug!(%address, %error, "connection ended");
    requests.close();
    while let Some(queued) = requests.recv().await {
        let _ = queued.reply.send(Err(error.clone().with_written(Written::No)));
    }
}

/// Why a connection ended.
struct ConnectionEnd(Error);

impl ConnectionEnd {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Error::new(kind, message.into()))
    }
}

type ReplySender = oneshot::Sender<Result<Bytes>>;

/// Who waits for a reply to what, and since when.
struct Expecting {
    waiter: ReplySender,
    api: ApiKey,
    since: Instant,
}

/// The longest reply to most requests: metadata of some 700,000 partitions. What is read of it
/// takes up to 25 times its bytes, so that the limit of fetched records is none for it (a guess).
const LONGEST_REPLY: usize = 32 * 1024 * 1024;

/// The longest reply to a request that is about one thing (a guess: they take less than 100 bytes,
/// and a message).
const LONGEST_SMALL_REPLY: usize = 64 * 1024;

/// Whose replies are small.
const SMALL_REPLIES: [ApiKey; 3] =
    [ApiKey::Heartbeat, ApiKey::InitProducerId, ApiKey::PushTelemetry];

/// How many bytes the reply to a request may have; `most` is `receive.message.max.bytes`.
fn longest_reply(api: ApiKey, most: usize) -> usize {
    match api {
        ApiKey::Fetch | ApiKey::ShareFetch => most,
        api if SMALL_REPLIES.contains(&api) => most.min(LONGEST_SMALL_REPLY),
        _ => most.min(LONGEST_REPLY),
    }
}

/// An open connection.
struct Serving<'a> {
    io: Box<dyn Io>,
    shared: &'a ConnectionShared,
    setup: &'a Setup,
    runtime: &'a Runtime,
    versions: Arc<ApiVersions>,
    reauthentication: Reauthentication,
    max_idle: Option<Duration>,
    incoming: Incoming,
    inflight: Inflight<Expecting>,
    outgoing: VecDeque<Frame>,
    outgoing_bytes: usize,
    /// Bytes were handed to the stream, which may hold them back until it is flushed, as TLS does.
    is_unflushed: bool,
    has_delivered: bool,
    /// Callers of requests that are not answered; they hear when the bytes have left.
    unanswered: Inflight<ReplySender>,
    used: Instant,
    opened: Instant,
    counted: CountedConnection,
    owner_gone: bool,
    timer: Pin<Box<Sleep>>,
    timer_at: Instant,
}

impl<'a> Serving<'a> {
    fn new(
        io: Box<dyn Io>,
        shared: &'a ConnectionShared,
        setup: &'a Setup,
        runtime: &'a Runtime,
        versions: Arc<ApiVersions>,
        lifetime: Option<Duration>,
    ) -> Self {
        let now = runtime::now();
        Self {
            io,
            shared,
            setup,
            runtime,
            versions,
            reauthentication: Reauthentication::after(lifetime, now),
            max_idle: setup.max_idle,
            incoming: Incoming::new(setup.max_reply),
            inflight: Inflight::default(),
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            is_unflushed: false,
            has_delivered: false,
            unanswered: Inflight::default(),
            used: now,
            opened: now,
            counted: setup.warm.enter(),
            owner_gone: false,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            timer_at: now,
        }
    }

    /// Moves what can be moved; ready when the connection has ended.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        requests: &mut mpsc::Receiver<QueuedRequest>,
    ) -> Poll<ConnectionEnd> {
        loop {
            let renewed = match self.poll_reauthentication(cx) {
                Poll::Ready(Err(ending)) => return Poll::Ready(ending),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            let accepted = self.accept(cx, requests);
            let written = match self.poll_write(cx) {
                Poll::Ready(Err(ending)) => return Poll::Ready(ending),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            let read = match self.poll_read(cx) {
                Poll::Ready(Err(ending)) => return Poll::Ready(ending),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if renewed || accepted || written || read {
                continue;
            }
            if self.owner_gone && self.is_quiet() {
                return Poll::Ready(ConnectionEnd::new(ErrorKind::Closed, "closed by this client"));
            }
            return self.poll_timer(cx);
        }
    }

    /// Takes requests from the queue while there is room and the broker wants to hear from us.
    fn accept(
        &mut self,
        cx: &mut Context<'_>,
        requests: &mut mpsc::Receiver<QueuedRequest>,
    ) -> bool {
        let mut any = false;
        let now = runtime::now();
        let is_parking = self.reauthentication.is_parking(now);
        while self.outgoing_bytes < OUTGOING_LIMIT
            && !self.owner_gone
            && !is_parking
            && self.muted_until().is_none()
        {
            match requests.poll_recv(cx) {
                Poll::Ready(Some(queued)) => {
                    any = true;
                    self.enqueue(queued, now);
                }
                Poll::Ready(None) => self.owner_gone = true,
                Poll::Pending => break,
            }
        }
        any
    }

    fn enqueue(&mut self, queued: QueuedRequest, now: Instant) {
        if queued.reply.is_closed() {
            // The caller has gone before anything was written.
            return;
        }
        trace!(
            address = %self.shared.address,
            correlation_id = queued.correlation_id,
            bytes = queued.frame.len(),
            "request",
        );
        let (api, bytes) = (queued.api, queued.frame.len());
        self.tell(ConnectionEvent::Sent { api: api.name(), bytes });
        self.outgoing_bytes += bytes;
        self.outgoing.push_back(queued.frame);
        if queued.answered {
            self.inflight.push(
                queued.correlation_id,
                queued.deadline,
                Expecting { waiter: queued.reply, api, since: now },
            );
        } else {
            self.unanswered.push(queued.correlation_id, queued.deadline, queued.reply);
        }
    }

    /// Ready(Ok) when something was written; pending when there is nothing to write or the socket
    /// is full.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionEnd>> {
        if self.outgoing.is_empty() {
            if self.is_unflushed {
                ready!(Pin::new(&mut self.io).poll_flush(cx))
                    .map_err(|error| self.broken(&error))?;
                self.is_unflushed = false;
            }
            return Poll::Pending;
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for frame in &self.outgoing {
            count += frame.chunks_vectored(&mut slices[count..]);
        }
        let written = match ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..count]))
        {
            Ok(0) => {
                return Poll::Ready(Err(ConnectionEnd::new(
                    ErrorKind::Disconnected,
                    "the peer accepts no more bytes",
                )));
            }
            Ok(written) => written,
            Err(error) => return Poll::Ready(Err(self.broken(&error))),
        };
        self.is_unflushed = true;
        self.outgoing_bytes -= written;
        self.used = runtime::now();
        let mut left = written;
        while let Some(front) = self.outgoing.front_mut() {
            let part = left.min(front.len());
            front.advance(part);
            left -= part;
            if front.has_remaining() {
                break;
            }
            self.outgoing.pop_front();
        }
        if self.outgoing.is_empty() {
            for waiter in self.unanswered.drain() {
                let _ = waiter.send(Ok(Bytes::new()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready(Ok) when something was read.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionEnd>> {
        let (buffer, most) = self.incoming.room();
        match ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut buffer.limit(most))) {
            Ok(0) => Poll::Ready(Err(self.end_of_stream())),
            Ok(_) => {
                self.used = runtime::now();
                Poll::Ready(self.deliver(self.used))
            }
            Err(error) => Poll::Ready(Err(self.broken(&error))),
        }
    }

    fn deliver(&mut self, now: Instant) -> Result<(), ConnectionEnd> {
        loop {
            let most = self.setup.max_reply;
            let longest = |expecting: &Expecting| longest_reply(expecting.api, most);
            let longest = self.inflight.first().map_or(opening::LARGEST_HANDSHAKE, longest);
            self.incoming.expect(longest);
            let frame = self.incoming.frame().map_err(|length| ConnectionEnd(length.error()))?;
            let Some(frame) = frame else { return Ok(()) };
            if matches!(self.reauthentication, Reauthentication::Exchanging { .. }) {
                self.handle_reauthentication_reply(&frame)?;
                continue;
            }
            let id = frame.first_chunk::<4>().map_or(-1, |bytes| i32::from_be_bytes(*bytes));
            trace!(
                address = %self.shared.address, correlation_id = id, bytes = frame.len(), "reply"
            );
            let Expecting { waiter, api, since } =
                self.inflight.complete(id).map_err(|OutOfStep { expected, found }| {
                    let expected = expected.map_or("none".to_owned(), |id| id.to_string());
                    ConnectionEnd::new(
                        ErrorKind::Protocol,
                        format!("a reply has correlation id {found}, expected {expected}"),
                    )
                })?;
            let took = now.saturating_duration_since(since);
            self.tell(ConnectionEvent::Received { api: api.name(), bytes: frame.len(), took });
            self.has_delivered = true;
            // The caller may have lost interest.
            let _ = waiter.send(Ok(frame));
        }
    }

    fn tell(&self, event: ConnectionEvent<'_>) {
        self.setup.observer.tell(self.shared.broker, &self.shared.address, event);
    }

    fn end_of_stream(&self) -> ConnectionEnd {
        let message = match (
            self.incoming.is_partial(),
            self.has_delivered || self.setup.security.has_sasl(),
        ) {
            (true, _) => "the peer closed it within a reply",
            (false, true) => "the peer closed it",
            (false, false) => {
                "the peer closed it before it answered a request: a SASL listener does so to a \
                 client that does not authenticate (security.protocol)"
            }
        };
        ConnectionEnd::new(ErrorKind::Disconnected, message)
    }

    fn broken(&self, error: &io::Error) -> ConnectionEnd {
        let plain = || Error::new(ErrorKind::Disconnected, error.to_string());
        ConnectionEnd(self.setup.security.explain(error).unwrap_or_else(plain))
    }

    /// Ends the connection when a request is past its deadline or nothing has used it for long.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        loop {
            let Some(due) = self.next_due() else { return Poll::Pending };
            // The timer is left where it is while it fires early enough: most deadlines only move
            // away.
            if due < self.timer_at || self.timer.is_elapsed() {
                self.timer_at = due;
                self.timer.as_mut().reset(due.into());
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = runtime::now();
            if self.deadline().is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(ConnectionEnd::new(
                    ErrorKind::Timeout,
                    "a request was not answered within its deadline",
                ));
            }
            if self.old_at().is_some_and(|old| old <= now) {
                return Poll::Ready(ConnectionEnd::new(
                    ErrorKind::Disconnected,
                    "as old as a connection may become",
                ));
            }
            if self.idle_at().is_some_and(|idle| idle <= now) {
                if self.counted.may_close() {
                    return Poll::Ready(ConnectionEnd::new(
                        ErrorKind::Disconnected,
                        "unused for connections.max.idle.ms",
                    ));
                }
                // One of those that are kept: asked again as if it had been used.
                self.used = now;
                continue;
            }
            if self.reauthentication.due().is_some_and(|due| due <= now) {
                // No spin: at the head of the next round `poll_reauthentication` leaves the state
                // that was due.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.muted_until().is_none() {
                // The broker wants to hear from us again: look at the queue, in the next round.
                // That is one more for a timer that fired early, and no spin: with nothing due, the
                // timer is set anew before this returns.
                cx.waker().wake_by_ref();
                if self.next_due().is_none_or(|due| due <= now) {
                    return Poll::Pending;
                }
            }
        }
    }

    /// By when the next reply must have come, or what is not answered must have left.
    fn deadline(&self) -> Option<Instant> {
        self.inflight.deadline().into_iter().chain(self.unanswered.deadline()).min()
    }

    fn next_due(&self) -> Option<Instant> {
        let times = [
            self.deadline(),
            self.idle_at(),
            self.old_at(),
            self.muted_until(),
            self.reauthentication.due(),
        ];
        times.into_iter().flatten().min()
    }

    fn idle_at(&self) -> Option<Instant> {
        self.max_idle.filter(|_| self.is_quiet()).map(|idle| self.used + idle)
    }

    fn old_at(&self) -> Option<Instant> {
        self.setup.max_lifetime.filter(|_| self.is_quiet()).map(|lifetime| self.opened + lifetime)
    }

    /// When the broker wants to hear from us again, if that is to come (KIP-219).
    fn muted_until(&self) -> Option<Instant> {
        let mut muted = self.shared.muted_until.lock().unwrap_or_else(PoisonError::into_inner);
        if muted.is_some_and(|until| until <= runtime::now()) {
            *muted = None;
        }
        *muted
    }

    fn is_quiet(&self) -> bool {
        self.inflight.is_empty() && self.outgoing.is_empty()
    }

    fn fail_all(&mut self, error: &Error) {
        let error = error.clone().with_written(Written::Maybe);
        let expecting = self.inflight.drain().map(|expecting| expecting.waiter);
        for waiter in expecting.chain(self.unanswered.drain()) {
            let _ = waiter.send(Err(error.clone()));
        }
    }
}
