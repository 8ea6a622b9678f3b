//! Incremental fetch sessions of one broker (KIP-227).

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

/// Kafka evicts a session only when it has been idle this long.
const EVICT_AFTER: Duration = Duration::from_secs(120);

/// How the request named a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TopicKey {
    Name(String),
    Id(Uuid),
}

pub(crate) type PartitionKey = (TopicKey, i32);

/// What a consumer asks of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) offset: i64,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
    pub(crate) max_bytes: i32,
}

/// What the consumer was last told of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: i64,
    pub(crate) log_start: i64,
}

#[derive(Clone, Debug)]
struct Session {
    epoch: i32,
    last_used: Instant,
    uses_ids: bool,
    /// In the order in which they are served; the ones that gave records go last.
    partitions: Vec<(PartitionKey, Wanted, Option<Told>)>,
}

#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: BTreeMap<i32, Session>,
}

/// The request's side of a session.
#[derive(Clone, Debug)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    pub(crate) uses_ids: bool,
    pub(crate) wanted: Vec<(PartitionKey, Wanted)>,
    pub(crate) forgotten: Vec<PartitionKey>,
}

/// What is to be served, and under which session.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// 0 without a session.
    pub(crate) id: i32,
    /// Only changes are answered.
    pub(crate) incremental: bool,
    pub(crate) partitions: Vec<(PartitionKey, Wanted, Option<Told>)>,
}

impl FetchSessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, sessions: BTreeMap::new() }
    }

    /// Opens, continues or ends a session as the request says.
    pub(crate) fn open(
        &mut self,
        request: SessionRequest,
        fresh_id: i32,
        now: Instant,
    ) -> Result<Opened, ResponseError> {
        match request.epoch {
            -1 => {
                self.sessions.remove(&request.id);
                Ok(full(0, request.wanted))
            }
            0 => {
                self.sessions.remove(&request.id);
                Ok(self.create(request, fresh_id, now))
            }
            _ => self.resume(request, now),
        }
    }

    /// Remembers what a reply told; partitions that gave records go to the end.
    pub(crate) fn told(&mut self, id: i32, told: &[(PartitionKey, Told, bool)]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        for (key, what, had_records) in told {
            let Some(at) = session.partitions.iter().position(|(known, ..)| known == key) else {
                continue;
            };
            if *had_records {
                let (key, wanted, _) = session.partitions.remove(at);
                session.partitions.push((key, wanted, Some(*what)));
            } else if let Some(entry) = session.partitions.get_mut(at) {
                entry.2 = Some(*what);
            }
        }
    }

    /// The partitions that a session holds.
    pub(crate) fn partitions_of(&self, id: i32) -> impl Iterator<Item = &PartitionKey> {
        self.sessions
            .get(&id)
            .into_iter()
            .flat_map(|session| session.partitions.iter().map(|(key, ..)| key))
    }

    /// Forgets every session, as a restart does.
    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
    }

    pub(crate) fn set_slots(&mut self, slots: usize) {
        self.slots = slots;
        while self.sessions.len() > slots {
            self.sessions.pop_first();
        }
    }

    fn create(&mut self, request: SessionRequest, fresh_id: i32, now: Instant) -> Opened {
        if request.wanted.is_empty() || !self.make_room(now) {
            return full(0, request.wanted);
        }
        let opened = full(fresh_id, request.wanted);
        let session = Session {
            epoch: 1,
            last_used: now,
            uses_ids: request.uses_ids,
            partitions: opened.partitions.clone(),
        };
        self.sessions.insert(fresh_id, session);
        opened
    }

    fn resume(&mut self, request: SessionRequest, now: Instant) -> Result<Opened, ResponseError> {
        let session =
            self.sessions.get_mut(&request.id).ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.epoch != request.epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        if session.uses_ids != request.uses_ids {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        for (key, wanted) in request.wanted {
            match session.partitions.iter_mut().find(|(known, ..)| *known == key) {
                Some(entry) => entry.1 = wanted,
                None => session.partitions.push((key, wanted, None)),
            }
        }
        session.partitions.retain(|(key, ..)| !request.forgotten.contains(key));
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.last_used = now;
        let partitions = session.partitions.clone();
        if partitions.is_empty() {
            self.sessions.remove(&request.id);
            return Ok(full(0, Vec::new()));
        }
        Ok(Opened { id: request.id, incremental: true, partitions })
    }

    fn make_room(&mut self, now: Instant) -> bool {
        if self.sessions.len() < self.slots {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(id, session)| (session.last_used, **id));
        match oldest.map(|(id, session)| (*id, session.last_used)) {
            Some((id, last_used)) if now.duration_since(last_used) > EVICT_AFTER => {
                self.sessions.remove(&id);
                true
            }
            _ => false,
        }
    }
}

fn full(id: i32, wanted: Vec<(PartitionKey, Wanted)>) -> Opened {
    let partitions = wanted.into_iter().map(|(key, wanted)| (key, wanted, None)).collect();
    Opened { id, incremental: false, partitions }
}
