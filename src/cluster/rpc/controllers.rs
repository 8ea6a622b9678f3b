//! Controllers in the place of brokers: what a client knows of a cluster that it administers by its
//! controllers alone (KIP-919; Java's `KafkaAdminClient.makeControllerMetadataCall`).

use std::time::Instant;

use super::super::view::Snapshot;
use super::super::{Cluster, Lane, Node};
use super::{broker, known_broker};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::shown::shown;
use crate::wire::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};

/// Java's `EndpointType.CONTROLLER`.
pub(crate) const CONTROLLER: i8 = 2;

/// Asks one controller for all of them, and which is active.
///
/// # Errors
/// As [`Cluster::exchange`]; of a node that is no such controller
/// [`MISMATCHED_ENDPOINT_TYPE`](ErrorCode::MISMATCHED_ENDPOINT_TYPE) or [`ErrorKind::Unsupported`].
pub(super) async fn ask(cluster: &Cluster, node: Node, deadline: Instant) -> Result<Snapshot> {
    let request = |_| DescribeClusterRequest {
        endpoint_type: CONTROLLER,
        ..DescribeClusterRequest::default()
    };
    let reply =
        cluster.exchange::<DescribeClusterRequest, _>(node, Lane::Control, deadline, request).await;
    let snapshot = reply.and_then(|reply| snapshot(&reply.parse()?));
    snapshot.map_err(|error| match (error.kind(), error.code()) {
        (ErrorKind::Unsupported, _) | (_, Some(ErrorCode::MISMATCHED_ENDPOINT_TYPE)) => error
            .with_context(
                "bootstrap.controllers names a node that is no controller of Kafka 3.7 or later",
            ),
        _ => error,
    })
}

fn snapshot(response: &DescribeClusterResponse<'_>) -> Result<Snapshot> {
    ErrorCode::check(response.error_code)
        .map_err(|code| Error::broker(code).in_api("DescribeCluster"))?;
    let controllers = response
        .brokers
        .iter()
        .map(|found| broker(found.broker_id, found.host, found.port, found.rack));
    Ok(Snapshot {
        cluster_id: Some(shown(response.cluster_id).to_string().into()),
        controller: known_broker(response.controller_id),
        brokers: controllers.collect::<Result<_>>()?,
        topics: Vec::new(),
    })
}
