//! The transitions of the membership.

use super::*;
use crate::error::ErrorKind;

impl Reconciling {
    /// Sends a first heartbeat as soon as it may.
    pub(super) fn join(&mut self, now: Instant) {
        self.next_attempt();
        self.state = State::Joining;
        self.heard = None;
        self.owes_word = false;
        self.owes_assignment = true;
        self.next_heartbeat = match self.failures {
            0 => now,
            failures => now + self.settings.backoff.after(failures, &mut self.random),
        };
    }

    pub(super) fn beat(&mut self, now: Instant) {
        self.next_heartbeat = now + self.interval;
        // One that is about to leave says what it has said before.
        let (topics, regex) = match (&self.wanted, &self.heard) {
            (Some(wanted), _) => (&wanted.topics, wanted.regex()),
            (None, Some(heard)) => (&heard.topics, heard.regex.as_str()),
            (None, None) => return,
        };
        let owned = self.reported();
        let is_stable = matches!(self.state, State::Stable);
        let epoch = self.identity.generation.map_or(0, |epoch| epoch.0);
        let heard = self.heard.as_ref();
        // In the middle of a change nothing is said of it, unless everything is.
        let says_owned =
            heard.is_none_or(|heard| is_stable && (self.owes_word || heard.owned != owned));
        let heartbeat = MemberHeartbeat {
            member: self.identity.member.clone(),
            epoch,
            is_full: heard.is_none(),
            topics: heard.is_none_or(|heard| heard.topics != *topics).then(|| topics.clone()),
            regex: heard.is_none_or(|heard| heard.regex != regex).then(|| regex.to_owned()),
            owned: says_owned.then_some(owned),
        };
        self.owes_word &= !is_stable;
        self.is_target_in_doubt |= heartbeat.owned.is_some();
        self.in_flight = Some(heartbeat.clone());
        self.actions.push_back(MemberAction::Reconcile { attempt: self.attempt, heartbeat });
    }

    pub(super) fn answered(
        &mut self,
        sent: MemberHeartbeat,
        answer: HeartbeatAnswer,
        now: Instant,
    ) {
        if answer.epoch <= 0 {
            let message = format!("the coordinator gave the member epoch {}", answer.epoch);
            return self.refuse(Error::new(ErrorKind::Protocol, message));
        }
        self.failures = 0;
        self.is_target_in_doubt = false;
        self.has_heard(sent);
        // Of version 0, whose coordinator gives the id.
        if let Some(member) = answer.member {
            self.identity.member = member;
        }
        self.identity.generation = Some(Generation(answer.epoch));
        self.interval = heartbeat_interval(answer.interval);
        self.next_heartbeat = now + self.interval;
        if matches!(self.state, State::Joining) {
            self.state = State::Stable;
        }
        if let Some(target) = answer.target {
            self.owes_word |= self.heard.as_ref().is_none_or(|heard| heard.owned != target);
            self.target = target;
            self.names.retain(|id, _| self.target.contains_key(id));
            self.actions.push_back(MemberAction::NameTopics);
        }
        self.reconcile(now);
    }

    /// The coordinator has answered: what was said last has been heard, and what was left out stands.
    fn has_heard(&mut self, sent: MemberHeartbeat) {
        let MemberHeartbeat { topics, regex, owned, .. } = sent;
        self.heard = match (self.heard.take(), topics, regex, owned) {
            (None, Some(topics), Some(regex), Some(owned)) => Some(Heard { topics, regex, owned }),
            (None, ..) => None,
            (Some(before), topics, regex, owned) => Some(Heard {
                topics: topics.unwrap_or(before.topics),
                regex: regex.unwrap_or(before.regex),
                owned: owned.unwrap_or(before.owned),
            }),
        };
    }

    /// Goes a step towards the target, or says that it is there.
    pub(super) fn reconcile(&mut self, now: Instant) {
        let Some(wanted) = self.wanted.as_ref().filter(|_| matches!(self.state, State::Stable))
        else {
            return;
        };
        let mut desired = BTreeMap::new();
        for (id, partitions) in &self.target {
            // What is not wanted any more is given up before the coordinator says so; what a pattern
            // matches only that knows.
            let is_wanted =
                |topic: &&TopicName| wanted.pattern.is_some() || wanted.topics.contains(*topic);
            let Some(topic) = self.names.get(id).filter(is_wanted) else {
                continue;
            };
            desired.extend(partitions.iter().map(|partition| {
                (TopicPartition { topic: topic.clone(), partition: *partition }, *id)
            }));
        }
        let (kept, giving): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.owned)
            .into_iter()
            .partition(|(tp, id)| desired.get(tp) == Some(id));
        self.owned = kept;
        if !giving.is_empty() {
            self.owes_assignment = true;
            return self.give(giving, AfterGiving::Reconcile);
        }
        desired.retain(|tp, _| !self.owned.contains_key(tp));
        let is_all = desired.is_empty() && self.owes_assignment && !self.misses_names();
        if !desired.is_empty() || is_all {
            if self.is_target_in_doubt {
                return;
            }
            self.owes_assignment = false;
            self.actions.push_back(MemberAction::Assign(desired.keys().cloned().collect()));
            self.state = State::Assigning { coming: desired };
            return;
        }
        let is_heard = self.heard.as_ref().is_some_and(|heard| {
            heard.topics == wanted.topics
                && heard.regex == wanted.regex()
                && heard.owned == self.reported()
        });
        if !is_heard || (self.owes_word && !self.misses_names()) {
            self.beat_soon(now);
        }
    }

    fn give(&mut self, giving: BTreeMap<TopicPartition, TopicId>, then: AfterGiving) {
        self.actions.push_back(MemberAction::Revoke(giving.keys().cloned().collect()));
        self.state = State::Revoking { giving, then };
    }

    /// What the coordinator must believe it to own: also what the application is still giving up, and
    /// what it is about to get.
    pub(super) fn reported(&self) -> PartitionsById {
        let none = BTreeMap::new();
        let on_the_way = match &self.state {
            State::Revoking { giving, .. } => giving,
            State::Assigning { coming } => coming,
            _ => &none,
        };
        let mut reported = PartitionsById::new();
        for (tp, id) in self.owned.iter().chain(on_the_way) {
            reported.entry(*id).or_default().insert(tp.partition);
        }
        reported
    }

    /// The next heartbeat goes out now, unless one is on its way or was in vain.
    pub(super) fn beat_soon(&mut self, now: Instant) {
        if self.failures == 0 {
            self.next_heartbeat = self.next_heartbeat.min(now);
        }
    }

    pub(super) fn failed(&mut self, sent: &MemberHeartbeat, error: &Error, now: Instant) {
        self.failures += 1;
        // The coordinator may have heard it or not, and its answer is lost.
        self.heard = None;
        match error.code() {
            Some(ErrorCode::FENCED_MEMBER_EPOCH) => self.rejoin(now),
            Some(ErrorCode::UNKNOWN_MEMBER_ID) => self.rejoin_as_another(now),
            // With its last member the group has gone. One that cannot be joined is another's.
            Some(ErrorCode::GROUP_ID_NOT_FOUND) if sent.epoch != 0 => self.rejoin_as_another(now),
            Some(ErrorCode::FENCED_INSTANCE_ID) => {
                self.lose();
                self.state = State::Failed;
                self.actions.push_back(MemberAction::Fail(self.settings.replaced(error)));
            }
            _ if error.is_retriable() => {
                self.next_heartbeat =
                    now + self.settings.backoff.after(self.failures, &mut self.random);
            }
            _ => self.refuse(error.clone()),
        }
    }

    fn rejoin_as_another(&mut self, now: Instant) {
        self.rejoin(now);
        self.identity.member = new_member_id(&mut self.random);
    }

    /// The coordinator has given up on it.
    fn rejoin(&mut self, now: Instant) {
        let leaves = matches!(self.state, State::Revoking { then: AfterGiving::Leave, .. });
        self.lose();
        if leaves {
            self.state = State::Unjoined;
            self.failures = 0;
            return;
        }
        if self.settings.instance.is_some() {
            // The coordinator keeps the place of a static member from whoever has not left it, even
            // from the member itself.
            self.send_leave();
            return self.join(now);
        }
        // The first time at once.
        self.failures -= 1;
        self.join(now);
        self.failures += 1;
    }

    /// The coordinator does not let it be a member for a reason that only the application can
    /// change.
    pub(super) fn refuse(&mut self, error: Error) {
        let was_member = self.identity.generation.is_some();
        self.lose();
        if was_member {
            self.send_leave();
        }
        self.failures = self.failures.max(1);
        self.state = State::Stale;
        self.actions.push_back(MemberAction::Report(error));
    }

    /// Owns nothing from now on, without a chance to commit.
    pub(super) fn lose(&mut self) {
        self.next_attempt();
        self.identity.generation = None;
        self.target.clear();
        self.names.clear();
        let mut owned = std::mem::take(&mut self.owned);
        match &mut self.state {
            State::Revoking { giving, .. } => {
                let giving = std::mem::take(giving).into_keys().collect();
                self.actions.push_back(MemberAction::Drop(giving));
            }
            State::Assigning { coming } => owned.append(coming),
            _ => {}
        }
        if !owned.is_empty() {
            self.actions.push_back(MemberAction::Lost(owned.into_keys().collect()));
        }
    }

    pub(super) fn stop_because_not_polled(&mut self) {
        let limit = self.settings.max_poll_interval;
        self.lose();
        self.send_leave();
        self.actions.push_back(MemberAction::Report(not_polled(limit)));
        self.state = State::Stale;
    }

    pub(super) fn leave(&mut self) {
        let mut rest = std::mem::take(&mut self.owned);
        match &mut self.state {
            State::Unjoined | State::Failed => {}
            State::Stale => self.state = State::Unjoined,
            State::Revoking { giving, then } => {
                *then = AfterGiving::Leave;
                if !rest.is_empty() {
                    self.actions.push_back(MemberAction::Revoke(rest.keys().cloned().collect()));
                    giving.append(&mut rest);
                }
            }
            state => {
                if let State::Assigning { coming } = state {
                    rest.append(coming);
                }
                if rest.is_empty() {
                    return self.depart();
                }
                self.give(rest, AfterGiving::Leave);
            }
        }
    }

    /// Is no longer a member, and says so.
    pub(super) fn depart(&mut self) {
        self.lose();
        self.send_leave();
        self.state = State::Unjoined;
        self.failures = 0;
    }

    /// A static member is expected back: its partitions wait for it until its session is over. A
    /// dynamic one that keeps its place has nothing to say.
    fn send_leave(&mut self) {
        let is_static = self.settings.instance.is_some();
        let epoch = match (self.departs_by.keeps_place(is_static), is_static) {
            (false, _) => LEAVES,
            (true, true) => LEAVES_FOR_A_WHILE,
            (true, false) => return,
        };
        let heartbeat = MemberHeartbeat {
            member: self.identity.member.clone(),
            epoch,
            is_full: false,
            topics: None,
            regex: None,
            owned: None,
        };
        self.actions.push_back(MemberAction::LeaveReconciled(heartbeat));
    }

    fn next_attempt(&mut self) {
        self.attempt = self.attempt.next();
        self.in_flight = None;
    }

    pub(super) fn heartbeat_by(&self) -> Option<Instant> {
        (self.is_member() && self.in_flight.is_none()).then_some(self.next_heartbeat)
    }

    pub(super) fn polled_by(&self) -> Option<Instant> {
        (self.is_member() && self.wanted.is_some())
            .then(|| self.last_poll + self.settings.max_poll_interval)
    }
}

const LEAVES: i32 = -1;
const LEAVES_FOR_A_WHILE: i32 = -2;
