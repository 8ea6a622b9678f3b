//! Offsets that a world commits in a transaction.

use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    FindCoordinatorRequest, InitProducerIdRequest, ProducerId, TransactionalId,
    TxnOffsetCommitRequest,
};

use super::world::{World, error, rest, text};

impl World {
    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(text(&self.group))
    }

    /// Gets a producer for the world.
    pub(super) async fn begin_transactions(&mut self) {
        let find =
            FindCoordinatorRequest::default().with_key_type(1).with_key(self.transactional_id().0);
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.transactional_id()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        loop {
            let found = self.client.call(&find, 3).await.error_code;
            let made = self.client.call(&init, 4).await;
            if (found, made.error_code) == (0, 0) {
                self.producer = (made.producer_id.0, made.producer_epoch);
                return;
            }
            rest(200).await;
        }
    }

    /// Commits for partitions of `t`, as the newest protocol of transactions has it; gives the
    /// answer for each.
    pub(super) async fn commit_in_transaction(
        &mut self,
        member: &str,
        epoch: i32,
        partitions: &[i32],
    ) -> String {
        let wanted = partitions.iter().map(|partition| {
            TxnOffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(7)
        });
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(self.topic("t"))
            .with_partitions(wanted.collect());
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_group_id(self.group())
            .with_producer_id(ProducerId(self.producer.0))
            .with_producer_epoch(self.producer.1)
            .with_member_id(text(member))
            .with_generation_id(epoch)
            .with_topics(vec![topic]);
        let response = self.client.call(&request, 5).await;
        let mut answers = response.topics[0].partitions.clone();
        answers.sort_by_key(|one| one.partition_index);
        let answers: Vec<String> = answers.iter().map(|one| error(one.error_code)).collect();
        answers.join(", ")
    }
}
