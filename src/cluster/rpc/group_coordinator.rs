//! The coordinator of one group, and calls to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, CoordinatorKey, Lane};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{TopicId, TopicName};
use crate::runtime;
use crate::wire::call::{Reply, Request};
use crate::wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};

/// Makes the calls of one group's members. Each is one attempt; a coordinator that is not one any
/// more is forgotten.
#[derive(Clone, Debug)]
pub(crate) struct GroupCoordinator {
    pub(crate) cluster: Cluster,
    pub(crate) group: String,
}

impl GroupCoordinator {
    /// Whether it is known who it is. A member that leaves does not look for it, as in Java: its session
    /// ends by itself.
    ///
    /// # Errors
    /// [`ErrorKind::Disconnected`] if it is not.
    pub(crate) fn check_known(&self) -> Result<()> {
        let unknown =
            || Error::new(ErrorKind::Disconnected, "the coordinator is not known any more");
        self.cluster.known_coordinator(&self.key()).map(drop).ok_or_else(unknown)
    }

    /// Asks the coordinator what topics are called: whoever assigns them knows them.
    pub(crate) async fn names_of(
        &self,
        ids: &BTreeSet<TopicId>,
    ) -> Result<BTreeMap<TopicId, TopicName>> {
        let deadline = runtime::now() + self.request_timeout();
        let topic = |id: &TopicId| MetadataRequestTopic { topic_id: (*id).into(), name: None };
        let request = |_| MetadataRequest {
            topics: Some(ids.iter().map(topic).collect()),
            ..MetadataRequest::default()
        };
        let reply: Reply<MetadataRequest<'_>> = self.call(Lane::Control, deadline, request).await?;
        let named = reply.parse()?.topics.into_iter();
        let named =
            named.filter_map(|topic| Some((topic.topic_id.into(), TopicName::from(topic.name?))));
        Ok(named.filter(|(id, _)| ids.contains(id)).collect())
    }

    /// One attempt at the coordinator.
    ///
    /// # Errors
    /// Why it cannot be found or reached.
    pub(crate) async fn call<R: Request>(
        &self,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> R,
    ) -> Result<Reply<R>> {
        self.call_up_to(i16::MAX, lane, deadline, request).await
    }

    /// One attempt at the coordinator, in a version of at most `newest`.
    ///
    /// # Errors
    /// As [`GroupCoordinator::call`].
    pub(crate) async fn call_up_to<R: Request>(
        &self,
        newest: i16,
        lane: Lane,
        deadline: Instant,
        request: impl Fn(i16) -> R,
    ) -> Result<Reply<R>> {
        let key = self.key();
        let found_by = deadline.min(runtime::now() + self.request_timeout());
        let broker = self.cluster.coordinator(&key, found_by).await?;
        self.cluster.call_up_to(newest, broker, lane, deadline, request).await.inspect_err(
            |error| {
                if matches!(
                    error.kind(),
                    ErrorKind::Connect | ErrorKind::Disconnected | ErrorKind::Timeout
                ) {
                    self.cluster.coordinator_moved(&key, broker);
                    self.cluster.request_refresh();
                }
            },
        )
    }

    /// Whether a reply, or a part of it, has this error.
    ///
    /// # Errors
    /// That error.
    pub(crate) fn check<R: Request>(&self, reply: &Reply<R>, code: i16) -> Result<()> {
        let Err(code) = ErrorCode::check(code) else { return Ok(()) };
        if let Some(broker) = reply.broker().filter(|_| code.needs_coordinator_lookup()) {
            self.cluster.coordinator_moved(&self.key(), broker);
        }
        let error = Error::broker(code)
            .in_api(R::API.name())
            .with_context(format_args!("group {:?}", self.group));
        Err(if let Some(broker) = reply.broker() { error.at_broker(broker) } else { error })
    }

    /// How long one attempt may take (`request.timeout.ms`).
    pub(crate) fn request_timeout(&self) -> Duration {
        self.cluster.config().request_timeout
    }

    fn key(&self) -> CoordinatorKey {
        CoordinatorKey::group(&self.group)
    }
}
