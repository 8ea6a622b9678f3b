//! Every call that a consumer's handle has, in any order.

use std::collections::BTreeSet;
use std::time::Duration;

use kavka::{Admin, ConsumerHandle, ErrorKind, Timestamp, TopicPartition};
use tokio::time::sleep;

use super::Seat;
use crate::dice::Dice;
use crate::promise::Promise::{CommitHolds, DeliversItsOwn, NoNeedlessError};
use crate::world::Ended;

impl Seat {
    pub(super) async fn call_everything(
        self,
        handle: ConsumerHandle,
        admin: Admin,
        mut dice: Dice,
    ) {
        let mut calm = self.calm.clone();
        let mut life = self.life.clone();
        loop {
            for _ in 0..dice.pick(&[1, 1, 1, 2, 3]) {
                if *calm.borrow() || *life.borrow() {
                    return;
                }
                self.call_something(&handle, &admin, &mut dice).await;
            }
            let longest = dice.pick(&[20, 500, 3_000]);
            tokio::select! {
                biased;
                _ = calm.changed() => {}
                _ = life.changed() => {}
                () = sleep(dice.millis(0..=longest)) => {}
            }
        }
    }

    async fn call_something(&self, handle: &ConsumerHandle, admin: &Admin, dice: &mut Dice) {
        let Self { world, books, number, .. } = self;
        let mine = handle.assignment();
        let some =
            |dice: &mut Dice| mine.iter().filter(|_| dice.once_in(2)).cloned().collect::<Vec<_>>();
        match dice.within(0..=40) {
            0 => {
                let one_in = dice.within(1..=2);
                let topics: Vec<_> = world
                    .topics
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .filter(|_| dice.once_in(one_in))
                    .collect();
                self.subscribe(handle, topics);
            }
            1 => {
                let all: Vec<_> = world.topics.iter().map(|(name, _)| name.clone()).collect();
                let (pattern, found) =
                    dice.pick(&[("topic-.*", 9), ("topic-0", 1), (".*", 9), ("nothing", 0)]);
                if self.said("subscribe_pattern", handle.subscribe_pattern(pattern)) {
                    books.subscribed(*number, all.into_iter().take(found).collect());
                }
            }
            2 => self.unsubscribe(handle),
            3 => {
                self.unsubscribe(handle);
                self.subscribe(handle, world.topics.iter().map(|(name, _)| name.as_str()));
            }
            4 => {
                self.unsubscribe(handle);
                self.assign(handle, world.partitions().into_iter().collect());
            }
            5 => {
                let partitions =
                    world.partitions().into_iter().filter(|_| dice.once_in(2)).collect();
                self.assign(handle, partitions);
            }
            6..=9 => drop(self.said("pause", handle.pause(&some(dice)))),
            10..=12 => drop(self.said("resume", handle.resume(&handle.paused()))),
            13..=15 => self.seek(handle, &some(dice), dice),
            16..=18 => {
                let snapshot = books.commits(*number, None);
                let patience = dice.once_in(4).then(|| dice.millis(0..=20));
                if world
                    .call("commit", world.api_timeout(), &self.life, patience, handle.commit())
                    .await
                    .is_ok()
                {
                    books.check_committed(CommitHolds, "commit", &snapshot);
                }
            }
            19 => {
                books.commits(*number, None);
                self.said("commit_async", handle.commit_async());
            }
            20 => {
                let partitions = if dice.once_in(2) { world.partitions() } else { some(dice) };
                let offsets: Vec<_> = partitions
                    .into_iter()
                    .map(|partition| {
                        let offset =
                            i64::try_from(dice.within(0..=world.end(&partition).unsigned_abs()))
                                .unwrap();
                        books.commits_own(&partition, offset);
                        (partition, offset)
                    })
                    .collect();
                let partitions: Vec<_> = offsets
                    .iter()
                    .map(|(partition, offset)| (partition.clone(), *offset))
                    .collect();
                drop(
                    world
                        .call(
                            "commit_offsets",
                            world.api_timeout(),
                            &self.life,
                            None,
                            handle.commit_offsets(offsets),
                        )
                        .await,
                );
                partitions
                    .iter()
                    .for_each(|(partition, offset)| books.commits_own(partition, *offset));
            }
            21 | 22 => {
                let begun = world.now();
                let asked = handle.committed(world.partitions());
                let patience = dice.once_in(4).then(|| dice.millis(0..=20));
                if let Ended::With(Ok(told)) =
                    world.call("committed", world.api_timeout(), &self.life, patience, asked).await
                {
                    world.check(told.len() == world.partitions().len(), CommitHolds, || {
                        format!("{told:?} is told as committed")
                    });
                    for (partition, offset) in told {
                        books.check_told(&partition, offset.map(|told| told.offset.0), begun);
                    }
                }
            }
            23 | 24 => {
                for partition in some(dice) {
                    let patience = dice.once_in(4).then(|| dice.millis(0..=20));
                    let position = handle.position(&partition);
                    if let Ended::With(Ok(offset)) = world
                        .call("position", world.api_timeout(), &self.life, patience, position)
                        .await
                    {
                        books.check_position(*number, &partition, offset.0);
                    }
                }
            }
            25 => {
                let ends = handle.end_offsets(world.partitions());
                drop(world.call("end_offsets", world.api_timeout(), &self.life, None, ends).await);
            }
            26 => {
                let begins = handle.beginning_offsets(world.partitions());
                if let Ended::With(Ok(told)) = world
                    .call("beginning_offsets", world.api_timeout(), &self.life, None, begins)
                    .await
                {
                    world.check(told.values().all(|offset| offset.0 == 0), DeliversItsOwn, || {
                        format!("logs begin at {told:?}")
                    });
                }
            }
            27 => {
                let times = world
                    .partitions()
                    .into_iter()
                    .map(|partition| (partition, Timestamp(1_700_000_000_000)));
                let asked = handle.offsets_for_times(times);
                drop(
                    world
                        .call("offsets_for_times", world.api_timeout(), &self.life, None, asked)
                        .await,
                );
            }
            28 => {
                let wait = dice.millis(0..=500);
                drop(
                    world
                        .call(
                            "client_instance_id",
                            wait,
                            &self.life,
                            None,
                            handle.client_instance_id(wait),
                        )
                        .await,
                );
            }
            29 | 30 => self.administer(admin, dice).await,
            31 => mine.iter().for_each(|partition| self.look(handle, partition)),
            32 | 33 => {
                // It waits for as long as it takes, such as for a paused partition.
                let (longest, patience) = (Duration::from_secs(3_600), dice.millis(0..=5_000));
                let call = handle.caught_up();
                drop(world.call("caught_up", longest, &self.life, Some(patience), call).await);
            }
            34 => drop(self.said("enforce_rebalance", handle.enforce_rebalance("at random"))),
            35 => {
                drop((handle.subscription(), handle.membership(), handle.group_metadata()));
            }
            36 => {
                let index = dice.next() % world.topics.len() as u64;
                let (topic, count) = &world.topics[usize::try_from(index).unwrap()];
                let asked = handle.partitions_for(topic.as_str());
                if let Ended::With(Ok(told)) =
                    world.call("partitions_for", world.api_timeout(), &self.life, None, asked).await
                {
                    world.check(i32::try_from(told.len()) == Ok(*count), DeliversItsOwn, || {
                        format!("{topic} has {told:?}")
                    });
                }
            }
            37 => {
                let offsets: Vec<_> = some(dice)
                    .into_iter()
                    .map(|partition| {
                        let end = world.end(&partition).unsigned_abs();
                        let offset = i64::try_from(dice.within(0..=end)).unwrap();
                        books.commits_own(&partition, offset);
                        (partition, offset)
                    })
                    .collect();
                self.said("commit_async", handle.commit_offsets_async(offsets));
            }
            _ => sleep(dice.millis(0..=5_000)).await,
        }
    }

    /// What is known of a partition without a request is not what cannot be.
    fn look(&self, handle: &ConsumerHandle, partition: &TopicPartition) {
        let end = self.world.end(partition);
        if let Some(lag) = handle.current_lag(partition) {
            self.world.check(lag <= end.unsigned_abs(), DeliversItsOwn, || {
                format!("{} lags by {lag} in {partition}, which has {end}", self.number)
            });
        }
        if let Some(told) = handle.watermarks(partition) {
            let is_there = told.high_watermark.0 <= end
                && told.log_start_offset.is_none_or(|offset| offset.0 == 0);
            self.world.check(is_there, DeliversItsOwn, || {
                format!("{} is told {told:?} of {partition}, which has {end}", self.number)
            });
        }
    }

    pub(super) fn subscribe<'a>(
        &self,
        handle: &ConsumerHandle,
        topics: impl IntoIterator<Item = &'a str>,
    ) {
        let topics: Vec<_> = topics.into_iter().collect();
        if self.said(&format!("subscribe {topics:?}"), handle.subscribe(topics.iter().copied())) {
            match topics.is_empty() {
                true => self.books.unsubscribed(self.number),
                false => self
                    .books
                    .subscribed(self.number, topics.into_iter().map(str::to_owned).collect()),
            }
        }
    }

    pub(super) fn unsubscribe(&self, handle: &ConsumerHandle) {
        if self.said("unsubscribe", handle.unsubscribe()) {
            self.books.unsubscribed(self.number);
        }
    }

    pub(super) fn assign(&self, handle: &ConsumerHandle, partitions: BTreeSet<TopicPartition>) {
        if self.said(&format!("assign {partitions:?}"), handle.assign(partitions.clone())) {
            self.books.chosen(self.number, &partitions);
        }
    }

    pub(super) fn seek(
        &self,
        handle: &ConsumerHandle,
        partitions: &[TopicPartition],
        dice: &mut Dice,
    ) {
        for partition in partitions {
            let end = self.world.end(partition);
            let (to, sought) = match dice.within(0..=9) {
                0 => (Some(0), handle.seek_to_beginning([partition])),
                1 => (None, handle.seek_to_end([partition])),
                2 => (
                    None,
                    handle.seek_to_time(
                        [partition],
                        Timestamp(
                            1_700_000_000_000 + i64::try_from(dice.within(0..=30_000)).unwrap(),
                        ),
                    ),
                ),
                3 => (Some(end + 10), handle.seek(partition, end + 10)),
                _ => {
                    let to = i64::try_from(dice.within(0..=end.unsigned_abs())).unwrap();
                    (Some(to), handle.seek(partition, to))
                }
            };
            if self.said(&format!("seek {partition} to {to:?}"), sought) {
                self.books.sought(self.number, partition, to);
            }
        }
    }

    pub(super) fn said(&self, what: &str, outcome: kavka::Result<()>) -> bool {
        match &outcome {
            Ok(()) => self.world.log.say(format_args!("{} {what}", self.number)),
            Err(error) => {
                self.world.log.say(format_args!("{} {what}: {error}", self.number));
                let is_meant = matches!(error.kind(), ErrorKind::Config | ErrorKind::Closed);
                let is_meant = is_meant || what == "commit_async";
                self.world.check(is_meant, NoNeedlessError, || {
                    format!("{} {what}: {error:?}", self.number)
                });
            }
        }
        outcome.is_ok()
    }
}
