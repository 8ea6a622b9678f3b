//! Consumers that pause each partition while its records are worked on, while leaders move under
//! them.

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
/// Eight to a batch.
const RECORD: usize = 32 << 10;

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
        written.iter().all(|(partition, &end)| {
            seen.get(partition).is_some_and(|offsets| offsets.last() == Some(&(end - 1)))
        })
    }

    /// Nothing is left out, and, without a rebalance or a failure to begin again from, nothing
    /// comes twice.
    fn check(&self, who: &str, written: &Written) {
        let seen = self.0.lock().unwrap();
        for (partition, &end) in written {
            let offsets = seen.get(partition).cloned().unwrap_or_default();
            for (expected, &offset) in (0..).zip(&offsets) {
                assert_eq!(offset, expected, "{who}: partition {partition}");
            }
            assert_eq!(
                offsets.len(),
                usize::try_from(end).unwrap(),
                "{who}: partition {partition}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_while_leaders_move_is_read_whole() {
    let cluster = Cluster::start(config().nodes(3)).await.unwrap();
    cluster.create_topic(TOPIC, PARTITIONS.unsigned_abs(), 3, &[]).await.unwrap();
    let client = client(&cluster);
    let written = write(&client, sized(200, 800)).await;
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

    let (admin, mut dice) = (client.admin(), Dice::new());
    let started = Instant::now();
    while !(by_batch.is_complete(&written) && by_mq.is_complete(&written))
        && started.elapsed() < 2 * PATIENCE
    {
        move_leaders(&admin, &mut dice).await;
    }
    by_batch.check("by batch", &written);
    by_mq.check("by mq", &written);
    end.send(()).unwrap();
    reading.await.unwrap();
    messages.close(PATIENCE).await.unwrap();
    mq.close().await.unwrap();
    for group in ["by-batch", "by-mq"] {
        let committed = admin.list_group_offsets([group]).await.pop_first().unwrap().1.unwrap();
        let ends: Written = committed
            .into_iter()
            .map(|(at, offset)| (at.partition.0, offset.unwrap().offset.0))
            .collect();
        assert_eq!(ends, written, "{group}: committed");
    }
    eprintln!("{} records", written.values().sum::<i64>());
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}

/// Writes so much to each partition that no buffer holds it all.
async fn write(client: &Client, records: i64) -> Written {
    let settings = ProducerConfig::new().batch_size(256 << 10).linger(Duration::from_millis(50));
    let producer = client.producer(settings).unwrap();
    let value = vec![b'x'; RECORD];
    for _ in 0..records {
        for partition in 0..PARTITIONS {
            drop(
                producer.send(Record::to(TOPIC).partition(partition).value(&value)).await.unwrap(),
            );
        }
    }
    producer.flush().await.unwrap();
    producer.close(PATIENCE).await.unwrap();
    (0..PARTITIONS).map(|partition| (partition, records)).collect()
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

/// Gives a third of the partitions another leader after 1 to 4 s.
async fn move_leaders(admin: &Admin, dice: &mut Dice) {
    sleep(Duration::from_millis(1000 + dice.below(3000))).await;
    let mut orders = Vec::new();
    for partition in 0..PARTITIONS {
        let first = dice.below(9);
        if first < 3 {
            let replicas = (first..first + 3)
                .map(|place| BrokerId(1 + i32::try_from(place % 3).unwrap()))
                .collect();
            orders.push((TopicPartition::new(TOPIC, partition), Some(replicas)));
        }
    }
    let moved: Vec<_> = orders.iter().map(|(partition, _)| partition.clone()).collect();
    for (partition, ordered) in admin.alter_reassignments(orders).await {
        ordered.unwrap_or_else(|error| panic!("{partition}: {error}"));
    }
    let elected = admin.elect_leaders(Election::Preferred, moved).await;
    eprintln!("{} leaders moved", elected.into_values().filter(Result::is_ok).count());
}
