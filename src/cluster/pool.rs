//! The connections of a client: one for each broker and lane, opened on demand and replaced when it
//! ends.
//!
//! A broker serves one request of a connection at a time, so that what may wait long there (Fetch,
//! JoinGroup) has connections of its own; see [`Lane`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::retry::Backoff;
use crate::clock::Random;
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorKind, Result, Written};
use crate::ids::BrokerId;
use crate::net::{Connection, ConnectionCounts, Setup};
use crate::runtime::{self, Runtime};
use crate::wire::versions::ApiVersions;

/// Which of the connections to a broker a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    /// Short requests of the whole client: metadata, coordinators, heartbeats, commits.
    Control,
    #[cfg(feature = "admin")]
    /// Administration of the whole client, part of which takes a broker long: deleting records
    /// waits for all replicas.
    Admin,
    /// Produce requests of one producer.
    Produce(LaneId),
    /// Fetch requests of one consumer.
    Fetch(LaneId),
    /// JoinGroup and SyncGroup of one member.
    Group(LaneId),
}

/// Tells the lanes of one handle from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneId(u64);

/// Closes the lanes of a handle when it is dropped.
#[derive(Debug)]
pub(crate) struct LaneGuard {
    id: LaneId,
    pool: Arc<Pool>,
}

/// Whom a connection goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node {
    /// An address from `bootstrap.servers`, by its place in the list.
    Bootstrap(usize),
    /// A broker that the cluster has named.
    Broker(BrokerId),
}

impl Node {
    /// The broker, if it is known by more than its address.
    pub(crate) fn id(self) -> Option<BrokerId> {
        match self {
            Self::Broker(id) => Some(id),
            Self::Bootstrap(_) => None,
        }
    }
}

/// What the pool tells about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolCounts {
    pub(crate) open: usize,
    pub(crate) active: usize,
    pub(crate) ever: ConnectionCounts,
}

#[derive(Debug)]
pub(crate) struct Pool {
    runtime: Runtime,
    setup: Setup,
    setup_backoff: Backoff,
    reconnect_backoff: Backoff,
    lanes: Mutex<NodeLanes>,
    next_lane: AtomicU64,
}

#[derive(Debug)]
struct NodeLanes {
    slots: BTreeMap<(Node, Lane), LaneConnection>,
    /// One request at a time passes from "which version?" to the connection's queue, so that
    /// requests leave in the order in which they were made, even while the connection is opening.
    turns: BTreeMap<(Node, Lane), Arc<Semaphore>>,
    reconnects: BTreeMap<Node, Reconnect>,
    random: Random,
}

#[derive(Debug)]
struct LaneConnection {
    connection: Connection,
    opened: Instant,
}

#[derive(Debug)]
struct Reconnect {
    failures: u32,
    not_before: Instant,
    last: Error,
}

/// What [`Pool::acquire`] found.
enum Found {
    Connection(Connection),
    Wait(Instant, Option<Error>),
}

impl Pool {
    pub(crate) fn new(
        runtime: Runtime,
        setup: Setup,
        setup_max: Duration,
        reconnect_backoff: Backoff,
        random: Random,
    ) -> Arc<Self> {
        let lanes = NodeLanes {
            slots: BTreeMap::new(),
            turns: BTreeMap::new(),
            reconnects: BTreeMap::new(),
            random,
        };
        Arc::new(Self {
            runtime,
            setup_backoff: Backoff::new(setup.setup_timeout, setup_max),
            setup,
            reconnect_backoff,
            lanes: Mutex::new(lanes),
            next_lane: AtomicU64::new(0),
        })
    }

    /// Lanes for a new handle.
    pub(crate) fn lanes(self: &Arc<Self>) -> LaneGuard {
        LaneGuard {
            id: LaneId(self.next_lane.fetch_add(1, Ordering::Relaxed)),
            pool: Arc::clone(self),
        }
    }

    /// The permit that a request holds until it is in the connection's queue.
    pub(crate) fn turn(&self, node: Node, lane: Lane) -> Arc<Semaphore> {
        let mut lanes = self.lock();
        Arc::clone(lanes.turns.entry((node, lane)).or_insert_with(|| Arc::new(Semaphore::new(1))))
    }

    /// An open connection to a node on a lane, made if need be.
    ///
    /// # Errors
    /// Why it could not be opened, or [`ErrorKind::Timeout`] at the deadline; nothing was sent.
    pub(crate) async fn acquire(
        &self,
        node: Node,
        lane: Lane,
        address: &BrokerAddress,
        deadline: Instant,
    ) -> Result<(Connection, Arc<ApiVersions>)> {
        loop {
            match self.find(node, lane, address) {
                Found::Connection(connection) => {
                    let ready = connection.ready(deadline).await;
                    match &ready {
                        Ok(_) => self.note_success(node),
                        Err(error) if error.kind() != ErrorKind::Timeout => {
                            self.note_failure(node, lane, &connection, error)
                        }
                        Err(_) => {}
                    }
                    return ready
                        .map(|versions| (connection, versions))
                        .map_err(|error| error.with_written(Written::No));
                }
                Found::Wait(until, last) if until >= deadline => {
                    runtime::sleep_until(deadline).await;
                    let timeout = || {
                        Error::new(
                            ErrorKind::Timeout,
                            format!("{address} was not tried again within the deadline"),
                        )
                    };
                    return Err(last.unwrap_or_else(timeout).with_written(Written::No));
                }
                Found::Wait(until, _) => runtime::sleep_until(until).await,
            }
        }
    }

    /// Whether a request to a node need not wait for a backoff.
    pub(crate) fn is_available(&self, node: Node) -> bool {
        let now = runtime::now();
        self.lock().reconnects.get(&node).is_none_or(|reconnect| reconnect.not_before <= now)
    }

    /// Why a node could not be connected to last, unless it could since.
    pub(crate) fn last_failure(&self, node: Node) -> Option<Error> {
        self.lock().reconnects.get(&node).map(|reconnect| reconnect.last.clone())
    }

    /// How busy a lane to a node is; `None` if there is no open one.
    pub(crate) fn load(&self, node: Node, lane: Lane) -> Option<usize> {
        let lanes = self.lock();
        let slot = lanes.slots.get(&(node, lane))?;
        slot.connection.is_ready().then(|| slot.connection.load())
    }

    /// The node of the open control lane that has the least to do; one that the cluster has named
    /// before a bootstrap address.
    pub(crate) fn idlest(&self) -> Option<Node> {
        let lanes = self.lock();
        let open = lanes
            .slots
            .iter()
            .filter(|((_, lane), slot)| *lane == Lane::Control && slot.connection.is_ready());
        open.map(|((node, _), slot)| {
            (matches!(node, Node::Bootstrap(_)), slot.connection.load(), *node)
        })
        .min()
        .map(|(.., node)| node)
    }

    /// Closes a connection, whatever is on its way.
    pub(crate) fn hang_up(&self, node: Node, lane: Lane) {
        if let Some(slot) = self.lock().slots.remove(&(node, lane)) {
            slot.connection.hang_up();
        }
    }

    /// Parts with a connection that has ended; false if there is none, or it opens or is open.
    pub(crate) fn part_with_ended(&self, node: Node, lane: Lane) -> bool {
        let mut lanes = self.lock();
        let has_ended =
            lanes.slots.get(&(node, lane)).is_some_and(|slot| !slot.connection.is_alive());
        has_ended && lanes.slots.remove(&(node, lane)).is_some()
    }

    pub(crate) fn mute(&self, node: Node, lane: Lane, duration: Duration) {
        if let Some(slot) = self.lock().slots.get(&(node, lane)) {
            slot.connection.mute(duration);
        }
    }

    pub(crate) fn counts(&self) -> PoolCounts {
        let lanes = self.lock();
        let ready = lanes.slots.values().filter(|slot| slot.connection.is_ready());
        let (open, active) = ready.fold((0, 0), |(open, active), slot| {
            (open + 1, active + usize::from(slot.connection.load() > 0))
        });
        PoolCounts { open, active, ever: self.setup.observer.counts() }
    }

    /// Closes what goes to brokers that the cluster no longer has.
    pub(crate) fn retain_brokers(&self, keep: impl Fn(BrokerId) -> bool) {
        let mut lanes = self.lock();
        let keep = |node: &Node| match node {
            Node::Bootstrap(_) => true,
            Node::Broker(id) => keep(*id),
        };
        lanes.slots.retain(|(node, _), _| keep(node));
        // A turn that calls wait for stays theirs, or those after them would overtake them when the
        // broker comes back.
        lanes.turns.retain(|(node, _), turn| keep(node) || Arc::strong_count(turn) > 1);
        lanes.reconnects.retain(|node, _| keep(node));
    }

    fn find(&self, node: Node, lane: Lane, address: &BrokerAddress) -> Found {
        let mut lanes = self.lock();
        let now = runtime::now();
        if let Some(slot) = lanes.slots.get(&(node, lane)) {
            let moved = slot.connection.address() != address;
            if slot.connection.is_alive() && !moved {
                return Found::Connection(slot.connection.clone());
            }
            // A peer that accepts and closes at once must not make us spin.
            let again = slot.opened + self.reconnect_backoff.least();
            if again > now && !moved {
                return Found::Wait(again, None);
            }
        }
        if let Some(reconnect) =
            lanes.reconnects.get(&node).filter(|reconnect| reconnect.not_before > now)
        {
            return Found::Wait(reconnect.not_before, Some(reconnect.last.clone()));
        }
        let slot = self.open(&mut lanes, node, address, now);
        let connection = slot.connection.clone();
        lanes.slots.insert((node, lane), slot);
        Found::Connection(connection)
    }

    fn open(
        &self,
        lanes: &mut NodeLanes,
        node: Node,
        address: &BrokerAddress,
        now: Instant,
    ) -> LaneConnection {
        let failures = lanes.reconnects.get(&node).map_or(0, |reconnect| reconnect.failures);
        let mut setup = self.setup.clone();
        if failures > 0 {
            setup.setup_timeout = self.setup_backoff.after(failures + 1, &mut lanes.random);
        }
        LaneConnection {
            connection: Connection::open(&self.runtime, node.id(), address.clone(), setup),
            opened: now,
        }
    }

    fn note_success(&self, node: Node) {
        self.lock().reconnects.remove(&node);
    }

    /// Counts a failure to open once, however many callers waited for the connection.
    fn note_failure(&self, node: Node, lane: Lane, connection: &Connection, error: &Error) {
        let mut lanes = self.lock();
        let lanes = &mut *lanes;
        if lanes.slots.get(&(node, lane)).is_none_or(|slot| !slot.connection.is_same(connection)) {
            return;
        }
        lanes.slots.remove(&(node, lane));
        let failures =
            lanes.reconnects.get(&node).map_or(0, |reconnect| reconnect.failures).saturating_add(1);
        let not_before = runtime::now() + self.reconnect_backoff.after(failures, &mut lanes.random);
        lanes.reconnects.insert(node, Reconnect { failures, not_before, last: error.clone() });
    }

    fn lock(&self) -> MutexGuard<'_, NodeLanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaneGuard {
    pub(crate) fn id(&self) -> LaneId {
        self.id
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        let mine = |lane: &Lane| matches!(lane, Lane::Produce(id) | Lane::Fetch(id) | Lane::Group(id) if *id == self.id);
        let mut lanes = self.pool.lock();
        lanes.slots.retain(|(_, lane), _| !mine(lane));
        lanes.turns.retain(|(_, lane), _| !mine(lane));
    }
}
