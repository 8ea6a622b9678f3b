//! The brokers of a cluster.

use std::collections::BTreeSet;

use super::{AclOperation, Admin, acls, check, non_negative};
use crate::cluster::{CONTROLLER, Route};
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::BrokerId;
use crate::wire::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use crate::wire::messages::metadata::MetadataResponse;
use crate::wire::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use crate::wire::messages::unregister_controller::{
    UnregisterControllerRequest, UnregisterControllerResponse,
};

/// Java's `EndpointType.BROKER`.
const BROKER: i8 = 1;

/// The description of a cluster and its brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller. On KRaft it is some broker, which forwards requests to the controller; the
    /// active controller, if controllers are asked.
    pub controller: Option<BrokerId>,
    /// The live brokers, by id; the controllers, if those are asked
    /// ([`ClientConfig::bootstrap_controllers`](crate::ClientConfig::bootstrap_controllers)).
    pub brokers: Vec<BrokerDescription>,
    /// The operations the client may perform on the cluster, if the broker tells (2.8 and newer).
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerDescription {
    /// The broker's id.
    pub id: BrokerId,
    /// The broker's advertised address.
    pub address: BrokerAddress,
    /// The broker's rack (`broker.rack`).
    pub rack: Option<String>,
    /// Whether the broker is registered but fenced; `None` if that was not requested.
    pub is_fenced: Option<bool>,
}

impl Admin {
    /// Describes the cluster and its brokers.
    ///
    /// # Errors
    /// The last failure, of the class [`Class::Retriable`](crate::Class::Retriable), if no broker
    /// answered in time.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription> {
        let this = self.begun();
        match this.nodes(false).await {
            // Before 2.8 only Metadata knows the brokers.
            Err(error)
                if error.kind() == ErrorKind::Unsupported
                    && !this.cluster.config().asks_controllers() =>
            {
                this.metadata(Some(Vec::new()), from_metadata).await
            }
            answered => answered,
        }
    }

    /// Describes all registered brokers, including those that are down or not ready (KIP-1073).
    ///
    /// # Errors
    /// - [`ErrorKind::Unsupported`] before Kafka 4.0.
    /// - The last failure, of the class [`Class::Retriable`](crate::Class::Retriable), if no broker
    ///   answered in time.
    pub async fn describe_registered_brokers(&self) -> Result<Vec<BrokerDescription>> {
        self.nodes(true).await.map(|cluster| cluster.brokers)
    }

    /// Unregisters a broker that will not come back.
    ///
    /// # Errors
    /// - [`BROKER_ID_NOT_REGISTERED`](crate::ErrorCode::BROKER_ID_NOT_REGISTERED).
    /// - [`ErrorKind::Unsupported`] on ZooKeeper.
    pub async fn unregister_broker(&self, id: impl Into<BrokerId>) -> Result<()> {
        let id = id.into();
        let request = |_| UnregisterBrokerRequest { broker_id: id.0 };
        let read = |response: &UnregisterBrokerResponse<'_>| {
            check(response.error_code, response.error_message)
        };
        self.change(Route::Any, request, read)
            .await
            .map_err(|error| error.with_context(format_args!("broker {id}")))
    }

    /// Unregisters a controller that will not come back, so that its features do not limit those of
    /// the cluster any more (KIP-1312). One that still runs registers again, and may have missed a
    /// feature by then.
    ///
    /// # Errors
    /// - [`CONTROLLER_ID_NOT_REGISTERED`](crate::ErrorCode::CONTROLLER_ID_NOT_REGISTERED).
    /// - [`ErrorKind::Unsupported`] before Kafka 4.4.
    pub async fn unregister_controller(&self, id: impl Into<BrokerId>) -> Result<()> {
        let id = id.into();
        let request = |_| UnregisterControllerRequest { controller_id: id.0 };
        let read = |response: &UnregisterControllerResponse<'_>| {
            check(response.error_code, response.error_message)
        };
        self.change(Route::Any, request, read)
            .await
            .map_err(|error| error.with_context(format_args!("controller {id}")))
    }

    async fn nodes(&self, also_fenced: bool) -> Result<ClusterDescription> {
        let asks_controllers = self.cluster.config().asks_controllers();
        let request = |_| DescribeClusterRequest {
            endpoint_type: if asks_controllers { CONTROLLER } else { BROKER },
            include_cluster_authorized_operations: true,
            include_fenced_brokers: also_fenced,
        };
        let read = |response: &DescribeClusterResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let brokers = response.brokers.iter().map(|found| {
                let broker = broker(found.broker_id, found.host, found.port, found.rack)?;
                Ok(BrokerDescription {
                    is_fenced: also_fenced.then_some(found.is_fenced),
                    ..broker
                })
            });
            Ok(ClusterDescription {
                cluster_id: Some(response.cluster_id.to_owned()),
                controller: non_negative(response.controller_id),
                brokers: by_id(brokers.collect::<Result<_>>()?),
                authorized_operations: acls::operations(response.cluster_authorized_operations),
            })
        };
        self.ask(Route::Any, request, read).await
    }
}

fn from_metadata(response: &MetadataResponse<'_>) -> Result<ClusterDescription> {
    let brokers = response
        .brokers
        .iter()
        .map(|found| broker(found.node_id, found.host, found.port, found.rack));
    Ok(ClusterDescription {
        cluster_id: response.cluster_id.map(str::to_owned),
        controller: non_negative(response.controller_id),
        brokers: by_id(brokers.collect::<Result<_>>()?),
        authorized_operations: acls::operations(response.cluster_authorized_operations),
    })
}

fn broker(id: i32, host: &str, port: i32, rack: Option<&str>) -> Result<BrokerDescription> {
    let port = u16::try_from(port)
        .map_err(|_| Error::new(ErrorKind::Protocol, format!("broker {id} has the port {port}")))?;
    Ok(BrokerDescription {
        id: BrokerId(id),
        address: BrokerAddress::new(host, port),
        rack: rack.map(str::to_owned),
        is_fenced: None,
    })
}

fn by_id(mut brokers: Vec<BrokerDescription>) -> Vec<BrokerDescription> {
    brokers.sort_by_key(|broker| broker.id);
    brokers
}
