//! A group whose members are killed, leave and join while records arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kavka::{
    AssignmentStrategy, BoxFuture, Client, ConsumerHandle, ProducerConfig, RebalanceListener,
    Record, TopicPartition,
};
use kavka_testcontainers::apache::Cluster;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::{Dice, PATIENCE, client, config, earliest, sized};

const PARTITIONS: u32 = 8;
const MEMBERS: usize = 5;
const SESSION: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_read_and_no_partition_has_two_live_owners() {
    let cluster = Cluster::start(config()).await.unwrap();
    for strategy in [AssignmentStrategy::Range, AssignmentStrategy::CooperativeSticky] {
        eprintln!("{strategy:?}");
        churn(&cluster, strategy).await;
    }
    cluster.shutdown().await.unwrap();
}

async fn churn(cluster: &Cluster, strategy: AssignmentStrategy) {
    let topic = format!("churn-{}", strategy.name());
    cluster.create_topic(&topic, PARTITIONS, 1, &[]).await.unwrap();
    let client = client(cluster);
    let ledger = Arc::new(Ledger::default());
    let mut dice = Dice::new();
    let mut members: Vec<Member> = Vec::new();
    let mut next = 0;
    let (stop, stopped) = oneshot::channel();
    let writing = tokio::spawn(write(client.clone(), topic.clone(), stopped));
    let started = Instant::now();
    while started.elapsed() < sized(Duration::from_secs(20), Duration::from_secs(120)) {
        if members.len() < MEMBERS && dice.below(3) > 0 || members.is_empty() {
            members.push(Member::join(cluster, &topic, strategy.clone(), next, &ledger));
            next += 1;
        } else {
            let at = usize::try_from(dice.below(members.len() as u64)).unwrap();
            let member = members.swap_remove(at);
            if dice.below(2) == 0 { member.kill(&ledger).await } else { member.leave().await }
        }
        sleep(Duration::from_millis(200 + dice.below(2500))).await;
        ledger.check();
    }
    stop.send(()).unwrap();
    let written = writing.await.unwrap();
    members.push(Member::join(cluster, &topic, strategy.clone(), next, &ledger));
    let waiting = Instant::now();
    while !ledger.has_read(&written) {
        assert!(
            waiting.elapsed() < PATIENCE,
            "{} of {} records were read",
            ledger.read(),
            written.len()
        );
        sleep(Duration::from_millis(200)).await;
        ledger.check();
    }
    for member in members {
        member.leave().await;
    }
    ledger.check();
    eprintln!("{} records, {} members, {} read twice", written.len(), next + 1, ledger.again());
    client.close(PATIENCE).await.unwrap();
}

/// Writes until told to stop; returns the numbers that were acknowledged.
async fn write(client: Client, topic: String, mut stopped: oneshot::Receiver<()>) -> BTreeSet<u64> {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let mut deliveries = Vec::new();
    let mut number = 0_u64;
    while stopped.try_recv().is_err() {
        for _ in 0..10 {
            let value = number.to_string();
            deliveries.push((
                number,
                producer.send(Record::to(&topic).key(&value).value(&value)).await.unwrap(),
            ));
            number += 1;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let mut written = BTreeSet::new();
    for (number, delivery) in deliveries {
        delivery.await.unwrap();
        written.insert(number);
    }
    producer.close(PATIENCE).await.unwrap();
    written
}

/// What all members together own and have read, and what went wrong.
#[derive(Debug, Default)]
struct Ledger {
    owners: Mutex<BTreeMap<TopicPartition, usize>>,
    read: Mutex<BTreeMap<u64, u32>>,
    wrongs: Mutex<Vec<String>>,
}

impl Ledger {
    fn assigned(&self, member: usize, partitions: &[TopicPartition]) {
        let mut owners = self.owners.lock().unwrap();
        for partition in partitions {
            if let Some(other) = owners.insert(partition.clone(), member) {
                self.wrong(format!("{partition} was given to {member} while {other} had it"));
            }
        }
    }

    fn given_up(&self, member: usize, partitions: &[TopicPartition]) {
        let mut owners = self.owners.lock().unwrap();
        for partition in partitions {
            // A partition that was lost may have another owner by now.
            if owners.get(partition) == Some(&member) {
                owners.remove(partition);
            }
        }
    }

    fn died(&self, member: usize) {
        self.owners.lock().unwrap().retain(|_, owner| *owner != member);
    }

    fn consumed(&self, member: usize, partition: &TopicPartition, number: u64) {
        let owner = self.owners.lock().unwrap().get(partition).copied();
        if owner != Some(member) {
            self.wrong(format!("{member} read {number} of {partition}, which {owner:?} owns"));
        }
        *self.read.lock().unwrap().entry(number).or_default() += 1;
    }

    fn has_read(&self, written: &BTreeSet<u64>) -> bool {
        let read = self.read.lock().unwrap();
        written.iter().all(|number| read.contains_key(number))
    }

    fn read(&self) -> usize {
        self.read.lock().unwrap().len()
    }

    fn again(&self) -> usize {
        self.read.lock().unwrap().values().filter(|&&times| times > 1).count()
    }

    fn wrong(&self, what: String) {
        self.wrongs.lock().unwrap().push(what);
    }

    fn check(&self) {
        let wrongs = self.wrongs.lock().unwrap();
        assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
    }
}

/// Notes what one member is given and gives up.
struct Notes {
    member: usize,
    ledger: Arc<Ledger>,
}

impl RebalanceListener for Notes {
    fn on_assigned<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.ledger.assigned(self.member, partitions);
        Box::pin(std::future::ready(()))
    }

    fn on_revoked<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.ledger.given_up(self.member, partitions);
        Box::pin(std::future::ready(()))
    }

    fn on_lost<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.ledger.given_up(self.member, partitions);
        Box::pin(std::future::ready(()))
    }
}

/// A member with a client of its own, so that its death closes its connections, as that of a
/// process does.
struct Member {
    number: usize,
    leave: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Member {
    fn join(
        cluster: &Cluster,
        topic: &str,
        strategy: AssignmentStrategy,
        number: usize,
        ledger: &Arc<Ledger>,
    ) -> Self {
        let client = client(cluster);
        let config = earliest().group_id(topic).partition_assignment_strategy([strategy]);
        let config = config
            .session_timeout(SESSION)
            .heartbeat_interval(SESSION / 6)
            .auto_commit_interval(SESSION / 6);
        let consumer = client.consumer(config).unwrap();
        consumer.rebalance_listener(Notes { member: number, ledger: Arc::clone(ledger) });
        consumer.subscribe([topic]).unwrap();
        let (leave, left) = oneshot::channel();
        let ledger = Arc::clone(ledger);
        let task = tokio::spawn(async move {
            let mut consumer = consumer;
            let mut left = left;
            loop {
                tokio::select! {
                    biased;
                    _ = &mut left => break,
                    record = consumer.recv() => match record {
                        Ok(record) => {
                            let value = std::str::from_utf8(record.value().unwrap()).unwrap();
                            ledger.consumed(number, record.topic_partition(), value.parse().unwrap());
                        }
                        Err(error) => ledger.wrong(format!("{number}: {error}")),
                    }
                }
            }
            if let Err(error) = consumer.close(PATIENCE).await {
                ledger.wrong(format!("{number} could not leave: {error}"));
            }
            drop(client);
        });
        Self { number, leave, task }
    }

    /// Leaves the group as a process that ends well.
    async fn leave(self) {
        let _ = self.leave.send(());
        self.task.await.unwrap();
    }

    /// Ends as a process that is killed: the group hears of it when the session times out.
    async fn kill(self, ledger: &Ledger) {
        self.task.abort();
        let _ = self.task.await;
        ledger.died(self.number);
    }
}
