//! The Kafka protocol itself: requests and responses as Kafka's schemas define them, for what this
//! crate has no call for ([`Client::request`](crate::Client::request)).
//!
//! **No promise of semantic versioning holds here.** The messages are made from the schemas of one
//! Kafka release, and any release of this crate may be made from newer ones, with more fields:
//! build requests with `..Default::default()`, and pin the version of this crate.
//!
//! A struct serves all versions of a message; a field that a version lacks keeps its default there.
//! What a field means is told in Kafka's [list of messages], in the same words. Nobody keeps a
//! request from disturbing what the client does itself, such as LeaveGroup of a consumer's member.
//!
//! ```no_run
//! # async fn example(client: kavka::Client) -> kavka::Result<()> {
//! use kavka::unstable::{Target, messages::describe_cluster::DescribeClusterRequest};
//!
//! let request = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
//! let reply = client.request(Target::Any, &request).await?;
//! println!("{:?}, in version {}", reply.parse()?.cluster_id, reply.version());
//! # Ok(())
//! # }
//! ```
//!
//! [list of messages]: https://kafka.apache.org/protocol#protocol_messages

use crate::cluster::{CoordinatorKey, Route};
use crate::ids::BrokerId;

pub use crate::ids::Uuid;
pub use crate::wire::call::{Reply, Request};
pub use crate::wire::messages::{self, ApiKey};

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target<'a> {
    /// Any broker: one that the client is connected to, the least busy.
    Any,
    /// The controller, or on KRaft the broker that forwards to it.
    Controller,
    /// This broker.
    Broker(BrokerId),
    /// The coordinator of a group, share groups included.
    GroupCoordinator(&'a str),
    /// The coordinator of a `transactional.id`.
    TransactionCoordinator(&'a str),
}

impl Target<'_> {
    pub(crate) fn route(self) -> Route {
        match self {
            Self::Any => Route::Any,
            Self::Controller => Route::Controller,
            Self::Broker(id) => Route::Broker(id),
            Self::GroupCoordinator(id) => Route::Coordinator(CoordinatorKey::group(id)),
            Self::TransactionCoordinator(id) => Route::Coordinator(CoordinatorKey::transaction(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use kavka_testcontainers::embedded::{self, EmbeddedCluster, Fault, Reaction};

    use super::messages::describe_groups::DescribeGroupsRequest;
    use super::messages::heartbeat::HeartbeatRequest;
    use super::messages::metadata::MetadataRequest;
    use super::*;
    use crate::client::Client;
    use crate::config::ClientConfig;
    use crate::error::{ErrorCode, ErrorKind};
    use crate::net::InMemory;

    async fn brokers() -> EmbeddedCluster {
        let builder = EmbeddedCluster::builder().brokers(3).in_memory().topic("t", 2, 1);
        builder.start().await.unwrap()
    }

    fn client(embedded: &EmbeddedCluster) -> Client {
        let config = ClientConfig::new(embedded.bootstrap_servers());
        Client::new(config.connector(InMemory(embedded.clone())).seed(1)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_goes_to_whom_it_is_meant_for_and_its_reply_comes_as_it_is() {
        let embedded = brokers().await;
        let client = client(&embedded);
        let everything = MetadataRequest { topics: None, ..MetadataRequest::default() };
        for target in [Target::Any, Target::Controller, Target::Broker(BrokerId(3))] {
            embedded.clear_requests();
            let reply = client.request(target, &everything).await.unwrap();
            let response = reply.parse().unwrap();
            let names: Vec<_> = response.topics.iter().filter_map(|topic| topic.name).collect();
            assert_eq!((names, response.brokers.len()), (vec!["t"], 3), "{target:?}");
            let seen = embedded.requests_of(embedded::ApiKey::Metadata);
            assert_eq!(seen.last().unwrap().version, reply.version());
            if target != Target::Any {
                assert_eq!(reply.broker(), Some(BrokerId(seen.last().unwrap().broker)));
            }
            if let Target::Broker(id) = target {
                assert_eq!(reply.broker(), Some(id));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_is_found_and_its_error_is_left_to_the_caller() {
        let embedded = brokers().await;
        let client = client(&embedded);
        let request = HeartbeatRequest { group_id: "g", member_id: "m", ..Default::default() };
        for id in [2, 3] {
            embedded.move_group_coordinator("g", Some(id));
            client.cluster().coordinator_moved(&CoordinatorKey::group("g"), BrokerId(5 - id));
            let reply = client.request(Target::GroupCoordinator("g"), &request).await.unwrap();
            let code = ErrorCode(reply.parse().unwrap().error_code);
            assert_eq!((reply.broker(), code), (Some(BrokerId(id)), ErrorCode::UNKNOWN_MEMBER_ID));
        }
        assert_eq!(
            embedded.requests_of(embedded::ApiKey::Heartbeat).len(),
            2,
            "nothing is retried"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_dropped_midway_holds_up_nothing_else() {
        let embedded = brokers().await;
        let client = client(&embedded);
        let second = std::time::Duration::from_secs(1);
        let delay = Fault::on(embedded::ApiKey::Metadata).nth(2).then(Reaction::Delay(3 * second));
        let metadata = MetadataRequest::default();
        let target = Target::Broker(BrokerId(1));
        client.request(target, &metadata).await.unwrap();
        embedded.fault(delay);
        let dropped = tokio::time::timeout(second, async {
            client.request(target, &metadata).await.unwrap();
            client.request(target, &metadata).await
        });
        assert!(dropped.await.is_err(), "it was under way");
        let reply = client.request(target, &metadata).await.unwrap();
        assert_eq!(reply.parse().unwrap().brokers.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_asked_is_an_error() {
        let embedded = brokers().await;
        let client = client(&embedded);
        let metadata = MetadataRequest::default();
        let kind = async |target| client.request(target, &metadata).await.unwrap_err();
        let unknown = kind(Target::Broker(BrokerId(9))).await;
        assert_eq!(unknown.code(), Some(ErrorCode::BROKER_NOT_AVAILABLE));
        for id in 1..=3 {
            embedded.remove_api(id, embedded::ApiKey::DescribeGroups);
        }
        let request = DescribeGroupsRequest { groups: vec!["g"], ..Default::default() };
        let lacking = client.request(Target::Any, &request).await.unwrap_err();
        assert_eq!(lacking.kind(), ErrorKind::Unsupported);
        embedded.fault(Fault::on(embedded::ApiKey::Metadata).then(Reaction::DropReply));
        let late = kind(Target::Any).await;
        assert_eq!(late.kind(), ErrorKind::Timeout);
        client.clone().close(std::time::Duration::from_secs(1)).await.unwrap();
        assert_eq!(kind(Target::Any).await.kind(), ErrorKind::Closed);
    }
}
