//! Many brokers: what is known of them, which one a request goes to, and the connections it takes.
//! Knows no batch and no consumed offset.

use std::borrow::Borrow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::{Instrument, Span};

mod asking;
mod complaint;
mod connect;
mod coordinators;
#[cfg(feature = "admin")]
mod fan_out;
mod interest;
mod members;
mod pool;
mod refresh;
mod retries;
mod retry;
mod route;
mod rpc;
mod task;
#[cfg(test)]
mod tests;
mod unsupported;
mod view;
mod waits;

pub(crate) use asking::Asking;
pub(crate) use coordinators::CoordinatorKey;
#[cfg(feature = "admin")]
pub(crate) use fan_out::Item;
pub(crate) use interest::{InterestGuard, MetadataInterest};
pub(crate) use members::{FIRST_INTERVAL, heartbeat_interval, new_member_id, not_polled};
pub(crate) use pool::{Lane, LaneGuard, Node, PoolCounts};
pub(crate) use retry::Backoff;
pub(crate) use route::Route;
pub(crate) use rpc::GroupCoordinator;
#[cfg(feature = "admin")]
pub(crate) use rpc::{CONTROLLER, partition_description};
#[cfg(test)]
pub(crate) use view::Partition;
pub use view::PartitionDescription;
pub(crate) use view::{ClusterView, LeaderHint, Topic};

use coordinators::Coordinators;
use interest::Interests;
use pool::Pool;
use waits::Waits;

use crate::clock::{Random, WallClock};
use crate::config::{BrokerAddress, ClientConfig};
use crate::error::{Error, ErrorKind, Result, Written};
use crate::ids::BrokerId;
use crate::listeners::Listeners;
use crate::net::{
    ConnectionObserver, ConnectionSecurity, Connector, MinIdleConnections, NewestFeatures,
    ReplyMode, Setup,
};
use crate::observability::{ClientRecorder, spans};
use crate::runtime::{self, Runtime};
use crate::statistics::Statistics;
use crate::watch;
use crate::wire::call::{Reply, Request, encode_request};
use crate::wire::frame::Frame;
use crate::wire::versions::{ApiKey, VersionCaps};

/// A cluster as all handles of a client share it; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    inner: Arc<ClusterInner>,
    /// Ends the tasks when the last handle of a user is gone; the tasks themselves do not hold it.
    _alive: Option<Arc<Alive>>,
}

#[derive(Debug)]
struct ClusterInner {
    config: ClientConfig,
    bootstrap: Vec<BrokerAddress>,
    runtime: Runtime,
    wall_clock: WallClock,
    random: Mutex<Random>,
    pool: Arc<Pool>,
    view: watch::Publisher<Arc<ClusterView>>,
    /// Why the last attempt to refresh failed.
    failure: watch::Publisher<Option<Error>>,
    refresh_wanted: Arc<Notify>,
    /// Whether what is known is believed to be stale; else `refresh_wanted` tells of new interests
    /// alone.
    is_stale: AtomicBool,
    interests: Arc<Interests>,
    coordinators: Mutex<Coordinators>,
    waits: Mutex<Waits>,
    features: Arc<NewestFeatures>,
    recorder: ClientRecorder,
    listeners: Listeners,
}

/// Ends all of a client when it is dropped.
#[derive(Debug)]
struct Alive(Runtime);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl ClusterInner {
    /// Whether somebody has said that what is known is stale, since this was asked last.
    fn take_stale(&self) -> bool {
        self.is_stale.swap(false, Ordering::Relaxed)
    }
}

impl Cluster {
    /// Starts to look after a cluster; nothing is connected before something is wanted of it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if no bootstrap address can be read, or a certificate or key, or
    /// for a `max_api_version` that leaves nothing.
    pub(crate) fn start(
        config: ClientConfig,
        connector: Arc<dyn Connector>,
        runtime: Runtime,
        wall_clock: WallClock,
        mut random: Random,
    ) -> Result<Self> {
        let bootstrap = config.addresses()?;
        let recorder = ClientRecorder::new(&config.client_id);
        let statistics = config.statistics().map(|_| Arc::new(Statistics::new()));
        let listeners = Listeners::new(config.hooks.clone(), statistics);
        let features: Arc<NewestFeatures> = Arc::default();
        let setup = Setup {
            connector,
            client_id: config.client_id.as_str().into(),
            software: config.client_software.clone().into(),
            security: ConnectionSecurity::new(&config.security, wall_clock.clone())?,
            setup_timeout: config.socket_connection_setup_timeout,
            max_idle: config.connections_max_idle,
            max_lifetime: config.connections_max_lifetime,
            warm: MinIdleConnections::new(config.connections_min_idle),
            max_reply: config.receive_message_max_bytes,
            greetings: Arc::default(),
            caps: Arc::new(VersionCaps::new(&config.max_api_versions)?),
            features: Arc::clone(&features),
            observer: ConnectionObserver::new(recorder.connections(), listeners.clone()),
        };
        let reconnect = Backoff::new(config.reconnect_backoff, config.reconnect_backoff_max);
        let pool = Pool::new(
            runtime.clone(),
            setup,
            config.socket_connection_setup_timeout_max,
            reconnect,
            random.fork(),
        );
        let refresh_wanted = Arc::new(Notify::new());
        let task_random = random.fork();
        let inner = ClusterInner {
            config,
            bootstrap,
            wall_clock,
            random: Mutex::new(random),
            pool,
            view: watch::Publisher::new(Arc::default()),
            failure: watch::Publisher::new(None),
            interests: Interests::new(Arc::clone(&refresh_wanted)),
            refresh_wanted,
            is_stale: AtomicBool::new(false),
            coordinators: Mutex::default(),
            waits: Mutex::default(),
            features,
            recorder,
            listeners,
            runtime: runtime.clone(),
        };
        let cluster =
            Self { inner: Arc::new(inner), _alive: Some(Arc::new(Alive(runtime.clone()))) };
        let refresh = task::refresh(&cluster, runtime::now());
        // The end of the tokio runtime ends the task like all others, and those who wait elsewhere
        // must hear of it.
        let ends = Alive(runtime.clone());
        runtime.spawn(task::run(cluster.for_task(), refresh, task_random, ends));
        Ok(cluster)
    }

    /// A clone for a task of this client, which does not keep the client alive.
    pub(crate) fn for_task(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), _alive: None }
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    pub(crate) fn wall_clock(&self) -> &WallClock {
        &self.inner.wall_clock
    }

    pub(crate) fn recorder(&self) -> &ClientRecorder {
        &self.inner.recorder
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.inner.listeners
    }

    /// A generator of randomness for a part of this client.
    pub(crate) fn random(&self) -> Random {
        self.inner.random.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    /// The backoff between tries of one operation (`retry.backoff.ms`, `retry.backoff.max.ms`).
    pub(crate) fn retry_backoff(&self) -> Backoff {
        Backoff::new(self.inner.config.retry_backoff, self.inner.config.retry_backoff_max)
    }

    /// The level of a feature that the cluster has finalised (KIP-584), by the newest ApiVersions
    /// reply; 0 if it is off, or nothing is known yet.
    pub(crate) fn feature_level(&self, name: &str) -> i16 {
        self.inner.features.level(name)
    }

    /// What is known now.
    pub(crate) fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&self.inner.view.borrow())
    }

    /// Tells of every change of the view.
    pub(crate) fn watch(&self) -> watch::Watcher<Arc<ClusterView>> {
        self.inner.view.subscribe()
    }

    /// Tells why metadata could not be refreshed, while that lasts.
    pub(crate) fn watch_failure(&self) -> watch::Watcher<Option<Error>> {
        self.inner.failure.subscribe()
    }

    /// Why nothing will ever be known of the cluster, if that is so: wrong credentials, or brokers
    /// too old or too new.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let failure = self.inner.failure.borrow().clone()?;
        let lasts = failure.is_refusal() || failure.kind() == ErrorKind::Unsupported;
        (lasts && self.inner.view.borrow().version == 0).then_some(failure)
    }

    /// That the client is closed, if it is.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.inner.runtime.cancelled().is_cancelled() { Err(closed()) } else { Ok(()) }
    }

    /// Awaits something until the client is closed, or its tokio runtime has ended.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    ///
    /// # Cancel safety
    /// As that of what is awaited, which is dropped at the end of the client.
    pub(crate) fn while_open<'a, T>(
        &'a self,
        work: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = Result<T>> + 'a {
        // Calls within calls wait so: each layer that holds the one below by value would double its
        // size, on the stack of every caller.
        let work = Box::pin(work);
        async move {
            let cancelled = self.inner.runtime.cancelled();
            cancelled.run_until_cancelled(work).await.ok_or_else(closed)
        }
    }

    /// Keeps metadata of some topics known until the guard is dropped.
    pub(crate) fn want(&self, interest: MetadataInterest) -> InterestGuard {
        self.inner.interests.register(interest)
    }

    /// Asks for newer metadata soon: a reply has shown that what is known is stale.
    pub(crate) fn request_refresh(&self) {
        self.inner.is_stale.store(true, Ordering::Relaxed);
        self.inner.refresh_wanted.notify_one();
    }

    /// Believes leaders that a reply has named, and has metadata refreshed all the same (KIP-951).
    pub(crate) fn hint_leaders(&self, hints: &[LeaderHint]) {
        self.inner.view.send_if_modified(|view| match view.hinted(hints) {
            Some(next) => {
                *view = Arc::new(next);
                true
            }
            None => false,
        });
        self.request_refresh();
    }

    /// Lanes for a new handle; they close when the guard is dropped.
    pub(crate) fn lanes(&self) -> LaneGuard {
        self.inner.pool.lanes()
    }

    pub(crate) fn pool_counts(&self) -> PoolCounts {
        self.inner.pool.counts()
    }

    /// Waits until the view satisfies a condition.
    ///
    /// # Errors
    /// At the deadline, why metadata cannot be had, else [`ErrorKind::Timeout`]; at once if no
    /// attempt can succeed (wrong credentials, not a Kafka broker).
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn wait_for_view(
        &self,
        deadline: Instant,
        mut satisfied: impl FnMut(&ClusterView) -> bool,
    ) -> Result<Arc<ClusterView>> {
        let begun = runtime::now();
        let mut view = self.watch();
        let mut failure = self.watch_failure();
        loop {
            let current = Arc::clone(&view.borrow_and_update());
            if satisfied(&current) {
                return Ok(current);
            }
            let failed = failure.borrow_and_update().clone();
            if let Some(error) = self.refusal() {
                return Err(error);
            }
            tokio::select! {
                biased;
                changed = view.changed() => changed.map_err(|_| closed())?,
                changed = failure.changed() => changed.map_err(|_| closed())?,
                () = self.inner.runtime.cancelled().cancelled() => return Err(closed()),
                () = runtime::sleep_until(deadline) => {
                    let message = format!(
                        "the metadata that is needed did not come within {:.1?}",
                        runtime::now() - begun
                    );
                    return Err(match failed {
                        Some(cause) => because(&message, cause),
                        None => Error::new(ErrorKind::Timeout, message),
                    });
                }
            }
        }
    }

    /// Makes one attempt at a request to a broker, made for the version that it speaks.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Disconnected`], [`ErrorKind::Timeout`] with
    /// [`Error::written`]; [`ErrorKind::Unsupported`] if the broker does not speak the API;
    /// [`ErrorKind::Closed`]. What the reply says is not looked at.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may still be sent; its reply is thrown away.
    pub(crate) async fn call_with<R: Request>(
        &self,
        broker: BrokerId,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> R,
    ) -> Result<Reply<R>> {
        self.exchange::<R, R>(Node::Broker(broker), lane, deadline, request).await
    }

    /// [`Cluster::call_with`] in a version of at most `newest`, for a request that is lacking what
    /// later ones need: a broker may speak a version whose topic ids the cluster does not give yet,
    /// in the middle of an upgrade.
    pub(crate) async fn call_up_to<R: Request>(
        &self,
        newest: i16,
        broker: BrokerId,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> R,
    ) -> Result<Reply<R>> {
        self.exchange_up_to::<R, R>(newest, Node::Broker(broker), lane, deadline, request).await
    }

    /// A broker that the client is connected to: `last`, or the one with the least to do. None is
    /// connected to for this.
    pub(crate) fn connected_node(&self, last: Option<Node>) -> Option<Node> {
        let pool = &self.inner.pool;
        last.filter(|node| pool.load(*node, Lane::Control).is_some()).or_else(|| pool.idlest())
    }

    /// Sends a request that brokers do not answer, and returns when its bytes have left: Produce
    /// with `acks=0`.
    pub(crate) async fn send_unanswered<R: Request>(
        &self,
        broker: BrokerId,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> R,
    ) -> Result<()> {
        let node = Node::Broker(broker);
        let sent = self.transfer::<R, R>(i16::MAX, node, lane, deadline, ReplyMode::None, &request);
        sent.instrument(self.request_span::<R>(node)).await.map(|_| ())
    }

    /// Closes the connection to a broker on a lane, whatever is on its way there.
    pub(crate) fn hang_up(&self, broker: BrokerId, lane: Lane) {
        self.inner.pool.hang_up(Node::Broker(broker), lane);
    }

    /// Whether the connection to a broker on a lane has been closed since it was used; told once of
    /// each.
    pub(crate) fn was_disconnected(&self, broker: BrokerId, lane: Lane) -> bool {
        self.inner.pool.part_with_ended(Node::Broker(broker), lane)
    }

    /// Sends nothing on a lane for a while, as a reply has asked (KIP-219); for Produce, whose
    /// replies say so at their end.
    pub(crate) fn throttle(&self, broker: BrokerId, lane: Lane, duration: Duration) {
        if duration > Duration::ZERO {
            self.note_throttle(ApiKey::Produce, Some(broker), duration);
            self.inner.pool.mute(Node::Broker(broker), lane, duration);
        }
    }

    /// [`Cluster::call_with`], also to a node that is known by its address alone.
    pub(crate) async fn exchange<R: Request, B: Borrow<R>>(
        &self,
        node: Node,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> B,
    ) -> Result<Reply<R>> {
        self.exchange_up_to(i16::MAX, node, lane, deadline, request).await
    }

    pub(super) async fn exchange_up_to<R: Request, B: Borrow<R>>(
        &self,
        newest: i16,
        node: Node,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> B,
    ) -> Result<Reply<R>> {
        // A connection may close, idle, in the moment in which a request is handed to it. Then the
        // request has not left and gets one more connection; but Produce goes back to its sender,
        // which keeps the order of the batches.
        let tries = if matches!(lane, Lane::Produce(_)) { 1 } else { 2 };
        let mut outcome = Err(closed());
        self.check_open()?;
        for _ in 0..tries {
            let attempt =
                self.transfer::<R, B>(newest, node, lane, deadline, ReplyMode::Expected, &request);
            outcome = attempt.instrument(self.request_span::<R>(node)).await;
            let Err(error) = &outcome else { break };
            if error.kind() != ErrorKind::Disconnected || error.written() != Some(Written::No) {
                break;
            }
        }
        outcome
    }

    /// One attempt on one connection.
    async fn transfer<R: Request, B: Borrow<R>>(
        &self,
        newest: i16,
        node: Node,
        lane: Lane,
        deadline: Instant,
        answer: ReplyMode,
        request: &impl Fn(i16) -> B,
    ) -> Result<Reply<R>> {
        let broker = node.id();
        let place = |error: Error| {
            let error = error.in_api(R::API.name());
            match broker {
                Some(id) => error.at_broker(id),
                None => error,
            }
        };
        let address = self.address(node).map_err(place)?;
        let turn = self.inner.pool.turn(node, lane);
        let submitted = async {
            let _turn = turn.acquire().await.map_err(|_| closed())?;
            let (connection, versions) = self.connect(node, lane, &address, deadline).await?;
            let version = versions
                .version_up_to::<R>(newest)
                .ok_or_else(|| unsupported::lacking::<R>(&address, &versions))?;
            let id = connection.next_correlation_id();
            let frame: Frame = encode_request(
                request(version).borrow(),
                version,
                id,
                &self.inner.config.client_id,
            )
            .map_err(|error| Error::from(error).with_written(Written::No))?;
            let pending = connection.submit(R::API, frame, id, answer, deadline).await?;
            Ok((pending, version, connection))
        };
        let submitted = tokio::time::timeout_at(deadline.into(), submitted)
            .await
            .unwrap_or_else(|_| Err(self.not_connected_in_time(node, &address)));
        let (pending, version, connection) = submitted.map_err(place)?;
        let call = self.inner.recorder.request(R::API.name(), broker, runtime::now);
        let frame = match pending.reply().await {
            Ok(frame) => {
                call.answered();
                frame
            }
            Err(error) => {
                call.failed();
                return Err(place(error));
            }
        };
        let reply = Reply::new(frame, version, broker);
        if answer == ReplyMode::Expected {
            let throttle = reply.throttle();
            if throttle > Duration::ZERO {
                self.note_throttle(R::API, broker, throttle);
                connection.mute(throttle);
            }
        }
        Ok(reply)
    }

    fn note_throttle(&self, api: ApiKey, broker: Option<BrokerId>, duration: Duration) {
        let api = api.name();
        self.inner.recorder.throttled(api, broker, duration);
        self.inner.listeners.note_throttle(api, broker, duration);
    }

    /// Others wait for the same connection, and know why there is none.
    fn not_connected_in_time(&self, node: Node, address: &BrokerAddress) -> Error {
        let timeout = || {
            Error::new(
                ErrorKind::Timeout,
                format!("no connection to {address} within the deadline"),
            )
        };
        self.inner.pool.last_failure(node).unwrap_or_else(timeout).with_written(Written::No)
    }

    fn request_span<R: Request>(&self, node: Node) -> Span {
        spans::request(&self.inner.config.client_id, R::API.name(), node.id())
    }

    fn lock_coordinators(&self) -> MutexGuard<'_, Coordinators> {
        self.inner.coordinators.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> Error {
    Error::new(
        ErrorKind::Closed,
        "the client is closed, or the tokio runtime that it was made in has ended",
    )
}

/// A failure of the kind of its cause, which it names.
pub(crate) fn because(message: &str, cause: Error) -> Error {
    Error::new(cause.kind(), format!("{message}: {cause}")).caused_by(cause)
}
