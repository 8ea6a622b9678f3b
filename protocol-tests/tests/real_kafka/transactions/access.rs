//! Rights that are taken away while a transaction is open: what it can still do, and what brings it
//! back.

use std::collections::BTreeMap;
use std::time::Duration;

use kavka::admin::{
    AclBinding, AclFilter, AclOperation, PatternType, ResourcePattern, ResourceType,
};
use kavka::{
    Admin, Class, Client, ConsumerGroupMetadata, Error, ErrorCode, ErrorKind, NewTopic, Offset,
    ProducerConfig, Record, TopicPartition, Transaction, TransactionalProducer,
};
use kavka_testcontainers::apache::{Cluster, Config, Security, Version};
use tokio::time::sleep;

use super::read_to_end;
use crate::security::{base, connect, login};
use crate::support::{PATIENCE, client, in_time, sized};

const PRINCIPAL: &str = "User:alice";
const TOPIC: &str = "ledger";
const ID: &str = "teller";
const GROUP: &str = "tellers";

/// How long a transaction stays open that nobody may end.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(5);

/// A cluster whose authorizer lets alice do what she was given leave to.
struct Bank {
    cluster: Cluster,
    /// May do everything.
    all: Client,
    /// Logged in as alice.
    hers: Client,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_ends_the_transaction_or_the_producer() {
    let old = Config::new().version(Version::new(3, 9, 2));
    let new = || Config::new().version(Version::DEFAULT);
    let old_on_new = new().feature("transaction.version", 1);
    let all = [new(), old, old_on_new];
    for config in all.into_iter().take(sized(2, 3)) {
        let bank = Bank::open(config).await;
        eprintln!("Kafka {}", bank.cluster.version());
        in_time("the topic", bank.without_the_topic()).await;
        in_time("the group", bank.without_the_group()).await;
        in_time("the id", bank.without_the_id()).await;
        in_time("the id before a transaction", bank.before_there_is_leave()).await;
        bank.close().await;
    }
}

impl Bank {
    async fn open(config: Config) -> Self {
        let config = config.secured([Security::SaslPlain]).acls();
        // How often the coordinator looks for transactions that take too long.
        let config =
            config.property("transaction.abort.timed.out.transaction.cleanup.interval.ms", 500);
        let cluster = Cluster::start(config).await.unwrap();
        let all = client(&cluster);
        all.admin().create_topic(NewTopic::new(TOPIC).partitions(2)).await.unwrap();
        let login = login(base(&cluster, Security::SaslPlain), "PLAIN", "alice", "alice-secret");
        let bank = Self { cluster, all, hers: connect(&login) };
        bank.permit_the_topic().await;
        bank.permit(ResourceType::TransactionalId, ID, AclOperation::Write).await;
        bank.permit(ResourceType::Group, GROUP, AclOperation::Read).await;
        bank
    }

    /// Without the right to write a topic the transaction has to be aborted, and the producer goes
    /// on: at once with other topics, with this one when it may be written again.
    async fn without_the_topic(&self) {
        let mut producer = self.producer();
        // To a partition that the transaction has, and to one that is new to it; and when not even
        // metadata tells of the topic any more.
        for (step, partition, operation) in
            [(0, 0, AclOperation::Write), (1, 1, AclOperation::Write), (2, 0, AclOperation::Any)]
        {
            let mut transaction = producer.begin().await.unwrap();
            send(&transaction, 0, "not committed").await.unwrap();
            self.forbid(ResourceType::Topic, TOPIC, operation).await;
            let refused = send(&transaction, partition, "refused").await.unwrap_err();
            let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
            assert_eq!(refused.code(), Some(code), "{refused}");
            must_be_aborted(&send(&transaction, 0, "too late").await.unwrap_err(), code);
            must_be_aborted(&transaction.commit().await.unwrap_err(), code);
            transaction.abort().await.unwrap();
            drop(transaction);

            // The producer's next transaction tells the same for as long as it is so.
            let mut transaction = producer.begin().await.unwrap();
            let refused = send(&transaction, partition, "refused").await.unwrap_err();
            assert_eq!(refused.code(), Some(code), "{refused}");
            transaction.abort().await.unwrap();
            drop(transaction);

            self.permit_the_topic().await;
            self.commits(&mut producer, &format!("topic-{step}")).await;
        }
        assert_eq!(self.committed().await, ["topic-0", "topic-1", "topic-2"]);
        producer.close(PATIENCE).await.unwrap();
    }

    /// Without the right to read the group its offsets are refused: the transaction has to be aborted.
    async fn without_the_group(&self) {
        let mut producer = self.producer();
        let group = ConsumerGroupMetadata::new(GROUP);
        let offsets = |offset| [(TopicPartition::new(TOPIC, 0), Offset(offset))];
        // Before the group is in the transaction, and after.
        for is_first in [true, false] {
            let before = self.offsets().await;
            let mut transaction = producer.begin().await.unwrap();
            send(&transaction, 0, "not committed").await.unwrap();
            if !is_first {
                transaction.send_offsets(offsets(100), &group).await.unwrap();
            }
            self.forbid(ResourceType::Group, GROUP, AclOperation::Read).await;
            let refused = transaction.send_offsets(offsets(200), &group).await.unwrap_err();
            let code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
            must_be_aborted(&refused, code);
            must_be_aborted(&transaction.commit().await.unwrap_err(), code);
            transaction.abort().await.unwrap();
            drop(transaction);
            self.permit(ResourceType::Group, GROUP, AclOperation::Read).await;
            assert_eq!(self.offsets().await, before);

            let mut transaction = producer.begin().await.unwrap();
            let offset = if is_first { 1 } else { 2 };
            send(&transaction, 0, &format!("group-{offset}")).await.unwrap();
            transaction.send_offsets(offsets(offset), &group).await.unwrap();
            transaction.commit().await.unwrap();
            drop(transaction);
            self.until("the offsets", async || self.offsets().await.values().eq([&offset])).await;
        }
        assert_eq!(self.committed().await[3..], ["group-1", "group-2"]);
        producer.close(PATIENCE).await.unwrap();
    }

    /// Without the right to use the transactional id the producer can do nothing more, not even
    /// abort; its coordinator does in time, and when the right is back another producer begins.
    async fn without_the_id(&self) {
        let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        // It is told by a record, by a commit, and by an abort.
        for asked in 0..3 {
            let mut producer = self.producer();
            let mut transaction = producer.begin().await.unwrap();
            send(&transaction, 0, "not committed").await.unwrap();
            self.forbid(ResourceType::TransactionalId, ID, AclOperation::Write).await;
            if asked == 0 {
                let refused = send(&transaction, 1, "refused").await.unwrap_err();
                assert_eq!(refused.code(), Some(code), "{refused}");
            }
            let refused = match asked {
                2 => transaction.abort().await.unwrap_err(),
                _ => transaction.commit().await.unwrap_err(),
            };
            has_ended(&refused, code);
            has_ended(&transaction.abort().await.unwrap_err(), code);
            drop(transaction);
            has_ended(&producer.begin().await.unwrap_err(), code);
            self.permit(ResourceType::TransactionalId, ID, AclOperation::Write).await;
            // Not even then: what it left open may have been ended by another.
            has_ended(&producer.begin().await.unwrap_err(), code);
            producer.close(PATIENCE).await.unwrap();
            if asked == 1 {
                // Nobody takes the id over: the coordinator ends what is open when its time is up.
                self.until("the coordinator's abort", async || self.is_stable().await).await;
            }
            let mut successor = self.producer();
            self.commits(&mut successor, &format!("id-{asked}")).await;
            successor.close(PATIENCE).await.unwrap();
        }
        assert_eq!(self.committed().await[5..], ["id-0", "id-1", "id-2"]);
    }

    /// Whoever was never let in may ask again.
    async fn before_there_is_leave(&self) {
        self.forbid(ResourceType::TransactionalId, ID, AclOperation::Write).await;
        let mut producer = self.producer();
        for _ in 0..2 {
            let refused = producer.init().await.unwrap_err();
            let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
            has_ended(&refused, code);
            has_ended(&producer.begin().await.unwrap_err(), code);
        }
        self.permit(ResourceType::TransactionalId, ID, AclOperation::Write).await;
        self.commits(&mut producer, "with leave").await;
        assert_eq!(self.committed().await[8..], ["with leave"]);
        producer.close(PATIENCE).await.unwrap();
    }

    fn producer(&self) -> TransactionalProducer {
        let config =
            ProducerConfig::new().transactional_id(ID).transaction_timeout(TRANSACTION_TIMEOUT);
        self.hers.transactional_producer(config).unwrap()
    }

    async fn commits(&self, producer: &mut TransactionalProducer, value: &str) {
        let mut transaction = producer.begin().await.unwrap();
        send(&transaction, 0, value).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Everything that readers of committed records see in partition 0, and nothing in the other.
    async fn committed(&self) -> Vec<String> {
        let mut read = read_to_end(&self.all, TOPIC, 2).await;
        assert_eq!(read.pop().unwrap(), Vec::<String>::new());
        read.pop().unwrap()
    }

    /// No transaction is open in partition 0.
    async fn is_stable(&self) -> bool {
        let producers = self.admin().describe_producers([TopicPartition::new(TOPIC, 0)]).await;
        let producers = producers.into_values().next().unwrap().unwrap();
        producers.iter().all(|producer| producer.transaction_start.is_none())
    }

    /// What the group has committed.
    async fn offsets(&self) -> BTreeMap<TopicPartition, i64> {
        let offsets = self.admin().list_group_offsets([GROUP]).await;
        let offsets = offsets.into_values().next().unwrap().unwrap();
        offsets.into_iter().map(|(at, offset)| (at, offset.unwrap().offset.0)).collect()
    }

    async fn permit_the_topic(&self) {
        for operation in [AclOperation::Describe, AclOperation::Read, AclOperation::Write] {
            self.permit(ResourceType::Topic, TOPIC, operation).await;
        }
    }

    async fn permit(&self, kind: ResourceType, name: &str, operation: AclOperation) {
        let pattern = ResourcePattern::literal(kind, name);
        let rule = AclBinding::allow(pattern, PRINCIPAL, operation);
        let made = self.admin().create_acls([rule]).await;
        made.into_values().next().unwrap().unwrap();
        self.until("a rule", async || self.is_permitted(kind, name, operation).await).await;
    }

    async fn forbid(&self, kind: ResourceType, name: &str, operation: AclOperation) {
        let filter = AclFilter::any().kind(kind).name(name, PatternType::Literal);
        let gone = self.admin().delete_acls([filter.operation(operation)]).await;
        gone.into_values().next().unwrap().unwrap();
        self.until("no rule", async || !self.is_permitted(kind, name, operation).await).await;
    }

    /// What the only broker says, whose authorizer goes by what it says.
    async fn is_permitted(&self, kind: ResourceType, name: &str, operation: AclOperation) -> bool {
        let filter = AclFilter::any().kind(kind).name(name, PatternType::Literal);
        !self.admin().describe_acls(filter.operation(operation)).await.unwrap().is_empty()
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        in_time(what, async {
            while !is_so().await {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    fn admin(&self) -> Admin {
        self.all.admin()
    }

    async fn close(self) {
        self.hers.close(PATIENCE).await.unwrap();
        self.all.close(PATIENCE).await.unwrap();
        self.cluster.shutdown().await.unwrap();
    }
}

async fn send(transaction: &Transaction<'_>, partition: i32, value: &str) -> kavka::Result<()> {
    transaction.send(Record::to(TOPIC).partition(partition).value(value)).await?.await.map(drop)
}

#[track_caller]
fn must_be_aborted(error: &Error, code: ErrorCode) {
    assert_eq!(
        (error.kind(), error.class(), error.code()),
        (ErrorKind::TransactionAbortable, Class::Abortable, Some(code)),
        "{error}"
    );
}

/// The producer can do nothing more; the words tell what is missing.
#[track_caller]
fn has_ended(error: &Error, code: ErrorCode) {
    assert_eq!(
        (error.kind(), error.class(), error.code()),
        (ErrorKind::Broker, Class::InvalidConfiguration, Some(code)),
        "{error}"
    );
}
