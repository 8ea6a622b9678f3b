//! Copies records exactly once, until it is killed or asked to end.

use std::collections::BTreeMap;
use std::time::Duration;

use kavka::{
    Class, Client, ClientConfig, Consumer, ConsumerGroupMetadata, Error, ErrorKind, IsolationLevel,
    ProducerConfig, Record, Result, TopicPartition, TransactionalProducer,
};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Topics;
use crate::support::{Dice, PATIENCE, earliest};

/// Small and large, so that some transactions have one request and some have many.
const SIZES: [usize; 5] = [1, 7, 100, 750, 5000];

/// How long a transaction waits for more records.
const POLL: Duration = Duration::from_millis(100);

/// A copier in a runtime of its own, which ends without a word, as a process that is killed.
pub(super) struct Copier {
    runtime: Runtime,
    leave: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Copier {
    /// Copies one partition, or as a member of the group.
    pub(super) fn start(
        client: ClientConfig,
        topics: Topics,
        slot: usize,
        partition: Option<i32>,
        dice: Dice,
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let (leave, left) = oneshot::channel();
        let id = format!("{}-{slot}", topics.group);
        let task = runtime.spawn(copy(client, topics, id, partition, dice, left));
        Self { runtime, leave, task }
    }

    /// What ended it by itself, which nothing should.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    pub(super) fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Ends it after the transaction at work.
    pub(super) async fn leave(self) -> Result<()> {
        let _ = self.leave.send(());
        let left = self.task.await.unwrap();
        self.runtime.shutdown_background();
        left
    }
}

async fn copy(
    client: ClientConfig,
    topics: Topics,
    id: String,
    partition: Option<i32>,
    mut dice: Dice,
    mut left: oneshot::Receiver<()>,
) -> Result<()> {
    let client = Client::new(client)?;
    let config = earliest()
        .group_id(topics.group)
        .isolation_level(IsolationLevel::ReadCommitted)
        .enable_auto_commit(false)
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_secs(1))
        // What was asked for at the end of the log holds up what is read again.
        .fetch_max_wait(POLL);
    let mut consumer = client.consumer(config)?;
    match partition {
        Some(partition) => consumer.assign([TopicPartition::new(topics.input, partition)])?,
        None => consumer.subscribe([topics.input])?,
    }
    let config = ProducerConfig::new()
        .transactional_id(id.as_str())
        .transaction_timeout(Duration::from_secs(20))
        .batch_size(512);
    let mut producer = client.transactional_producer(config)?;
    let mut is_rewound = true;
    loop {
        let size = SIZES[usize::try_from(dice.below(5)).unwrap()];
        let is_aborted = dice.below(3) == 0;
        let step = async {
            if !is_rewound {
                return rewind(&consumer).await.map(|()| true);
            }
            let Some(input) = Input::read(&mut consumer, size).await? else { return Ok(true) };
            input.copy(topics.output, &mut producer, is_aborted).await
        };
        let outcome = tokio::select! {
            outcome = step => outcome,
            _ = &mut left => break,
        };
        match outcome {
            Ok(rewound) => is_rewound = rewound,
            Err(error) if can_go_on(&error) => is_rewound = false,
            Err(error) => {
                eprintln!("{id} has ended: {error}");
                return Err(error);
            }
        }
    }
    producer.close(PATIENCE).await?;
    consumer.close(PATIENCE).await
}

fn can_go_on(error: &Error) -> bool {
    matches!(error.class(), Class::Abortable | Class::Retriable | Class::Rejoin)
}

/// Goes back to what is committed, wherever that ended.
async fn rewind(consumer: &Consumer) -> Result<()> {
    for (partition, committed) in consumer.committed(consumer.assignment()).await? {
        let offset = committed.map_or(0.into(), |committed| committed.offset);
        match consumer.seek(&partition, offset) {
            // It has gone to another member.
            Err(error) if error.kind() == ErrorKind::Config => {}
            sought => sought?,
        }
    }
    Ok(())
}

/// What one transaction copies.
struct Input {
    values: Vec<(i32, Vec<u8>)>,
    offsets: BTreeMap<TopicPartition, i64>,
    group: ConsumerGroupMetadata,
}

impl Input {
    async fn read(consumer: &mut Consumer, size: usize) -> Result<Option<Self>> {
        let until = tokio::time::Instant::now() + POLL;
        let mut input: Option<Self> = None;
        let mut count = 0;
        while count < size {
            let Ok(record) = tokio::time::timeout_at(until, consumer.recv()).await else { break };
            let record = record?;
            // Of the first record: the group must still be as it was then.
            let group = consumer.group_metadata()?;
            let input = input.get_or_insert_with(|| Self {
                values: Vec::new(),
                offsets: BTreeMap::new(),
                group,
            });
            input.values.push((record.partition().0, record.value().unwrap().to_vec()));
            input.offsets.insert(record.topic_partition().clone(), record.offset().0 + 1);
            count += 1;
        }
        Ok(input)
    }

    /// Whether it was committed.
    async fn copy(
        self,
        topic: &str,
        producer: &mut TransactionalProducer,
        is_aborted: bool,
    ) -> Result<bool> {
        let mut transaction = producer.begin().await?;
        for (partition, value) in &self.values {
            drop(transaction.send(Record::to(topic).partition(*partition).value(value)).await?);
        }
        transaction.send_offsets(self.offsets, &self.group).await?;
        if is_aborted {
            transaction.abort().await?;
            return Ok(false);
        }
        // A commit without an answer may have been made.
        loop {
            match transaction.commit().await {
                Err(error) if error.kind() == ErrorKind::Timeout => eprintln!("{error}"),
                committed => return committed.map(|()| true),
            }
        }
    }
}
