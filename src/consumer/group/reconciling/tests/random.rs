//! Members of one group under a model of its coordinator, by random scripts: heartbeats and their
//! replies are lost, members are fenced, forgotten and closed, and listeners take their time.

use super::*;

const PARTITIONS: i32 = 6;
const STEPS: usize = 300;
const SESSION: Duration = Duration::from_secs(45);

/// What the coordinator keeps of a member.
#[derive(Debug)]
struct Known {
    heard: Instant,
    epoch: i32,
    target: BTreeSet<i32>,
    /// What it was told to own, or says that it still owns.
    assigned: BTreeSet<i32>,
}

/// A coordinator as KIP-848 has it, of one topic.
#[derive(Debug, Default)]
struct Coordinator {
    epoch: i32,
    members: BTreeMap<String, Known>,
}

impl Coordinator {
    fn assign_anew(&mut self) {
        self.epoch += 1;
        let count = self.members.len();
        for (number, known) in self.members.values_mut().enumerate() {
            known.target = (0..PARTITIONS)
                .filter(|partition| usize::try_from(*partition).unwrap() % count == number)
                .collect();
        }
    }

    fn forget(&mut self, member: &str) {
        if self.members.remove(member).is_some() && !self.members.is_empty() {
            self.assign_anew();
        }
    }

    fn heartbeat(&mut self, heartbeat: &MemberHeartbeat, now: Instant) -> Result<HeartbeatAnswer> {
        let name = &heartbeat.member;
        if heartbeat.epoch < 0 {
            self.forget(name);
            return Ok(answer(heartbeat.epoch, None));
        }
        if heartbeat.epoch == 0 {
            assert_eq!(heartbeat.owned, Some(PartitionsById::new()));
            assert!(heartbeat.is_full && heartbeat.topics.is_some());
            let (target, assigned) = (BTreeSet::new(), BTreeSet::new());
            self.members.insert(name.clone(), Known { heard: now, epoch: 0, target, assigned });
            self.assign_anew();
        }
        let Some(known) = self.members.get_mut(name) else {
            return Err(Error::broker(ErrorCode::UNKNOWN_MEMBER_ID));
        };
        if heartbeat.epoch != 0 && heartbeat.epoch != known.epoch {
            return Err(Error::broker(ErrorCode::FENCED_MEMBER_EPOCH));
        }
        known.heard = now;
        let before = (known.epoch, known.assigned.clone());
        let owned = heartbeat.owned.as_ref().map(|owned| {
            owned
                .get(&T)
                .into_iter()
                .flatten()
                .map(|partition| partition.0)
                .collect::<BTreeSet<_>>()
        });
        let keeps: BTreeSet<_> = known.assigned.intersection(&known.target).copied().collect();
        if keeps != known.assigned {
            // It must give some up first; it has when it says so.
            if before.1 != keeps && owned.as_ref().is_some_and(|owned| owned.is_subset(&keeps)) {
                known.assigned = keeps;
            }
        }
        let wishes = known.target.clone();
        let must_give = !known.assigned.is_subset(&wishes);
        let told = known.assigned.intersection(&wishes).copied().collect::<BTreeSet<_>>();
        if must_give {
            return Ok(answer(known.epoch.max(1), Some(told)));
        }
        let others: BTreeSet<_> = self
            .members
            .iter()
            .filter(|(other, _)| *other != name)
            .flat_map(|(_, other)| other.assigned.iter().copied())
            .collect();
        let group_epoch = self.epoch;
        let known = self.members.get_mut(name).unwrap();
        known.assigned.extend(wishes.difference(&others));
        known.epoch = group_epoch;
        let is_news = heartbeat.is_full || before != (known.epoch, known.assigned.clone());
        Ok(answer(known.epoch, is_news.then(|| known.assigned.clone())))
    }
}

fn answer(epoch: i32, target: Option<BTreeSet<i32>>) -> HeartbeatAnswer {
    let target = target.map(|target| by_id(T, &target.into_iter().collect::<Vec<_>>()));
    HeartbeatAnswer { member: None, epoch, interval: SECOND, target }
}

/// A member and its application.
struct Member {
    machine: Reconciling,
    /// What the listener was told, and has not dealt with.
    telling: VecDeque<MemberAction>,
    /// What the application may read of.
    reads: BTreeSet<i32>,
    /// Until it has heard of it, one that the coordinator has given up on reads on.
    is_zombie: bool,
    sent: VecDeque<(Attempt, MemberHeartbeat)>,
}

fn numbers(partitions: &[TopicPartition]) -> impl Iterator<Item = i32> {
    partitions.iter().map(|tp| tp.partition.0)
}

impl Member {
    fn take(&mut self, coordinator: &mut Coordinator, now: Instant) {
        while let Some(action) = self.machine.poll() {
            match action {
                MemberAction::Reconcile { attempt, heartbeat } => {
                    assert!(self.sent.is_empty() || self.sent.back().unwrap().0 != attempt);
                    self.sent.push_back((attempt, heartbeat));
                }
                MemberAction::LeaveReconciled(heartbeat) => {
                    coordinator.heartbeat(&heartbeat, now).unwrap();
                }
                MemberAction::Drop(partitions) => {
                    self.ends(&partitions);
                }
                MemberAction::Lost(partitions) => {
                    self.ends(&partitions);
                    self.telling.push_back(MemberAction::Lost(partitions));
                }
                MemberAction::NameTopics => {}
                MemberAction::Report(_) => {}
                told => self.telling.push_back(told),
            }
        }
    }

    fn ends(&mut self, partitions: &[TopicPartition]) {
        for number in numbers(partitions) {
            self.reads.remove(&number);
        }
    }

    /// The listener deals with the first thing that it was told.
    fn listen(&mut self, now: Instant) {
        let Some(told) = self.telling.pop_front() else { return };
        match told {
            MemberAction::Assign(partitions) => {
                let is_last =
                    !self.telling.iter().any(|told| matches!(told, MemberAction::Assign(_)));
                let is_mine = self.machine.is_member();
                if is_last {
                    if is_mine && matches!(self.machine.state, State::Assigning { .. }) {
                        self.reads.extend(numbers(&partitions));
                    }
                    self.machine.handle_assigned(now);
                }
            }
            MemberAction::Revoke(partitions) => {
                self.ends(&partitions);
                if !self.telling.iter().any(|told| matches!(told, MemberAction::Revoke(_))) {
                    self.machine.handle_revoked(now);
                }
            }
            _ => {}
        }
    }
}

struct World {
    seed: u64,
    random: Random,
    now: Instant,
    coordinator: Coordinator,
    members: Vec<Member>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (mut random, now) = (Random::new(seed), Instant::now());
        let members = (0..3).map(|_| Member {
            machine: Reconciling::new(settings(), random.fork(), now),
            telling: VecDeque::new(),
            reads: BTreeSet::new(),
            is_zombie: false,
            sent: VecDeque::new(),
        });
        let members = members.collect();
        Self { seed, random, now, coordinator: Coordinator::default(), members }
    }

    fn step(&mut self, has_trouble: bool) {
        let number = usize::try_from(self.random.below(3)).unwrap();
        let chance = self.random.below(100);
        let now = self.now;
        let Self { coordinator, members, .. } = self;
        let member = &mut members[number];
        match chance {
            0..40 => {
                self.now += Duration::from_millis(self.random.below(400));
                members.iter_mut().for_each(|member| member.machine.handle_timeout(self.now));
                let silent = coordinator
                    .members
                    .iter()
                    .filter(|(_, known)| self.now - known.heard > SESSION);
                let silent: Vec<_> = silent.map(|(name, _)| name.clone()).collect();
                for name in silent {
                    coordinator.forget(&name);
                    for member in members.iter_mut() {
                        member.is_zombie |= member.machine.identity.member == name;
                    }
                }
            }
            40..70 => {
                let Some((attempt, heartbeat)) = member.sent.pop_front() else { return };
                let fate = if has_trouble { self.random.below(10) } else { 9 };
                let outcome = match fate {
                    0 => Err(Error::new(ErrorKind::Timeout, "lost on the way there")),
                    1 => {
                        drop(coordinator.heartbeat(&heartbeat, now));
                        Err(Error::new(ErrorKind::Timeout, "lost on the way back"))
                    }
                    _ => coordinator.heartbeat(&heartbeat, now),
                };
                // Whoever hears that it is none any more loses all.
                if let Err(error) = &outcome
                    && attempt == member.machine.attempt
                {
                    member.is_zombie &= error.code().is_none();
                }
                member.machine.handle_heartbeat(attempt, outcome, now);
                member.machine.handle_names(name_of, now);
            }
            70..90 => member.listen(now),
            90..93 if has_trouble => {
                let name = member.machine.identity.member.clone();
                if coordinator.members.contains_key(&name) {
                    coordinator.forget(&name);
                    member.is_zombie = true;
                }
            }
            93..95 if has_trouble => member.machine.handle_wanted(None, now),
            _ => {
                let topics = [TopicName::from("t")].into();
                member.machine.handle_wanted(Some(WantedTopics { topics, pattern: None }), now);
                member.machine.handle_polled(now);
            }
        }
        for member in &mut self.members {
            member.take(&mut self.coordinator, self.now);
        }
        self.check();
    }

    fn check(&self) {
        let mut read = BTreeSet::new();
        for member in self.members.iter().filter(|member| !member.is_zombie) {
            for partition in &member.reads {
                assert!(read.insert(*partition), "seed {}: two read {partition}", self.seed);
            }
        }
    }

    /// Without trouble, everybody gets what is meant for it.
    fn settle(&mut self) {
        for _ in 0..5_000 {
            self.step(false);
            if self.is_settled() {
                return;
            }
        }
        panic!("seed {}: {:?}", self.seed, self.coordinator);
    }

    fn is_settled(&self) -> bool {
        self.members.iter().all(|member| {
            let known = self.coordinator.members.get(&member.machine.identity.member);
            known.is_some_and(|known| {
                member.reads == known.target
                    && known.assigned == known.target
                    && known.epoch == self.coordinator.epoch
            })
        }) && self.coordinator.members.len() == self.members.len()
    }
}

#[test]
fn no_two_members_read_a_partition_and_all_get_what_is_meant_for_them() {
    for seed in 0..1_000 {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step(true);
        }
        world.settle();
    }
}
