//! What the application wants, what it has been given, and where each partition stands.
//!
//! Pure: one value behind one lock, changed by three parties and read by all.
//! - The application subscribes, assigns, seeks, pauses ([`Subscription::subscribe`] and its neighbours).
//! - The group says what is owned and what was committed ([`Subscription::assigned`] to [`Subscription::committed`]).
//! - The fetcher moves phases on ([`Subscription::offset_found`] to [`Subscription::stop`]).
//!
//! Every answer from the network names the lease it was asked under; an answer to an ended lease changes nothing.
//! Not here: how records are fetched (`fetch`), and how ownership is agreed (`group`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::consumer::config::AutoOffsetReset;
use crate::consumer::fetch::buffer::{Buffer, Content, Piece};
use crate::consumer::position::{Delivery, Lease, LeaseId, OffsetAndMetadata, Phase, Position, ResetTo};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{LeaderEpoch, Offset, TopicName, TopicPartition};

/// Which topics or partitions the application asked for.
#[derive(Clone, Debug, Default)]
pub(crate) enum Interest {
    #[default]
    Nothing,
    /// Topics by name, shared with the group.
    Topics(BTreeSet<TopicName>),
    /// Topics by pattern, shared with the group.
    Pattern(Pattern),
    /// Partitions that the application chose by itself.
    Manual,
}

/// A regular expression that a whole topic name must match.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    regex: regex_lite::Regex,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self> {
        let regex = regex_lite::Regex::new(&format!("^(?:{text})$"))
            .map_err(|error| Error::config(format!("the pattern {text:?} is no regular expression: {error}")))?;
        Ok(Self { regex })
    }

    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.regex.is_match(topic)
    }
}

/// What may be committed for one partition, and under which lease it was consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) partition: TopicPartition,
    pub(crate) lease: LeaseId,
    /// The lease by which the application came where it is: a commit under an older one is of another place.
    pub(crate) since: LeaseId,
    pub(crate) offset: OffsetAndMetadata,
}

/// Who takes a partition away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The application chose it by itself.
    Application,
    Group,
}

/// What a partition looks like to the fetcher.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) lease: Arc<Lease>,
    pub(crate) phase: Phase,
    /// Paused or held: nothing is fetched, but offsets are looked up.
    pub(crate) held: bool,
    /// The leader epoch under which the position is known to hold.
    pub(crate) validated: Option<LeaderEpoch>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Subscription {
    interest: Interest,
    interest_version: u64,
    /// How often the application has unsubscribed: each time ends a membership, also if it has subscribed again since.
    unsubscribed: u64,
    entries: BTreeMap<TopicPartition, Entry>,
    /// What the application has given up and the group's task has not yet: nothing of it is delivered, but it is committed and told
    /// of as any partition that goes.
    leaving: BTreeMap<TopicPartition, Entry>,
    /// What was taken away with records that were delivered and not committed, since the application asked for records last.
    forfeited: BTreeSet<TopicPartition>,
    changed: BTreeSet<TopicPartition>,
    next_lease: u64,
    reset: AutoOffsetReset,
    has_group: bool,
    /// What was fetched and not yet handed over. It is here so that no partition can move without it: what leaves it other than
    /// to the application is fetched again, or belongs to a lease that has ended.
    pub(crate) buffer: Buffer,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    lease: Arc<Lease>,
    /// The first lease since the application last went elsewhere.
    since: LeaseId,
    phase: Phase,
    paused: bool,
    held: bool,
    validated: Option<LeaderEpoch>,
    committed: Option<Offset>,
}

impl Entry {
    /// The commit of a position, unless it is committed.
    fn commit(&self, at: Position) -> Option<Commit> {
        (self.committed != Some(at.offset)).then(|| self.commit_at(at))
    }

    fn commit_at(&self, at: Position) -> Commit {
        let offset = OffsetAndMetadata { offset: at.offset, leader_epoch: at.leader_epoch, metadata: String::new() };
        Commit { partition: self.lease.partition().clone(), lease: self.lease.id(), since: self.since, offset }
    }

    fn apply_delivery(&self) {
        self.lease.set_delivery(if self.paused || self.held { Delivery::Held } else { Delivery::Open });
    }
}

impl Subscription {
    /// `has_group`: there are committed offsets to start from.
    pub(crate) fn new(reset: AutoOffsetReset, has_group: bool, buffer: Buffer) -> Self {
        Self {
            interest: Interest::Nothing,
            interest_version: 0,
            unsubscribed: 0,
            entries: BTreeMap::new(),
            leaving: BTreeMap::new(),
            forfeited: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_lease: 0,
            reset,
            has_group,
            buffer,
        }
    }

    // By the application.

    /// Replaces the interest by topics; partitions stay until the group takes them away. No topics end it, as in Java.
    ///
    /// # Errors
    /// Config after [`Subscription::assign`] without [`Subscription::unsubscribe`], and without a group.
    pub(crate) fn subscribe(&mut self, topics: BTreeSet<TopicName>) -> Result<()> {
        self.check_subscribable()?;
        if let Some(bad) = topics.iter().find(|name| !is_topic_name(name)) {
            return Err(Error::config(format!(
                "{bad:?} is no topic name: allowed are 1 to 249 letters, digits, '.', '_' and '-', but not '.' or '..'"
            )));
        }
        if topics.is_empty() {
            self.unsubscribe();
            return Ok(());
        }
        if matches!(&self.interest, Interest::Topics(now) if *now == topics) {
            return Ok(());
        }
        self.set_interest(Interest::Topics(topics));
        Ok(())
    }

    /// Replaces the interest by a pattern.
    ///
    /// # Errors
    /// As [`Subscription::subscribe`].
    pub(crate) fn subscribe_pattern(&mut self, pattern: Pattern) -> Result<()> {
        self.check_subscribable()?;
        self.set_interest(Interest::Pattern(pattern));
        Ok(())
    }

    /// Replaces the assignment by partitions that the application chose; those it had keep their position.
    ///
    /// # Errors
    /// Config after a subscription without [`Subscription::unsubscribe`].
    pub(crate) fn assign(&mut self, partitions: BTreeSet<TopicPartition>) -> Result<()> {
        if matches!(self.interest, Interest::Topics(_) | Interest::Pattern(_)) {
            return Err(Error::config("assign and subscribe exclude each other: call unsubscribe first"));
        }
        if let Some(bad) = partitions.iter().find(|tp| !is_topic_name(&tp.topic) || tp.partition.0 < 0) {
            return Err(Error::config(format!("{bad} names no partition")));
        }
        if partitions.is_empty() {
            self.unsubscribe();
            return Ok(());
        }
        self.set_interest(Interest::Manual);
        self.give_up(|tp| !partitions.contains(tp));
        for partition in partitions {
            self.add(partition, Owner::Application);
        }
        Ok(())
    }

    /// Ends the interest, and delivery of every partition; the group's task deals with what they leave behind.
    pub(crate) fn unsubscribe(&mut self) {
        if matches!(self.interest, Interest::Topics(_) | Interest::Pattern(_)) {
            self.unsubscribed += 1;
        }
        self.set_interest(Interest::Nothing);
        self.give_up(|_| true);
    }

    fn give_up(&mut self, is_given_up: impl Fn(&TopicPartition) -> bool) {
        let gone: Vec<_> = self.entries.keys().filter(|tp| is_given_up(tp)).cloned().collect();
        for partition in gone {
            if let Some(entry) = self.entries.remove(&partition) {
                self.end(&entry);
                if self.has_group {
                    self.leaving.insert(partition, entry);
                }
            }
        }
    }

    /// Ends the lease of what is taken away.
    fn end(&mut self, entry: &Entry) {
        entry.lease.set_delivery(Delivery::Ended);
        self.buffer.drop_lease(entry.lease.id());
        self.changed.insert(entry.lease.partition().clone());
    }

    /// Moves a partition to an offset, under a new lease.
    ///
    /// # Errors
    /// Config if the partition is not assigned or the offset is negative.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, position: Position) -> Result<()> {
        if position.offset.0 < 0 {
            return Err(Error::config("an offset to seek must not be negative").at_partition(partition.clone()));
        }
        self.jump(partition, Phase::Fetching(position))?;
        self.forget_committed(partition);
        Ok(())
    }

    /// Moves a partition to an offset that its leader is asked for, under a new lease.
    ///
    /// # Errors
    /// Config if the partition is not assigned.
    pub(crate) fn seek_to(&mut self, partition: &TopicPartition, to: ResetTo) -> Result<()> {
        self.jump(partition, Phase::Resetting(to))?;
        self.forget_committed(partition);
        Ok(())
    }

    /// Stops, or with `false` resumes, fetching and delivery of partitions; needless calls change nothing.
    ///
    /// # Errors
    /// Config if one of them is not assigned; then none is changed.
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

    // By the group.

    /// Adds partitions that the group gave, held until [`Subscription::release`]; those already here stay as they are.
    ///
    /// What the application does not want any more is only to be given back.
    pub(crate) fn assigned(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let is_wanted = matches!(self.interest, Interest::Topics(_) | Interest::Pattern(_));
        for partition in partitions {
            if is_wanted {
                self.add(partition, Owner::Group);
            }
        }
    }

    /// Lets delivery of held partitions begin or go on, once the application's listener has been told.
    pub(crate) fn release<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_held(partitions, false);
    }

    /// Stops delivery of partitions that are about to be revoked; they stay owned and can be committed.
    pub(crate) fn hold<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_held(partitions, true);
    }

    /// Takes the group's partitions away: their leases end. Returns those that were here, with the last lease of each.
    pub(crate) fn revoke<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Vec<(TopicPartition, LeaseId)> {
        let mut gone = Vec::new();
        for partition in partitions {
            let is_groups = |entry: &Entry| entry.owner == Owner::Group;
            let entry = match self.entries.get(partition) {
                Some(entry) if is_groups(entry) => self.entries.remove(partition),
                _ if self.leaving.get(partition).is_some_and(is_groups) => self.leaving.remove(partition),
                _ => None,
            };
            let Some(entry) = entry else { continue };
            self.end(&entry);
            if entry.lease.delivered().map(|at| at.offset) > entry.committed.max(entry.lease.started_at()) {
                self.forfeited.insert(partition.clone());
            }
            gone.push((partition.clone(), entry.lease.id()));
        }
        gone
    }

    /// Parts with what the application had chosen by itself and has given up; returned is what is finished of it and not committed.
    pub(crate) fn take_abandoned(&mut self) -> Vec<Commit> {
        let leaving = std::mem::take(&mut self.leaving);
        let (abandoned, leaving): (BTreeMap<_, _>, _) =
            leaving.into_iter().partition(|(_, entry)| entry.owner == Owner::Application);
        self.leaving = leaving;
        let mut commits: Vec<_> = abandoned.values().filter_map(|entry| entry.commit(entry.lease.done()?)).collect();
        // A partition that was chosen again and moved since is committed from where it is now.
        commits.retain(|commit| self.entries.get(&commit.partition).is_none_or(|entry| entry.lease.done().is_none()));
        commits
    }

    /// What was taken away with delivered records that are not committed: another member works on them again.
    pub(crate) fn forfeited(&self) -> impl Iterator<Item = &TopicPartition> {
        self.forfeited.iter()
    }

    /// The application asks for records, and by that has taken notice of what was taken away.
    pub(crate) fn forget_forfeited(&mut self) {
        self.forfeited.clear();
    }

    /// The partitions whose committed offset nobody knows yet, with their leases.
    pub(crate) fn awaiting_committed(&self) -> Vec<(TopicPartition, LeaseId)> {
        let is_waiting = |entry: &Entry| matches!(entry.phase, Phase::AwaitingCommitted);
        // What is about to be committed of it comes first.
        let waiting = self.entries.iter().filter(|(tp, entry)| is_waiting(entry) && !self.leaving.contains_key(*tp));
        waiting.map(|(tp, entry)| (tp.clone(), entry.lease.id())).collect()
    }

    /// Starts a partition at its committed offset or, if there is none, where `auto.offset.reset` says.
    pub(crate) fn start_at_committed(
        &mut self,
        partition: &TopicPartition,
        lease: LeaseId,
        committed: Option<&OffsetAndMetadata>,
    ) {
        let reset = self.reset;
        let Some(entry) = self.leased(partition, lease) else { return };
        if !matches!(entry.phase, Phase::AwaitingCommitted) {
            return;
        }
        match committed {
            Some(committed) => {
                let position = Position { offset: committed.offset, leader_epoch: committed.leader_epoch };
                entry.committed = Some(committed.offset);
                entry.lease.start_at(position);
                entry.phase = Phase::Fetching(position);
            }
            None => entry.phase = reset_phase(reset, partition, "there is no committed offset"),
        }
        self.changed.insert(partition.clone());
    }

    /// What is finished beyond what is committed: for automatic commits, which never take back what the application committed
    /// by itself.
    ///
    /// Of partitions that the application chose by itself all is committed again and again, as by Java: the offsets of a group without
    /// members expire one by one (`offsets.retention.minutes`).
    pub(crate) fn finished(&self) -> Vec<Commit> {
        let finished = |entry: &Entry| {
            let done = entry.lease.done()?;
            let is_news = entry.committed.is_none_or(|committed| committed < done.offset);
            let is_refreshed = entry.owner == Owner::Application && entry.committed == Some(done.offset);
            if is_news || is_refreshed { Some(entry.commit_at(done)) } else { None }
        };
        self.owned().filter_map(finished).collect()
    }

    /// What was handed over and not yet committed: for the application's own commits.
    ///
    /// That finishes it, or the next automatic commit would go back behind this one.
    pub(crate) fn delivered(&self) -> Vec<Commit> {
        let delivered = |entry: &Entry| {
            let position = entry.lease.delivered()?;
            entry.lease.finish_to(position.offset);
            entry.lease.finish_epoch(position.leader_epoch);
            entry.commit(position)
        };
        self.owned().filter_map(delivered).collect()
    }

    /// Offsets that the application names, under the leases of this moment.
    pub(crate) fn commits_of(&self, offsets: BTreeMap<TopicPartition, OffsetAndMetadata>) -> Vec<Commit> {
        let leases = |tp: &TopicPartition| {
            let entry = self.entries.get(tp).or_else(|| self.leaving.get(tp));
            entry.map_or((LeaseId(self.next_lease), LeaseId(self.next_lease)), |entry| (entry.lease.id(), entry.since))
        };
        let commit = |(partition, offset)| {
            let (lease, since) = leases(&partition);
            Commit { partition, lease, since, offset }
        };
        offsets.into_iter().map(commit).collect()
    }

    /// A partition of a group that may not be committed, as it is not owned.
    pub(crate) fn not_owned<'a>(&self, mut partitions: impl Iterator<Item = &'a TopicPartition>) -> Option<&'a TopicPartition> {
        if !matches!(self.interest, Interest::Topics(_) | Interest::Pattern(_)) {
            return None;
        }
        partitions.find(|tp| !self.entries.contains_key(*tp) && !self.leaving.contains_key(*tp))
    }

    /// Notes that a commit succeeded. If the application has gone elsewhere since it was asked for, it is only what the broker holds.
    pub(crate) fn committed(&mut self, partition: &TopicPartition, lease: LeaseId, offset: Offset) {
        for entries in [&mut self.entries, &mut self.leaving] {
            if let Some(entry) = entries.get_mut(partition).filter(|entry| lease >= entry.since) {
                entry.committed = Some(offset);
            }
        }
    }

    /// All partitions with a position to commit; of one that has been given up and chosen again, as it is now.
    fn owned(&self) -> impl Iterator<Item = &Entry> {
        let is_moved = |tp: &TopicPartition| self.entries.get(tp).is_some_and(|entry| entry.lease.done().is_some());
        let leaving = self.leaving.iter().filter(move |(tp, _)| !is_moved(tp));
        leaving.map(|(_, entry)| entry).chain(self.entries.values())
    }

    // By the fetcher.

    /// The partitions that changed since the last call, in order.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<TopicPartition> {
        std::mem::take(&mut self.changed)
    }

    /// Whether the fetcher has anything to look at.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// How a partition stands, or `None` if it is not assigned.
    pub(crate) fn standing(&self, partition: &TopicPartition) -> Option<Standing> {
        let entry = self.entries.get(partition)?;
        Some(Standing {
            lease: Arc::clone(&entry.lease),
            phase: entry.phase.clone(),
            held: entry.paused || entry.held,
            validated: entry.validated,
        })
    }

    /// Ends a reset with the offset that the leader named. True if the lease still waited for it.
    ///
    /// An offset before the position comes from a log that was cut: the application goes back, under a new lease.
    pub(crate) fn offset_found(&mut self, partition: &TopicPartition, lease: LeaseId, position: Position) -> bool {
        let Some(entry) = self.leased(partition, lease) else { return false };
        if !matches!(entry.phase, Phase::Resetting(_)) {
            return false;
        }
        entry.validated = None;
        match entry.lease.position() {
            None => entry.lease.start_at(position),
            Some(at) if at <= position.offset => {}
            Some(_) => return self.jump(partition, Phase::Fetching(position)).is_ok(),
        }
        entry.phase = Phase::Fetching(position);
        self.changed.insert(partition.clone());
        true
    }

    /// No record is as young as a reset asked for: it is the end, then.
    pub(crate) fn offset_not_found(&mut self, partition: &TopicPartition, lease: LeaseId) {
        let Some(entry) = self.leased(partition, lease) else { return };
        if let Phase::Resetting(to) = &mut entry.phase {
            *to = ResetTo::Latest;
            self.changed.insert(partition.clone());
        }
    }

    /// The topic was deleted and created anew: positions in the old one mean nothing, and all of the new one is news.
    pub(crate) fn recreated(&mut self, partition: &TopicPartition) {
        let Some(entry) = self.entries.get_mut(partition) else { return };
        entry.committed = None;
        if matches!(entry.phase, Phase::AwaitingCommitted) {
            return;
        }
        let phase = match self.reset {
            AutoOffsetReset::None => reset_phase(self.reset, partition, "the topic was created anew"),
            _ => Phase::Resetting(ResetTo::Earliest),
        };
        // It is assigned, as was seen above.
        let _ = self.jump(partition, phase);
    }

    /// Tells the epoch of the partition's leader; a newer one must confirm a position that was read under an older (KIP-320).
    pub(crate) fn leader_is(&mut self, partition: &TopicPartition, lease: LeaseId, epoch: LeaderEpoch) {
        let Some(entry) = self.leased(partition, lease) else { return };
        let Phase::Fetching(position) = entry.phase else { return };
        if entry.validated.is_some_and(|validated| validated >= epoch) {
            return;
        }
        if position.leader_epoch.is_some() {
            entry.phase = Phase::Validating(position);
            self.changed.insert(partition.clone());
        } else {
            entry.validated = Some(epoch);
        }
    }

    /// Ends a validation: the leader of `epoch` holds all that was read.
    pub(crate) fn position_holds(&mut self, partition: &TopicPartition, lease: LeaseId, epoch: Option<LeaderEpoch>) {
        let Some(entry) = self.leased(partition, lease) else { return };
        if let Phase::Validating(position) = entry.phase {
            entry.validated = epoch.max(entry.validated);
            entry.phase = Phase::Fetching(position);
            self.changed.insert(partition.clone());
        }
    }

    /// The log was cut at `divergence`, before what was fetched: goes back there under a new lease.
    ///
    /// Returns the error that the application must see: only if it was given records that are gone, not if they were buffered.
    pub(crate) fn truncated(&mut self, partition: &TopicPartition, lease: LeaseId, divergence: Position) -> Option<Error> {
        let entry = self.leased(partition, lease)?;
        let (Phase::Validating(_) | Phase::Fetching(_)) = entry.phase else { return None };
        match entry.lease.delivered() {
            Some(at) if at.offset <= divergence.offset => {
                self.restart(partition, at);
                None
            }
            at => {
                self.jump(partition, Phase::Fetching(divergence)).ok()?;
                let from = at.map_or(divergence.offset, |at| at.offset);
                let message = format!("the log was cut at offset {}, but was consumed up to {from}", divergence.offset);
                Some(Error::new(ErrorKind::Truncated, message).at_partition(partition.clone()))
            }
        }
    }

    /// Takes what a fetch from `from` brought, and moves what is to be fetched next. False, and nothing is taken, if the position or
    /// lease has changed since the request was made.
    pub(crate) fn fetched(
        &mut self,
        partition: &TopicPartition,
        lease: LeaseId,
        from: Offset,
        (pieces, next, failure): (Vec<Piece>, Position, Option<Error>),
    ) -> bool {
        let Some(entry) = self.entries.get_mut(partition).filter(|entry| entry.lease.id() == lease) else { return false };
        match &mut entry.phase {
            Phase::Fetching(position) if position.offset == from && next.offset >= from => *position = next,
            _ => return false,
        }
        if let Some(error) = failure {
            entry.phase = Phase::Stopped(error);
            self.changed.insert(partition.clone());
        }
        for piece in pieces {
            self.buffer.push(&entry.lease, piece);
        }
        true
    }

    /// Stops a partition until a seek behind all that is buffered, where the application is told why.
    pub(crate) fn cannot_be_read(&mut self, partition: &TopicPartition, lease: LeaseId, from: Offset, error: Error) {
        let Some(entry) = self.leased(partition, lease) else { return };
        let Phase::Fetching(position) = entry.phase else { return };
        let failed = Piece { content: Content::Failed(error.clone()), start: position, next: position.offset };
        self.fetched(partition, lease, from, (vec![failed], position, Some(error)));
    }

    /// Makes room by what paused partitions have buffered, and has it fetched again.
    ///
    /// Whatever a partition was doing, it goes back to before the first piece that it lost; what the application was given is
    /// not touched.
    pub(crate) fn evict_held(&mut self) {
        for (lease, position) in self.buffer.evict_held() {
            let Some(entry) = self.entries.get_mut(lease.partition()).filter(|entry| entry.lease.id() == lease.id()) else {
                continue;
            };
            entry.phase = match entry.phase {
                Phase::Validating(_) if position.leader_epoch.is_some() => Phase::Validating(position),
                // Also of one that is being reset, or has stopped, behind what it has lost: the leader says so again.
                _ => Phase::Fetching(position),
            };
            self.changed.insert(lease.partition().clone());
        }
    }

    /// The leader does not hold the offset that was asked for: resets by policy.
    pub(crate) fn out_of_range(&mut self, partition: &TopicPartition, lease: LeaseId, from: Offset) {
        let reset = self.reset;
        let Some(entry) = self.leased(partition, lease) else { return };
        let (Phase::Fetching(Position { offset, .. }), at) = (&entry.phase, entry.lease.position()) else { return };
        if *offset != from {
            return;
        }
        let phase = reset_phase(reset, partition, &format!("offset {from} is not in the log"));
        if at == Some(from) {
            // Nothing is buffered, so the old position means nothing from here on.
            let _ = self.jump(partition, phase);
        } else {
            entry.phase = phase;
            self.changed.insert(partition.clone());
        }
    }

    /// Stops a partition until a seek, and drops what is buffered behind. False if the lease has ended.
    pub(crate) fn stop(&mut self, partition: &TopicPartition, lease: LeaseId, error: Error) -> bool {
        let Some(entry) = self.leased(partition, lease) else { return false };
        entry.phase = Phase::Stopped(error);
        self.buffer.drop_lease(lease);
        self.changed.insert(partition.clone());
        true
    }

    // For everybody.

    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Rises whenever the application unsubscribes from a group.
    pub(crate) fn unsubscribed(&self) -> u64 {
        self.unsubscribed
    }

    /// Rises whenever the interest changes.
    pub(crate) fn interest_version(&self) -> u64 {
        self.interest_version
    }

    pub(crate) fn assignment(&self) -> impl Iterator<Item = &TopicPartition> {
        self.entries.keys()
    }

    pub(crate) fn paused(&self) -> impl Iterator<Item = &TopicPartition> {
        self.entries.iter().filter(|(_, entry)| entry.paused).map(|(tp, _)| tp)
    }

    /// The lease by which the application came where it is.
    #[cfg(test)]
    pub(crate) fn since(&self, partition: &TopicPartition) -> Option<LeaseId> {
        self.entries.get(partition).map(|entry| entry.since)
    }

    /// The lease of an assigned partition.
    #[cfg(test)]
    pub(crate) fn lease(&self, partition: &TopicPartition) -> Option<&Arc<Lease>> {
        self.entries.get(partition).map(|entry| &entry.lease)
    }

    /// The next offset to hand over; `None` while it is looked up.
    ///
    /// # Errors
    /// Config if the partition is not assigned; what stopped it, if it has stopped before it had a position.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Result<Option<Offset>> {
        let entry = self.entry(partition)?;
        match (entry.lease.position(), &entry.phase) {
            (None, Phase::Stopped(error)) => Err(error.clone()),
            (position, _) => Ok(position),
        }
    }

    fn check_subscribable(&self) -> Result<()> {
        if !self.has_group {
            return Err(Error::config("subscribe needs group.id; without a group, use assign"));
        }
        if matches!(self.interest, Interest::Manual) {
            return Err(Error::config("assign and subscribe exclude each other: call unsubscribe first"));
        }
        Ok(())
    }

    fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
        self.interest_version += 1;
    }

    fn add(&mut self, partition: TopicPartition, owner: Owner) {
        if self.entries.contains_key(&partition) {
            return;
        }
        let phase = if self.has_group {
            Phase::AwaitingCommitted
        } else {
            reset_phase(self.reset, &partition, "the partition was assigned without an offset")
        };
        let lease = Arc::new(Lease::new(self.new_lease_id(), partition.clone()));
        let (since, held) = (lease.id(), owner == Owner::Group);
        let entry = Entry { owner, lease, since, phase, paused: false, held, validated: None, committed: None };
        entry.apply_delivery();
        self.entries.insert(partition.clone(), entry);
        self.changed.insert(partition);
    }

    fn new_lease_id(&mut self) -> LeaseId {
        self.next_lease += 1;
        LeaseId(self.next_lease)
    }

    /// The application goes elsewhere: automatic commits may follow it back.
    fn forget_committed(&mut self, partition: &TopicPartition) {
        if let Some(entry) = self.entries.get_mut(partition) {
            entry.committed = None;
        }
    }

    /// Fetches anew from where the application is: what is buffered, or in hand and not delivered, is of a log that is gone.
    fn restart(&mut self, partition: &TopicPartition, at: Position) {
        let id = self.new_lease_id();
        let Some(entry) = self.entries.get_mut(partition) else { return };
        let lease = Arc::new(entry.lease.successor(id));
        entry.lease.set_delivery(Delivery::Ended);
        self.buffer.drop_lease(entry.lease.id());
        entry.lease = lease;
        entry.phase = Phase::Fetching(at);
        entry.apply_delivery();
        self.changed.insert(partition.clone());
    }

    /// Goes elsewhere, and forgets where the application was.
    fn jump(&mut self, partition: &TopicPartition, phase: Phase) -> Result<()> {
        let lease = Arc::new(Lease::new(self.new_lease_id(), partition.clone()));
        let entry = self.entries.get_mut(partition).ok_or_else(|| not_assigned(partition))?;
        entry.lease.set_delivery(Delivery::Ended);
        self.buffer.drop_lease(entry.lease.id());
        if let Phase::Fetching(position) = phase {
            lease.start_at(position);
        }
        entry.since = lease.id();
        entry.lease = lease;
        entry.phase = phase;
        entry.validated = None;
        entry.apply_delivery();
        self.changed.insert(partition.clone());
        Ok(())
    }

    fn set_held<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>, held: bool) {
        for partition in partitions {
            if let Some(entry) = self.entries.get_mut(partition).filter(|entry| entry.owner == Owner::Group)
                && entry.held != held
            {
                entry.held = held;
                entry.apply_delivery();
                self.changed.insert(partition.clone());
            }
        }
    }

    fn leased(&mut self, partition: &TopicPartition, lease: LeaseId) -> Option<&mut Entry> {
        self.entries.get_mut(partition).filter(|entry| entry.lease.id() == lease)
    }

    fn entry(&self, partition: &TopicPartition) -> Result<&Entry> {
        self.entries.get(partition).ok_or_else(|| not_assigned(partition))
    }
}

fn not_assigned(partition: &TopicPartition) -> Error {
    Error::config("the partition is not assigned to this consumer").at_partition(partition.clone())
}

fn reset_phase(policy: AutoOffsetReset, partition: &TopicPartition, why: &str) -> Phase {
    Phase::Resetting(match policy {
        AutoOffsetReset::Earliest => ResetTo::Earliest,
        AutoOffsetReset::Latest => ResetTo::Latest,
        AutoOffsetReset::ByDuration(ago) => ResetTo::Ago(ago),
        AutoOffsetReset::None => {
            let message = format!("{why} and auto.offset.reset is none: seek to go on");
            return Phase::Stopped(Error::new(ErrorKind::NoOffset, message).at_partition(partition.clone()));
        }
    })
}

/// Kafka's rule for topic names (`org.apache.kafka.common.internals.Topic`).
fn is_topic_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
