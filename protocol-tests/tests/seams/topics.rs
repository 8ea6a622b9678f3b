//! Topics that are deleted, created anew and grown by an operator, under those who read them and
//! those who write to them.
//!
//! A value tells the incarnation of its topic and its own offset, so that what is delivered can be
//! told from what was there before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::admin::NewPartitions;
use kavka::{
    Admin, AutoOffsetReset, Client, Consumer, ConsumerConfig, ErrorKind, NewTopic, ProducerConfig,
    Record, TopicPartition,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::log::Log;
use crate::promise::Promise::{
    CallsEnd, CommitsWhatIsDone, Delivers, DeliversItsOwn, NoNeedlessError, SkipsNothing,
};
use crate::trouble::CALM;
use crate::world::{self, Ended, Life, SLACK, World};

/// Those that are read, and those that a producer writes to.
const READ: [&str; 2] = ["read-0", "read-1"];
const SENT: [&str; 2] = ["sent-0", "sent-1"];

const GROUP: &str = "readers";

/// How many partitions a topic has at most.
const MOST: i32 = 4;

/// So long after a topic was created anew a commit of its past may arrive, from a consumer that has
/// enough in its buffer and hears of it by the metadata's age: commits name no ids before version
/// 10 (KIP-848).
const PAST: Duration = Duration::from_secs(15);

/// What there is, which one task alone changes.
#[derive(Debug, Default)]
struct Truth {
    topics: BTreeMap<&'static str, Topic>,
    incarnations: u64,
}

#[derive(Clone, Copy, Debug)]
struct Topic {
    incarnation: u64,
    partitions: i32,
    since: Instant,
}

/// A partition of one incarnation of a topic.
type Place = (u64, TopicPartition);

/// What a group, or a reader by itself, has had.
#[derive(Debug, Default)]
struct Ledger {
    had: BTreeMap<Place, BTreeSet<i64>>,
    /// A commit of the topic's past has gone so far.
    waived: BTreeMap<Place, i64>,
    known_commits: usize,
}

struct Stage {
    world: World,
    truth: Mutex<Truth>,
    ledgers: [Mutex<Ledger>; 2],
    calm: watch::Receiver<bool>,
    over: watch::Receiver<bool>,
    /// Of clients that are not closed before the end.
    life: Life,
}

pub(crate) async fn live(seed: u64, log: Log) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let world = world::start(&mut dice, log, false).await;
    let until = Instant::now() + dice.millis(5_000..=30_000);
    let ((calm, calms), (over, overs), (alive, life)) =
        (watch::channel(false), watch::channel(false), watch::channel(false));
    let stage = Arc::new(Stage {
        world,
        truth: Mutex::default(),
        ledgers: Default::default(),
        calm: calms,
        over: overs,
        life,
    });
    let operator = stage.client("operator", &mut dice);
    for name in READ.into_iter().chain(SENT) {
        stage.create(&operator.admin(), name, &mut dice).await;
    }
    let mut users = JoinSet::new();
    users.spawn(Arc::clone(&stage).write(dice.fork()));
    for number in 0..dice.within(1..=2) {
        users.spawn(Arc::clone(&stage).read(number, true, dice.fork()));
    }
    users.spawn(Arc::clone(&stage).read(9, false, dice.fork()));
    users.spawn(Arc::clone(&stage).send(dice.fork()));
    stage.change(&operator.admin(), until, &mut dice).await;
    stage.world.log.say("calm");
    calm.send_replace(true);
    stage.settle().await;
    over.send_replace(true);
    while let Some(ended) = users.join_next().await {
        ended.unwrap();
    }
    let closed = timeout(Duration::from_secs(5), operator.close(Duration::from_secs(5))).await;
    stage
        .world
        .check(matches!(closed, Ok(Ok(()))), CallsEnd, || format!("client.close: {closed:?}"));
    drop(alive);
    stage.world.check_rests(400);
    stage.world.end_all().await
}

impl Stage {
    fn client(&self, id: &str, dice: &mut Dice) -> Client {
        // New partitions are found by asking anew.
        let config = self
            .world
            .config(id, dice)
            .metadata_max_age(Duration::from_millis(dice.pick(&[500, 2_000, 10_000])));
        Client::new(config).unwrap()
    }

    fn topic(&self, name: &str) -> Option<Topic> {
        self.truth.lock().unwrap().topics.get(name).copied()
    }

    /// What there is to read now.
    fn logs(&self) -> Vec<Place> {
        let truth = self.truth.lock().unwrap();
        let topics =
            READ.into_iter().filter_map(|name| truth.topics.get(name).map(|topic| (name, topic)));
        let of = |(name, topic): (&'static str, &Topic)| {
            let incarnation = topic.incarnation;
            (0..topic.partitions)
                .map(move |partition| (incarnation, TopicPartition::new(name, partition)))
        };
        topics.flat_map(of).collect()
    }

    /// Changes topics until then, and leaves all of them there.
    async fn change(&self, admin: &Admin, until: Instant, dice: &mut Dice) {
        while Instant::now() < until {
            sleep(dice.millis(50..=4_000)).await;
            let name = dice.pick(&[READ[0], READ[0], READ[1], SENT[0], SENT[1]]);
            match (self.topic(name), dice.within(0..=2)) {
                (None, _) => self.create(admin, name, dice).await,
                (Some(topic), 0) if topic.partitions < MOST => {
                    self.grow(admin, name, topic, dice).await
                }
                (Some(_), 1) => self.delete(admin, name, dice).await,
                (Some(_), _) => {
                    self.delete(admin, name, dice).await;
                    self.create(admin, name, dice).await;
                }
            }
        }
        for name in READ.into_iter().chain(SENT) {
            if self.topic(name).is_none() {
                self.create(admin, name, dice).await;
            }
        }
    }

    async fn create(&self, admin: &Admin, name: &'static str, dice: &mut Dice) {
        let partitions = i32::try_from(dice.within(1..=3)).unwrap();
        if dice.once_in(2) {
            self.world.embedded.create_topic(name, partitions, 1).unwrap();
        } else {
            let new = NewTopic::new(name).partitions(partitions).replication_factor(1);
            self.succeeds("create_topic", admin.create_topic(new)).await;
        }
        let mut truth = self.truth.lock().unwrap();
        truth.incarnations += 1;
        let topic = Topic { incarnation: truth.incarnations, partitions, since: Instant::now() };
        truth.topics.insert(name, topic);
        self.world
            .log
            .say(format_args!("{name} is {} with {partitions} partitions", truth.incarnations));
    }

    async fn delete(&self, admin: &Admin, name: &'static str, dice: &mut Dice) {
        self.world.log.say(format_args!("{name} goes"));
        self.look_at_commits();
        self.truth.lock().unwrap().topics.remove(name);
        if dice.once_in(2) {
            self.world.embedded.delete_topic(name).unwrap();
        } else {
            self.succeeds("delete_topic", admin.delete_topic(name)).await;
        }
    }

    async fn grow(&self, admin: &Admin, name: &'static str, topic: Topic, dice: &mut Dice) {
        let partitions = topic.partitions + 1;
        if dice.once_in(2) {
            self.world.embedded.grow_topic(name, partitions).unwrap();
        } else {
            let growing = async {
                admin
                    .create_partitions([(name, NewPartitions::increase_to(partitions))])
                    .await
                    .remove(name)
                    .unwrap()
            };
            self.succeeds("create_partitions", growing).await;
        }
        self.world.log.say(format_args!("{name} has {partitions} partitions"));
        self.truth.lock().unwrap().topics.insert(name, Topic { partitions, ..topic });
    }

    async fn succeeds<T>(&self, what: &str, call: impl Future<Output = kavka::Result<T>>) {
        let ended = self.world.call(what, self.world.api_timeout(), &self.life, None, call).await;
        self.world.check(ended.is_ok(), NoNeedlessError, || format!("{what} failed"));
    }

    async fn write(self: Arc<Self>, mut dice: Dice) {
        while !*self.over.borrow() {
            let logs = self.logs();
            let is_calm = *self.calm.borrow();
            for (incarnation, partition) in &logs {
                if !is_calm && !dice.once_in(3) {
                    continue;
                }
                let first = self.world.end(partition);
                let values: Vec<_> = (first..first + dice.pick(&[1, 1, 3, 20]))
                    .map(|at| format!("{incarnation}/{at}"))
                    .collect();
                let records: Vec<_> =
                    values.iter().map(|value| (None, Some(value.as_bytes()))).collect();
                self.world
                    .embedded
                    .append(&partition.topic, partition.partition.0, &records)
                    .unwrap();
            }
            sleep(if is_calm { Duration::from_millis(500) } else { dice.millis(20..=500) }).await;
        }
    }

    /// Reads as a member, or one partition of each topic by itself.
    async fn read(self: Arc<Self>, number: u64, is_member: bool, mut dice: Dice) {
        let client = self.client(&format!("reader-{number}"), &mut dice);
        let config = ConsumerConfig::new()
            .auto_offset_reset(AutoOffsetReset::Earliest)
            .fetch_max_wait(Duration::from_millis(dice.pick(&[20, 500])))
            .fetch_buffer_bytes(dice.pick(&[1, 2_000, 64 << 20]));
        let mut consumer = if is_member {
            let interval = Duration::from_millis(dice.pick(&[50, 1_000]));
            client.consumer(config.group_id(GROUP).auto_commit_interval(interval)).unwrap()
        } else {
            client.consumer(config).unwrap()
        };
        match (is_member, dice.once_in(2)) {
            (false, _) => consumer.assign(READ.map(|name| TopicPartition::new(name, 0))).unwrap(),
            (true, true) => consumer.subscribe(READ).unwrap(),
            (true, false) => consumer.subscribe_pattern("read-.*").unwrap(),
        }
        let mut over = self.over.clone();
        let mut latest = BTreeMap::new();
        let mut in_hand = None;
        loop {
            self.finish(is_member, in_hand.take());
            tokio::select! {
                biased;
                _ = over.changed() => break,
                // All may be paused.
                () = sleep(Duration::from_millis(700)) => drop(consumer.resume(&consumer.paused())),
                received = consumer.recv() => match received {
                    Ok(record) => in_hand = Some(self.received(number, is_member, &record, &mut latest)),
                    Err(error) => {
                        self.world.log.say(format_args!("{number} cannot receive: {error}"));
                        // A member that had not heard yet has committed under the name of the new
                        // topic: whoever is told reads all of it.
                        if let (ErrorKind::LogTruncated, Some(partition)) = (error.kind(), &error.context().partition) {
                            drop(consumer.seek_to_beginning([partition]));
                        }
                        sleep(Duration::from_millis(50)).await;
                    }
                },
            }
            if dice.once_in(30) {
                // Also of what it has in hand.
                self.finish(is_member, in_hand.take());
                drop(
                    self.world
                        .call(
                            "commit",
                            self.world.api_timeout(),
                            &self.life,
                            None,
                            consumer.commit(),
                        )
                        .await,
                );
            }
            if !*self.calm.borrow() {
                self.call_something(&consumer, &mut dice).await;
                sleep(dice.clone().millis(0..=dice.pick(&[0, 0, 100]))).await;
            }
        }
        let closed =
            timeout(Duration::from_secs(30), consumer.close(Duration::from_secs(30))).await;
        self.world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || {
            format!("close of {number}: {closed:?}")
        });
        let closed = timeout(Duration::from_secs(5), client.close(Duration::from_secs(5))).await;
        self.world
            .check(matches!(closed, Ok(Ok(()))), CallsEnd, || format!("client.close: {closed:?}"));
    }

    async fn call_something(&self, consumer: &Consumer, dice: &mut Dice) {
        let longest = self.world.api_timeout();
        let mine = consumer.assignment();
        match dice.within(0..=40) {
            0 => drop(consumer.seek_to_beginning(&mine)),
            1 => drop(
                self.world
                    .call("end_offsets", longest, &self.life, None, consumer.end_offsets(mine))
                    .await,
            ),
            2 => drop(
                self.world
                    .call("committed", longest, &self.life, None, consumer.committed(mine))
                    .await,
            ),
            3 => drop(consumer.pause(&mine)),
            4 => drop(consumer.resume(&mine)),
            5 if !mine.is_empty() => {
                drop(
                    self.world
                        .call("position", longest, &self.life, None, consumer.position(&mine[0]))
                        .await,
                );
            }
            _ => {}
        }
    }

    fn received(
        &self,
        number: u64,
        is_member: bool,
        record: &kavka::ConsumerRecord,
        latest: &mut BTreeMap<TopicPartition, u64>,
    ) -> (Place, i64) {
        self.look_at_commits();
        let (partition, offset) = (record.topic_partition().clone(), record.offset().0);
        let value = std::str::from_utf8(record.value().unwrap()).unwrap();
        let (incarnation, told) = value.split_once('/').unwrap();
        let incarnation = incarnation.parse().unwrap();
        let wrong = |promise, what: String| {
            self.world.wrong(
                promise,
                format_args!("{number} got {partition} {offset} of {incarnation}, {what}"),
            )
        };
        if told != offset.to_string() {
            wrong(DeliversItsOwn, format!("which is {told}"));
        }
        let before = latest.insert(partition.clone(), incarnation).unwrap_or_default();
        if before > incarnation {
            wrong(DeliversItsOwn, format!("after some of {before}"));
        }
        let at = (incarnation, partition.clone());
        let next = self.ledgers[usize::from(is_member)].lock().unwrap().next(&at);
        if offset > next {
            wrong(SkipsNothing, format!("and {next} was to come"));
        }
        (at, offset)
    }

    /// It is done with what it had in hand.
    fn finish(&self, is_member: bool, in_hand: Option<(Place, i64)>) {
        if let Some((at, offset)) = in_hand {
            self.look_at_commits();
            self.ledgers[usize::from(is_member)]
                .lock()
                .unwrap()
                .had
                .entry(at)
                .or_default()
                .insert(offset);
        }
    }

    /// What is committed was done, or is of the topic's past.
    fn look_at_commits(&self) {
        let mut ledger = self.ledgers[1].lock().unwrap();
        let commits = self.world.embedded.commits_after(ledger.known_commits);
        ledger.known_commits += commits.len();
        for commit in commits {
            let Some(topic) = self.topic(&commit.topic) else { continue };
            self.world.log.say(format_args!(
                "{} commits {}-{} {}",
                commit.client_id, commit.topic, commit.partition, commit.offset
            ));
            let at =
                (topic.incarnation, TopicPartition::new(commit.topic.as_str(), commit.partition));
            let next = ledger.next(&at);
            if commit.offset <= next {
                if ledger.waived.get(&at).is_some_and(|waived| commit.offset < *waived) {
                    // It has heard of it, and begins anew.
                    ledger.waived.remove(&at);
                }
                continue;
            }
            let age = topic.since.elapsed();
            self.world.check(age < PAST, CommitsWhatIsDone, || {
                format!(
                    "{} of {at:?} was committed by {}, done is what comes before {next}",
                    commit.offset, commit.client_id
                )
            });
            ledger.waived.insert(at, commit.offset);
        }
    }

    /// Every record that is there at last comes to the group, and to who reads by itself.
    async fn settle(&self) {
        let ends: Vec<_> =
            self.logs().into_iter().map(|log| (self.world.end(&log.1), log)).collect();
        let begun = Instant::now();
        loop {
            self.look_at_commits();
            let lacks = |is_member: bool| {
                let ledger = self.ledgers[usize::from(is_member)].lock().unwrap();
                let is_read = |partition: &TopicPartition| is_member || partition.partition.0 == 0;
                let lacking =
                    ends.iter().filter(|(end, log)| is_read(&log.1) && ledger.next(log) <= *end);
                lacking
                    .map(|(end, log)| {
                        format!("{} of {}: {} of {end}", log.1, log.0, ledger.next(log))
                    })
                    .collect::<Vec<_>>()
            };
            let lacking = [lacks(false), lacks(true)].concat();
            if lacking.is_empty() {
                return;
            }
            if begun.elapsed() > CALM {
                return self.world.wrong(Delivers, format_args!("{lacking:?} did not come"));
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Sends to topics that may not be there; in the calm every record arrives.
    async fn send(self: Arc<Self>, mut dice: Dice) {
        let client = self.client("sender", &mut dice);
        let deadline = self.world.request_timeout + Duration::from_secs(3);
        let max_block = Duration::from_millis(dice.pick(&[0, 500, 5_000]));
        let config = ProducerConfig::new()
            .delivery_timeout(deadline)
            .max_block(max_block)
            .linger(dice.millis(0..=100));
        let producer = client.producer(config).unwrap();
        let mut verdicts = JoinSet::new();
        let mut calm_since = None;
        let mut arrived = BTreeSet::new();
        while !*self.over.borrow() || arrived.len() < SENT.len() {
            let name = dice.pick(&SENT);
            let is_late =
                *self.calm.borrow() && calm_since.get_or_insert_with(Instant::now).elapsed() > CALM;
            if is_late && arrived.len() < SENT.len() {
                self.world.wrong(Delivers, format_args!("only {arrived:?} take records"));
                break;
            }
            let sent = self
                .world
                .call(
                    "send",
                    max_block,
                    &self.life,
                    None,
                    producer.send(Record::to(name).value("x")),
                )
                .await;
            if let Ended::With(Ok(delivery)) = sent {
                if calm_since.is_some() {
                    let told =
                        self.world.call("delivery", deadline, &self.life, None, delivery).await;
                    if told.is_ok() {
                        arrived.insert(name);
                    }
                } else {
                    let stage = Arc::clone(&self);
                    verdicts.spawn(async move {
                        drop(
                            stage
                                .world
                                .call("delivery", deadline, &stage.life, None, delivery)
                                .await,
                        );
                    });
                }
            }
            sleep(dice.millis(0..=300) + SLACK).await;
        }
        while let Some(ended) = verdicts.join_next().await {
            ended.unwrap();
        }
        let closed = timeout(deadline + SLACK, producer.close(deadline)).await;
        self.world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || {
            format!("producer.close: {closed:?}")
        });
        let closed = timeout(Duration::from_secs(5), client.close(Duration::from_secs(5))).await;
        self.world
            .check(matches!(closed, Ok(Ok(()))), CallsEnd, || format!("client.close: {closed:?}"));
    }
}

impl Ledger {
    /// The first offset that it has not had.
    fn next(&self, log: &Place) -> i64 {
        let mut next = self.waived.get(log).copied().unwrap_or_default();
        let had = self.had.get(log);
        while had.is_some_and(|had| had.contains(&next)) {
            next += 1;
        }
        next
    }
}
