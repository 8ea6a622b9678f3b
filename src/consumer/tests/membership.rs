//! What a consumer tells of its membership, rebalances that it enforces, and a group that changes
//! from eager to cooperative, against embedded brokers in memory under paused time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kavka_testcontainers::embedded::{ApiKey, Fault, Reaction};

use super::groups::{member, settled};
use super::*;
use crate::boxed::BoxFuture;
use crate::error::ErrorKind;
use crate::ids::TopicName;

const SECOND: Duration = Duration::from_secs(1);

fn state(consumer: &Consumer) -> MembershipState {
    consumer.membership().unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_consumer_tells_who_it_is_in_its_group_and_what_it_is_subscribed_to() {
    let topics = |consumer: &Consumer| {
        let topics = consumer.subscription();
        topics.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let embedded = brokers(1).await;
        embedded.create_topic("two", 1, 1).unwrap();
        let client = client(&embedded);
        let config =
            from_earliest().group_id("g").group_instance_id("fixed").group_protocol(protocol);
        let mut consumer = client.consumer(config).unwrap();
        assert_eq!(state(&consumer), MembershipState::NotMember);
        assert_eq!(topics(&consumer), Vec::<String>::new());
        consumer.subscribe(["t"]).unwrap();
        settled(&mut [&mut consumer], &[3]).await;
        assert!(nothing_comes(&mut consumer).await);
        let ConsumerMembership { state: now, metadata } = consumer.membership().unwrap();
        assert_eq!(now, MembershipState::Stable, "{protocol:?}");
        assert_eq!(metadata, consumer.group_metadata().unwrap());
        assert!(!metadata.member_id.is_empty() && metadata.generation.is_some(), "{metadata:?}");
        assert_eq!(metadata.group_instance_id.as_deref(), Some("fixed"));
        assert_eq!(topics(&consumer), ["t"]);
        consumer.subscribe_pattern("t.*").unwrap();
        assert!(nothing_comes(&mut consumer).await);
        assert_eq!(topics(&consumer), ["t", "two"]);
        consumer.unsubscribe().unwrap();
        assert_eq!(topics(&consumer), Vec::<String>::new());
        let handle = consumer.handle();
        consumer.close(SECOND).await.unwrap();
        assert_eq!(handle.membership().unwrap().state, MembershipState::NotMember);
        assert_eq!(handle.enforce_rebalance("").unwrap_err().kind(), ErrorKind::Closed);
    }
    let client = client(&brokers(1).await);
    let alone = client.consumer(from_earliest()).unwrap();
    assert_eq!(alone.membership().unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(alone.enforce_rebalance("").unwrap_err().kind(), ErrorKind::Config);
}

/// Gives each member as many partitions as it wishes at that moment.
#[derive(Debug)]
struct Wishes(Arc<AtomicUsize>);

impl PartitionAssignor for Wishes {
    fn name(&self) -> &str {
        "wishes"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Cooperative
    }

    fn subscription_user_data(&self, _: &std::collections::BTreeSet<TopicName>) -> Option<Vec<u8>> {
        Some(self.0.load(Ordering::Relaxed).to_string().into_bytes())
    }

    fn assign(
        &self,
        group: &GroupSubscription,
    ) -> std::result::Result<
        BTreeMap<String, MemberAssignment>,
        Box<dyn std::error::Error + Send + Sync>,
    > {
        let mut partitions = group.partitions();
        let mut shares = BTreeMap::new();
        for member in &group.members {
            let wish = member.subscription.user_data.as_deref().unwrap_or_default();
            let wish: usize = std::str::from_utf8(wish)?.parse()?;
            let share = MemberAssignment::new(partitions.by_ref().take(wish));
            shares.insert(member.id.clone(), share);
        }
        Ok(shares)
    }
}

#[tokio::test(start_paused = true)]
async fn an_enforced_rebalance_brings_what_kafka_could_not_notice() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let wishes = [Arc::new(AtomicUsize::new(2)), Arc::new(AtomicUsize::new(1))];
    let [mut first, mut second] = wishes.clone().map(|wish| {
        let strategy = AssignmentStrategy::custom(Wishes(wish));
        let config = from_earliest().group_id("g").partition_assignment_strategy([strategy]);
        member(&client, config)
    });
    let shares = async |first: &mut Consumer, second: &mut Consumer, expected: [usize; 2]| {
        settled(&mut [&mut *first, &mut *second], &[1, 2]).await;
        let _ = tokio::time::timeout(10 * SECOND, first.recv()).await;
        settled(&mut [&mut *first, &mut *second], &[1, 2]).await;
        assert_eq!([first.assignment().len(), second.assignment().len()], expected);
    };
    shares(&mut first, &mut second, [2, 1]).await;
    for (wish, value) in wishes.iter().zip([1, 2]) {
        wish.store(value, Ordering::Relaxed);
    }
    shares(&mut first, &mut second, [2, 1]).await;
    // Both, as either may lead: the coordinator heeds a follower with new user data as well.
    first.enforce_rebalance("wishes less").unwrap();
    second.enforce_rebalance("").unwrap();
    assert!(nothing_comes(&mut first).await && nothing_comes(&mut second).await);
    shares(&mut first, &mut second, [1, 2]).await;
}

struct Counted(Arc<Mutex<Vec<&'static str>>>);

impl RebalanceListener for Counted {
    fn on_assigned<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        Box::pin(async move { self.0.lock().unwrap().push("assigned") })
    }

    fn on_revoked<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        Box::pin(async move { self.0.lock().unwrap().push("revoked") })
    }

    fn on_lost<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        Box::pin(async move { self.0.lock().unwrap().push("lost") })
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_cannot_be_enforced_under_the_consumer_protocol() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let config = from_earliest().group_id("g").group_protocol(GroupProtocol::Consumer);
    let mut consumer = client.consumer(config).unwrap();
    consumer.rebalance_listener(Counted(Arc::clone(&heard)));
    consumer.subscribe(["t"]).unwrap();
    settled(&mut [&mut consumer], &[3]).await;
    let before = consumer.membership().unwrap();
    consumer.enforce_rebalance("because").unwrap();
    assert!(nothing_comes(&mut consumer).await);
    assert_eq!(consumer.membership().unwrap().metadata, before.metadata);
    assert_eq!(*heard.lock().unwrap(), ["assigned"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_goes_while_it_joins_again_commits_and_hears_of_a_loss_once() {
    for closes in [true, false] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..3);
        let client = client(&embedded);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let cooperative = [AssignmentStrategy::CooperativeSticky];
        let config = from_earliest().group_id("g").partition_assignment_strategy(cooperative);
        let mut consumer = client.consumer(config).unwrap();
        consumer.rebalance_listener(Counted(Arc::clone(&heard)));
        consumer.subscribe(["t"]).unwrap();
        assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
        embedded.fault(Fault::on(ApiKey::JoinGroup).then(Reaction::Delay(60 * SECOND)));
        consumer.enforce_rebalance("because").unwrap();
        assert!(tokio::time::timeout(SECOND, consumer.recv()).await.is_err());
        assert_eq!(state(&consumer), MembershipState::Rebalancing);
        if closes {
            consumer.close(10 * SECOND).await.unwrap();
        } else {
            consumer.unsubscribe().unwrap();
            tokio::time::sleep(SECOND).await;
            assert_eq!(state(&consumer), MembershipState::NotMember);
        }
        assert_eq!(*heard.lock().unwrap(), ["assigned", "lost"], "closes: {closes}");
        assert_eq!(embedded.committed("g", "t", 0), Some(3), "closes: {closes}");
    }
}

/// Two rolling bounces change a group from eager to cooperative (KIP-429).
#[tokio::test(start_paused = true)]
async fn two_rolling_bounces_change_a_group_from_eager_to_cooperative() {
    use AssignmentStrategy::{CooperativeSticky, Range};
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let start = |strategies: &[AssignmentStrategy]| {
        let config =
            from_earliest().group_id("g").partition_assignment_strategy(strategies.iter().cloned());
        let consumer = client.consumer(config).unwrap();
        consumer.rebalance_listener(Counted(Arc::clone(&heard)));
        consumer.subscribe(["t"]).unwrap();
        consumer
    };
    let mut members = [start(&[Range]), start(&[Range])];
    let mut written = 0..0;
    let mut read = Vec::new();
    // Settled, with records to each partition, which are read once.
    let mut round = async |members: &mut [Consumer; 2]| {
        let [first, second] = members;
        settled(&mut [&mut *first, &mut *second], &[1, 2]).await;
        written = written.end..written.end + 2;
        (0..3).for_each(|partition| append(&embedded, partition, written.clone()));
        let mut now = Vec::new();
        while now.len() < 6 {
            for member in [&mut *first, &mut *second] {
                let next = tokio::time::timeout(SECOND, next(member)).await;
                now.extend(next.into_iter().map(|record| record.unwrap()));
            }
        }
        now.sort_unstable();
        now.dedup();
        assert_eq!(now.len(), 6, "a record was read twice: {now:?}");
        read.extend(now);
    };
    round(&mut members).await;
    for strategies in [&[CooperativeSticky, Range][..], &[CooperativeSticky]] {
        for at in 0..2 {
            let old = std::mem::replace(&mut members[at], start(strategies));
            old.close(5 * SECOND).await.unwrap();
            round(&mut members).await;
        }
    }
    assert_eq!(read.len(), 30);
    // It is cooperative now: of two, only the one that has too much gives up, and only that.
    heard.lock().unwrap().clear();
    let mut third = start(&[CooperativeSticky]);
    let [first, second] = &mut members;
    settled(&mut [first, second, &mut third], &[1, 1, 1]).await;
    assert!(nothing_comes(&mut third).await);
    let heard = heard.lock().unwrap();
    assert_eq!(heard.iter().filter(|word| **word == "revoked").count(), 1, "{heard:?}");
}
