//! Where a request goes, and another try when it came to the wrong place.

use std::time::{Duration, Instant};

use tracing::debug;

use super::coordinators::CoordinatorKey;
use super::pool::Node;
use super::view::Broker;
use super::{Cluster, Lane, rpc, task};
use crate::config::MetadataRecoveryStrategy;
use crate::error::{Class, Error, ErrorCode, ErrorKind, Result};
use crate::hedge;
use crate::ids::{BrokerId, TopicPartition};
use crate::runtime;
use crate::wire::call::{Reply, Request};

/// Who must be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    not(feature = "admin"),
    allow(dead_code, reason = "administration alone takes most of them")
)]
pub(crate) enum Route {
    /// Any broker; the active controller where controllers are asked in place of brokers.
    Any,
    /// The controller, or on KRaft the broker that forwards to it.
    Controller,
    /// This broker.
    Broker(BrokerId),
    /// The coordinator of a group or a transaction.
    Coordinator(CoordinatorKey),
    /// The leader of a partition, whose topic somebody must be interested in.
    Leader(TopicPartition),
}

/// How long one node may take to be connected to before the next is tried as well (RFC 8305's delay
/// between addresses).
const CONNECT_HEDGE_DELAY: Duration = Duration::from_millis(250);

impl Cluster {
    /// Sends a request where it belongs and tries again, by `retry.backoff.ms`, while it fails for
    /// a reason that may pass.
    ///
    /// `code` finds the error of a reply as a whole, if it has one; a retriable one is tried again
    /// at the place that is right by then.
    ///
    /// # Errors
    /// The first error that is not retriable; at the deadline, the last that was.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may still be sent; its reply is thrown away.
    pub(crate) async fn call_routed<R: Request>(
        &self,
        route: &Route,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> R,
        code: impl for<'a> Fn(&R::Response<'a>) -> Option<ErrorCode>,
    ) -> Result<Reply<R>> {
        let mut retries = self.retries(deadline);
        loop {
            let attempt = self.call_once(i16::MAX, route, lane, deadline, &request, &code);
            let error = match attempt.await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let Some(pause) = retries.pause().filter(|_| error.class() == Class::Retriable) else {
                return Err(error);
            };
            debug!(%error, failures = retries.failures(), api = R::API.name(), "trying again");
            pause.await?;
        }
    }

    /// One try of [`Cluster::call_routed`], in a version of at most `newest`.
    ///
    /// # Errors
    /// Of the reply as a whole too.
    ///
    /// # Cancel safety
    /// As of [`Cluster::call_routed`].
    pub(crate) async fn call_once<R: Request>(
        &self,
        newest: i16,
        route: &Route,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> R,
        code: impl for<'a> Fn(&R::Response<'a>) -> Option<ErrorCode>,
    ) -> Result<Reply<R>> {
        let attempt = async {
            let node = self.node(route, lane, deadline).await?;
            let attempt = deadline.min(runtime::now() + self.config().request_timeout);
            let reply = self.exchange_up_to::<R, R>(newest, node, lane, attempt, request).await;
            let outcome = match reply {
                Ok(reply) => {
                    let code = code(&reply.parse()?);
                    code.map_or(Ok(reply), |code| Err(Error::broker(code).in_api(R::API.name())))
                }
                Err(error) => Err(error),
            };
            outcome.inspect_err(|error| self.unlearn(route, node, error))
        };
        self.while_open(attempt).await.flatten()
    }

    /// Makes one attempt at a request, and looks at nothing that the reply says.
    ///
    /// # Errors
    /// Those of [`Cluster::call_with`], and why there is nobody to ask.
    ///
    /// # Cancel safety
    /// As of [`Cluster::call_routed`].
    #[cfg(feature = "unstable-wire")]
    pub(crate) async fn call_raw<R: Request>(
        &self,
        route: &Route,
        lane: Lane,
        deadline: Instant,
        request: &R,
    ) -> Result<Reply<R>> {
        let attempt = async {
            let node = self.node(route, lane, deadline).await?;
            let attempt = deadline.min(runtime::now() + self.config().request_timeout);
            let reply = self.exchange::<R, &R>(node, lane, attempt, |_| request).await;
            reply.inspect_err(|error| self.unlearn(route, node, error))
        };
        self.while_open(attempt).await.flatten()
    }

    pub(super) async fn node(&self, route: &Route, lane: Lane, deadline: Instant) -> Result<Node> {
        match route {
            Route::Any if !self.config().asks_controllers() => self.any_node(lane, deadline).await,
            Route::Broker(id) => {
                let view = self.known(deadline).await?;
                match view.broker(*id) {
                    Some(_) => Ok(Node::Broker(*id)),
                    None => {
                        self.request_refresh();
                        Err(Error::broker(ErrorCode::BROKER_NOT_AVAILABLE)
                            .with_context(format_args!("the cluster names no broker {id}")))
                    }
                }
            }
            Route::Any | Route::Controller => {
                let view = self.known(deadline).await?;
                match view.controller {
                    Some(controller) => Ok(Node::Broker(controller)),
                    // A broker forwards, a controller that is not active refuses.
                    None if self.config().asks_controllers() => {
                        self.request_refresh();
                        Err(Error::new(ErrorKind::NoMetadata, "no controller is active"))
                    }
                    None => self.any_node(lane, deadline).await,
                }
            }
            Route::Coordinator(key) => Ok(Node::Broker(self.coordinator(key, deadline).await?)),
            Route::Leader(partition) => self.leader(partition).map(Node::Broker),
        }
    }

    /// The leader of a partition, by the newest view.
    pub(super) fn leader(&self, partition: &TopicPartition) -> Result<BrokerId> {
        let view = self.view();
        let Some(topic) = view.topic(&partition.topic) else {
            return Err(Error::new(ErrorKind::NoMetadata, "the topic is not known yet"));
        };
        let code = match (topic.error, topic.partition(partition.partition)) {
            (Some(code), _) => code,
            (None, None) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            (None, Some(found)) => match found.leader {
                Some(leader) => return Ok(leader),
                None => found.error.unwrap_or(ErrorCode::LEADER_NOT_AVAILABLE),
            },
        };
        self.request_refresh();
        Err(Error::broker(code))
    }

    /// The view, once there is one.
    async fn known(&self, deadline: Instant) -> Result<std::sync::Arc<super::ClusterView>> {
        let view = self.view();
        if view.version > 0 {
            return Ok(view);
        }
        self.request_refresh();
        self.wait_for_view(deadline, |view| view.version > 0).await
    }

    /// A node to which a lane is open, the least busy; else the first that can be connected to: one
    /// that does not answer costs a moment.
    ///
    /// Java's `NetworkClient.leastLoadedNode`, but that it waits for the connection of its choice,
    /// where this tries the next beside it.
    ///
    /// # Errors
    /// Why none can be connected to.
    pub(super) async fn any_node(&self, lane: Lane, deadline: Instant) -> Result<Node> {
        let pool = &self.inner.pool;
        let nodes = self.nodes_best_first(lane);
        if let Some(node) = nodes.first().filter(|node| pool.load(**node, lane).is_some()) {
            return Ok(*node);
        }
        let attempt = |node| async move {
            let address = self.address(node)?;
            self.connect(node, lane, &address, deadline).await?;
            Ok(node)
        };
        let is_final = |error: &Error| error.kind() == ErrorKind::Authentication;
        hedge::first(nodes, CONNECT_HEDGE_DELAY, attempt, is_final)
            .await
            .map_err(task::most_telling)
    }

    /// All that may be asked what any broker knows: those to which a lane is open before others,
    /// the idlest first, and brokers before bootstrap addresses, which come in as all known brokers
    /// may have been replaced (KIP-899). Chance decides between equals, or all clients that start
    /// together would go to the same broker.
    pub(super) fn nodes_best_first(&self, lane: Lane) -> Vec<Node> {
        let pool = &self.inner.pool;
        let view = self.view();
        let may_rebootstrap =
            self.config().metadata_recovery_strategy == MetadataRecoveryStrategy::Rebootstrap;
        let addresses =
            if may_rebootstrap || view.brokers.is_empty() { self.inner.bootstrap.len() } else { 0 };
        let mut random = self.random();
        let rank = |node: Node| {
            let load = pool.load(node, lane);
            let is_bootstrap = matches!(node, Node::Bootstrap(_));
            (load.is_none(), is_bootstrap, load, !pool.is_available(node), random.next_u64(), node)
        };
        let nodes = view
            .brokers
            .keys()
            .copied()
            .map(Node::Broker)
            .chain((0..addresses).map(Node::Bootstrap));
        let mut nodes: Vec<_> = nodes.map(rank).collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(.., node)| node).collect()
    }

    /// The broker that coordinates a group, asked for if it is not known.
    ///
    /// # Errors
    /// At the deadline, why no coordinator was found; at once if the answer is final (such as
    /// GROUP_AUTHORIZATION_FAILED).
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn coordinator(
        &self,
        key: &CoordinatorKey,
        deadline: Instant,
    ) -> Result<BrokerId> {
        let mut retries = self.retries(deadline);
        loop {
            let known = self.lock_coordinators().get(key);
            if let Some(known) = known {
                return Ok(known);
            }
            let found =
                self.while_open(self.find_coordinators(std::slice::from_ref(key), deadline)).await;
            let error = match found.flatten().map(|answers| answers.into_iter().next()) {
                Ok(Some((_, Ok(broker)))) => return Ok(broker),
                Ok(Some((_, Err(error)))) | Err(error) => error,
                Ok(None) => {
                    return Err(Error::new(ErrorKind::Protocol, "the reply names no coordinator"));
                }
            };
            let Some(pause) = retries.pause().filter(|_| error.class() == Class::Retriable) else {
                return Err(match error.code() {
                    Some(_) => error.with_context(format_args!("{} {:?}", key.what(), key.name())),
                    None => error,
                });
            };
            debug!(%error, key = key.name(), "no coordinator yet");
            pause.await?;
        }
    }

    /// Asks once for the coordinators of keys of one kind.
    pub(super) async fn find_coordinators(
        &self,
        keys: &[CoordinatorKey],
        deadline: Instant,
    ) -> Result<Vec<(CoordinatorKey, Result<BrokerId>)>> {
        self.known(deadline).await?;
        let attempt = deadline.min(runtime::now() + self.config().request_timeout);
        let node = self.any_node(Lane::Control, attempt).await?;
        let answers = rpc::ask_coordinators(self, node, keys, attempt).await?;
        let mut found = Vec::with_capacity(answers.len());
        for (key, answer) in answers {
            let answer = match answer {
                Ok(broker) => self.learn_coordinator(&key, &broker, attempt).await,
                Err(error) => Err(error),
            };
            found.push((key, answer));
        }
        Ok(found)
    }

    async fn learn_coordinator(
        &self,
        key: &CoordinatorKey,
        broker: &Broker,
        deadline: Instant,
    ) -> Result<BrokerId> {
        if self.view().broker(broker.id).is_none_or(|known| known.address != broker.address) {
            // It may have joined since metadata was asked for. Its address comes with the next
            // refresh.
            self.request_refresh();
            self.wait_for_view(deadline, |view| view.broker(broker.id).is_some()).await?;
        }
        self.lock_coordinators().learn(key.clone(), broker.id);
        Ok(broker.id)
    }

    /// The coordinator that was found last, if one was.
    pub(crate) fn known_coordinator(&self, key: &CoordinatorKey) -> Option<BrokerId> {
        self.lock_coordinators().get(key)
    }

    /// A reply has shown that a broker does not coordinate this any more.
    pub(crate) fn coordinator_moved(&self, key: &CoordinatorKey, broker: BrokerId) {
        self.lock_coordinators().forget(key, broker);
    }

    /// Forgets what an error has shown to be wrong.
    pub(super) fn unlearn(&self, route: &Route, node: Node, error: &Error) {
        let unreachable = matches!(
            error.kind(),
            ErrorKind::Connect | ErrorKind::Disconnected | ErrorKind::Timeout
        );
        if let (Route::Coordinator(key), Node::Broker(broker)) = (route, node)
            && (unreachable || error.code().is_some_and(ErrorCode::needs_coordinator_lookup))
        {
            self.coordinator_moved(key, broker);
        }
        if unreachable || error.code().is_some_and(ErrorCode::needs_metadata_refresh) {
            self.request_refresh();
        }
    }
}
