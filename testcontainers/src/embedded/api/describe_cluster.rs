//! DescribeCluster, key 60, versions 0 to 2.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::{Api, Call, owned};
use crate::embedded::ErrorCode;

/// Java's `EndpointType`.
const BROKER: i8 = 1;
const CONTROLLER: i8 = 2;

impl Api for DescribeClusterRequest {
    const SERVED: (i16, i16) = (0, 2);

    async fn handle(self, call: &Call) -> Option<DescribeClusterResponse> {
        let state = call.lock();
        let brokers =
            state.visible_brokers().filter_map(|(id, _)| state.endpoint(id)).map(|node| {
                DescribeClusterBroker::default()
                    .with_broker_id(node.id)
                    .with_host(node.host)
                    .with_port(node.port)
                    .with_rack(node.rack)
            });
        let ours = if state.settings.has_controllers_only { CONTROLLER } else { BROKER };
        let mismatch = (self.endpoint_type != ours).then_some(ErrorCode::MismatchedEndpointType);
        let response = DescribeClusterResponse::default()
            .with_error_code(call.injected_any().or(mismatch).map_or(0, |error| error.code()))
            .with_endpoint_type(self.endpoint_type)
            .with_cluster_id(owned(&state.cluster_id))
            .with_controller_id(BrokerId(state.controller))
            .with_brokers(brokers.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}
