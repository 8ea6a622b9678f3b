//! What the application does: subscribe, assign, seek, pause.

use std::collections::BTreeSet;

use super::interest::is_topic_name;
use super::{AssignmentSource, Pattern, Subscription, SubscriptionKind};
use crate::consumer::position::{FetchState, Position, ResetTo};
use crate::error::{Error, Result};
use crate::ids::{Offset, TopicName, TopicPartition};

impl Subscription {
    /// Replaces the interest by topics; partitions stay until the group takes them away. No topics
    /// end it, as in Java.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) after [`Subscription::assign`] without
    /// [`Subscription::unsubscribe`], and without a group.
    pub(crate) fn subscribe(&mut self, topics: BTreeSet<TopicName>) -> Result<()> {
        self.check_subscribable()?;
        if let Some(bad) = topics.iter().find(|name| !is_topic_name(name)) {
            return Err(Error::config(format!(
                "{bad:?} is no topic name: allowed are 1 to 249 letters, digits, '.', '_' and \
                 '-', but not '.' or '..'"
            )));
        }
        if topics.is_empty() {
            self.unsubscribe();
            return Ok(());
        }
        if matches!(&self.interest, SubscriptionKind::Topics(now) if *now == topics) {
            return Ok(());
        }
        self.set_interest(SubscriptionKind::Topics(topics));
        Ok(())
    }

    /// Replaces the interest by a pattern.
    ///
    /// # Errors
    /// As [`Subscription::subscribe`].
    pub(crate) fn subscribe_pattern(&mut self, pattern: Pattern) -> Result<()> {
        self.check_subscribable()?;
        self.set_interest(SubscriptionKind::Pattern(pattern));
        Ok(())
    }

    /// Replaces the assignment by partitions that the application chose; those it had keep their
    /// position.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) after a subscription without
    /// [`Subscription::unsubscribe`].
    pub(crate) fn assign(&mut self, partitions: BTreeSet<TopicPartition>) -> Result<()> {
        if self.interest.is_shared() {
            return Err(Error::config(
                "assign and subscribe exclude each other: call unsubscribe first",
            ));
        }
        if let Some(bad) =
            partitions.iter().find(|tp| !is_topic_name(&tp.topic) || tp.partition.0 < 0)
        {
            return Err(Error::config(format!("{bad} names no partition")));
        }
        if partitions.is_empty() {
            self.unsubscribe();
            return Ok(());
        }
        self.set_interest(SubscriptionKind::Manual);
        self.give_up(|tp| !partitions.contains(tp));
        for partition in partitions {
            self.add(partition, AssignmentSource::Application);
        }
        Ok(())
    }

    /// Ends the interest, and delivery of every partition; the group's task deals with what they
    /// leave behind.
    pub(crate) fn unsubscribe(&mut self) {
        if self.interest.is_shared() {
            self.unsubscribed += 1;
        }
        self.set_interest(SubscriptionKind::Nothing);
        self.give_up(|_| true);
    }

    fn give_up(&mut self, is_given_up: impl Fn(&TopicPartition) -> bool) {
        let gone: Vec<_> = self.entries.keys().filter(|tp| is_given_up(tp)).cloned().collect();
        for partition in gone {
            if let Some(entry) = self.entries.remove(&partition) {
                self.end(&entry);
                if self.has_group {
                    self.leaving.entry(partition).or_default().push(entry);
                }
            }
        }
    }

    /// Moves a partition to an offset, under a new assignment.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the partition is not assigned or the
    /// offset is negative.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, position: Position) -> Result<()> {
        if position.offset.0 < 0 {
            return Err(Error::config("an offset to seek must not be negative")
                .at_partition(partition.clone()));
        }
        self.jump(partition, FetchState::Fetching(position))
    }

    /// Moves a partition back to an offset; one that stands before it, since its log was cut or its
    /// topic created anew meanwhile, stays there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the partition is not assigned.
    pub(crate) fn go_back(&mut self, partition: &TopicPartition, offset: Offset) -> Result<()> {
        if self.entry(partition)?.assignment.position().is_some_and(|at| at <= offset) {
            return Ok(());
        }
        self.seek(partition, Position::at(offset))
    }

    /// Moves a partition to an offset that its leader is asked for, under a new assignment.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the partition is not assigned.
    pub(crate) fn seek_to(&mut self, partition: &TopicPartition, to: ResetTo) -> Result<()> {
        self.jump(partition, FetchState::Resetting(to))
    }

    /// Stops, or with `false` resumes, fetching and delivery of partitions; needless calls change
    /// nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if one of them is not assigned; then none is
    /// changed.
    pub(crate) fn set_paused<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone,
        paused: bool,
    ) -> Result<()> {
        for partition in partitions.clone() {
            self.entry(partition)?;
        }
        for partition in partitions {
            if let Some(entry) = self.entries.get_mut(partition)
                && entry.paused != paused
            {
                entry.paused = paused;
                entry.apply_delivery();
                self.changed.insert(partition.clone());
            }
        }
        Ok(())
    }

    fn check_subscribable(&self) -> Result<()> {
        if !self.has_group {
            return Err(Error::config("subscribe needs group.id; without a group, use assign"));
        }
        if matches!(self.interest, SubscriptionKind::Manual) {
            return Err(Error::config(
                "assign and subscribe exclude each other: call unsubscribe first",
            ));
        }
        Ok(())
    }

    fn set_interest(&mut self, interest: SubscriptionKind) {
        self.interest = interest;
        self.interest_version += 1;
    }
}
