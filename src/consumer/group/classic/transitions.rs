//! The transitions of the membership.

use super::*;

impl Classic {
    /// Gives up what must be given up before JoinGroup, then joins.
    pub(super) fn prepare(&mut self, reason: impl Into<JoinReason>, now: Instant) {
        let Some(wanted) = &self.wanted else {
            return self.leave("the consumer unsubscribed", now);
        };
        let keeps = |tp: &TopicPartition| self.is_cooperative && wanted.has(&tp.topic);
        let giving: Vec<_> = self.owned.iter().filter(|tp| !keeps(tp)).cloned().collect();
        self.give(giving, AfterRevoking::Join(reason.into()), now);
    }

    pub(super) fn give(&mut self, giving: Vec<TopicPartition>, then: AfterRevoking, now: Instant) {
        for tp in &giving {
            self.owned.remove(tp);
        }
        if !giving.is_empty() {
            // As Java's ConsumerCoordinator decides in onLeavePrepare.
            let is_abandoned = matches!(then, AfterRevoking::Leave(_)) && self.is_in_rebalance();
            let action = if is_abandoned { MemberAction::Abandon } else { MemberAction::Revoke };
            self.actions.push_back(action(giving.clone()));
            self.state = State::Revoking { giving, then };
            return;
        }
        match then {
            AfterRevoking::Join(reason) => self.join(reason, now),
            AfterRevoking::Leave(reason) => self.depart(reason),
        }
    }

    pub(super) fn join(&mut self, reason: impl Into<JoinReason>, now: Instant) {
        let Some(wanted) = &self.wanted else {
            return self.leave("the consumer unsubscribed", now);
        };
        let mut subscription = MemberSubscription {
            topics: wanted.topics.iter().cloned().collect(),
            user_data: None,
            owned_partitions: self.owned.iter().cloned().collect(),
            generation: self.identity.generation,
            rack: self.settings.rack.clone(),
        };
        let mut protocols = Vec::new();
        for strategy in &self.settings.strategies {
            let encoded =
                strategy.user_data(&wanted.topics, self.held.as_ref()).and_then(|user_data| {
                    subscription.user_data = user_data;
                    subscription.encode()
                });
            match encoded {
                Ok(bytes) => protocols.push((strategy.name().to_owned(), bytes)),
                Err(error) => return self.refuse(error),
            }
        }
        self.joined_with.clone_from(&wanted.topics);
        self.next_attempt();
        self.asked = now;
        self.state = State::Joining;
        let member = self.identity.member.clone();
        self.actions.push_back(MemberAction::Join {
            attempt: self.attempt,
            member,
            protocols,
            reason: reason.into(),
        });
    }

    pub(super) fn joined(&mut self, joined: Joined, now: Instant) {
        let is_leader = joined.leader == joined.member;
        self.identity =
            GroupMemberIdentity { member: joined.member, generation: Some(joined.generation) };
        self.described = None;
        // The session began when the coordinator answered, which is as good as now.
        self.session_ends = now + self.settings.session_timeout;
        self.next_heartbeat = now + self.settings.heartbeat_interval;
        let Some(strategy) =
            self.settings.strategies.iter().find(|it| it.name() == joined.protocol).cloned()
        else {
            let message = format!(
                "the coordinator chose the strategy {:?}, which was not offered",
                joined.protocol
            );
            return self.refuse(Error::new(ErrorKind::Protocol, message));
        };
        if !is_leader {
            return self.sync(strategy, Vec::new(), now);
        }
        let decode = |(id, instance, bytes): (String, Option<String>, Vec<u8>)| {
            let subscription = MemberSubscription::decode(&bytes)?;
            Ok(GroupMember { id, group_instance_id: instance, subscription })
        };
        let members: Vec<GroupMember> = match joined.members.into_iter().map(decode).collect() {
            Ok(members) => members,
            Err(error) => return self.refuse(error),
        };
        let topics =
            members.iter().flat_map(|member| member.subscription.topics.iter().cloned()).collect();
        self.state =
            State::Describing { strategy, members, skips_assignment: joined.skips_assignment };
        self.actions.push_back(MemberAction::Describe { attempt: self.attempt, topics });
    }

    pub(super) fn sync(
        &mut self,
        strategy: Assignor,
        assignments: Vec<(String, Vec<u8>)>,
        now: Instant,
    ) {
        self.asked = now;
        let (attempt, identity) = (self.attempt, self.identity.clone());
        self.actions.push_back(MemberAction::Sync {
            attempt,
            identity,
            protocol: strategy.name().to_owned(),
            assignments,
        });
        self.state = State::Syncing(strategy);
    }

    pub(super) fn synced(
        &mut self,
        strategy: &Assignor,
        assignment: MemberAssignment,
        now: Instant,
    ) {
        self.failures = 0;
        self.confirmed = self.identity.clone();
        // Before it is asked for its user data again, and before the listener hears of anything.
        if let Err(error) =
            strategy.on_assignment(&assignment, &self.settings.metadata(&self.identity))
        {
            self.actions.push_back(MemberAction::Report(error));
        }
        self.held = Some(OwnedPartitions {
            partitions: assignment.partitions.clone(),
            generation: self.identity.generation,
        });
        let all = assignment.partitions.len();
        let mut mine: BTreeSet<TopicPartition> = assignment.partitions.into_iter().collect();
        if let Some(wanted) = &self.wanted {
            // The interest has changed on the way.
            mine.retain(|tp| wanted.has(&tp.topic));
        }
        let is_stale = mine.len() < all
            || self.wanted.as_ref().is_some_and(|wanted| wanted.topics != self.joined_with);
        let taken: Vec<_> = self.owned.difference(&mine).cloned().collect();
        let added: Vec<_> = mine.difference(&self.owned).cloned().collect();
        self.state = State::Stable;
        let must_rejoin = is_stale || !taken.is_empty();
        if taken.is_empty() {
            self.owned = mine;
            self.actions.push_back(MemberAction::Assign(added));
            if must_rejoin {
                self.prepare("the topics that are subscribed have changed", now);
            }
            return;
        }
        // What is taken away must be given up before another can get it (KIP-429). `give` queues
        // Revoke, so that the listener hears of what goes before it hears of what comes, as Java's
        // does; and it takes `taken` out of `owned`, which then is set to what is owned with
        // `added`.
        self.give(
            taken,
            AfterRevoking::Join("gave up partitions that move to another member".into()),
            now,
        );
        self.owned = mine;
        self.actions.push_back(MemberAction::Assign(added));
    }

    /// A call of the rebalance failed.
    pub(super) fn failed(&mut self, error: Error, now: Instant) {
        if self.is_membership_error(&error) || !error.is_retriable() {
            return self.handle_error(&error, now);
        }
        self.failures += 1;
        self.wait(now);
    }

    fn wait(&mut self, now: Instant) {
        self.next_attempt();
        self.state =
            State::Waiting(now + self.settings.backoff.after(self.failures, &mut self.random));
    }

    /// Whether it says something of the membership rather than of the call.
    pub(super) fn is_membership_error(&self, error: &Error) -> bool {
        matches!(
            error.code(),
            Some(
                ErrorCode::REBALANCE_IN_PROGRESS
                    | ErrorCode::ILLEGAL_GENERATION
                    | ErrorCode::UNKNOWN_MEMBER_ID
                    | ErrorCode::FENCED_INSTANCE_ID
            )
        )
    }

    pub(super) fn handle_error(&mut self, error: &Error, now: Instant) {
        match error.code() {
            Some(ErrorCode::REBALANCE_IN_PROGRESS) => self.rejoin("the group is rebalancing", now),
            Some(ErrorCode::ILLEGAL_GENERATION) => {
                self.lose();
                self.rejoin("the generation is over", now);
            }
            Some(ErrorCode::UNKNOWN_MEMBER_ID) => {
                self.lose();
                self.identity.member.clear();
                self.rejoin("the coordinator does not know the member", now);
            }
            Some(ErrorCode::FENCED_INSTANCE_ID) => {
                self.lose();
                self.state = State::Failed;
                self.actions.push_back(MemberAction::Fail(self.settings.replaced(error)));
            }
            _ => self.refuse(error.clone()),
        }
    }

    pub(super) fn rejoin(&mut self, reason: &'static str, now: Instant) {
        match &mut self.state {
            // It joins anyway.
            State::Revoking { .. } | State::Unjoined | State::Stale | State::Failed => {}
            // The first time it joins again at once. A group that is joined and rebalances without
            // end is not asked without a pause.
            State::Joining | State::Describing { .. } | State::Deciding(_) | State::Syncing(_) => {
                self.failures += 1;
                match self.failures {
                    1 => self.prepare(reason, now),
                    _ => self.wait(now),
                }
            }
            State::Stable | State::Waiting(_) => self.prepare(reason, now),
        }
    }

    /// The coordinator does not let it be a member for a reason that only the application can
    /// change.
    pub(super) fn refuse(&mut self, error: Error) {
        let was_member = self.identity.generation.is_some();
        self.lose();
        if was_member {
            // So that the others do not wait for its answer.
            self.send_leave("the consumer cannot take part");
        }
        self.failures += 1;
        self.state = State::Stale;
        self.actions.push_back(MemberAction::Report(error));
    }

    /// Owns nothing from now on, without a chance to commit.
    pub(super) fn lose(&mut self) {
        self.next_attempt();
        self.identity.generation = None;
        self.described = None;
        let owned = std::mem::take(&mut self.owned);
        if let State::Revoking { giving, .. } = &mut self.state {
            self.actions.push_back(MemberAction::Drop(std::mem::take(giving)));
        }
        if !owned.is_empty() {
            self.actions.push_back(MemberAction::Lost(owned.into_iter().collect()));
        }
    }

    pub(super) fn stop_because_not_polled(&mut self) {
        let limit = self.settings.max_poll_interval;
        self.lose();
        self.send_leave("the consumer did not poll for max.poll.interval.ms");
        self.actions.push_back(MemberAction::Report(not_polled(limit)));
        self.state = State::Stale;
    }

    pub(super) fn leave(&mut self, reason: &'static str, now: Instant) {
        match &mut self.state {
            State::Unjoined | State::Failed => {}
            State::Revoking { giving, then } => {
                *then = AfterRevoking::Leave(reason);
                let rest: Vec<_> = std::mem::take(&mut self.owned).into_iter().collect();
                if !rest.is_empty() {
                    giving.extend(rest.iter().cloned());
                    self.actions.push_back(MemberAction::Revoke(rest));
                }
            }
            _ => {
                self.next_attempt();
                let owned = self.owned.iter().cloned().collect();
                self.give(owned, AfterRevoking::Leave(reason), now);
            }
        }
    }

    /// Is no longer a member, and says so.
    pub(super) fn depart(&mut self, reason: &'static str) {
        self.lose();
        self.send_leave(reason);
        self.state = State::Unjoined;
    }

    /// A static member keeps its place until its session is over: it is expected back (KIP-345),
    /// unless the application says otherwise.
    fn send_leave(&mut self, reason: &'static str) {
        if self.departs_by.keeps_place(self.settings.instance.is_some()) {
            return;
        }
        let member = std::mem::take(&mut self.identity.member);
        if !member.is_empty() {
            self.actions.push_back(MemberAction::Leave { member, reason });
        }
    }

    pub(super) fn next_attempt(&mut self) {
        self.attempt = self.attempt.next();
        self.heartbeat_in_flight = false;
    }

    /// When the next heartbeat is due. A member that owns something beats also while JoinGroup is
    /// on its way: without an answer, it would not learn that the coordinator has given its
    /// partitions to another.
    pub(super) fn heartbeat_by(&self) -> Option<Instant> {
        let beats = self.owns_or(matches!(
            self.state,
            State::Revoking { .. }
                | State::Describing { .. }
                | State::Deciding(_)
                | State::Syncing(_)
                | State::Stable
        ));
        (beats && self.identity.generation.is_some() && !self.heartbeat_in_flight)
            .then_some(self.next_heartbeat)
    }

    pub(super) fn session_by(&self) -> Option<Instant> {
        let counts = self.owns_or(matches!(
            self.state,
            State::Revoking { .. }
                | State::Describing { .. }
                | State::Deciding(_)
                | State::Syncing(_)
                | State::Stable
                | State::Waiting(_)
        ));
        (counts && self.identity.generation.is_some()).then_some(self.session_ends)
    }

    /// By when JoinGroup or SyncGroup must have been answered, or is asked anew.
    pub(super) fn answer_by(&self) -> Option<Instant> {
        self.awaits_generation().then(|| self.asked + self.settings.session_timeout)
    }

    fn owns_or(&self, is_joined: bool) -> bool {
        is_joined || (matches!(self.state, State::Joining) && !self.owned.is_empty())
    }

    /// Whether it has begun to join again, and has no new assignment yet.
    fn is_in_rebalance(&self) -> bool {
        matches!(
            self.state,
            State::Joining
                | State::Describing { .. }
                | State::Deciding(_)
                | State::Syncing(_)
                | State::Waiting(_)
        )
    }

    /// Whether a new generation may have begun that the reply on its way tells of.
    pub(super) fn awaits_generation(&self) -> bool {
        matches!(self.state, State::Joining | State::Syncing(_))
    }

    pub(super) fn polled_by(&self) -> Option<Instant> {
        let counts = !matches!(self.state, State::Unjoined | State::Stale | State::Failed);
        (counts && self.wanted.is_some()).then(|| self.last_poll + self.settings.max_poll_interval)
    }
}
