//! Share sessions of one broker: what each member fetches, and over which connection (KIP-932).

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use uuid::Uuid;

/// Begins a session.
pub(crate) const OPEN: i32 = 0;
/// Ends a session.
pub(crate) const CLOSE: i32 = -1;

/// Whose a session is: group and member.
pub(crate) type SessionOwner = (String, String);

/// A partition as requests name it.
pub(crate) type SessionPartition = (Uuid, i32);

#[derive(Clone, Debug)]
struct ShareSession {
    id: u64,
    epoch: i32,
    connection: u64,
    /// In the order in which they are served, each with whether the next reply has to tell of it.
    partitions: Vec<(SessionPartition, bool)>,
}

/// The share sessions of a broker.
#[derive(Debug)]
pub(crate) struct ShareSessions {
    slots: usize,
    next_id: u64,
    sessions: BTreeMap<SessionOwner, ShareSession>,
    /// The session that each connection has opened last, and whether it is still that one.
    connections: BTreeMap<u64, (SessionOwner, bool)>,
}

/// A ShareFetch's side of a session.
#[derive(Clone, Debug)]
pub(crate) struct ShareSessionRequest {
    pub(crate) owner: SessionOwner,
    pub(crate) epoch: i32,
    pub(crate) connection: u64,
    pub(crate) wanted: Vec<SessionPartition>,
    pub(crate) forgotten: Vec<SessionPartition>,
    pub(crate) acknowledges: bool,
}

/// What a ShareFetch is to be served.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShareOpened {
    pub(crate) partitions: Vec<SessionPartition>,
    /// The session that it goes on with, and the epoch after it.
    pub(crate) resumed: Option<(u64, i32)>,
}

impl ShareSessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, next_id: 0, sessions: BTreeMap::new(), connections: BTreeMap::new() }
    }

    /// Opens, continues or is about to end a session: `SharePartitionManager.newContext`.
    pub(crate) fn open(
        &mut self,
        request: ShareSessionRequest,
    ) -> Result<ShareOpened, ResponseError> {
        match request.epoch {
            OPEN if request.acknowledges => Err(ResponseError::InvalidRequest),
            OPEN => self.create(request),
            CLOSE if self.sessions.contains_key(&request.owner) => Ok(ShareOpened::default()),
            CLOSE => Err(ResponseError::ShareSessionNotFound),
            epoch => {
                let session = self.advance(&request.owner, epoch)?;
                for wanted in request.wanted {
                    if session.partitions.iter().all(|(known, _)| *known != wanted) {
                        session.partitions.push((wanted, true));
                    }
                }
                session.partitions.retain(|(known, _)| !request.forgotten.contains(known));
                let partitions = session.partitions.iter().map(|(known, _)| *known).collect();
                Ok(ShareOpened { partitions, resumed: Some((session.id, session.epoch)) })
            }
        }
    }

    /// Continues a session, or is about to end it, by a ShareAcknowledge.
    pub(crate) fn acknowledge(
        &mut self,
        owner: &SessionOwner,
        epoch: i32,
    ) -> Result<(), ResponseError> {
        match epoch {
            OPEN => Err(ResponseError::InvalidShareSessionEpoch),
            CLOSE if self.sessions.contains_key(owner) => Ok(()),
            CLOSE => Err(ResponseError::ShareSessionNotFound),
            epoch => self.advance(owner, epoch).map(drop),
        }
    }

    fn create(&mut self, request: ShareSessionRequest) -> Result<ShareOpened, ResponseError> {
        self.remove(&request.owner);
        if self.sessions.len() >= self.slots {
            return Err(ResponseError::ShareSessionLimitReached);
        }
        self.next_id += 1;
        let partitions = request.wanted.iter().map(|wanted| (*wanted, false)).collect();
        let (id, connection) = (self.next_id, request.connection);
        let session = ShareSession { id, epoch: OPEN + 1, connection, partitions };
        self.sessions.insert(request.owner.clone(), session);
        self.connections.insert(connection, (request.owner, true));
        Ok(ShareOpened { partitions: request.wanted, resumed: None })
    }

    fn advance(
        &mut self,
        owner: &SessionOwner,
        epoch: i32,
    ) -> Result<&mut ShareSession, ResponseError> {
        let session = self.sessions.get_mut(owner).ok_or(ResponseError::ShareSessionNotFound)?;
        if session.epoch != epoch {
            return Err(ResponseError::InvalidShareSessionEpoch);
        }
        session.epoch = session.epoch.checked_add(1).unwrap_or(OPEN + 1);
        Ok(session)
    }

    /// Whether a session has gone on since a request was let in: another one was quicker.
    pub(crate) fn has_moved(&self, owner: &SessionOwner, (id, epoch): (u64, i32)) -> bool {
        self.sessions.get(owner).is_some_and(|session| session.id == id && session.epoch != epoch)
    }

    /// Whether a reply has to mention a partition, which had records or an error.
    pub(crate) fn tell(
        &mut self,
        owner: &SessionOwner,
        partition: SessionPartition,
        has_records: bool,
        has_error: bool,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(owner) else { return true };
        let known = session.partitions.iter().position(|(known, _)| *known == partition);
        let Some(at) = known else { return true };
        let (_, was_due) = session.partitions.remove(at);
        // The end of an error is news as well; who had records is served last.
        let at = if has_records { session.partitions.len() } else { at };
        session.partitions.insert(at, (partition, has_error));
        has_records || has_error || was_due
    }

    /// Ends a session; gives the partitions that it had, if it was there.
    pub(crate) fn remove(&mut self, owner: &SessionOwner) -> Option<Vec<SessionPartition>> {
        let session = self.sessions.remove(owner)?;
        if let Some((_, is_current)) = self.connections.get_mut(&session.connection) {
            *is_current = false;
        }
        Some(session.partitions.into_iter().map(|(partition, _)| partition).collect())
    }

    /// A connection is gone: the session that it had opened, and whether that has to end with it.
    pub(crate) fn disconnected(&mut self, connection: u64) -> Option<(SessionOwner, bool)> {
        let (owner, is_current) = self.connections.remove(&connection)?;
        let ends = is_current && self.sessions.contains_key(&owner);
        Some((owner, ends))
    }

    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.sessions.keys().any(|(known, _)| known == group)
    }

    /// The partitions that a member's session holds.
    pub(crate) fn partitions_of(&self, owner: &SessionOwner) -> Vec<SessionPartition> {
        let session = self.sessions.get(owner);
        session.into_iter().flat_map(|one| one.partitions.iter().map(|(key, _)| *key)).collect()
    }

    /// Every session: owner and epoch.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&SessionOwner, i32)> {
        self.sessions.iter().map(|(owner, session)| (owner, session.epoch))
    }

    /// Forgets every session, as a restart does.
    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
        self.connections.clear();
    }

    pub(crate) fn set_slots(&mut self, slots: usize) {
        self.slots = slots;
    }
}
