//! Consumers that pause each partition while its records are worked on, while leaders move under them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kavka::admin::{Admin, Election};
use kavka::mq::{Config, Message, Mq};
use kavka::{AutoOffsetReset, BrokerId, Client, Consumer, ProducerConfig, Record, TopicPartition};
use kavka_testcontainers::apache::Cluster;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Dice, PATIENCE, client, config, earliest, in_time, sized};

const TOPIC: &str = "pauses";
const PARTITIONS: i32 = 48;
const TICK: Duration = Duration::from_millis(150);

/// How many records each partition got.
type Written = BTreeMap<i32, i64>;

/// The offsets of each partition, in the order in which the application got them.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<i32, Vec<i64>>>>);

impl Seen {
    fn note(&self, partition: i32, offset: i64) {
        self.0.lock().unwrap().entry(partition).or_default().push(offset);
    }

    fn is_complete(&self, written: &Written) -> bool {
        let seen = self.0.lock().unwrap();
        written.iter().all(|(partition, &end)| seen.get(partition).is_some_and(|offsets| offsets.last() == Some(&(end - 1))))
    }

    /// Nothing is left out, and, without a rebalance or a failure to begin again from, nothing comes twice.
    fn check(&self, who: &str, written: &Written) {
        let seen = self.0.lock().unwrap();
        for (partition, &end) in written {
            let offsets = seen.get(partition).cloned().unwrap_or_default();
            for (expected, &offset) in (0..).zip(&offsets) {
                assert_eq!(offset, expected, "{who}: partition {partition}");
            }
            assert_eq!(offsets.len(), usize::try_from(end).unwrap(), "{who}: partition {partition}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_while_leaders_move_is_read_whole() {
    let cluster = Cluster::start(config().nodes(3)).await.unwrap();
    cluster.create_topic(TOPIC, PARTITIONS.unsigned_abs(), 3, &[]).await.unwrap();
    let client = client(&cluster);
    let (stop, stopped) = oneshot::channel();
    let writing = tokio::spawn(write(client.clone(), stopped));

    let (by_batch, by_mq) = (Seen::default(), Seen::default());
    let consumer = client.consumer(earliest().group_id("by-batch")).unwrap();
    consumer.subscribe([TOPIC]).unwrap();
    let (end, ended) = oneshot::channel();
    let reading = tokio::spawn(read(consumer, by_batch.clone(), ended));
    let mut settings = Config::new(cluster.bootstrap());
    settings.consumer.group_id = Some("by-mq".to_owned());
    settings.consumer.auto_offset_reset = AutoOffsetReset::Earliest;
    let mq = Mq::new(settings).unwrap();
    let messages = mq.consumer().unwrap();
    let seen = by_mq.clone();
    let handler = move |message: Message| {
        seen.note(message.partition.unwrap().0, message.offset.unwrap().0);
        sleep(Duration::from_millis(2))
    };
    messages.subscribe([TOPIC], handler).unwrap();

    let admin = client.admin();
    move_leaders(&admin, sized(Duration::from_secs(25), Duration::from_secs(180))).await;
    stop.send(()).unwrap();
    let written = writing.await.unwrap();
    for (who, seen) in [("by batch", &by_batch), ("by mq", &by_mq)] {
        let waiting = Instant::now();
        while !seen.is_complete(&written) && waiting.elapsed() < PATIENCE {
            sleep(Duration::from_millis(100)).await;
        }
        seen.check(who, &written);
    }
    end.send(()).unwrap();
    reading.await.unwrap();
    messages.close(PATIENCE).await.unwrap();
    mq.close().await.unwrap();
    for group in ["by-batch", "by-mq"] {
        let committed = admin.list_group_offsets([group]).await.pop_first().unwrap().1.unwrap();
        let ends: Written = committed.into_iter().map(|(at, offset)| (at.partition.0, offset.unwrap().offset.0)).collect();
        assert_eq!(ends, written, "{group}: committed");
    }
    eprintln!("{} records", written.values().sum::<i64>());
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}

/// Writes a record to each partition by the tick until told to stop.
async fn write(client: Client, mut stopped: oneshot::Receiver<()>) -> Written {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let mut deliveries = Vec::new();
    while stopped.try_recv().is_err() {
        for partition in 0..PARTITIONS {
            let record = Record::to(TOPIC).partition(partition).value([b'x'; 200].as_slice());
            deliveries.push(producer.send(record).await.unwrap());
        }
        sleep(TICK).await;
    }
    let mut written = Written::new();
    for delivery in deliveries {
        *written.entry(delivery.await.unwrap().topic_partition.partition.0).or_default() += 1;
    }
    producer.close(PATIENCE).await.unwrap();
    written
}

/// Takes batches; the partition of each is paused until its work is done.
async fn read(mut consumer: Consumer, seen: Seen, mut ended: oneshot::Receiver<()>) {
    let mut working = JoinSet::new();
    let mut dice = Dice::new();
    loop {
        let batch = tokio::select! {
            biased;
            _ = &mut ended => break,
            batch = consumer.next_batch() => batch.unwrap(),
        };
        let at = batch.topic_partition().clone();
        consumer.pause([&at]).unwrap();
        for record in &batch {
            seen.note(at.partition.0, record.offset().0);
        }
        let (handle, work) = (consumer.handle(), Duration::from_millis(20 + dice.below(240)));
        working.spawn(async move {
            sleep(work).await;
            handle.resume([&at]).unwrap();
        });
        while working.try_join_next().is_some() {}
    }
    in_time("the work", async { while working.join_next().await.is_some() {} }).await;
    consumer.close(PATIENCE).await.unwrap();
}

/// Gives a third of the partitions another leader every 1 to 4 s.
async fn move_leaders(admin: &Admin, time: Duration) {
    let mut dice = Dice::new();
    let started = Instant::now();
    while started.elapsed() < time {
        sleep(Duration::from_millis(1000 + dice.below(3000))).await;
        let moved: Vec<TopicPartition> =
            (0..PARTITIONS).filter(|_| dice.below(3) == 0).map(|partition| TopicPartition::new(TOPIC, partition)).collect();
        let orders = moved.iter().map(|partition| {
            let first = dice.below(3);
            let replicas = (0..3).map(|step| BrokerId(1 + i32::try_from((first + step) % 3).unwrap())).collect();
            (partition.clone(), Some(replicas))
        });
        for (partition, ordered) in admin.alter_reassignments(orders.collect::<Vec<_>>()).await {
            ordered.unwrap_or_else(|error| panic!("{partition}: {error}"));
        }
        let elected = admin.elect_leaders(Election::Preferred, moved.clone()).await;
        let count = elected.into_iter().filter(|(_, elected)| elected.is_ok()).count();
        eprintln!("{:?}: {count} leaders moved", started.elapsed());
    }
}
