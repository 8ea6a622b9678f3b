//! What happens, as the hooks of the program are told of it.

use super::{AssignmentChange, ConnectionEvent, ConsumerEvent, ProducerEvent};
use crate::config::BrokerAddress;
use crate::hooks::{
    BatchCompleted, ConnectFailed, Connected, Disconnected, HookCaller, PartitionsChanged,
    RequestAnswered, RequestSent,
};
use crate::ids::BrokerId;

impl HookCaller {
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_connection(
        &self,
        broker: Option<BrokerId>,
        address: &BrokerAddress,
        event: ConnectionEvent<'_>,
    ) {
        match event {
            // What comes of it is told.
            ConnectionEvent::Attempted => {}
            ConnectionEvent::Opened { took } => {
                self.call(|hooks| hooks.connected(&Connected { broker, address, took }));
            }
            ConnectionEvent::Failed { took, error } => {
                let event = ConnectFailed { broker, address, took, error };
                self.call(|hooks| hooks.connect_failed(&event));
            }
            ConnectionEvent::Closed { reason } => {
                self.call(|hooks| hooks.disconnected(&Disconnected { broker, address, reason }));
            }
            ConnectionEvent::Sent { api, bytes } => {
                self.call(|hooks| hooks.request_sent(&RequestSent { broker, address, api, bytes }));
            }
            ConnectionEvent::Received { api, bytes, took } => {
                let event = RequestAnswered { broker, address, api, bytes, took };
                self.call(|hooks| hooks.request_answered(&event));
            }
        }
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_producer(&self, event: ProducerEvent<'_>) {
        match event {
            ProducerEvent::BatchResolved {
                partition: Some(partition),
                records,
                size,
                result,
                record_errors,
                ..
            } => {
                let event = BatchCompleted { partition, records, size, result, record_errors };
                self.call(|hooks| hooks.batch_completed(&event));
            }
            // Requests and pauses are told of for every API.
            ProducerEvent::RequestSent { .. }
            | ProducerEvent::RequestAnswered { .. }
            // What comes of it is told.
            | ProducerEvent::BatchClosed { .. }
            | ProducerEvent::BatchSent { .. }
            | ProducerEvent::BatchRetried { .. }
            | ProducerEvent::BatchSplit
            | ProducerEvent::BatchResolved { partition: None, .. }
            | ProducerEvent::BatchFailed { .. }
            | ProducerEvent::TransactionBegun
            | ProducerEvent::TransactionEnded { .. }
            | ProducerEvent::TransactionRetried
            | ProducerEvent::LingerChosen { .. } => {}
        }
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_consumer(&self, event: ConsumerEvent<'_>) {
        match event {
            ConsumerEvent::Rebalancing { group, change, partitions } => {
                let event = PartitionsChanged { group, partitions };
                self.call(|hooks| match change {
                    AssignmentChange::Assigned => hooks.partitions_assigned(&event),
                    AssignmentChange::Revoked => hooks.partitions_revoked(&event),
                    AssignmentChange::Lost => hooks.partitions_lost(&event),
                });
            }
            ConsumerEvent::Fetched { .. }
            | ConsumerEvent::Delivered { .. }
            | ConsumerEvent::Lagging { .. }
            | ConsumerEvent::Left { .. } => {}
        }
    }
}
