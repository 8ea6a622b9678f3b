//! What administration and producers ask of the world.

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AlterShareGroupOffsetsRequest, DeleteGroupsRequest,
    DeleteRecordsRequest, DeleteShareGroupOffsetsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeShareGroupOffsetsRequest, EndTxnRequest,
    FindCoordinatorRequest, InitProducerIdRequest, ListGroupsRequest, ProducerId,
    ShareGroupDescribeRequest, TransactionalId,
};

use super::world::{World, batch, error, rest, text};
use crate::embedded::api::newer::describe_share_group_offsets::DescribeShareOffsets;

const TRANSACTIONAL: i16 = 1 << 4;

impl World {
    pub(super) async fn delete_records(&mut self, below: i64) {
        let partition =
            DeleteRecordsPartition::default().with_partition_index(0).with_offset(below);
        let topic = DeleteRecordsTopic::default()
            .with_name(self.name("t"))
            .with_partitions(vec![partition]);
        let request =
            DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let deleted = self.client.call(&request, 2).await;
        assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    }

    pub(super) async fn delete_topic(&mut self) {
        let topic = DeleteTopicState::default().with_name(Some(self.name("t")));
        let request =
            DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        assert_eq!(self.client.call(&request, 6).await.responses[0].error_code, 0);
        rest(1000).await;
    }

    pub(super) async fn describe(&mut self) -> String {
        let request = ShareGroupDescribeRequest::default().with_group_ids(vec![self.group()]);
        let group = self.client.call(&request, 1).await.groups[0].clone();
        if group.error_code != 0 {
            return error(group.error_code);
        }
        let members = group.members.iter().map(|member| {
            let partitions =
                member.assignment.topic_partitions.iter().map(|topic| &topic.partitions);
            format!(
                ", {} at {} has {:?}",
                member.member_id,
                member.member_epoch,
                partitions.collect::<Vec<_>>()
            )
        });
        format!(
            "{} {}/{} {}{}",
            &*group.group_state,
            group.group_epoch,
            group.assignment_epoch,
            &*group.assignor_name,
            members.collect::<String>()
        )
    }

    pub(super) async fn listed(&mut self) -> String {
        let request = ListGroupsRequest::default().with_types_filter(vec![text("Share")]);
        let listed = self.client.call(&request, 5).await;
        let found = listed.groups.iter().find(|group| group.group_id == self.group());
        found.map_or("not".to_owned(), |group| {
            format!("{} {} {}", &*group.protocol_type, &*group.group_state, &*group.group_type)
        })
    }

    pub(super) async fn described_as_classic(&mut self) -> String {
        let request = DescribeGroupsRequest::default().with_groups(vec![self.group()]);
        let group = self.client.call(&request, 6).await.groups[0].clone();
        format!("{} {}", error(group.error_code), &*group.group_state)
    }

    pub(super) async fn delete_group(&mut self) -> String {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![self.group()]);
        error(self.client.call(&request, 2).await.results[0].error_code)
    }

    /// Where the group stands in `t`: error, or start offset, lag and leader epoch.
    pub(super) async fn standing(&mut self) -> String {
        let topic = DescribeShareGroupOffsetsRequestTopic::default()
            .with_topic_name(self.name("t"))
            .with_partitions(vec![0]);
        self.stands(Some(vec![topic])).await
    }

    /// Where it stands in everything.
    pub(super) async fn standings(&mut self) -> String {
        self.stands(None).await
    }

    async fn stands(
        &mut self,
        topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>>,
    ) -> String {
        let group = DescribeShareGroupOffsetsRequestGroup::default()
            .with_group_id(self.group())
            .with_topics(topics);
        let request = DescribeShareOffsets(
            DescribeShareGroupOffsetsRequest::default().with_groups(vec![group]),
        );
        let reply = self.client.call(&request, 1).await;
        let group = reply.response.groups[0].clone();
        if group.error_code != 0 {
            return error(group.error_code);
        }
        let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
        let told: Vec<String> = partitions
            .zip(&reply.lags)
            .map(|(one, lag)| {
                if one.error_code != 0 {
                    return error(one.error_code);
                }
                format!(
                    "{}: {} lag {lag} leader {}",
                    one.partition_index, one.start_offset, one.leader_epoch
                )
            })
            .collect();
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
    }

    pub(super) async fn set_start(&mut self, start: i64) -> String {
        let partition = AlterShareGroupOffsetsRequestPartition::default()
            .with_partition_index(0)
            .with_start_offset(start);
        let unknown = AlterShareGroupOffsetsRequestPartition::default().with_partition_index(7);
        let topic = AlterShareGroupOffsetsRequestTopic::default()
            .with_topic_name(self.name("t"))
            .with_partitions(vec![partition, unknown]);
        let request = AlterShareGroupOffsetsRequest::default()
            .with_group_id(self.group())
            .with_topics(vec![topic]);
        let reply = self.client.call(&request, 0).await;
        if reply.error_code != 0 {
            return error(reply.error_code);
        }
        let partitions = reply.responses.iter().flat_map(|topic| &topic.partitions);
        let mut told: Vec<String> = partitions
            .map(|one| format!("{} {}", one.partition_index, error(one.error_code)))
            .collect();
        told.sort();
        told.join(", ")
    }

    pub(super) async fn forget_topic(&mut self) -> String {
        let topic = DeleteShareGroupOffsetsRequestTopic::default().with_topic_name(self.name("t"));
        let request = DeleteShareGroupOffsetsRequest::default()
            .with_group_id(self.group())
            .with_topics(vec![topic]);
        let reply = self.client.call(&request, 0).await;
        if reply.error_code != 0 {
            return error(reply.error_code);
        }
        reply.responses.iter().map(|one| error(one.error_code)).collect::<Vec<_>>().join(", ")
    }

    /// The settings of share groups, a line each.
    pub(super) async fn configs(&mut self) -> Vec<String> {
        const GROUP: i8 = 32;
        let resource = DescribeConfigsResource::default()
            .with_resource_type(GROUP)
            .with_resource_name(text(&self.group))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let result = self.client.call(&request, 4).await.results[0].clone();
        let mut lines: Vec<String> = result
            .configs
            .iter()
            .filter(|config| config.name.starts_with("share."))
            .map(|config| {
                let value = config.value.as_deref().unwrap_or_default();
                let is_set = config.config_source == 8;
                format!("{} {value}{}", &*config.name, if is_set { " set" } else { "" })
            })
            .collect();
        lines.sort();
        lines
    }

    /// A transaction of so many records, which is committed or aborted, or stays open.
    pub(super) async fn transact(&mut self, count: usize, committed: Option<bool>) {
        let producer = self.begin().await;
        let attributes = TRANSACTIONAL;
        let topic =
            AddPartitionsToTxnTopic::default().with_name(self.name("t")).with_partitions(vec![0]);
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id())
            .with_v3_and_below_producer_id(ProducerId(producer.0))
            .with_v3_and_below_producer_epoch(producer.1)
            .with_v3_and_below_topics(vec![topic]);
        loop {
            let added = self.client.call(&add, 3).await;
            let code =
                added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
            if code == 0 {
                break;
            }
            rest(100).await;
        }
        let partition = kafka_protocol::messages::produce_request::PartitionProduceData::default()
            .with_index(0)
            .with_records(Some(batch((producer.0, producer.1, 0), attributes, count)));
        let topic = kafka_protocol::messages::produce_request::TopicProduceData::default()
            .with_name(self.name("t"))
            .with_partition_data(vec![partition]);
        let request = kafka_protocol::messages::ProduceRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_acks(-1)
            .with_timeout_ms(1000)
            .with_topic_data(vec![topic]);
        let produced = self.client.call(&request, 9).await;
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
        if let Some(committed) = committed {
            self.end(producer, committed).await;
        }
    }

    /// Ends the transaction that is open.
    pub(super) async fn end_transaction(&mut self, committed: bool) {
        let producer = self.producer;
        self.end(producer, committed).await;
    }

    async fn end(&mut self, producer: (i64, i16), committed: bool) {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_committed(committed);
        assert_eq!(self.client.call(&request, 3).await.error_code, 0);
        rest(500).await;
    }

    async fn begin(&mut self) -> (i64, i16) {
        loop {
            let find =
                FindCoordinatorRequest::default().with_key_type(1).with_key(text(&self.group));
            let init = InitProducerIdRequest::default()
                .with_transactional_id(Some(self.id()))
                .with_transaction_timeout_ms(60_000);
            if self.client.call(&find, 3).await.error_code == 0 {
                let begun = self.client.call(&init, 4).await;
                if begun.error_code == 0 {
                    self.producer = (begun.producer_id.0, begun.producer_epoch);
                    return self.producer;
                }
            }
            rest(200).await;
        }
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(text(&self.group))
    }
}
