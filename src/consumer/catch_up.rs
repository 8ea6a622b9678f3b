//! Whether partitions were read to the end that they had at one moment.
//!
//! Pure, and behind the lock of [`super::shared`]. Whoever waits says where the ends were. The
//! application's side looks, when it asks for more, only at the partitions that it was given
//! something of since: waiting costs a record nothing and a batch little, however many partitions
//! there are.
//!
//! ```text
//!   begun ──first partitions──▶ ends unknown ──ListOffsets──▶ behind ──read, or gone──▶ done
//!                                    ▲                          │
//!                                    └── the application jumped ┘
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::consumer::position::{AssignmentEpoch, PartitionAssignment};
use crate::consumer::subscription::{Subscription, SubscriptionKind};
use crate::error::{Error, Result};
use crate::ids::{Offset, TopicPartition};

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct CatchUps {
    waiting: BTreeMap<CatchUpId, CatchUp>,
    next: u64,
    /// An end has become known since the application asked for more.
    has_news: bool,
    /// Of which the application had a batch begun when it asked for more.
    in_hand: Option<Arc<PartitionAssignment>>,
}

/// Names one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CatchUpId(u64);

/// What one who waits is waiting for; `None` before there are partitions.
#[derive(Debug, Default)]
struct CatchUp(Option<BTreeMap<TopicPartition, Aim>>);

/// Up to where a partition is to be read, and under which assignment that was found.
#[derive(Clone, Copy, Debug, Default)]
struct Aim {
    end: Option<Offset>,
    assignment: Option<AssignmentEpoch>,
}

/// What one who waits has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CatchUpStep {
    Wait,
    /// The ends of these partitions are to be asked for.
    Ask(BTreeMap<TopicPartition, AssignmentEpoch>),
    Done,
}

impl CatchUps {
    pub(crate) fn begin(&mut self) -> CatchUpId {
        self.next += 1;
        self.waiting.insert(CatchUpId(self.next), CatchUp::default());
        CatchUpId(self.next)
    }

    pub(crate) fn end(&mut self, id: CatchUpId) {
        self.waiting.remove(&id);
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Notes where a partition ended. One that was asked for before, and is read elsewhere since,
    /// is read to the first of both ends: its log may have been cut.
    pub(crate) fn ends_at(
        &mut self,
        id: CatchUpId,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        end: Offset,
    ) {
        let Some(CatchUp(Some(aims))) = self.waiting.get_mut(&id) else { return };
        if let Some(aim) = aims.get_mut(partition) {
            aim.assignment = Some(assignment);
            aim.end = Some(aim.end.map_or(end, |before| before.min(end)));
            self.has_news = true;
        }
    }

    /// What is to be done next.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is nothing to wait for; what has
    /// stopped a partition.
    pub(crate) fn step(
        &mut self,
        id: CatchUpId,
        subscription: &Subscription,
    ) -> Result<CatchUpStep> {
        let Some(CatchUp(aims)) = self.waiting.get_mut(&id) else { return Ok(CatchUpStep::Done) };
        if subscription.assignment().next().is_none() && subscription.interest().is_shared() {
            return Ok(CatchUpStep::Wait);
        }
        if aims.is_none() && matches!(subscription.interest(), SubscriptionKind::Nothing) {
            return Err(Error::config(
                "nothing is subscribed or assigned: there is no end to reach",
            ));
        }
        let aims = aims.get_or_insert_with(|| {
            subscription.assignment().map(|tp| (tp.clone(), Aim::default())).collect()
        });
        let mut ask = BTreeMap::new();
        let mut stopped = None;
        aims.retain(|partition, aim| {
            let Some(assignment) = subscription.assignment_of(partition) else { return false };
            if aim.end.is_none() || aim.assignment != Some(assignment.id()) {
                ask.insert(partition.clone(), assignment.id());
                return true;
            }
            if aim.is_reached(partition, subscription) {
                return false;
            }
            stopped = stopped.take().or_else(|| subscription.stopped(partition));
            true
        });
        match stopped {
            Some(error) => Err(error),
            None if aims.is_empty() => Ok(CatchUpStep::Done),
            None if ask.is_empty() => Ok(CatchUpStep::Wait),
            None => Ok(CatchUpStep::Ask(ask)),
        }
    }

    /// The application asks for more, and has what came before; of a batch in hand it may have the
    /// rest by the next time. True if one who waits may be done by that.
    pub(crate) fn look(
        &mut self,
        subscription: &mut Subscription,
        in_hand: Option<&Arc<PartitionAssignment>>,
    ) -> bool {
        let mut given = subscription.buffer.take_noted();
        given.extend(std::mem::replace(&mut self.in_hand, in_hand.cloned()));
        if std::mem::take(&mut self.has_news) {
            return true;
        }
        let mut is_done = false;
        for assignment in given {
            let partition = assignment.partition();
            for CatchUp(aims) in self.waiting.values_mut() {
                if let Some(aims) = aims
                    && let Some(aim) = aims.get(partition)
                    && aim.is_reached(partition, subscription)
                {
                    aims.remove(partition);
                    is_done |= aims.is_empty();
                }
            }
        }
        is_done
    }
}

impl Aim {
    fn is_reached(&self, partition: &TopicPartition, subscription: &Subscription) -> bool {
        self.end.is_some_and(|end| subscription.has_read_to(partition, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::config::AutoOffsetReset;
    use crate::consumer::fetch::buffer::{Buffer, BufferedBatch, Content};
    use crate::consumer::fetch::filter::FetchFilter;
    use crate::consumer::fetch::session::Want;
    use crate::consumer::position::Position;
    use crate::consumer::watermarks::Watermarks;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn subscription(has_group: bool) -> Subscription {
        Subscription::new(AutoOffsetReset::Earliest, has_group, Buffer::new(1 << 10, 1 << 10))
    }

    fn assignment(subscription: &Subscription) -> Arc<PartitionAssignment> {
        Arc::clone(subscription.assignment_of(&tp(0)).expect("assigned"))
    }

    /// Compaction has removed the end of the log, and nothing can bring the position there.
    #[test]
    fn where_nothing_is_left_to_read_is_the_end() {
        let mut subscription = subscription(false);
        subscription.assign([tp(0)].into()).expect("nothing was subscribed");
        subscription.seek(&tp(0), Position::at(Offset(91))).expect("assigned");
        let mut catch_ups = CatchUps::default();
        let id = catch_ups.begin();
        let of = assignment(&subscription);
        let ask = CatchUpStep::Ask([(tp(0), of.id())].into());
        assert_eq!(catch_ups.step(id, &subscription).unwrap(), ask);
        catch_ups.ends_at(id, &tp(0), of.id(), Offset(100));
        assert_eq!(catch_ups.step(id, &subscription).unwrap(), CatchUpStep::Wait);
        let want =
            Want { assignment: of.id(), offset: Offset(91), leader_epoch: None, topic_id: None };
        for (end, is_news, step) in [
            (99, true, CatchUpStep::Wait),
            (100, true, CatchUpStep::Done),
            (100, false, CatchUpStep::Done),
        ] {
            let watermarks = Watermarks {
                log_start_offset: None,
                high_watermark: Offset(end),
                last_stable_offset: None,
            };
            of.ends_at(watermarks, Some(Offset(end)));
            assert!(!subscription.fetched_all(&tp(0), want, false));
            assert_eq!(subscription.fetched_all(&tp(0), want, true), is_news);
            assert_eq!(catch_ups.step(id, &subscription).unwrap(), step);
        }
    }

    /// What is fetched already, and not received, is not read.
    #[test]
    fn where_nothing_is_left_to_fetch_is_no_end_before_the_application_is_there() {
        let mut subscription = subscription(false);
        subscription.assign([tp(0)].into()).expect("nothing was subscribed");
        subscription.seek(&tp(0), Position::at(Offset(50))).expect("assigned");
        let mut catch_ups = CatchUps::default();
        let id = catch_ups.begin();
        let of = assignment(&subscription);
        catch_ups.step(id, &subscription).unwrap();
        catch_ups.ends_at(id, &tp(0), of.id(), Offset(100));
        let watermarks = Watermarks {
            log_start_offset: None,
            high_watermark: Offset(100),
            last_stable_offset: None,
        };
        of.ends_at(watermarks, Some(Offset(100)));
        let skipped = BufferedBatch {
            content: Content::Skipped,
            start: Position::at(Offset(50)),
            next: Offset(91),
        };
        let filter = FetchFilter {
            buffered_batches: vec![skipped],
            next: Position::at(Offset(91)),
            failure: None,
        };
        assert!(subscription.fetched(&tp(0), of.id(), Offset(50), filter, None));
        let want =
            Want { assignment: of.id(), offset: Offset(91), leader_epoch: None, topic_id: None };
        assert!(subscription.fetched_all(&tp(0), want, true));
        assert_eq!(catch_ups.step(id, &subscription).unwrap(), CatchUpStep::Wait);
        of.deliver_to(Offset(91));
        assert_eq!(catch_ups.step(id, &subscription).unwrap(), CatchUpStep::Done);
    }

    #[test]
    fn one_of_several_partitions_that_is_read_wakes_nobody() {
        let mut subscription = subscription(false);
        subscription.assign([tp(0), tp(1)].into()).expect("nothing was subscribed");
        subscription.buffer.note(true);
        let mut catch_ups = CatchUps::default();
        let id = catch_ups.begin();
        for partition in 0..2 {
            subscription.seek(&tp(partition), Position::at(Offset(0))).expect("assigned");
        }
        catch_ups.step(id, &subscription).unwrap();
        for partition in 0..2 {
            let of = subscription.assignment_of(&tp(partition)).expect("assigned").id();
            catch_ups.ends_at(id, &tp(partition), of, Offset(1));
        }
        assert!(catch_ups.look(&mut subscription, None), "the ends are news");
        for (partition, is_all) in [(0, false), (1, true)] {
            let of = Arc::clone(subscription.assignment_of(&tp(partition)).expect("assigned"));
            let start = Position::at(Offset(0));
            let piece = BufferedBatch { content: Content::Skipped, start, next: Offset(1) };
            subscription.buffer.push(&of, piece, None);
            subscription.buffer.pop().expect("it is there");
            of.deliver_to(Offset(1));
            assert_eq!(catch_ups.look(&mut subscription, None), is_all);
        }
    }

    #[test]
    fn a_rebalance_that_takes_everything_does_not_end_the_wait() {
        let mut subscription = subscription(true);
        subscription.subscribe(["t".into()].into()).expect("has a group");
        let mut catch_ups = CatchUps::default();
        let id = catch_ups.begin();
        let mut step = |subscription: &Subscription| catch_ups.step(id, subscription).unwrap();
        assert_eq!(step(&subscription), CatchUpStep::Wait);
        subscription.assigned([tp(0), tp(1)]);
        assert!(matches!(step(&subscription), CatchUpStep::Ask(_)));
        subscription.revoke(&[tp(0), tp(1)]);
        assert_eq!(step(&subscription), CatchUpStep::Wait);
        subscription.assigned([tp(1)]);
        let ask = CatchUpStep::Ask(
            [(tp(1), subscription.assignment_of(&tp(1)).expect("assigned").id())].into(),
        );
        assert_eq!(step(&subscription), ask);
        subscription.unsubscribe();
        assert_eq!(step(&subscription), CatchUpStep::Done);
    }
}
