//! Where a request goes, and another try when it came to the wrong place.

use std::time::Instant;

use tracing::debug;

use super::coordinators::CoordinatorKey;
use super::pool::Node;
use super::view::Broker;
use super::{Cluster, Lane, rpc};
use crate::error::{Class, Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, TopicPartition};
use crate::runtime;
use crate::wire::call::{Reply, Request};

/// Who must be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// Any broker.
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

impl Cluster {
    /// Sends a request where it belongs and tries again, by `retry.backoff.ms`, while it fails for a reason that may pass.
    ///
    /// `code` finds the error of a reply as a whole, if it has one; a retriable one is tried again at the place that is right
    /// by then.
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
        let backoff = self.retry_backoff();
        let mut random = self.random();
        let mut failures = 0;
        loop {
            let error = match self.call_once(route, lane, deadline, &request, &code).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            failures += 1;
            let again = runtime::now() + backoff.after(failures, &mut random);
            if error.class() != Class::Retriable || again >= deadline {
                return Err(error);
            }
            debug!(%error, failures, api = R::API.name(), "trying again");
            runtime::sleep_until(again).await;
        }
    }

    async fn call_once<R: Request>(
        &self,
        route: &Route,
        lane: Lane,
        deadline: Instant,
        request: &impl Fn(i16) -> R,
        code: &impl for<'a> Fn(&R::Response<'a>) -> Option<ErrorCode>,
    ) -> Result<Reply<R>> {
        let node = self.node(route, lane, deadline).await?;
        let attempt = deadline.min(runtime::now() + self.config().request_timeout);
        let outcome = match self.exchange::<R, R>(node, lane, attempt, request).await {
            Ok(reply) => {
                let code = code(&reply.parse()?);
                code.map_or(Ok(reply), |code| Err(Error::broker(code).in_api(R::API.name())))
            }
            Err(error) => Err(error),
        };
        outcome.inspect_err(|error| self.unlearn(route, node, error))
    }

    pub(super) async fn node(&self, route: &Route, lane: Lane, deadline: Instant) -> Result<Node> {
        match route {
            Route::Any => Ok(self.any_node(lane)),
            Route::Broker(id) => {
                let view = self.known(deadline).await?;
                match view.broker(*id) {
                    Some(_) => Ok(Node::Broker(*id)),
                    None => {
                        self.request_refresh();
                        Err(Error::broker(ErrorCode::BROKER_NOT_AVAILABLE)
                            .context(format_args!("the cluster names no broker {id}")))
                    }
                }
            }
            Route::Controller => {
                let view = self.known(deadline).await?;
                Ok(view.controller.map_or_else(|| self.any_node(lane), Node::Broker))
            }
            Route::Coordinator(key) => Ok(Node::Broker(self.coordinator(key, deadline).await?)),
            Route::Leader(partition) => self.leader(partition).map(Node::Broker),
        }
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

    /// The broker that can be reached and is the least busy on a lane, or a bootstrap address while none is known.
    pub(super) fn any_node(&self, lane: Lane) -> Node {
        let view = self.view();
        let brokers = view.brokers.keys().copied().map(Node::Broker);
        let bootstrap = (0..self.inner.bootstrap.len()).map(Node::Bootstrap);
        let pool = &self.inner.pool;
        let usable: Vec<Node> = brokers.clone().filter(|node| pool.is_available(*node)).collect();
        let idlest = usable.iter().filter_map(|node| Some((pool.load(*node, lane)?, *node))).min();
        if let Some((_, node)) = idlest {
            return node;
        }
        let candidates: Vec<Node> = match usable.is_empty() {
            false => usable,
            true => bootstrap.chain(brokers).collect(),
        };
        let pick = self.random().below(u64::try_from(candidates.len()).unwrap_or(1));
        candidates.get(usize::try_from(pick).unwrap_or(0)).copied().unwrap_or(Node::Bootstrap(0))
    }

    /// The broker that coordinates a group, asked for if it is not known.
    ///
    /// # Errors
    /// At the deadline, why no coordinator was found; at once if the answer is final (such as GROUP_AUTHORIZATION_FAILED).
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn coordinator(&self, key: &CoordinatorKey, deadline: Instant) -> Result<BrokerId> {
        let backoff = self.retry_backoff();
        let mut random = self.random();
        let mut failures = 0;
        loop {
            let known = self.lock_coordinators().get(key);
            if let Some(known) = known {
                return Ok(known);
            }
            let found = self.find_coordinators(std::slice::from_ref(key), deadline).await;
            let error = match found.map(|answers| answers.into_iter().next()) {
                Ok(Some((_, Ok(broker)))) => return Ok(broker),
                Ok(Some((_, Err(error)))) | Err(error) => error,
                Ok(None) => return Err(Error::new(ErrorKind::Protocol, "the reply names no coordinator")),
            };
            failures += 1;
            let again = runtime::now() + backoff.after(failures, &mut random);
            if error.class() != Class::Retriable || again >= deadline {
                return Err(error);
            }
            debug!(%error, key = key.name(), "no coordinator yet");
            runtime::sleep_until(again).await;
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
        let node = self.any_node(Lane::Control);
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

    async fn learn_coordinator(&self, key: &CoordinatorKey, broker: &Broker, deadline: Instant) -> Result<BrokerId> {
        if self.view().broker(broker.id).is_none_or(|known| known.address != broker.address) {
            // It may have joined since metadata was asked for. Its address comes with the next refresh.
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
        let unreachable = matches!(error.kind(), ErrorKind::Connect | ErrorKind::Disconnected | ErrorKind::Timeout);
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
