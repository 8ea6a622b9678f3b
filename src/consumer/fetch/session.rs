//! A fetch session with one broker (KIP-227): each request tells only what changed since the one
//! before.
//!
//! Pure. `told` mirrors what the broker remembers. It is believed from when a request is made, as
//! one fetch is under way at a time; any failure makes the next request a full one.
//!
//! ```text
//!            ┌──────── (0, 0) full ◀──── error, lost reply: closes the old one by (id, 0)
//!            ▼                        │
//!      Opening ──id──▶ Open (id, 1), (id, 2) …, then 1 again after the largest
//!            └──0, or not found at once──▶ Refused: (0, -1) full, always
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::consumer::position::AssignmentEpoch;
use crate::ids::{LeaderEpoch, Offset, TopicId, TopicPartition};

/// What a broker is asked for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) assignment: AssignmentEpoch,
    pub(crate) offset: Offset,
    /// The epoch of the leader as this client knows it: the broker refuses to serve another
    /// (KIP-320).
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    pub(crate) topic_id: Option<TopicId>,
}

/// What one fetch request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    /// Partitions that are new or have moved; after a full request, all.
    pub(crate) fetch: Vec<(TopicPartition, Want)>,
    pub(crate) forget: Vec<(TopicPartition, Option<TopicId>)>,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchSession {
    state: State,
    told: BTreeMap<TopicPartition, Want>,
    /// Where a request that lists all partitions begins, so that brokers, who fill in order, starve
    /// none.
    rotation: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    New,
    /// A full request asks for a session, and closes this one.
    Replacing(i32),
    Open {
        id: i32,
        epoch: i32,
    },
    /// The broker has no room for another session.
    Refused,
}

/// The epoch that asks for a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request outside any session.
const NO_SESSION_EPOCH: i32 = -1;
const NO_SESSION: i32 = 0;

impl FetchSession {
    /// The next request. `changed` names at least those of `wanted` that differ from the last
    /// request, and those that left.
    pub(crate) fn request(
        &mut self,
        wanted: &BTreeMap<TopicPartition, Want>,
        changed: &BTreeSet<TopicPartition>,
    ) -> SessionRequest {
        let (id, epoch) = match self.state {
            State::New => (NO_SESSION, INITIAL_EPOCH),
            State::Replacing(id) => (id, INITIAL_EPOCH),
            State::Refused => (NO_SESSION, NO_SESSION_EPOCH),
            State::Open { id, epoch } => return self.incremental(id, epoch, wanted, changed),
        };
        self.told = wanted.clone();
        let mut fetch: Vec<_> = wanted.iter().map(|(tp, want)| (tp.clone(), *want)).collect();
        self.rotation = self.rotation.wrapping_add(1);
        if !fetch.is_empty() {
            let start = self.rotation % fetch.len();
            fetch.rotate_left(start);
        }
        SessionRequest { id, epoch, fetch, forget: Vec::new() }
    }

    fn incremental(
        &mut self,
        id: i32,
        epoch: i32,
        wanted: &BTreeMap<TopicPartition, Want>,
        changed: &BTreeSet<TopicPartition>,
    ) -> SessionRequest {
        let mut request = SessionRequest { id, epoch, fetch: Vec::new(), forget: Vec::new() };
        for partition in changed {
            match (wanted.get(partition), self.told.get(partition)) {
                (Some(want), Some(told)) if want == told => {}
                (Some(want), told) => {
                    if let Some(told) = told.filter(|told| told.topic_id != want.topic_id) {
                        // The same name is another topic now; the broker knows both by id.
                        request.forget.push((partition.clone(), told.topic_id));
                    }
                    self.told.insert(partition.clone(), *want);
                    request.fetch.push((partition.clone(), *want));
                }
                (None, Some(told)) => {
                    request.forget.push((partition.clone(), told.topic_id));
                    self.told.remove(partition);
                }
                (None, None) => {}
            }
        }
        request
    }

    /// What the broker was asked for a partition.
    pub(crate) fn told(&self, partition: &TopicPartition) -> Option<&Want> {
        self.told.get(partition)
    }

    /// All that the broker was asked for, and how.
    pub(crate) fn wants(&self) -> impl Iterator<Item = (&TopicPartition, &Want)> {
        self.told.iter()
    }

    /// All that the broker was asked for.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.told.keys()
    }

    /// The broker answered, with this session id.
    pub(crate) fn answered(&mut self, id: i32) {
        self.state = match self.state {
            State::Refused => State::Refused,
            // No session was granted: asking again each time would make the broker look for room
            // each time.
            _ if id == NO_SESSION => State::Refused,
            State::Open { id: open, epoch } if open == id => {
                State::Open { id, epoch: if epoch == i32::MAX { 1 } else { epoch + 1 } }
            }
            _ => State::Open { id, epoch: 1 },
        };
    }

    /// The broker does not know the session.
    pub(crate) fn not_found(&mut self) {
        self.state = match self.state {
            State::Open { .. } => State::New,
            // It never granted one: it is full.
            _ => State::Refused,
        };
    }

    /// The request or its reply was lost, or the broker refused it: it may or may not have been
    /// applied.
    pub(crate) fn failed(&mut self) {
        self.state = match self.state {
            State::Open { id, .. } | State::Replacing(id) => State::Replacing(id),
            State::New | State::Refused => State::New,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn want(offset: i64) -> Want {
        Want {
            assignment: AssignmentEpoch(1),
            offset: Offset(offset),
            leader_epoch: None,
            topic_id: None,
        }
    }

    fn wanted(of: &[(i32, i64)]) -> BTreeMap<TopicPartition, Want> {
        of.iter().map(|(partition, offset)| (tp(*partition), want(*offset))).collect()
    }

    fn all(wanted: &BTreeMap<TopicPartition, Want>) -> BTreeSet<TopicPartition> {
        wanted.keys().cloned().collect()
    }

    fn opened(of: &[(i32, i64)]) -> FetchSession {
        let mut session = FetchSession::default();
        let wanted = wanted(of);
        session.request(&wanted, &all(&wanted));
        session.answered(7);
        session
    }

    #[test]
    fn open_session_tells_only_what_changed() {
        let mut session = opened(&[(0, 10), (1, 20)]);
        let wanted = wanted(&[(0, 15), (1, 20)]);
        let request = session.request(&wanted, &all(&wanted));
        assert_eq!((request.id, request.epoch), (7, 1));
        assert_eq!(request.fetch, [(tp(0), want(15))]);
        assert_eq!(request.forget, []);
    }

    #[test]
    fn partition_that_left_is_forgotten_once() {
        let mut session = opened(&[(0, 10), (1, 20)]);
        let wanted = wanted(&[(0, 10)]);
        assert_eq!(session.request(&wanted, &[tp(1)].into()).forget, [(tp(1), None)]);
        session.answered(7);
        assert_eq!(session.request(&wanted, &[tp(1)].into()).forget, []);
    }

    #[test]
    fn recreated_topic_is_forgotten_by_its_old_id() {
        let mut session = opened(&[(0, 10)]);
        let anew = Want { topic_id: Some(TopicId([9; 16])), ..want(0) };
        let request = session.request(&[(tp(0), anew)].into(), &[tp(0)].into());
        assert_eq!(request.forget, [(tp(0), None)]);
        assert_eq!(request.fetch, [(tp(0), anew)]);
    }

    #[test]
    fn lost_reply_closes_the_session_and_tells_all() {
        let mut session = opened(&[(0, 10), (1, 20)]);
        session.request(&wanted(&[(0, 15), (1, 20)]), &[tp(0)].into());
        session.failed();
        let request = session.request(&wanted(&[(0, 15), (1, 20)]), &BTreeSet::new());
        assert_eq!((request.id, request.epoch, request.fetch.len()), (7, 0, 2));
    }

    #[test]
    fn broker_without_room_is_not_asked_for_a_session_again() {
        let mut session = opened(&[]);
        session.not_found();
        session.request(&wanted(&[(0, 1)]), &BTreeSet::new());
        session.answered(0);
        let request = session.request(&wanted(&[(0, 1)]), &BTreeSet::new());
        assert_eq!((request.id, request.epoch, request.fetch.len()), (0, -1, 1));
    }

    #[test]
    fn epoch_wraps_to_one() {
        let mut session = opened(&[(0, 0)]);
        session.state = State::Open { id: 7, epoch: i32::MAX };
        session.answered(7);
        assert_eq!(session.request(&BTreeMap::new(), &BTreeSet::new()).epoch, 1);
    }

    #[test]
    fn full_requests_begin_at_another_partition_each_time() {
        let mut session = FetchSession { state: State::Refused, ..FetchSession::default() };
        let wanted = wanted(&[(0, 0), (1, 0), (2, 0)]);
        let mut first = || session.request(&wanted, &BTreeSet::new()).fetch[0].0.partition.0;
        let mut firsts = [first(), first(), first()];
        firsts.sort_unstable();
        assert_eq!(firsts, [0, 1, 2]);
    }

    /// What a broker remembers of a session.
    #[derive(Default)]
    struct Broker {
        session: Option<(i32, i32)>,
        holds: BTreeMap<TopicPartition, Want>,
        next_id: i32,
    }

    impl Broker {
        fn serve(&mut self, request: &SessionRequest) -> Result<i32, ()> {
            if request.epoch == 0 {
                self.next_id += 1;
                self.session = Some((self.next_id, 1));
                self.holds = request.fetch.iter().cloned().collect();
                return Ok(self.next_id);
            }
            match &mut self.session {
                Some((id, epoch)) if *id == request.id && *epoch == request.epoch => *epoch += 1,
                _ => return Err(()),
            }
            for (partition, _) in &request.forget {
                self.holds.remove(partition);
            }
            self.holds.extend(request.fetch.iter().cloned());
            Ok(request.id)
        }
    }

    proptest! {
        #[test]
        fn broker_always_holds_what_is_wanted(
            script in prop::collection::vec(
                (0_i32..5, prop::option::of(0_i64..50), 0_u8..10),
                1..200,
            ),
        ) {
            let (mut session, mut broker) = (FetchSession::default(), Broker::default());
            let (mut wanted, mut changed) = (BTreeMap::new(), BTreeSet::new());
            for (partition, offset, luck) in script {
                match offset {
                    Some(offset) => wanted.insert(tp(partition), want(offset)),
                    None => wanted.remove(&tp(partition)),
                };
                changed.insert(tp(partition));
                if luck == 0 {
                    broker.session = None;
                }
                let request = session.request(&wanted, &changed);
                changed.clear();
                match broker.serve(&request) {
                    _ if luck == 1 => session.failed(),
                    Ok(id) => {
                        prop_assert_eq!(&broker.holds, &wanted);
                        session.answered(id);
                    }
                    Err(()) => session.not_found(),
                }
            }
        }
    }
}
