//! Assignors of the user's own, in whole consumers against embedded brokers in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use super::groups::{member, settled};
use super::*;
use crate::error::ErrorKind;
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::TopicName;

type Decided = std::result::Result<
    BTreeMap<String, MemberAssignment>,
    Box<dyn std::error::Error + Send + Sync>,
>;

const SECOND: Duration = Duration::from_secs(1);

fn member_with(assignor: impl PartitionAssignor) -> ConsumerConfig {
    from_earliest()
        .group_id("g")
        .partition_assignment_strategy([AssignmentStrategy::custom(assignor)])
}

/// Gives each member as many partitions as it says that it can take.
#[derive(Debug)]
struct ByCapacity {
    mine: u8,
    told: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl PartitionAssignor for ByCapacity {
    fn name(&self) -> &str {
        "by-capacity"
    }

    fn protocol(&self) -> RebalanceProtocol {
        RebalanceProtocol::Cooperative
    }

    fn subscription_user_data(&self, _: &BTreeSet<TopicName>) -> Option<Vec<u8>> {
        Some(vec![self.mine])
    }

    fn assign(&self, group: &GroupSubscription) -> Decided {
        let mut partitions = group.partitions();
        let mut members: Vec<_> = group.members.iter().collect();
        members.sort_by(|a, b| a.subscription.user_data.cmp(&b.subscription.user_data));
        let shares = members.into_iter().map(|member| {
            let user_data = member.subscription.user_data.clone();
            let capacity = user_data.as_ref().map_or(0, |data| usize::from(data[0]));
            let mut share = MemberAssignment::new(partitions.by_ref().take(capacity));
            share.user_data = user_data;
            (member.id.clone(), share)
        });
        Ok(shares.collect())
    }

    fn on_assignment(&self, assignment: &MemberAssignment, metadata: &ConsumerGroupMetadata) {
        assert!(metadata.generation.is_some() && &*metadata.group_id == "g");
        self.told.lock().unwrap().push(assignment.user_data.clone().unwrap_or_default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cooperative_assignor_shares_by_what_members_say_of_themselves() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let told = Arc::default();
    let capacity = |mine| member_with(ByCapacity { mine, told: Arc::clone(&told) });
    let mut large = member(&client, capacity(5));
    settled(&mut [&mut large], &[3]).await;
    let mut small = member(&client, capacity(2));
    settled(&mut [&mut large, &mut small], &[1, 2]).await;
    assert_eq!((large.assignment().len(), small.assignment().len()), (1, 2));
    small.close(SECOND).await.unwrap();
    settled(&mut [&mut large], &[3]).await;
    let told = told.lock().unwrap();
    assert!(told.contains(&vec![5]) && told.contains(&vec![2]), "{told:?}");
}

/// Gives all to one, unless it is told to fail.
#[derive(Debug, Default)]
struct Fragile {
    fails: Arc<AtomicBool>,
}

impl PartitionAssignor for Fragile {
    fn name(&self) -> &str {
        "fragile"
    }

    fn assign(&self, group: &GroupSubscription) -> Decided {
        assert!(!self.fails.load(Ordering::Relaxed), "out of order");
        let first = group.members.iter().map(|member| &member.id).min().ok_or("nobody")?;
        Ok([(first.clone(), MemberAssignment::new(group.partitions()))].into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_assignor_fails_is_told_and_recovers() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let client = client(&embedded);
    let fails = Arc::new(AtomicBool::new(true));
    let mut consumer = member(&client, member_with(Fragile { fails: Arc::clone(&fails) }));
    for _ in 0..3 {
        let error = next(&mut consumer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().ends_with("has failed: it panicked: out of order"), "{error}");
        assert_eq!(consumer.assignment(), []);
    }
    fails.store(false, Ordering::Relaxed);
    // One that was on its way.
    let value = match next(&mut consumer).await {
        Err(_) => next(&mut consumer).await,
        value => value,
    };
    assert_eq!(value.unwrap(), (0, 0, 0));
    consumer.close(SECOND).await.unwrap();
}

/// Has no name any more from the second rebalance on.
#[derive(Debug, Default)]
struct Nameless(AtomicBool);

impl PartitionAssignor for Nameless {
    fn name(&self) -> &str {
        assert!(!self.0.load(Ordering::Relaxed), "the name is gone");
        "nameless"
    }

    fn assign(&self, _: &GroupSubscription) -> Decided {
        Ok(BTreeMap::new())
    }

    fn on_assignment(&self, _: &MemberAssignment, _: &ConsumerGroupMetadata) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_task_that_panics_is_told_of() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let mut consumer = member(&client, member_with(Nameless::default()));
    assert!(nothing_comes(&mut consumer).await);
    consumer.subscribe(["t", "u"]).unwrap();
    for _ in 0..2 {
        let error = next(&mut consumer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.to_string().contains("panicked"), "{error}");
    }
    assert_eq!(consumer.close(SECOND).await.map_err(|error| error.kind()), Ok(()));
}

/// Waits for a word from outside.
#[derive(Debug)]
struct Slow {
    begun: Arc<AtomicUsize>,
    word: Mutex<mpsc::Receiver<()>>,
}

impl PartitionAssignor for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn assign(&self, group: &GroupSubscription) -> Decided {
        self.begun.fetch_add(1, Ordering::Relaxed);
        // Real time, so that a failure ends.
        self.word.lock().unwrap().recv_timeout(Duration::from_secs(20))?;
        let share = MemberAssignment::new(group.partitions());
        Ok([(group.members[0].id.clone(), share)].into())
    }
}

#[tokio::test]
async fn an_assignor_that_blocks_does_so_on_a_thread_of_its_own() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let client = Client::new(
        ClientConfig::new(embedded.bootstrap_servers()).connector(InMemory(embedded.clone())),
    )
    .unwrap();
    let (says, word) = mpsc::channel();
    let begun = Arc::default();
    let assignor = Slow { begun: Arc::clone(&begun), word: Mutex::new(word) };
    let mut consumer = member(&client, member_with(assignor));
    while begun.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    // This thread is the only one of the runtime.
    says.send(()).unwrap();
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 0, 0));
}
