//! The members of a group, what they own and have read, and what the group has committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::{
    AutoOffsetReset, BoxFuture, Client, Consumer, ConsumerConfig, ConsumerHandle, ConsumerRecord,
    ErrorKind, GroupProtocol, RebalanceListener, TopicPartition,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::log::Log;
use crate::plan::GroupPlan;
use crate::run::{SLACK, World};

/// Twice what a member that leaves a healthy group may need.
const CLOSE: Duration = Duration::from_secs(30);

/// What all members of a group together own, have read and may have committed.
#[derive(Debug)]
pub(crate) struct Ledger {
    group: String,
    log: Log,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    owners: BTreeMap<TopicPartition, Owner>,
    read: BTreeMap<TopicPartition, BTreeSet<i64>>,
    /// The offset after which nothing may be committed yet.
    asked_past: BTreeMap<TopicPartition, i64>,
    committed: BTreeMap<TopicPartition, i64>,
}

impl Entries {
    fn ask_past(&mut self, partition: &TopicPartition, next: i64) {
        let past = self.asked_past.entry(partition.clone()).or_default();
        *past = next.max(*past);
    }
}

/// Who has a partition, and where it stands.
#[derive(Clone, Copy, Debug)]
struct Owner {
    member: usize,
    last: Option<i64>,
    /// The member is giving it up: it may not deliver any more.
    is_going: bool,
}

impl Ledger {
    pub(crate) fn new(group: &str, log: &Log) -> Self {
        Self { group: group.to_owned(), log: log.clone(), entries: Mutex::default() }
    }

    fn say(&self, member: usize, what: &str, partitions: &[TopicPartition]) {
        let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
        self.log.say(format_args!("{} {member} {what} [{}]", self.group, names.join(" ")));
    }

    fn wrong(&self, what: &str) {
        self.log.wrong(format_args!("{}: {what}", self.group));
    }

    fn assigned(&self, member: usize, partitions: &[TopicPartition]) {
        self.say(member, "is given", partitions);
        let mut entries = self.entries.lock().unwrap();
        for partition in partitions {
            let owner = Owner { member, last: None, is_going: false };
            if let Some(other) = entries.owners.insert(partition.clone(), owner) {
                self.wrong(&format!(
                    "{partition} was given to {member} while {} had it",
                    other.member
                ));
            }
        }
    }

    fn going(&self, member: usize, partitions: &[TopicPartition]) {
        self.say(member, "gives up", partitions);
        let mut entries = self.entries.lock().unwrap();
        for partition in partitions {
            match entries.owners.get_mut(partition) {
                Some(owner) if owner.member == member => owner.is_going = true,
                _ => self.wrong(&format!("{member} gives {partition} up, which it does not have")),
            }
        }
    }

    /// A member commits whatever was delivered to it.
    fn commits_all(&self, member: usize) {
        let mut entries = self.entries.lock().unwrap();
        let owned = entries.owners.iter().filter(|(_, owner)| owner.member == member);
        let delivered: Vec<_> = owned
            .filter_map(|(partition, owner)| Some((partition.clone(), owner.last? + 1)))
            .collect();
        delivered.iter().for_each(|(partition, next)| entries.ask_past(partition, *next));
    }

    fn gone(&self, member: usize, partitions: &[TopicPartition]) {
        self.say(member, "has lost", partitions);
        let mut entries = self.entries.lock().unwrap();
        for partition in partitions {
            match entries.owners.get(partition) {
                Some(owner) if owner.member == member => drop(entries.owners.remove(partition)),
                _ => self.wrong(&format!("{member} loses {partition}, which it does not have")),
            }
        }
    }

    fn died(&self, member: usize) {
        self.entries.lock().unwrap().owners.retain(|_, owner| owner.member != member);
    }

    fn owns_something(&self, member: usize) -> bool {
        self.entries.lock().unwrap().owners.values().any(|owner| owner.member == member)
    }

    fn delivered(&self, member: usize, partition: &TopicPartition, offset: i64) {
        let mut entries = self.entries.lock().unwrap();
        match entries.owners.get_mut(partition) {
            Some(owner) if owner.member == member && !owner.is_going => {
                let before = owner.last.replace(offset);
                if before.is_some_and(|before| offset != before + 1) {
                    self.wrong(&format!("{member} read {partition} {offset} after {before:?}"));
                }
            }
            other => {
                self.wrong(&format!("{member} read {partition} {offset}, which {other:?} owns"))
            }
        }
        entries.read.entry(partition.clone()).or_default().insert(offset);
    }

    /// The application is done with what comes before `next`.
    fn asked_past(&self, partition: &TopicPartition, next: i64) {
        self.entries.lock().unwrap().ask_past(partition, next);
    }

    /// Compares what is committed now with what may be.
    pub(crate) fn check_commits(&self, world: &World) {
        let mut entries = self.entries.lock().unwrap();
        for partition in world.partitions() {
            let Some(committed) =
                world.embedded.committed(&self.group, &partition.topic, partition.partition.0)
            else {
                continue;
            };
            let before = entries.committed.insert(partition.clone(), committed);
            if before.is_some_and(|before| committed < before)
                && !came_late(world, &self.group, &partition)
            {
                self.wrong(&format!(
                    "the commit of {partition} went back from {before:?} to {committed}"
                ));
            }
            let past = entries.asked_past.get(&partition).copied().unwrap_or_default();
            if committed > past {
                self.wrong(&format!(
                    "{committed} of {partition} is committed, but the application asked past \
                     {past} only"
                ));
            }
        }
    }

    /// Whether every record of the logs was read.
    pub(crate) fn is_complete(&self, world: &World) -> bool {
        let entries = self.entries.lock().unwrap();
        world.partitions().into_iter().all(|partition| {
            let end = world.end(&partition);
            entries.read.get(&partition).map_or(0, BTreeSet::len) as u64 == end.unsigned_abs()
        })
    }

    pub(crate) fn progress(&self) -> String {
        let entries = self.entries.lock().unwrap();
        let read: BTreeMap<_, _> =
            entries.read.iter().map(|(tp, offsets)| (tp.to_string(), offsets.len())).collect();
        let owners: BTreeMap<_, _> =
            entries.owners.iter().map(|(tp, owner)| (tp.to_string(), owner.member)).collect();
        format!("{}: read {read:?}, owners {owners:?}", self.group)
    }
}

/// Whether the newest commit of a partition came by a connection that its client had given up: a slow
/// broker may serve what was sent on it behind what came by the next. No client can call it back.
fn came_late(world: &World, group: &str, partition: &TopicPartition) -> bool {
    let commits = world.embedded.commits_after(0);
    let mut commits = commits.iter().rev().filter(|commit| {
        commit.group == group
            && *commit.topic == *partition.topic
            && commit.partition == partition.partition.0
    });
    let Some(newest) = commits.next() else { return false };
    commits
        .any(|commit| commit.client_id == newest.client_id && commit.connection > newest.connection)
}

/// Tells the ledger what one member is given and gives up.
struct Notes {
    member: usize,
    ledger: Arc<Ledger>,
    commits_automatically: bool,
    in_hand: Option<InHand>,
}

impl Notes {
    /// Is done with some of what goes, and leaves the rest.
    fn part_with(&self, consumer: &ConsumerHandle, partitions: &[TopicPartition]) {
        let Some(in_hand) = &self.in_hand else { return };
        for draw in 0..3 {
            in_hand.finish_one(consumer, draw);
        }
        in_hand.forget(partitions);
    }
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
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.ledger.going(self.member, partitions);
        Box::pin(async move {
            self.part_with(consumer, partitions);
            if !self.commits_automatically {
                if self.in_hand.is_none() {
                    self.ledger.commits_all(self.member);
                }
                if let Err(error) = consumer.commit().await {
                    self.ledger.log.say(format_args!(
                        "{} could not commit what it gives up: {error}",
                        self.member
                    ));
                }
            }
            self.ledger.gone(self.member, partitions);
        })
    }

    fn on_lost<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        if let Some(in_hand) = &self.in_hand {
            in_hand.forget(partitions);
        }
        self.ledger.gone(self.member, partitions);
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
        world: &Arc<World>,
        plan: &GroupPlan,
        ledger: &Arc<Ledger>,
        number: usize,
        dice: &mut Dice,
    ) -> Self {
        let client = world.client(&format!("{}-{number}", plan.name), dice);
        let config = ConsumerConfig::new()
            .group_id(&plan.name)
            .auto_offset_reset(AutoOffsetReset::Earliest)
            .enable_auto_commit(plan.commits_automatically)
            .enable_auto_offset_store(!plan.marks)
            .auto_commit_interval(dice.millis(200..=2_000))
            .max_poll_interval(Duration::from_secs(20))
            .max_poll_records(usize::try_from(dice.within(1..=50)).unwrap())
            .max_partition_fetch_bytes(dice.pick(&[500, 1_048_576]));
        let protocol = dice.pick(&plan.protocols);
        let config = match protocol {
            GroupProtocol::Classic => config
                .partition_assignment_strategy(plan.strategies.clone())
                .session_timeout(plan.session_timeout)
                .heartbeat_interval(plan.session_timeout / 6),
            // The broker decides.
            protocol => config.group_protocol(protocol),
        };
        let consumer = client.consumer(config).unwrap();
        let commits_automatically = plan.commits_automatically;
        let in_hand = plan.marks.then(|| InHand::new(ledger));
        consumer.rebalance_listener(Notes {
            member: number,
            ledger: Arc::clone(ledger),
            commits_automatically,
            in_hand: in_hand.clone(),
        });
        consumer.subscribe(world.plan.topics.iter().map(|(name, ..)| name.as_str())).unwrap();
        world.log.say(format_args!("{} {number} joins, {protocol:?}", plan.name));
        let (leave, left) = oneshot::channel();
        let application = Application {
            world: Arc::clone(world),
            ledger: Arc::clone(ledger),
            number,
            commits_automatically,
            takes: dice.pick(&[Takes::Records, Takes::Batches, Takes::Many(7), Takes::Many(500)]),
            handed: Vec::new(),
            in_hand,
            dice: dice.fork(),
        };
        let task = tokio::spawn(application.run(client, consumer, left));
        Self { number, leave, task }
    }

    /// Leaves the group as a process that ends well.
    async fn leave(self) {
        let _ = self.leave.send(());
        self.task.await.unwrap();
    }

    /// Ends as a process that is killed: the group hears of it when the session times out.
    async fn die(self, ledger: &Ledger) {
        ledger.log.say(format_args!("{} {} dies", ledger.group, self.number));
        self.task.abort();
        let _ = self.task.await;
        ledger.died(self.number);
    }
}

/// What uses a consumer.
struct Application {
    world: Arc<World>,
    ledger: Arc<Ledger>,
    number: usize,
    commits_automatically: bool,
    takes: Takes,
    /// What the last receive returned, and the offset after it.
    handed: Vec<(TopicPartition, i64)>,
    in_hand: Option<InHand>,
    dice: Dice,
}

/// How an application asks for records.
#[derive(Clone, Copy)]
enum Takes {
    Records,
    Batches,
    Many(usize),
}

impl Application {
    async fn run(
        mut self,
        client: Client,
        mut consumer: Consumer,
        mut left: oneshot::Receiver<()>,
    ) {
        let log = self.world.log.clone();
        while left.try_recv().is_err() {
            self.finish();
            tokio::select! {
                biased;
                _ = &mut left => break,
                received = receive(&mut consumer, self.takes) => match received {
                    Ok(records) => self.has(records),
                    Err(error) => {
                        log.say(format_args!("{} cannot receive: {error}", self.number));
                        log.check(error.kind() == ErrorKind::MaxPollExceeded, || format!("nothing is wrong, but {error:?}"));
                    }
                },
            }
            if self.dice.once_in(10) {
                sleep(self.dice.millis(0..=200)).await;
            }
            self.mark(&consumer);
            if !self.commits_automatically && self.dice.once_in(8) {
                self.commit(&consumer).await;
            }
        }
        // So does closing.
        self.finish();
        let closed = self.world.leaves_in_time(CLOSE, consumer.close(CLOSE)).await;
        if closed {
            log.check(!self.ledger.owns_something(self.number), || {
                format!("{} left with partitions", self.number)
            });
        }
        self.ledger.died(self.number);
        self.world.in_time("client.close", CLOSE, client.close(CLOSE)).await;
        log.say(format_args!("{} {} has left", self.ledger.group, self.number));
    }

    fn has(&mut self, records: Vec<ConsumerRecord>) {
        for record in records {
            let (partition, offset) = (record.topic_partition().clone(), record.offset().0);
            self.ledger.delivered(self.number, &partition, offset);
            match &self.in_hand {
                Some(in_hand) => in_hand.take(record),
                None => self.handed.push((partition, offset + 1)),
            }
        }
    }

    /// Some of what is in hand is done.
    fn mark(&mut self, consumer: &Consumer) {
        let Some(in_hand) = &self.in_hand else { return };
        let most = self.dice.pick(&[0, 1, 5, 1_000]);
        for _ in 0..most {
            let draw = self.dice.next();
            if !in_hand.finish_one(&consumer.handle(), draw) {
                break;
            }
        }
    }

    /// Asking for more says that what came before is done.
    fn finish(&mut self) {
        for (partition, next) in self.handed.drain(..) {
            self.ledger.asked_past(&partition, next);
        }
    }

    async fn commit(&mut self, consumer: &Consumer) {
        self.finish();
        if self.dice.once_in(2) {
            let _ = consumer.commit_async();
            return;
        }
        let longest = self.world.api_timeout() + SLACK;
        let committing = tokio::time::timeout(longest, consumer.commit()).await;
        self.world.log.check(committing.is_ok(), || {
            format!("a commit of {} took longer than it may", self.number)
        });
    }
}

async fn receive(consumer: &mut Consumer, takes: Takes) -> kavka::Result<Vec<ConsumerRecord>> {
    Ok(match takes {
        Takes::Records => vec![consumer.recv().await?],
        Takes::Batches => {
            consumer.next_batch().await?.iter().map(|record| record.to_record()).collect()
        }
        Takes::Many(max) => consumer.recv_many(max, Duration::from_millis(100)).await?,
    })
}

/// What an application that marks has and is not done with. No log has gaps, so what may be committed
/// is the first that is not done.
#[derive(Clone)]
struct InHand {
    ledger: Arc<Ledger>,
    partitions: Arc<Mutex<BTreeMap<TopicPartition, PartitionInHand>>>,
}

#[derive(Default)]
struct PartitionInHand {
    records: BTreeMap<i64, ConsumerRecord>,
    /// The offset after the last that came.
    next: i64,
}

impl InHand {
    fn new(ledger: &Arc<Ledger>) -> Self {
        Self { ledger: Arc::clone(ledger), partitions: Arc::default() }
    }

    fn take(&self, record: ConsumerRecord) {
        let mut partitions = self.partitions.lock().unwrap();
        let of = partitions.entry(record.topic_partition().clone()).or_default();
        of.next = record.offset().0 + 1;
        of.records.insert(record.offset().0, record);
    }

    /// Is done with one of all; false if there are none.
    fn finish_one(&self, consumer: &ConsumerHandle, draw: u64) -> bool {
        let mut partitions = self.partitions.lock().unwrap();
        let count: usize = partitions.values().map(|of| of.records.len()).sum();
        let Some(chosen) = draw.checked_rem(count as u64) else { return false };
        let all = partitions.iter().flat_map(|(partition, of)| {
            of.records.keys().map(move |offset| (partition.clone(), *offset))
        });
        let Some((partition, offset)) = all.into_iter().nth(chosen as usize) else { return false };
        let of = partitions.get_mut(&partition).unwrap();
        let record = of.records.remove(&offset).unwrap();
        let first_not_done = of.records.keys().next().copied().unwrap_or(of.next);
        // Before it is done, as a commit may follow at once.
        self.ledger.asked_past(&partition, first_not_done);
        if let Err(error) = consumer.mark_done(&record) {
            let is_gone = matches!(error.class(), kavka::Class::Rejoin);
            self.ledger.log.check(is_gone || error.kind() == ErrorKind::Closed, || {
                format!("{partition} {offset} cannot be done: {error:?}")
            });
        }
        true
    }

    /// These go: what is not done of them is another's.
    fn forget(&self, gone: &[TopicPartition]) {
        self.partitions.lock().unwrap().retain(|partition, _| !gone.contains(partition));
    }
}

/// Runs a group whose members come and go during the trouble; one at least is left, until told to
/// end.
pub(crate) async fn churn(
    world: Arc<World>,
    plan: GroupPlan,
    ledger: Arc<Ledger>,
    mut dice: Dice,
    end: oneshot::Receiver<()>,
) {
    let mut members: Vec<_> = (0..plan.members)
        .map(|number| {
            Member::join(&world, &plan, &ledger, usize::try_from(number).unwrap(), &mut dice)
        })
        .collect();
    let mut next = members.len();
    for _ in 0..plan.changes {
        sleep(dice.millis(100..=2 * world.plan.trouble.as_millis() as u64 / plan.changes)).await;
        if members.len() > 1 && dice.once_in(2) {
            let member =
                members.swap_remove(usize::try_from(dice.next() % members.len() as u64).unwrap());
            if dice.once_in(2) { member.die(&ledger).await } else { member.leave().await }
        } else {
            members.push(Member::join(&world, &plan, &ledger, next, &mut dice));
            next += 1;
        }
    }
    let _ = end.await;
    for member in members {
        member.leave().await;
    }
}
