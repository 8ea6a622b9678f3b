//! A member of a classic group.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who joins, and what it can do.
#[derive(Clone, Debug)]
pub(crate) struct Joiner {
    pub(crate) member_id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    /// (name, metadata), preferred first.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// The client can be told its id and join again (KIP-394).
    pub(crate) knows_ids: bool,
    /// The client understands that a leader is to skip the assignment (KIP-814).
    pub(crate) can_skip: bool,
}

/// What a member is told when a generation begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    /// (member, instance, metadata), for the leader alone.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

/// Why a join failed, and the id that the client is to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotJoined {
    pub(crate) error: ResponseError,
    pub(crate) member_id: String,
}

pub(crate) type JoinResult = Result<Joined, NotJoined>;
pub(crate) type SyncResult = Result<Bytes, ResponseError>;

/// An answer that may have to wait for other members.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    /// The order in which members came.
    pub(crate) number: u64,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    /// Dead if it is not heard of until then, and waits for nothing.
    pub(crate) alive_until: Instant,
    pub(crate) joining: Option<oneshot::Sender<JoinResult>>,
    pub(crate) syncing: Option<oneshot::Sender<SyncResult>>,
}

impl Member {
    pub(crate) fn new(joiner: &Joiner, id: String, number: u64, now: Instant) -> Self {
        Self {
            id,
            instance: joiner.instance.clone(),
            client_id: joiner.client_id.clone(),
            number,
            session_timeout: joiner.session_timeout,
            rebalance_timeout: joiner.rebalance_timeout,
            protocols: joiner.protocols.clone(),
            assignment: Bytes::new(),
            alive_until: now + joiner.session_timeout,
            joining: None,
            syncing: None,
        }
    }

    pub(crate) fn update(&mut self, joiner: &Joiner) {
        self.session_timeout = joiner.session_timeout;
        self.rebalance_timeout = joiner.rebalance_timeout;
        self.protocols.clone_from(&joiner.protocols);
        self.client_id.clone_from(&joiner.client_id);
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.alive_until = now + self.session_timeout;
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(crate) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// It waits for us, so its silence means nothing.
    pub(crate) fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    /// The member as a coordinator finds it in the log.
    pub(crate) fn persisted(&self) -> Self {
        Self {
            id: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            number: self.number,
            session_timeout: self.session_timeout,
            rebalance_timeout: self.rebalance_timeout,
            protocols: self.protocols.clone(),
            assignment: self.assignment.clone(),
            alive_until: self.alive_until,
            joining: None,
            syncing: None,
        }
    }

    pub(crate) fn answer_join(&mut self, result: JoinResult) {
        if let Some(waiter) = self.joining.take() {
            // The connection may be gone; then nobody wants to know.
            drop(waiter.send(result));
        }
    }

    pub(crate) fn answer_sync(&mut self, result: SyncResult) {
        if let Some(waiter) = self.syncing.take() {
            drop(waiter.send(result));
        }
    }
}
