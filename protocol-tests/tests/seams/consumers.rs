//! Consumers of one or two groups that call everything, while records are written and leaders move.

use std::sync::Arc;
use std::time::Duration;

use kavka::{AssignmentStrategy, AutoOffsetReset, ConsumerConfig, GroupProtocol, TopicPartition};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::books::{Books, How, MemberPlan};
use crate::dice::Dice;
use crate::log::Log;
use crate::seat::{End, Seat, SeatPlan, Start};
use crate::trouble::{self, CALM};
use crate::world::{self, SLACK, World};

/// What a group is made of.
#[derive(Debug)]
struct GroupPlan {
    name: String,
    reset: AutoOffsetReset,
    strategies: Vec<AssignmentStrategy>,
    /// Each member has one of these.
    protocols: Vec<GroupProtocol>,
    session_timeout: Duration,
    seats: u64,
    /// Members have names that outlive them, and of which two may be the same.
    is_static: bool,
    /// Nobody calls anything but to receive and to commit.
    is_calm: bool,
}

/// A seat that is taken.
struct Taken {
    seat: Seat,
    end: watch::Sender<Option<End>>,
    task: JoinHandle<()>,
}

/// How a run's consumers end before the calm.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wildness {
    pub(crate) is_troubled: bool,
    pub(crate) closes_clients: bool,
    /// Members come and go, and only what concerns their group goes wrong.
    pub(crate) is_about_groups: bool,
    /// The coordinator assigns (KIP-848), or members of that protocol and of the classic one share
    /// a group.
    pub(crate) is_of_coordinator: bool,
}

pub(crate) async fn live(seed: u64, log: Log, wild: Wildness) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let world = Arc::new(world::start(&mut dice, log, wild.is_troubled).await);
    let until = Instant::now() + dice.millis(10_000..=40_000);
    let (calm, calms) = watch::channel(false);

    let writer = tokio::spawn(write(Arc::clone(&world), dice.fork(), calms.clone()));
    let groups: Vec<_> =
        (0..dice.within(1..=2)).map(|index| GroupPlan::new(&mut dice, index, wild)).collect();
    let mut halls = Vec::new();
    for plan in groups {
        world.log.say(format_args!("{plan:?}"));
        let books =
            Arc::new(Books::new(plan.name.clone(), plan.reset, plan.is_static, Arc::clone(&world)));
        halls.push(Hall {
            world: Arc::clone(&world),
            books,
            plan,
            calms: calms.clone(),
            wild,
            seats: Vec::new(),
            next: 0,
        });
    }
    let names: Vec<_> = halls.iter().map(|hall| hall.plan.name.clone()).collect();
    let changes: Vec<_> =
        halls.into_iter().map(|hall| tokio::spawn(hall.change(until, dice.fork()))).collect();
    if wild.is_about_groups {
        trouble::rage_at_groups(&world, until, dice.fork()).await;
    } else if wild.is_troubled {
        trouble::rage(&world, &names, until, dice.fork()).await;
    } else {
        trouble::move_leaders(&world, until, dice.fork()).await;
    }
    let mut halls = Vec::new();
    for change in changes {
        halls.push(change.await.unwrap());
    }
    calm.send_replace(true);
    world.log.say("calm");
    settle(&world, &halls).await;
    for hall in halls {
        hall.end(&mut dice).await;
    }
    writer.abort();
    let _ = writer.await;
    world.check_rests(1_200);
    world.end_all().await
}

/// The consumers of one group.
struct Hall {
    world: Arc<World>,
    books: Arc<Books>,
    plan: GroupPlan,
    calms: watch::Receiver<bool>,
    wild: Wildness,
    seats: Vec<Taken>,
    next: usize,
}

impl Hall {
    /// Lets consumers come and go.
    async fn change(mut self, until: Instant, mut dice: Dice) -> Self {
        for _ in 0..self.plan.seats {
            self.sit(&mut dice);
        }
        while Instant::now() < until {
            for _ in 0..dice.within(1..=80) {
                sleep(Duration::from_millis(50)).await;
                self.books.check_commits();
                if !self.world.is_troubled {
                    for taken in &self.seats {
                        if let Some(interval) = taken.seat.plan.commits_each {
                            self.books.check_follows(taken.seat.number, interval);
                        }
                    }
                }
            }
            if dice.once_in(3) {
                let index = usize::try_from(dice.next() % self.seats.len() as u64).unwrap();
                let how = if self.wild.closes_clients {
                    dice.pick(&[End::Close, End::Drop, End::CloseClient])
                } else {
                    dice.pick(&[End::Close, End::Drop])
                };
                self.seats.swap_remove(index).end(how).await;
                self.sit(&mut dice);
            }
        }
        self
    }

    fn sit(&mut self, dice: &mut Dice) {
        let number = self.next;
        self.next += 1;
        let plan = self.plan.seat(dice);
        self.world.log.say(format_args!("{} {number}: {plan:?}", self.plan.name));
        let (died, life) = watch::channel(false);
        let (end, ends) = watch::channel(None);
        let (world, books) = (Arc::clone(&self.world), Arc::clone(&self.books));
        let seat = Seat {
            world,
            books,
            number,
            plan,
            calm: self.calms.clone(),
            life,
            handle: Arc::default(),
            is_over: Arc::default(),
        };
        let task = tokio::spawn(seat.clone().live(died, ends, dice.fork()));
        self.seats.push(Taken { seat, end, task });
    }

    async fn end(self, dice: &mut Dice) {
        for taken in self.seats {
            taken.end(dice.pick(&[End::Close, End::Close, End::Drop])).await;
            self.books.check_commits();
        }
    }
}

impl Taken {
    async fn end(self, how: End) {
        self.end.send_replace(Some(how));
        self.task.await.unwrap();
    }
}

/// Now everybody gets what there is: what a consumer chose comes to it, what a group wants comes to
/// one of its members.
async fn settle(world: &World, halls: &[Hall]) {
    for taken in halls.iter().flat_map(|hall| &hall.seats) {
        taken.seat.settle();
    }
    let ends: Vec<_> = world
        .partitions()
        .into_iter()
        .map(|partition| (partition.clone(), world.end(&partition)))
        .collect();
    let begun = Instant::now();
    loop {
        let missing: Vec<_> = halls
            .iter()
            .map(|hall| (hall, hall.lacks(&ends)))
            .filter(|(_, lacks)| !lacks.is_empty())
            .collect();
        if missing.is_empty() {
            return world.log.say("all has come");
        }
        if begun.elapsed() > CALM {
            return missing.iter().for_each(|(hall, lacks)| {
                hall.books.undelivered(&format!("{lacks:?} did not come"))
            });
        }
        sleep(Duration::from_millis(500)).await;
        halls.iter().for_each(|hall| hall.books.check_commits());
    }
}

impl Hall {
    /// What nobody has that should have it.
    fn lacks(&self, ends: &[(TopicPartition, i64)]) -> Vec<String> {
        let mut lacks = Vec::new();
        for (partition, end) in ends {
            let mut is_shared = false;
            for Taken { seat, .. } in &self.seats {
                match self.books.mode(seat.number) {
                    Some(How::Group) => {
                        is_shared |= self.books.is_subscribed(seat.number, &partition.topic)
                    }
                    Some(How::Manual)
                        if self.books.is_chosen(seat.number, partition)
                            && self.books.lacks(Some(seat.number), partition, *end) =>
                    {
                        lacks.push(format!("{partition} from {end} for {}", seat.number));
                    }
                    _ => {}
                }
            }
            if is_shared && self.books.lacks(None, partition, *end) && !self.is_withheld(partition)
            {
                lacks.push(format!("{partition} from {end} for the group"));
            }
        }
        lacks
    }
}

impl Hall {
    /// Whether the coordinator gives a partition to nobody who wants it: Kafka's computes the
    /// targets as if all members wanted the same when one comes with a pattern while another
    /// leaves, and not again if the pattern turns out to match nothing.
    fn is_withheld(&self, partition: &TopicPartition) -> bool {
        let Some(group) = self.world.embedded.consumer_group(&self.plan.name) else { return false };
        let is_it = |(topic, number): &(String, i32)| {
            partition.topic.as_str() == topic.as_str() && partition.partition.0 == *number
        };
        group.state == "Stable"
            && group.members.iter().any(|member| {
                member.topics.iter().any(|topic| partition.topic.as_str() == topic.as_str())
            })
            && !group
                .members
                .iter()
                .any(|member| member.target.iter().any(is_it) && member.regex.is_empty())
    }
}

impl GroupPlan {
    fn new(dice: &mut Dice, index: u64, wild: Wildness) -> Self {
        use AssignmentStrategy::{CooperativeSticky, Range, RoundRobin, Sticky};
        let strategies: &[&[AssignmentStrategy]] = &[
            &[Range],
            &[RoundRobin],
            &[Sticky],
            &[CooperativeSticky],
            &[CooperativeSticky],
            &[Range, CooperativeSticky],
        ];
        use AutoOffsetReset::{Earliest, Latest, None};
        if wild.is_about_groups {
            return Self {
                name: format!("group-{index}"),
                reset: Earliest,
                strategies: vec![CooperativeSticky],
                protocols: vec![GroupProtocol::Classic],
                session_timeout: dice.millis(6_000..=10_000),
                seats: dice.within(2..=3),
                is_static: dice.once_in(3),
                is_calm: true,
            };
        }
        Self {
            is_static: false,
            is_calm: false,
            name: format!("group-{index}"),
            reset: dice.pick(&[Earliest, Earliest, Earliest, Earliest, Latest, None]),
            strategies: dice.pick(strategies).to_vec(),
            protocols: if wild.is_of_coordinator {
                use GroupProtocol::{Classic, Consumer};
                dice.pick(&[[Consumer, Consumer], [Consumer, Classic]]).to_vec()
            } else {
                vec![GroupProtocol::Classic]
            },
            session_timeout: dice.millis(6_000..=10_000),
            seats: dice.pick(&[1, 1, 2, 3]),
        }
    }

    fn seat(&self, dice: &mut Dice) -> SeatPlan {
        let commits_each =
            (!dice.once_in(3)).then(|| Duration::from_millis(dice.pick(&[10, 200, 1_000, 5_000])));
        let fetch_min_bytes = dice.pick(&[0, 1, 1, 1, 1, 1, 1, 1]);
        let fetch = dice.pick(&[1, 500, 20_000, 1_048_576, 1_048_576]);
        let may_stay_away = Duration::from_secs(dice.pick(&[2, 20, 60, 300]));
        let mut config = ConsumerConfig::new()
            .group_id(&self.name)
            .auto_offset_reset(self.reset)
            .enable_auto_commit(commits_each.is_some())
            .auto_commit_interval(commits_each.unwrap_or(Duration::from_secs(5)))
            .max_poll_interval(may_stay_away)
            .max_poll_records(usize::try_from(dice.pick(&[1, 3, 50, 2_147_483_647])).unwrap())
            .fetch_min_bytes(fetch_min_bytes)
            .fetch_max_bytes(dice.pick(&[1, 10_000, 50 << 20, 50 << 20]))
            .max_partition_fetch_bytes(fetch)
            .fetch_max_wait(Duration::from_millis(dice.pick(&[20, 100, 500])))
            .fetch_buffer_bytes(usize::try_from(dice.pick(&[1, 2_000, 30_000, 64 << 20])).unwrap())
            .check_crcs(!dice.once_in(8));
        let protocol = match &*self.protocols {
            [only] => *only,
            several => dice.pick(several),
        };
        config = match protocol {
            GroupProtocol::Classic => config
                .partition_assignment_strategy(self.strategies.clone())
                .session_timeout(self.session_timeout)
                .heartbeat_interval(self.session_timeout / 6),
            // The broker decides.
            protocol => config.group_protocol(protocol),
        };
        if self.is_static {
            config = config.group_instance_id(format!("member-{}", dice.within(0..=self.seats)));
        }
        if self.is_calm {
            let may_stay_away = Duration::from_secs(dice.pick(&[60, 300]));
            return SeatPlan {
                config: config.max_poll_interval(may_stay_away),
                member: MemberPlan { may_stay_away, is_coordinated: false, is_mixed: false },
                commits_each,
                is_eager: fetch_min_bytes == 0,
                callers: 0,
                pace: 300,
                start: Start::Subscribed,
            };
        }
        SeatPlan {
            config,
            member: MemberPlan {
                may_stay_away,
                is_coordinated: protocol == GroupProtocol::Consumer,
                is_mixed: self.protocols.contains(&GroupProtocol::Consumer)
                    && self.protocols.contains(&GroupProtocol::Classic),
            },
            commits_each,
            is_eager: fetch_min_bytes == 0,
            callers: dice.within(0..=2),
            pace: dice.pick(&[0, 20, 300, 2_500]),
            start: dice.pick(&[
                Start::Subscribed,
                Start::Subscribed,
                Start::Subscribed,
                Start::Assigned,
                Start::Idle,
            ]),
        }
    }
}

/// Writes batches of all sizes until it is ended.
async fn write(world: Arc<World>, mut dice: Dice, calm: watch::Receiver<bool>) {
    let partitions = world.partitions();
    loop {
        let partition =
            &partitions[usize::try_from(dice.next() % partitions.len() as u64).unwrap()];
        let largest = dice.pick(&[10, 10, 1_000, 30_000]);
        let count = dice.pick(&[1, 1, 5, 30]);
        world.write(partition, count, largest);
        if *calm.borrow() {
            for partition in &partitions {
                world.write(partition, 1, 10);
            }
            sleep(Duration::from_millis(500)).await;
        } else {
            sleep(dice.millis(0..=400) + SLACK).await;
        }
    }
}
