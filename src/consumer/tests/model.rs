//! Positions, buffer, what is in hand and what is committed, beside a model that keeps one number
//! of each.
//!
//! No task and no network: the steps of application, group and fetcher are called as those call
//! them, in any order. What they must keep: records come in their order with none left out or
//! twice, only of partitions that are assigned and not paused; an automatic commit covers only what
//! the application has asked past; and when everybody is let do his work, everything comes.

use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::consumer::fetch::buffer::{BufferedBatch, Content};
use crate::consumer::fetch::filter::FetchFilter;
use crate::consumer::observer::ConsumerObserver;
use crate::consumer::position::{AssignmentEpoch, FetchState, Position};
use crate::consumer::subscription::{CommitPosition, SubscriptionKind};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::{LeaderEpoch, Timestamp};
use crate::observability::ClientRecorder;
use crate::wire::batch::{BatchHeader, Batches, RecordFields, RecordsBuilder};
use crate::wire::compress::Compression;

const PARTITIONS: [i32; 2] = [0, 1];
/// Records of each partition, two a batch.
const LENGTH: i64 = 24;

#[derive(Clone, Copy, Debug)]
enum Step {
    Subscribe,
    Unsubscribe,
    Assign { zero: bool, one: bool },
    Seek { partition: i32, to: i64 },
    Pause { partition: i32, is_paused: bool },
    Poll { times: u32 },
    PollBatch,
    PollMany { max: usize, is_late: bool },
    Give { partition: i32 },
    Take { partition: i32 },
    Lose,
    GroupTask,
    Answer { partition: i32 },
    Fetch { partition: i32, batches: i64 },
    NewLeader { partition: i32 },
    Cut { partition: i32 },
    OutOfRange { partition: i32 },
    Evict,
    CommitAutomatically,
}

fn step() -> impl Strategy<Value = Step> {
    let partition = || 0..2_i32;
    prop_oneof![
        1 => Just(Step::Subscribe),
        1 => Just(Step::Unsubscribe),
        1 => any::<(bool, bool)>().prop_map(|(zero, one)| Step::Assign { zero, one }),
        1 => (partition(), 0..LENGTH).prop_map(|(partition, to)| Step::Seek { partition, to }),
        6 => (partition(), prop::bool::weighted(0.6)).prop_map(|(partition, is_paused)| Step::Pause { partition, is_paused }),
        6 => (1..5_u32).prop_map(|times| Step::Poll { times }),
        2 => Just(Step::PollBatch),
        4 => (1..9_usize, any::<bool>()).prop_map(|(max, is_late)| Step::PollMany { max, is_late }),
        4 => partition().prop_map(|partition| Step::Give { partition }),
        1 => partition().prop_map(|partition| Step::Take { partition }),
        1 => Just(Step::Lose),
        2 => Just(Step::GroupTask),
        10 => partition().prop_map(|partition| Step::Answer { partition }),
        12 => (partition(), 1..4_i64).prop_map(|(partition, batches)| Step::Fetch { partition, batches }),
        4 => partition().prop_map(|partition| Step::NewLeader { partition }),
        1 => partition().prop_map(|partition| Step::Cut { partition }),
        1 => partition().prop_map(|partition| Step::OutOfRange { partition }),
        6 => Just(Step::Evict),
        3 => Just(Step::CommitAutomatically),
    ]
}

/// From one assignment, or one jump of the application, to the next.
#[derive(Debug)]
struct Stay {
    since: AssignmentEpoch,
    partition: i32,
    /// The next record to come, once it is known where it begins.
    next: Option<i64>,
    /// Before it, the application has asked past everything.
    done: Option<i64>,
}

struct World {
    shared: Arc<ConsumerShared>,
    receiver: Receiver,
    /// Newest last.
    stays: Vec<Stay>,
    paused: [bool; 2],
    /// What the group's machine owns, and how many unsubscribings it knows of.
    owned: [bool; 2],
    unsubscribed: u64,
    /// What the broker holds.
    committed: [Option<i64>; 2],
    epoch: i32,
}

fn index(partition: i32) -> usize {
    usize::try_from(partition).unwrap()
}

fn batch(offset: i64) -> BufferedBatch {
    let mut builder = RecordsBuilder::with_capacity(1024);
    for _ in 0..2 {
        builder
            .append(&RecordFields {
                timestamp: Timestamp(0),
                key: None,
                value: Some(&[7; 100]),
                headers: &[],
            })
            .unwrap();
    }
    let sealed = builder.seal(Compression::NONE).unwrap();
    let mut bytes = [&BatchHeader { producer: None }.write(&sealed)[..], &sealed.records].concat();
    let base = offset - offset % 2;
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    let batch = Batches::new(bytes.into()).next().unwrap().unwrap();
    BufferedBatch {
        content: Content::Fetched(batch),
        start: at(offset, Some(1)),
        next: Offset(base + 2),
    }
}

fn at(offset: i64, epoch: Option<i32>) -> Position {
    Position { offset: Offset(offset), leader_epoch: epoch.map(LeaderEpoch) }
}

impl World {
    fn new() -> Self {
        // So small that a batch is too much for a paused partition.
        let subscription =
            Subscription::new(AutoOffsetReset::Earliest, true, Buffer::new(300, 1 << 20));
        let decode = DecodeOptions { check_crc: false, max_decompressed: 1 << 20 };
        let shared = Arc::new(ConsumerShared::new(
            subscription,
            CancellationToken::new(),
            decode,
            ConsumerObserver::new(
                ClientRecorder::new("model").consumer(),
                crate::listeners::Listeners::default(),
            ),
        ));
        let receiver = Receiver::new(Arc::clone(&shared), 1);
        let (paused, owned) = ([false; 2], [false; 2]);
        Self {
            shared,
            receiver,
            stays: vec![],
            paused,
            owned,
            unsubscribed: 0,
            committed: [None; 2],
            epoch: 1,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Subscribe => drop(self.shared.update(|it| it.subscribe(["t".into()].into()))),
            Step::Unsubscribe => self.shared.update(Subscription::unsubscribe),
            Step::Assign { zero, one } => {
                let chosen =
                    PARTITIONS.into_iter().filter(|p| [zero, one][index(*p)]).map(tp).collect();
                drop(self.shared.update(|it| it.assign(chosen)));
            }
            Step::Seek { partition, to } => {
                if self.shared.update(|it| it.seek(&tp(partition), at(to, None))).is_ok() {
                    let since = self.since(partition).expect("it is assigned");
                    self.stays.push(Stay { since, partition, next: Some(to), done: Some(to) });
                }
            }
            Step::Pause { partition, is_paused } => {
                if self.shared.update(|it| it.set_paused(&[tp(partition)], is_paused)).is_ok() {
                    self.paused[index(partition)] = is_paused;
                }
            }
            Step::Poll { times } => (0..times).for_each(|_| self.poll()),
            Step::PollBatch => self.poll_batch(),
            Step::PollMany { max, is_late } => self.poll_many(max, is_late),
            Step::Give { partition } => {
                let is_wanted =
                    self.shared.read(|it| matches!(it.interest(), SubscriptionKind::Topics(_)));
                // As the group's task, which hears of unsubscribings before it joins.
                if is_wanted && self.shared.read(Subscription::unsubscribed) == self.unsubscribed {
                    self.shared.update(|it| it.assigned([tp(partition)]));
                    self.shared.update(|it| it.release(&[tp(partition)]));
                    self.owned[index(partition)] = true;
                }
            }
            Step::Take { partition } => self.revoke(&[partition]),
            Step::Lose => {
                self.shared.update(|it| it.revoke(&PARTITIONS.map(tp)));
                self.owned = [false; 2];
            }
            Step::GroupTask => {
                let abandoned = self.shared.update(Subscription::take_abandoned);
                self.commit(abandoned);
                let unsubscribed = self.shared.read(Subscription::unsubscribed);
                if std::mem::replace(&mut self.unsubscribed, unsubscribed) != unsubscribed {
                    self.revoke(&PARTITIONS);
                }
            }
            Step::Answer { partition } => self.answer(partition),
            Step::Fetch { partition, batches } => self.fetch(partition, batches),
            Step::NewLeader { partition } => {
                self.epoch += 1;
                let (epoch, assignment) = (LeaderEpoch(self.epoch), self.assignment(partition));
                if let Some(assignment) = assignment {
                    self.shared.update(|it| it.leader_is(&tp(partition), assignment, epoch));
                }
            }
            Step::Cut { partition } => {
                // Behind what the application has, so that it need not be told.
                if let Some(assignment) = self.assignment(partition)
                    && let Some(next) = self
                        .stays
                        .iter()
                        .rfind(|stay| Some(stay.since) == self.since(partition))
                        .and_then(|stay| stay.next)
                {
                    let told = self
                        .shared
                        .update(|it| it.truncated(&tp(partition), assignment, at(next, Some(1))));
                    assert!(told.is_none(), "it was told of what it has not seen: {told:?}");
                }
            }
            Step::OutOfRange { partition } => {
                if let Some((assignment, FetchState::Fetching(position))) = self.snapshot(partition)
                {
                    self.shared
                        .update(|it| it.out_of_range(&tp(partition), assignment, position.offset));
                    // The leader says that the log begins just there.
                    if let Some((assignment, FetchState::Resetting(_))) = self.snapshot(partition) {
                        self.shared.update(|it| {
                            it.offset_found(
                                &tp(partition),
                                assignment,
                                at(position.offset.0, Some(1)),
                            )
                        });
                    }
                    self.begin(partition, position.offset.0);
                }
            }
            Step::Evict => self.shared.update(Subscription::evict_held),
            Step::CommitAutomatically => {
                let finished = self.shared.read(Subscription::finished);
                self.commit(finished);
            }
        }
    }

    fn since(&self, partition: i32) -> Option<AssignmentEpoch> {
        self.shared.read(|it| it.since(&tp(partition)))
    }

    fn assignment(&self, partition: i32) -> Option<AssignmentEpoch> {
        Some(self.snapshot(partition)?.0)
    }

    fn snapshot(&self, partition: i32) -> Option<(AssignmentEpoch, FetchState)> {
        self.shared
            .read(|it| it.snapshot(&tp(partition)))
            .map(|snapshot| (snapshot.assignment.id(), snapshot.fetch_state))
    }

    /// The partition begins there, unless it has begun.
    fn begin(&mut self, partition: i32, offset: i64) {
        let Some(since) = self.since(partition) else { return };
        if !self.stays.iter().any(|stay| stay.since == since) {
            self.stays.push(Stay { since, partition, next: Some(offset), done: Some(offset) });
        }
    }

    fn answer(&mut self, partition: i32) {
        match self.snapshot(partition) {
            Some((assignment, FetchState::AwaitingCommitted)) => {
                let is_asked = self
                    .shared
                    .read(Subscription::awaiting_committed)
                    .iter()
                    .any(|(waiting, _)| *waiting == tp(partition));
                if !is_asked {
                    return;
                }
                let committed = self.committed[index(partition)].map(OffsetAndMetadata::new);
                self.shared.update(|it| {
                    it.start_at_committed(&tp(partition), assignment, committed.as_ref())
                });
                if let Some(committed) = committed {
                    self.begin(partition, committed.offset.0);
                }
            }
            Some((assignment, FetchState::Resetting(_))) => {
                self.shared.update(|it| it.offset_found(&tp(partition), assignment, at(0, None)));
                self.begin(partition, 0);
            }
            Some((assignment, FetchState::Validating(_))) => {
                let epoch = Some(LeaderEpoch(self.epoch));
                self.shared.update(|it| it.position_holds(&tp(partition), assignment, epoch));
            }
            _ => {}
        }
    }

    fn fetch(&mut self, partition: i32, batches: i64) {
        let Some((assignment, FetchState::Fetching(from))) = self.snapshot(partition) else {
            return;
        };
        let (mut next, mut buffered_batches) = (from.offset.0, Vec::new());
        for _ in 0..batches {
            if next < LENGTH {
                let buffered = batch(next);
                next = buffered.next.0;
                buffered_batches.push(buffered);
            }
        }
        let brought = FetchFilter { buffered_batches, next: at(next, Some(1)), failure: None };
        assert!(self.shared.update(|it| it.fetched(
            &tp(partition),
            assignment,
            from.offset,
            brought,
            None
        )));
    }

    /// Everything that was returned before counts as processed.
    fn asks_for_more(&mut self) {
        for stay in &mut self.stays {
            stay.done = stay.next;
        }
    }

    fn poll(&mut self) {
        let polled = self.receiver.poll_record(&mut Context::from_waker(Waker::noop()));
        self.asks_for_more();
        if let Poll::Ready(Ok(record)) = polled {
            self.came(record.partition().0, record.offset().0..record.offset().0 + 1);
        }
    }

    fn poll_batch(&mut self) {
        let polled = self.receiver.poll_batch(&mut Context::from_waker(Waker::noop()));
        self.asks_for_more();
        if let Poll::Ready(Ok(batch)) = polled {
            let partition = batch.partition().0;
            let offsets: Vec<_> = batch.iter().map(|record| record.offset().0).collect();
            self.came(partition, offsets[0]..offsets[offsets.len() - 1] + 1);
        }
    }

    fn poll_many(&mut self, max: usize, is_late: bool) {
        let context = &mut Context::from_waker(Waker::noop());
        let polled = self.receiver.poll_many(context, max, is_late);
        self.asks_for_more();
        if let Poll::Ready(Ok(records)) = polled {
            assert!(is_late || !records.is_empty());
            assert!(records.len() <= max);
            for record in records {
                self.came(record.partition().0, record.offset().0..record.offset().0 + 1);
            }
        }
    }

    fn came(&mut self, partition: i32, offsets: std::ops::Range<i64>) {
        assert!(!self.paused[index(partition)] || !self.is_paused(partition), "it is paused");
        let since = self.since(partition).expect("it is assigned");
        let stay = self.stays.iter_mut().rfind(|stay| stay.since == since).expect("it has begun");
        assert_eq!(stay.partition, partition);
        assert_eq!(stay.next, Some(offsets.start), "the very next record");
        stay.next = Some(offsets.end);
    }

    fn is_paused(&self, partition: i32) -> bool {
        self.shared.read(|it| it.paused().any(|paused| *paused == tp(partition)))
    }

    fn revoke(&mut self, partitions: &[i32]) {
        let partitions: Vec<_> =
            partitions.iter().filter(|p| self.owned[index(**p)]).map(|p| tp(*p)).collect();
        self.shared.update(|it| it.hold(&partitions));
        let mut finished = self.shared.read(Subscription::finished);
        finished.retain(|commit| partitions.contains(&commit.partition));
        self.commit(finished);
        self.shared.update(|it| it.revoke(&partitions));
        for partition in partitions {
            self.owned[index(partition.partition.0)] = false;
        }
    }

    fn commit(&mut self, commits: Vec<CommitPosition>) {
        for commit in commits {
            let offset = commit.offset.offset.0;
            let stay = self
                .stays
                .iter()
                .find(|stay| stay.since == commit.since)
                .expect("of a stay that has begun");
            assert!(Some(offset) <= stay.done, "committed {offset} of {stay:?}");
            self.committed[index(stay.partition)] = Some(offset);
            self.shared.update(|it| {
                it.committed(&commit.partition, commit.assignment, commit.offset.offset)
            });
        }
    }

    /// Everybody does his work, until everything has come that is assigned.
    fn settle(&mut self) {
        for partition in PARTITIONS {
            self.take(Step::Pause { partition, is_paused: false });
        }
        self.take(Step::GroupTask);
        for _ in 0..10 {
            for partition in PARTITIONS {
                self.answer(partition);
                self.fetch(partition, LENGTH);
            }
            (0..LENGTH).for_each(|_| self.poll());
        }
        for partition in PARTITIONS {
            let Some(since) = self.since(partition) else { continue };
            let stay = self.stays.iter().rfind(|stay| stay.since == since).expect("it has begun");
            assert_eq!(stay.next, Some(LENGTH), "everything comes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_skipped_and_nothing_in_hand_is_committed(is_shared_out: bool, steps in prop::collection::vec(step(), 1..100)) {
        let mut world = World::new();
        if is_shared_out {
            for step in [Step::Subscribe, Step::Give { partition: 0 }, Step::Give { partition: 1 }] {
                world.take(step);
            }
        } else {
            world.take(Step::Assign { zero: true, one: true });
        }
        for step in steps {
            world.take(step);
        }
        world.settle();
    }
}
