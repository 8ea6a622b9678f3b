//! Groups: who is in them, by which protocol, and what they have committed.

pub(crate) mod classic;
pub(crate) mod config;
pub(crate) mod consumer;
pub(crate) mod control;
pub(crate) mod offsets;
pub(crate) mod share;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;
use uuid::Uuid;

use classic::ClassicGroup;
use classic::member::{Answer, JoinResult, Joiner, NotJoined, SyncResult};
use consumer::heartbeat::Beaten;
use consumer::member::Partitions;
use consumer::mixed::ClassicJoin;
use consumer::request::{Beat, JOIN};
use consumer::{ConsumerGroup, Context};
use offsets::Offsets;
use share::{ShareBeat, ShareBeaten, ShareGroup};

/// A group and its committed offsets.
#[derive(Debug, Default)]
pub(crate) struct Group {
    kind: Kind,
    /// The broker that coordinates it.
    pub(crate) coordinator: Option<i32>,
    pub(crate) offsets: Offsets,
}

/// The protocol that a group goes by.
#[derive(Debug)]
enum Kind {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
    Share(ShareGroup),
}

/// How a request names a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance: Option<&'a str>,
    /// The generation, or the member's epoch.
    pub(crate) generation: i32,
}

/// A request to commit offsets.
#[derive(Clone, Debug)]
pub(crate) struct CommitRequest<'a> {
    pub(crate) claim: Claim<'a>,
    pub(crate) version: i16,
    pub(crate) is_transactional: bool,
    pub(crate) partitions: Vec<(String, i32)>,
}

impl Default for Kind {
    fn default() -> Self {
        Self::Classic(ClassicGroup::default())
    }
}

impl Group {
    /// Does what is due.
    pub(crate) fn tick(&mut self, cx: Context<'_>) {
        match &mut self.kind {
            Kind::Classic(group) => group.tick(cx.now),
            Kind::Consumer(group) => {
                for id in group.late(cx.now) {
                    tracing::debug!(member = %id, "timed out");
                    self.fence(&[id], cx);
                }
            }
            Kind::Share(group) => {
                for id in group.late(cx.now) {
                    tracing::debug!(member = %id, "timed out");
                    group.fence(&id, cx);
                }
            }
        }
    }

    /// A share group without members.
    pub(crate) fn new_share(name: &str) -> Self {
        Self { kind: Kind::Share(ShareGroup::new(name)), ..Self::default() }
    }

    /// Members of a consumer group are no more; it becomes a classic one if only classic members
    /// are left.
    pub(crate) fn fence(&mut self, gone: &[String], cx: Context<'_>) {
        let Kind::Consumer(group) = &mut self.kind else { return };
        if gone.is_empty() || !group.is_classic_without(gone, cx) {
            group.fence(gone, cx);
            return;
        }
        let mut classic = group.to_classic(gone, cx);
        classic.rebalance(cx.now);
        self.kind = Kind::Classic(classic);
    }

    /// When [`Group::tick`] is due next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Classic(group) => group.deadline(),
            Kind::Consumer(group) => group.deadline(),
            Kind::Share(group) => group.deadline(),
        }
    }

    /// The coordinator moves: waiters are told, and the new one has what the log had.
    pub(crate) fn unload(&mut self, cx: Context<'_>) {
        match &mut self.kind {
            Kind::Classic(group) => group.unload(cx.now),
            Kind::Consumer(group) => group.unload(cx.settings, cx.now),
            Kind::Share(group) => group.unload(cx),
        }
    }

    /// A topic was made, deleted or changed.
    pub(crate) fn topic_changed(&mut self, name: &str) {
        match &mut self.kind {
            Kind::Classic(_) => {}
            Kind::Consumer(group) => group.topic_changed(name),
            Kind::Share(group) => group.topic_changed(name),
        }
    }

    /// The group by the classic protocol, if it goes by that.
    pub(crate) fn classic(&self) -> Option<&ClassicGroup> {
        match &self.kind {
            Kind::Classic(group) => Some(group),
            Kind::Consumer(_) | Kind::Share(_) => None,
        }
    }

    pub(crate) fn classic_mut(&mut self) -> Option<&mut ClassicGroup> {
        match &mut self.kind {
            Kind::Classic(group) => Some(group),
            Kind::Consumer(_) | Kind::Share(_) => None,
        }
    }

    /// The group by the consumer protocol (KIP-848), if it goes by that.
    pub(crate) fn consumer(&self) -> Option<&ConsumerGroup> {
        match &self.kind {
            Kind::Consumer(group) => Some(group),
            Kind::Classic(_) | Kind::Share(_) => None,
        }
    }

    pub(crate) fn consumer_mut(&mut self) -> Option<&mut ConsumerGroup> {
        match &mut self.kind {
            Kind::Consumer(group) => Some(group),
            Kind::Classic(_) | Kind::Share(_) => None,
        }
    }

    /// The share group (KIP-932), if it is one.
    pub(crate) fn share(&self) -> Option<&ShareGroup> {
        match &self.kind {
            Kind::Share(group) => Some(group),
            Kind::Classic(_) | Kind::Consumer(_) => None,
        }
    }

    pub(crate) fn share_mut(&mut self) -> Option<&mut ShareGroup> {
        match &mut self.kind {
            Kind::Share(group) => Some(group),
            Kind::Classic(_) | Kind::Consumer(_) => None,
        }
    }

    /// A member joins by the classic protocol. An empty consumer group becomes a classic one.
    pub(crate) fn join(
        &mut self,
        joiner: Joiner,
        fresh: Uuid,
        delay: Duration,
        cx: Context<'_>,
    ) -> Answer<JoinResult> {
        if self.consumer().is_some_and(ConsumerGroup::is_empty) {
            self.kind = Kind::default();
        }
        match &mut self.kind {
            Kind::Classic(group) => group.join(joiner, fresh, delay, cx.now),
            Kind::Consumer(group) => Answer::Now(match group.join(&joiner, fresh_id(fresh), cx) {
                Ok((ClassicJoin::Consumer(group), joined)) => {
                    self.kind = Kind::Consumer(group);
                    Ok(joined)
                }
                Ok((ClassicJoin::Classic(group), joined)) => {
                    self.kind = Kind::Classic(group);
                    Ok(joined)
                }
                Err((error, member_id)) => Err(NotJoined { error, member_id }),
            }),
            Kind::Share(_) => Answer::Now(Err(NotJoined {
                error: ResponseError::InconsistentGroupProtocol,
                member_id: String::new(),
            })),
        }
    }

    /// A classic member wants its assignment; the leader of a classic group brings everybody's.
    pub(crate) fn sync(
        &mut self,
        claim: Claim<'_>,
        protocol: (Option<&str>, Option<&str>),
        assignments: &BTreeMap<String, Bytes>,
        cx: Context<'_>,
    ) -> Answer<SyncResult> {
        match &mut self.kind {
            Kind::Classic(group) => group.sync(claim, protocol, assignments, cx.now),
            Kind::Consumer(group) => Answer::Now(group.sync(claim, protocol, cx)),
            Kind::Share(_) => Answer::Now(Err(ResponseError::UnknownMemberId)),
        }
    }

    /// A sign of life of a classic member.
    pub(crate) fn heartbeat(
        &mut self,
        claim: Claim<'_>,
        cx: Context<'_>,
    ) -> Result<(), ResponseError> {
        match &mut self.kind {
            Kind::Classic(group) => group.heartbeat(claim, cx.now),
            Kind::Consumer(group) => group.heartbeat(claim, cx),
            Kind::Share(_) => Err(ResponseError::UnknownMemberId),
        }
    }

    /// Members leave by LeaveGroup; gives what became of each.
    pub(crate) fn leave(
        &mut self,
        members: &[(String, Option<String>)],
        cx: Context<'_>,
    ) -> Vec<Result<(), ResponseError>> {
        let (mut results, mut gone) = (Vec::new(), Vec::new());
        for (id, instance) in members {
            results.push(match &mut self.kind {
                Kind::Classic(group) => group.leave(id, instance.as_deref(), cx.now),
                Kind::Consumer(group) => {
                    group.leaving(id, instance.as_deref()).map(|id| gone.push(id))
                }
                Kind::Share(_) => Err(ResponseError::UnknownMemberId),
            });
        }
        self.fence(&gone, cx);
        results
    }

    /// Whether offsets may be committed in this name.
    pub(crate) fn check_commit(
        &mut self,
        request: &CommitRequest<'_>,
        cx: Context<'_>,
    ) -> Result<(), ResponseError> {
        match &mut self.kind {
            Kind::Classic(group) => {
                group.check_commit(request.claim, request.is_transactional, cx.now)
            }
            Kind::Consumer(group) => group.check_commit(request, cx),
            Kind::Share(_) => Err(ResponseError::GroupIdNotFound),
        }
    }

    /// Whether offsets may be fetched in this name.
    pub(crate) fn check_fetch(
        &self,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), ResponseError> {
        match &self.kind {
            Kind::Classic(_) => Ok(()),
            Kind::Consumer(group) => group.check_fetch(member_id, epoch),
            Kind::Share(_) => Err(ResponseError::GroupIdNotFound),
        }
    }

    /// Kafka's name for its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Classic(_) => "classic",
            Kind::Consumer(_) => "consumer",
            Kind::Share(_) => "share",
        }
    }

    pub(crate) fn protocol_type(&self) -> &str {
        match &self.kind {
            Kind::Classic(group) => group.protocol_type(),
            Kind::Consumer(_) => "consumer",
            Kind::Share(_) => "share",
        }
    }

    pub(crate) fn state_name(&self) -> &'static str {
        match &self.kind {
            Kind::Classic(group) => group.state_name(),
            Kind::Consumer(group) => group.state_name(),
            Kind::Share(group) => group.state_name(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Classic(group) => group.is_empty(),
            Kind::Consumer(group) => group.is_empty(),
            Kind::Share(group) => group.is_empty(),
        }
    }
}

/// A member id as Java writes those that it makes.
fn fresh_id(fresh: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(fresh)
}

/// Serves a heartbeat to the group `name`, which is made, or made a consumer group, by who joins.
pub(crate) fn beat(
    groups: &mut BTreeMap<String, Group>,
    name: &str,
    broker: i32,
    beat: &Beat,
    fresh: Uuid,
    cx: Context<'_>,
) -> Result<Beaten, ResponseError> {
    let fresh = fresh_id(fresh);
    let known = groups.get_mut(name);
    if beat.epoch < JOIN {
        let missing = ResponseError::GroupIdNotFound;
        let group = known.ok_or(missing)?;
        let (beaten, gone) = group.consumer_mut().ok_or(missing)?.leave(beat)?;
        group.fence(gone.as_slice(), cx);
        return Ok(beaten);
    }
    let known = known.map(|group| &mut group.kind);
    let joins = beat.epoch == JOIN;
    let (next, beaten) = match known {
        Some(Kind::Consumer(group)) => group.beat(beat, fresh, cx)?,
        Some(Kind::Classic(group)) if joins && group.is_empty() => {
            ConsumerGroup::new().beat(beat, fresh, cx)?
        }
        Some(Kind::Classic(group)) if joins => {
            ConsumerGroup::from_classic(group, cx)?.beat(beat, fresh, cx)?
        }
        None if joins => ConsumerGroup::new().beat(beat, fresh, cx)?,
        Some(Kind::Classic(_) | Kind::Share(_)) | None => {
            return Err(ResponseError::GroupIdNotFound);
        }
    };
    let group = groups.entry(name.to_owned()).or_default();
    group.kind = Kind::Consumer(next);
    group.coordinator = Some(broker);
    Ok(beaten)
}

/// Serves a heartbeat to the share group `name`, which is made by who joins; gives the partitions
/// whose state is to begin as well, and at which epoch.
pub(crate) fn share_beat(
    groups: &mut BTreeMap<String, Group>,
    name: &str,
    broker: i32,
    beat: &ShareBeat,
    cx: Context<'_>,
) -> Result<(ShareBeaten, Partitions, i32), ResponseError> {
    let missing = ResponseError::GroupIdNotFound;
    let known = groups.get_mut(name);
    if beat.epoch < JOIN {
        let group = known.and_then(Group::share_mut).ok_or(missing)?;
        return Ok((group.leave(beat, cx)?, Partitions::new(), group.epoch()));
    }
    let (next, beaten, begins) = match known {
        Some(group) => group.share().ok_or(missing)?.beat(beat, cx)?,
        None if beat.epoch == JOIN => ShareGroup::new(name).beat(beat, cx)?,
        None => return Err(missing),
    };
    let epoch = next.epoch();
    let group = groups.entry(name.to_owned()).or_default();
    group.kind = Kind::Share(next);
    group.coordinator = Some(broker);
    Ok((beaten, begins, epoch))
}
