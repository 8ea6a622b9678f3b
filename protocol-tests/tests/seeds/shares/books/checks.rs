//! The rules.

use kavka::{AcknowledgeType, ErrorKind, ShareRecord};
use kavka_testcontainers::embedded::ShareRecordState;
use std::time::Duration;

use super::super::brokers::{Standing, ends, is_with};
use super::super::plan::LONGEST_BATCH;
use super::super::value_of;
use super::super::voices::Outcome;
use super::{Books, Delivery, Pages, Saying, margin};
use crate::run::SLACK;

impl Books {
    /// What holds of each record that is handed over, whatever was before.
    pub(super) fn check_record(&self, record: &ShareRecord, delivery: &Delivery) {
        let (partition, offset) = &delivery.key;
        let value = value_of(partition, *offset);
        if record.value() != Some(value.as_bytes()) {
            self.wrong(format_args!("{value} is {:?}", record.value()));
        }
        if !(1..=self.plan.limit).contains(&delivery.count) {
            self.wrong(format_args!("{value} is delivered the {}. time", delivery.count));
        }
        let left = record.lock_time_left();
        let is_locked = left.is_some_and(|left| !left.is_zero() && left <= self.plan.lock);
        if !is_locked {
            self.wrong(format_args!("{value} is locked for {left:?} as it comes"));
        }
    }

    /// What was delivered is the member's and nobody's else, was not settled before, and has a
    /// count that rises.
    ///
    /// A broker's answer that was long on its way may bring what has become another's since, but not
    /// while nothing is disturbed, nor after the lock has run out by the member's own clock.
    pub(super) fn check_delivery(
        &self,
        pages: &mut Pages,
        delivery: &Delivery,
        standing: &Standing,
    ) {
        let Delivery { member, key, count, at, .. } = delivery;
        let name = format!("{} {}", key.0, key.1);
        let owner = &pages.members[*member];
        let place = standing.record(key.1);
        let is_its = place.is_some_and(|known| is_with(known, &owner.id, *count));
        if !is_its && self.is_exact(owner, *at) {
            self.wrong(format_args!("{member} is given {name}, which is not its: {place:?}"));
        }
        let entry = pages.records.entry(key.clone()).or_default();
        let longest = self.plan.lock + self.stage.longest_request() + SLACK;
        if let Some(settled) = entry.settled.filter(|at| is_its || at.elapsed() > longest) {
            self.wrong(format_args!("{name} was settled {:?} before", settled.elapsed()));
        }
        if is_its && *count <= entry.released {
            self.wrong(format_args!("{name} was released as often: {}", entry.released));
        }
        let Some(loaded) = standing.loaded().filter(|_| is_its) else { return };
        if let Some((before, newest)) = entry.newest
            && before == loaded
            && newest >= *count
        {
            self.wrong(format_args!("{name} had come the {newest}. time, and now the {count}."));
        }
        entry.newest = Some((loaded, *count));
    }

    /// Nobody else is told to have what was delivered.
    pub(super) fn check_others(&self, pages: &Pages, delivery: &Delivery) {
        let now = delivery.at;
        let same = pages.held.iter().filter(|(number, _)| {
            let other = &pages.deliveries[**number];
            other.key == delivery.key && !other.is_said
        });
        for (number, record) in same {
            let other = &pages.deliveries[*number];
            let left = record.lock_time_left().filter(|left| !left.is_zero());
            let is_own = other.member == delivery.member;
            // A member knows of itself.
            let knows = is_own
                || self.is_exact(&pages.members[other.member], other.at)
                    && self.is_exact(&pages.members[delivery.member], now);
            if left.is_some() && knows {
                self.wrong(format_args!(
                    "{} {} is given to {} while {} has it for another {left:?}",
                    delivery.key.0, delivery.key.1, delivery.member, other.member
                ));
            }
        }
    }

    /// What brokers must know of a record when a member is told that they have taken its word.
    pub(super) fn check_taken(&self, saying: &Saying) {
        let (partition, offset) = &saying.key;
        let ends = ends(&self.stage.world.embedded, self.plan.name, partition);
        let end = ends.get(offset).map(|end| end.state);
        // Brokers say yes to whatever is said of what has ended, as the lock ran out for the last time.
        let may_be_late = !saying.must_hold && end.is_some();
        let holds = match saying.what {
            AcknowledgeType::Accept => end == Some(ShareRecordState::Acknowledged) || may_be_late,
            AcknowledgeType::Reject => end == Some(ShareRecordState::Archived) || may_be_late,
            // It goes on, or was delivered too often.
            _ => true,
        };
        if !holds || saying.is_outdated {
            self.wrong(format_args!(
                "{} was told that {:?} of {partition} {offset} is taken: {end:?}",
                saying.member, saying.what
            ));
        }
    }

    /// Nothing fails without a reason, which is undisturbed the member's own.
    pub(super) fn check_failure(&self, saying: &Saying, is_over: bool, error: &kavka::Error) {
        let (partition, offset) = &saying.key;
        let may_be = matches!(
            error.kind(),
            ErrorKind::LockLost
                | ErrorKind::Broker
                | ErrorKind::Disconnected
                | ErrorKind::Connect
                | ErrorKind::Timeout
                | ErrorKind::Closed
        );
        let is_earned = !saying.must_hold || is_over;
        let undisturbed = self.stage.is_quiet_since(saying.at);
        let only = matches!(error.kind(), ErrorKind::LockLost | ErrorKind::Closed);
        if !may_be || !is_earned || undisturbed && !is_over && !only && saying.must_hold {
            self.wrong(format_args!(
                "{} cannot say {:?} of {partition} {offset}: {error:?}",
                saying.member, saying.what
            ));
        }
    }

    /// What a listener was told is what the future has said; it is told of all that is taken.
    pub(super) fn check_listener(
        &self,
        pages: &Pages,
        saying: &Saying,
        is_alone: bool,
        outcome: Outcome,
    ) {
        let Saying { member, key, number, .. } = saying;
        let told = pages.voices.told_of(*member, key, *number);
        let agrees = match (outcome, told) {
            (Outcome::Taken, told) => told == Some(Outcome::Taken),
            (_, None) => true,
            // The records that its application still had were dropped, of which it is told as well.
            _ if pages.members[*member].is_over => true,
            // Others of the same saying may have fared better.
            (failed, Some(told)) => told == failed || !is_alone,
        };
        if !agrees {
            self.wrong(format_args!(
                "{member} was told {told:?} of {} {}, and then {outcome:?}",
                key.0, key.1
            ));
        }
    }

    /// Looks at what the brokers know: nothing ends but by somebody's word, or as it was delivered as
    /// often as it may be.
    pub(in super::super) fn look(&self) {
        self.check_unheard();
        let embedded = &self.stage.world.embedded;
        for partition in self.stage.world.partitions() {
            let mut pages = self.pages.lock().unwrap();
            for end in ends(embedded, self.plan.name, &partition).into_values() {
                let entry = pages.records.entry((partition.clone(), end.offset)).or_default();
                let has_cause = match end.state {
                    ShareRecordState::Acknowledged => entry.accepts > 0,
                    ShareRecordState::Archived => {
                        entry.rejects > 0 || end.delivery_count >= i32::from(self.plan.limit)
                    }
                    _ => false,
                };
                if !has_cause && !entry.is_wrong {
                    entry.is_wrong = true;
                    self.wrong(format_args!("{partition} is without anybody's word {end:?}"));
                }
            }
            drop(pages);
            self.check_hoard(&Standing::of(embedded, self.plan.name, &partition));
        }
    }

    /// Whatever must be taken is, whether or not anybody awaits it.
    fn check_unheard(&self) {
        let mut pages = self.pages.lock().unwrap();
        let Pages { unheard, sayings, members, .. } = &mut *pages;
        unheard.retain(|number| {
            let (saying, member) = (&sayings[*number], &members[sayings[*number].member]);
            let is_late = saying.at.elapsed() > margin(&member.plan) + SLACK;
            if is_late && !member.is_over {
                self.wrong(format_args!("the listener is not told of {saying:?}"));
            }
            !is_late && !member.is_over
        });
    }

    /// A member has no more locked for it than what its application has and what it may fetch ahead.
    fn check_hoard(&self, standing: &Standing) {
        let pages = self.pages.lock().unwrap();
        for member in pages.members.iter().filter(|one| !one.is_over) {
            let is_locked = |one: &&kavka_testcontainers::embedded::ShareRecord| {
                one.state == ShareRecordState::Acquired
                    && one.member.as_deref() == Some(member.id.as_str())
            };
            let locked = standing.records().iter().filter(is_locked).count();
            let given = pages
                .deliveries
                .iter()
                .filter(|one| pages.members[one.member].id == member.id)
                .filter(|one| one.at.elapsed() <= self.plan.lock + Duration::from_secs(8))
                .count();
            // What a fetch brings may end with a batch of each partition, and each leader is asked.
            let partitions = self.stage.world.partitions().len();
            let ahead =
                member.plan.max_records * partitions.max(2) + LONGEST_BATCH as usize * partitions;
            if self.stage.is_quiet_since(self.started) && locked > given + ahead {
                self.wrong(format_args!("{} hoards {locked} records", member.id));
            }
        }
    }

    /// Whether every record has an end.
    pub(in super::super) fn is_complete(&self) -> bool {
        let world = &self.stage.world;
        world.partitions().iter().all(|partition| {
            let ends = ends(&world.embedded, self.plan.name, partition);
            (0..world.end(partition)).all(|offset| ends.contains_key(&offset))
        })
    }

    /// Nobody waits for anything when all has ended.
    pub(in super::super) fn check_answered(&self) {
        for saying in self.pages.lock().unwrap().open.values() {
            self.wrong(format_args!("it is never told what became of {saying:?}"));
        }
    }

    pub(in super::super) fn progress(&self) -> String {
        let world = &self.stage.world;
        let partitions: Vec<_> = world
            .partitions()
            .iter()
            .map(|partition| {
                let known = world.embedded.share_partition(
                    self.plan.name,
                    &partition.topic,
                    partition.partition.0,
                );
                format!("{partition}: of {} {known:?}", world.end(partition))
            })
            .collect();
        format!(
            "{} {partitions:?} {:?}",
            self.plan.name,
            world.embedded.share_group(self.plan.name)
        )
    }
}
