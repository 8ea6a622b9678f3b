//! What all consumers of a group were given, have in hand and have done, beside what the brokers
//! hold as committed: at-least-once as a model.
//!
//! Everything is told at the instant at which it happens, which one thread and paused time make
//! exact.

mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kavka::{AutoOffsetReset, TopicPartition};
use tokio::time::Instant;

use self::part::{Hand, Next, Part};
pub(crate) use self::part::{How, MemberPlan};
use crate::promise::Promise;
use crate::promise::Promise::{
    CommitHolds, CommitsWhatIsDone, Delivers, DeliversItsOwn, OneOwner, SkipsNothing,
};
use crate::world::World;

/// How much earlier than it is told of a partition a consumer may have asked where it starts.
const TOLD_LATE: Duration = Duration::from_secs(30);
/// How long members may need to hear that their group is of another protocol: to beat and join.
const CONVERTED: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) group: String,
    world: Arc<World>,
    reset: AutoOffsetReset,
    /// A member whose name another takes over owns on until it hears of it, as Kafka means it
    /// (KIP-345).
    is_static: bool,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    parts: BTreeMap<TopicPartition, Part>,
    hands: BTreeMap<(usize, How, TopicPartition), Hand>,
    modes: BTreeMap<usize, How>,
    /// There has been a member: what others chose by hand they may not commit then, and after a
    /// drop not before its session has ended.
    has_had_members: bool,
    /// The topics that a consumer subscribed to.
    topics: BTreeMap<usize, BTreeSet<String>>,
    /// What was returned last to each consumer, which is not done before it asks for more.
    in_hand: BTreeMap<usize, Vec<(TopicPartition, i64)>>,
    /// Seeks in partitions that the listener was not told of yet.
    early: BTreeMap<(usize, TopicPartition), Next>,
    /// What a consumer gave up where only the brokers know how far it was: its last commits may be
    /// on their way, until it gets partitions anew.
    left: BTreeSet<(usize, TopicPartition)>,
    members: BTreeMap<usize, MemberPlan>,
    /// Since when a consumer's application has not asked for records.
    away: BTreeMap<usize, Instant>,
    /// Whose listener is at work: nothing else can be told to it meanwhile.
    busy: BTreeSet<usize>,
    /// Who lost partitions without a last word.
    lost: BTreeSet<usize>,
    /// When a member by the consumer protocol left last.
    coordinated_left: Option<Instant>,
    known_commits: usize,
}

struct Busy<'a> {
    books: &'a Books,
    member: usize,
}

/// What a commit must have committed when it succeeds.
#[derive(Debug)]
pub(crate) struct Snapshot(Vec<(usize, How, TopicPartition, i64, Instant, usize)>);

impl Entries {
    fn leaves(&mut self, member: usize) {
        if self.members.get(&member).is_some_and(|plan| plan.is_coordinated) {
            self.coordinated_left = Some(Instant::now());
        }
    }
}

impl Books {
    pub(crate) fn new(
        group: String,
        reset: AutoOffsetReset,
        is_static: bool,
        world: Arc<World>,
    ) -> Self {
        Self { group, world, reset, is_static, entries: Mutex::default() }
    }

    /// The group gives partitions to a consumer.
    pub(crate) fn assigned(&self, member: usize, partitions: &[TopicPartition]) {
        self.say(member, "is given", partitions);
        let mut entries = self.entries();
        let told = self.world.now().saturating_sub(TOLD_LATE);
        entries.left.retain(|(who, _)| *who != member);
        for partition in partitions {
            let others = entries.hands.keys().filter(|(other, how, tp)| {
                *other != member && *how == How::Group && tp == partition
            });
            let other = others.map(|(other, ..)| *other).next_back().filter(|_| !self.is_static);
            if let Some(other) = other
                && !self.may_be_told_late(&entries, other)
            {
                self.world.wrong(
                    OneOwner,
                    format_args!("{partition} was given to {member} while {other} had it"),
                );
            } else if let Some(other) = other
                && Self::is_removed(&entries, other)
                && let Some(hand) = entries.hands.get_mut(&(other, How::Group, partition.clone()))
            {
                hand.is_going = true;
            }
            let next =
                entries.early.remove(&(member, partition.clone())).unwrap_or(Next::Committed(told));
            entries.hands.insert((member, How::Group, partition.clone()), Hand::new(next));
        }
    }

    /// A consumer sits down.
    pub(crate) fn sits(&self, member: usize, plan: MemberPlan) {
        self.entries().members.insert(member, plan);
    }

    /// Its application stayed away for `max.poll.interval.ms`, and its listener, which would be told,
    /// is at work: it is not owner any more, and gets nothing.
    fn is_removed(entries: &Entries, member: usize) -> bool {
        let Some(plan) = entries.members.get(&member) else { return false };
        let away = entries.away.get(&member);
        away.is_some_and(|since| since.elapsed() >= plan.may_stay_away)
            && entries.busy.contains(&member)
    }

    /// Whether somebody else may get what a member has before it can know.
    fn may_be_told_late(&self, entries: &Entries, member: usize) -> bool {
        let Some(plan) = entries.members.get(&member) else { return false };
        // The group waits no longer for it than that, and a heartbeat whose answer is lost tells
        // it nothing for longer.
        let is_deaf = self.world.is_troubled && plan.may_stay_away < 2 * self.world.request_timeout;
        // With the last member by the consumer protocol the group becomes a classic one, which takes
        // for owned what each was to have, and not what each has: when another comes at once, that is
        // given on (Kafka's `ClassicGroup.fromConsumerGroup`).
        let is_converted = plan.is_mixed
            && !plan.is_coordinated
            && entries.coordinated_left.is_some_and(|left| left.elapsed() < CONVERTED);
        Self::is_removed(entries, member) || is_deaf || is_converted
    }

    /// A consumer must give partitions up, and may commit for the last time.
    pub(crate) fn going(&self, member: usize, partitions: &[TopicPartition]) {
        self.say(member, "gives up", partitions);
        for partition in partitions {
            match self.entries().hands.get_mut(&(member, How::Group, partition.clone())) {
                Some(hand) => hand.is_going = true,
                None => self.world.wrong(
                    OneOwner,
                    format_args!("{member} gives {partition} up, which it does not have"),
                ),
            }
        }
    }

    pub(crate) fn gone(&self, member: usize, partitions: &[TopicPartition]) {
        self.say(member, "has lost", partitions);
        let mut entries = self.entries();
        for partition in partitions {
            entries.early.remove(&(member, partition.clone()));
            let hand = entries.hands.remove(&(member, How::Group, partition.clone()));
            if hand.as_ref().is_some_and(|hand| hand.is_free(self.reset)) {
                entries.left.insert((member, partition.clone()));
            }
            if hand.is_none() {
                self.world.wrong(
                    OneOwner,
                    format_args!("{member} loses {partition}, which it does not have"),
                );
            }
        }
    }

    /// Partitions are gone without a last word.
    pub(crate) fn lost(&self, member: usize, partitions: &[TopicPartition]) {
        self.gone(member, partitions);
        self.entries().lost.insert(member);
    }

    /// Whether a consumer lost partitions because its group went from one protocol to the other,
    /// with generations that its own is none of.
    pub(crate) fn was_converted_away(&self, member: usize) -> bool {
        let entries = self.entries();
        let is_mixed = entries.members.get(&member).is_some_and(|plan| plan.is_mixed);
        is_mixed && entries.lost.contains(&member)
    }

    pub(crate) fn subscribed(&self, member: usize, topics: BTreeSet<String>) {
        let mut entries = self.entries();
        entries.modes.insert(member, How::Group);
        entries.has_had_members = true;
        entries.topics.insert(member, topics);
    }

    pub(crate) fn mode(&self, member: usize) -> Option<How> {
        self.entries().modes.get(&member).copied()
    }

    pub(crate) fn is_subscribed(&self, member: usize, topic: &str) -> bool {
        self.entries().topics.get(&member).is_some_and(|topics| topics.contains(topic))
    }

    pub(crate) fn is_chosen(&self, member: usize, partition: &TopicPartition) -> bool {
        self.entries().hands.contains_key(&(member, How::Manual, partition.clone()))
    }

    /// A consumer chose partitions by itself; those that it had keep their position.
    pub(crate) fn chosen(&self, member: usize, partitions: &BTreeSet<TopicPartition>) {
        let now = self.world.now();
        let mut entries = self.entries();
        entries.modes.insert(member, How::Manual);
        self.leave(&mut entries, |who, how, tp| {
            who == member && how == How::Manual && !partitions.contains(tp)
        });
        for partition in partitions {
            let key = (member, How::Manual, partition.clone());
            entries.hands.entry(key).or_insert_with(|| Hand::new(Next::Committed(now)));
        }
    }

    pub(crate) fn unsubscribed(&self, member: usize) {
        let mut entries = self.entries();
        entries.leaves(member);
        entries.modes.remove(&member);
        entries.early.retain(|(who, _), _| *who != member);
        self.leave(&mut entries, |who, how, _| who == member && how == How::Manual);
        for ((who, ..), hand) in &mut entries.hands {
            if *who == member {
                hand.is_unsubscribed = true;
            }
        }
    }

    /// A consumer has ended; tells what it had from the group until then.
    pub(crate) fn ended(&self, member: usize) -> usize {
        let mut entries = self.entries();
        entries.leaves(member);
        let before = entries.hands.len();
        self.leave(&mut entries, |who, _, _| who == member);
        entries.modes.remove(&member);
        entries.in_hand.remove(&member);
        before - entries.hands.len()
    }

    /// Asking for more says that what came before is done.
    pub(crate) fn finish(&self, member: usize) {
        let mut entries = self.entries();
        entries.away.remove(&member);
        self.finish_in(&mut entries, member);
    }

    /// An application has what it asked for.
    pub(crate) fn went_away(&self, member: usize) {
        self.entries().away.insert(member, Instant::now());
    }

    /// A consumer's listener is at work until what this returns is dropped.
    pub(crate) fn busy(&self, member: usize) -> impl Drop + use<'_> {
        self.entries().busy.insert(member);
        Busy { books: self, member }
    }

    pub(crate) fn delivered(&self, member: usize, partition: &TopicPartition, offset: i64) {
        let mut entries = self.entries();
        let Entries { parts, hands, modes, in_hand, .. } = &mut *entries;
        in_hand.entry(member).or_default().push((partition.clone(), offset));
        let wrong = |promise, what: String| {
            self.world.wrong(promise, format_args!("{member} got {partition} {offset}, {what}"))
        };
        let hand =
            modes.get(&member).and_then(|how| hands.get_mut(&(member, *how, partition.clone())));
        let Some(hand) = hand else {
            return wrong(DeliversItsOwn, "which it does not have".to_owned());
        };
        if hand.is_going {
            wrong(DeliversItsOwn, "which it gives up".to_owned());
        }
        let part = parts.entry(partition.clone()).or_default();
        match hand.next {
            // What was given up and asked for again may have been kept, or come anew.
            Next::At(next) if hand.is_unsubscribed && next != offset => {}
            Next::At(next) if offset > next => {
                wrong(SkipsNothing, format!("and {next} was to come"))
            }
            Next::At(next) if offset < next => {
                wrong(DeliversItsOwn, format!("and {next} was to come"))
            }
            Next::At(_) => {}
            Next::From(first) => {
                if offset < first {
                    wrong(DeliversItsOwn, format!("and {first} or later was to come"));
                }
                part.waived = part.waived.max(offset);
            }
            Next::Committed(since) => {
                let starts = part.committed_since(since);
                let is_free = part.is_beyond
                    || starts.contains(&None) && self.reset != AutoOffsetReset::Earliest;
                let is_start = |start: &Option<i64>| start.unwrap_or(0) == offset;
                if is_free {
                    part.waived = part.waived.max(offset);
                } else if !starts.iter().any(is_start) {
                    let promise = if starts.iter().all(|start| start.unwrap_or(0) < offset) {
                        SkipsNothing
                    } else {
                        DeliversItsOwn
                    };
                    wrong(promise, format!("first, and {starts:?} was committed"));
                }
            }
        }
        hand.next = Next::At(offset + 1);
        hand.handed = Some(offset + 1);
    }

    /// The application goes to an offset, or with `None` wherever the brokers say.
    pub(crate) fn sought(&self, member: usize, partition: &TopicPartition, offset: Option<i64>) {
        let mut entries = self.entries();
        let Entries { parts, hands, modes, early, .. } = &mut *entries;
        let end = self.world.end(partition);
        let next = match offset {
            Some(offset) if offset <= end => Next::At(offset),
            _ => Next::From(0),
        };
        let part = parts.entry(partition.clone()).or_default();
        part.waived = part.waived.max(offset.unwrap_or_default());
        let hand =
            modes.get(&member).and_then(|how| hands.get_mut(&(member, *how, partition.clone())));
        match hand {
            Some(hand) => {
                // Where it stood only the brokers know, and a commit of that may be on its way; it
                // is not behind the end.
                if hand.is_free(self.reset) {
                    part.waived = part.waived.max(end);
                }
                hand.next = next;
                hand.handed = None;
                hand.jumped = Instant::now();
                hand.finished = None;
            }
            None => drop(early.insert((member, partition.clone()), next)),
        }
    }

    /// The application commits all that it was given: what must be committed when that succeeds.
    ///
    /// `giving` are the partitions that it is giving up, if it does it then.
    pub(crate) fn commits(&self, member: usize, giving: Option<&[TopicPartition]>) -> Snapshot {
        let mut entries = self.entries();
        self.finish_in(&mut entries, member);
        let mode = entries.modes.get(&member).copied();
        let mut snapshot = Vec::new();
        for ((who, how, partition), hand) in &entries.hands {
            let counts = match giving {
                Some(giving) => *how == How::Group && giving.contains(partition),
                None => Some(*how) == mode && !hand.is_going && !hand.is_unsubscribed,
            };
            // Of what it has chosen since by itself, and gone elsewhere in, that is the newest
            // word.
            let chosen = entries
                .hands
                .get(&(member, How::Manual, partition.clone()))
                .filter(|_| giving.is_some());
            let counts =
                counts && chosen.is_none_or(|chosen| matches!(chosen.next, Next::Committed(_)));
            if *who == member
                && counts
                && let Some(handed) = hand.handed
            {
                let own = entries.parts.get(partition).map_or(0, |part| part.own_commits.0);
                snapshot.push((member, *how, partition.clone(), handed, hand.jumped, own));
            }
        }
        Snapshot(snapshot)
    }

    /// A commit has succeeded.
    pub(crate) fn check_committed(&self, promise: Promise, what: &str, snapshot: &Snapshot) {
        let entries = self.entries();
        for (member, how, partition, least, jumped, own) in &snapshot.0 {
            let part = entries.parts.get(partition);
            if part.map_or(0, |part| part.own_commits.0) != *own {
                continue;
            }
            let holders = entries.hands.keys().filter(|(_, _, tp)| tp == partition).count();
            let committed = part.and_then(Part::committed);
            let hand = entries
                .hands
                .get(&(*member, *how, partition.clone()))
                .filter(|hand| hand.jumped == *jumped);
            let most = hand.and_then(|hand| hand.handed).filter(|_| holders == 1);
            let ever =
                part.is_some_and(|part| part.commits.iter().any(|(_, offset)| offset >= least));
            let holds = ever
                && most.is_none_or(|most| {
                    committed.is_some_and(|committed| committed >= *least && committed <= most)
                });
            if !holds {
                let what = format_args!(
                    "{what} of {member}: {partition} is at {committed:?}, {least} to {most:?} \
                     was given"
                );
                self.world.wrong(promise, what);
            }
        }
    }

    /// The application commits offsets of its own.
    pub(crate) fn commits_own(&self, partition: &TopicPartition, offset: i64) {
        let mut entries = self.entries();
        let part = entries.parts.entry(partition.clone()).or_default();
        part.waived = part.waived.max(offset);
        part.own_commits = (part.own_commits.0 + 1, Some(Instant::now()));
    }

    /// What the brokers were said to hold, by a question that began then.
    pub(crate) fn check_told(
        &self,
        partition: &TopicPartition,
        told: Option<i64>,
        begun: Duration,
    ) {
        let mut entries = self.entries();
        let values = entries.parts.entry(partition.clone()).or_default().committed_since(begun);
        if !values.contains(&told) {
            self.world.wrong(
                CommitHolds,
                format_args!("{told:?} of {partition} was told as committed, it was {values:?}"),
            );
        }
    }

    pub(crate) fn check_position(&self, member: usize, partition: &TopicPartition, position: i64) {
        let entries = self.entries();
        let hand = entries
            .modes
            .get(&member)
            .and_then(|how| entries.hands.get(&(member, *how, partition.clone())));
        if let Some(Hand { next: Next::At(next), is_unsubscribed: false, .. }) = hand
            && *next != position
        {
            self.world.wrong(
                DeliversItsOwn,
                format_args!("the position in {partition} of {member} is {position}, not {next}"),
            );
        }
    }

    /// On a healthy network automatic commits follow the application, also when it has gone back.
    pub(crate) fn check_follows(&self, member: usize, interval: Duration) {
        let entries = self.entries();
        let long = interval * 2 + Duration::from_secs(3);
        for ((who, how, partition), hand) in &entries.hands {
            let holders = entries.hands.keys().filter(|(_, _, tp)| tp == partition).count();
            let is_settled = |hand: &Hand| {
                hand.finished.is_some_and(|at| at.elapsed() > long) && hand.since.elapsed() > long
            };
            let may_commit = *how == How::Group || !entries.has_had_members;
            let is_here = *who == member
                && entries.modes.get(who) == Some(how)
                && !hand.is_going
                && !hand.is_unsubscribed;
            let Some(part) = entries
                .parts
                .get(partition)
                .filter(|_| may_commit && is_here && holders == 1 && is_settled(hand))
            else {
                continue;
            };
            if part.own_commits.1.is_some_and(|own| own > hand.jumped) {
                continue;
            }
            if let (Some(handed), Some((at, committed))) =
                (hand.handed, part.commits.last().copied())
                && committed > handed
                && at + long < self.world.now()
            {
                let what = format_args!(
                    "{partition} stays committed at {committed}, {member} went back and is at \
                     {handed}"
                );
                self.world.wrong(CommitHolds, what);
            }
        }
    }

    /// Looks at what was committed since.
    pub(crate) fn check_commits(&self) {
        drop(self.entries());
    }

    /// The partitions of which someone has had everything from `from` on, which is some.
    pub(crate) fn lacks(&self, who: Option<usize>, partition: &TopicPartition, from: i64) -> bool {
        let entries = self.entries();
        let has = |((member, how, tp), hand): (&(usize, How, TopicPartition), &Hand)| {
            let is_right =
                who.map_or(*how == How::Group, |who| *how == How::Manual && who == *member);
            is_right && tp == partition && hand.handed.is_some_and(|handed| handed > from)
        };
        !entries.hands.iter().any(has)
    }

    /// Tells that something which was there was not delivered.
    pub(crate) fn undelivered(&self, what: &str) {
        let entries = self.entries();
        let hands: Vec<_> = entries
            .hands
            .iter()
            .map(|((who, how, tp), hand)| format!("{who} {how:?} {tp} {:?}", hand.next))
            .collect();
        self.world.log.say(format_args!("{:?}", self.world.embedded.consumer_group(&self.group)));
        self.world.wrong(Delivers, format_args!("{}: {what}; {hands:?}", self.group));
    }

    fn leave(&self, entries: &mut Entries, is_left: impl Fn(usize, How, &TopicPartition) -> bool) {
        let Entries { hands, left, .. } = entries;
        hands.retain(|(who, how, tp), hand| {
            let leaves = is_left(*who, *how, tp);
            if leaves && hand.is_free(self.reset) {
                left.insert((*who, tp.clone()));
            }
            !leaves
        });
    }

    fn finish_in(&self, entries: &mut Entries, member: usize) {
        for (partition, offset) in entries.in_hand.remove(&member).unwrap_or_default() {
            entries.parts.entry(partition.clone()).or_default().done.insert(offset);
            for how in [How::Group, How::Manual] {
                if let Some(hand) = entries
                    .hands
                    .get_mut(&(member, how, partition.clone()))
                    .filter(|hand| hand.handed.is_some())
                {
                    hand.finished.get_or_insert_with(Instant::now);
                }
            }
        }
    }

    /// Everything as it is now; what was committed meanwhile is looked at first.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        let mut entries = self.entries.lock().unwrap();
        let commits = self.world.embedded.commits_after(entries.known_commits);
        entries.known_commits += commits.len();
        for commit in commits.into_iter().filter(|commit| commit.group == self.group) {
            let partition = TopicPartition::new(commit.topic.as_str(), commit.partition);
            let at = commit.at.as_millis();
            self.world.log.say(format_args!(
                "{} commits {partition} {} at {at}",
                commit.client_id, commit.offset
            ));
            let is_free = entries
                .hands
                .iter()
                .any(|((.., tp), hand)| *tp == partition && hand.is_free(self.reset))
                || entries.early.keys().any(|(_, tp)| *tp == partition)
                || entries.left.iter().any(|(_, tp)| *tp == partition);
            let part = entries.parts.entry(partition.clone()).or_default();
            if is_free {
                part.waived = part.waived.max(commit.offset);
            }
            let frontier = part.frontier();
            if commit.offset > frontier {
                let what = format_args!(
                    "{} of {partition} was committed by {}, done is what comes before {frontier}",
                    commit.offset, commit.client_id
                );
                self.world.wrong(CommitsWhatIsDone, what);
            }
            part.is_beyond |= commit.offset > self.world.end(&partition);
            part.commits.push((commit.at, commit.offset));
        }
        entries
    }

    fn say(&self, member: usize, what: &str, partitions: &[TopicPartition]) {
        let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
        self.world.log.say(format_args!("{} {member} {what} [{}]", self.group, names.join(" ")));
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.books.entries().busy.remove(&self.member);
    }
}
