//! The same random requests to the embedded cluster and to real Kafka, whose answers must be the
//! same. Needs a broker as `real` does.
//!
//! Locks are long, so that none ends; nobody waits for long.

use super::super::client::one_broker;
use super::world::{World, rest};
use super::{embedded, real, start};
use crate::embedded::EmbeddedCluster;
use crate::embedded::clock::Random;

const RUNS: u64 = 20;
const STEPS: usize = 80;
const MEMBERS: [&str; 3] = ["a", "b", "c"];

/// First and last offset, and what is said of them.
type Says = Vec<(i64, i64, Vec<i8>)>;

/// A request, drawn once and made for either world.
#[derive(Clone, Debug)]
enum Ask {
    Fetch { member: &'static str, epoch: i32, most: i32, size: i32, is_exact: bool, says: Says },
    Say { member: &'static str, epoch: i32, says: Says },
    Produce(Vec<usize>),
    DeleteRecords(i64),
    Stand,
}

struct Dice {
    random: Random,
    /// The end of the log, and where it was cut.
    end: i64,
    start: i64,
}

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(u64::try_from(bound).unwrap())).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn offset(&mut self) -> i64 {
        let back = i64::try_from(self.below(30)).unwrap();
        (self.end + 1 - back).max(0)
    }

    /// What is said of up to three ranges, which mostly rise.
    fn says(&mut self) -> Says {
        let mut says = Says::new();
        let mut from = self.offset();
        for _ in 0..=self.below(3) {
            let count = 1 + self.below(6);
            let last = from + i64::try_from(count).unwrap() - 1;
            let words = if self.one_in(2) { 1 } else { count };
            let word = |dice: &mut Self| dice.pick(&[1, 1, 1, 2, 2, 2, 3, 0]);
            let said = (0..words).map(|_| word(self)).collect();
            says.push((from, last, said));
            from = if self.one_in(20) {
                from
            } else {
                last + 1 + i64::try_from(self.below(3)).unwrap()
            };
        }
        if self.one_in(15) {
            says[0].2.push(4);
        }
        says
    }

    fn draw(&mut self, cluster: &EmbeddedCluster) -> Ask {
        let member = self.pick(&MEMBERS);
        let sessions = cluster.share_sessions(1);
        let known = sessions.iter().find(|(_, owner, _)| owner == member).map_or(0, |one| one.2);
        let epoch = match self.below(30) {
            0 => known + 1,
            1 => 0,
            2 | 3 => -1,
            _ => known,
        };
        match self.below(20) {
            0..=2 => Ask::Produce((0..=self.below(3)).map(|_| 1 + self.below(6)).collect()),
            3 if self.one_in(3) => {
                let cut = self.start + i64::try_from(self.below(8)).unwrap();
                Ask::DeleteRecords(cut.min(self.end))
            }
            4 => Ask::Stand,
            5..=10 => Ask::Say { member, epoch, says: self.says() },
            kind => {
                let says = if kind > 16 { self.says() } else { Says::new() };
                let (most, size) = (self.pick(&[1, 2, 5, 500]), self.pick(&[1, 3, 500]));
                Ask::Fetch { member, epoch, most, size, is_exact: self.one_in(3), says }
            }
        }
    }
}

async fn ask(world: &mut World, ask: &Ask) -> String {
    let said = |says: &Says| -> Vec<(i64, i64, &'static [i8])> {
        let leak = |types: &Vec<i8>| -> &'static [i8] { types.clone().leak() };
        says.iter().map(|(first, last, types)| (*first, *last, leak(types))).collect()
    };
    let answer = match ask {
        Ask::Fetch { member, epoch, most, size, is_exact, says } => {
            let mut fetch = if says.is_empty() {
                world.fetch(member, *epoch)
            } else {
                world.saying(member, *epoch, &said(says))
            };
            fetch.request.max_wait_ms = 20;
            fetch.request.max_records = *most;
            fetch.request.batch_size = *size;
            fetch.acquire_mode = i8::from(*is_exact);
            world.ask(&fetch).await
        }
        Ask::Say { member, epoch, says } => world.say(member, *epoch, &said(says)).await,
        Ask::Produce(batches) => {
            world.produce(batches).await;
            "ok".to_owned()
        }
        Ask::DeleteRecords(below) => {
            world.delete_records(*below).await;
            "ok".to_owned()
        }
        Ask::Stand => world.standing().await,
    };
    if matches!(ask, Ask::Fetch { epoch: -1, .. } | Ask::Say { epoch: -1, .. }) {
        // Kafka does not wait for what the session had to be written.
        rest(30).await;
    }
    answer
}

#[tokio::test]
#[ignore = "needs a real broker"]
async fn random_requests_are_answered_alike() {
    let seeds = std::env::var("KAVKA_SEED").map(|seed| seed.parse::<u64>().unwrap());
    let (first, last) = seeds.map_or((0, RUNS), |seed| (seed, seed + 1));
    for seed in first..last {
        let Some(mut real) = real::world(&format!("random{seed}")).await else { return };
        let cluster = start(one_broker()).await;
        let mut here = embedded(&cluster).await;
        for world in [&mut here, &mut real] {
            assert_eq!(world.configure("share.record.lock.duration.ms", "60000").await, "ok");
            world.settle("a").await;
            // Real leaders take a while to read what is written.
            assert_eq!(world.ask(&world.fetch("w", 0)).await, "0: ok");
            assert_eq!(world.ask(&world.fetch("w", -1)).await, "nothing");
        }
        rest(500).await;
        let mut dice = Dice { random: Random::new(seed), end: 0, start: 0 };
        let mut log = Vec::new();
        for _ in 0..STEPS {
            let request = dice.draw(&cluster);
            match &request {
                Ask::Produce(batches) => {
                    dice.end += i64::try_from(batches.iter().sum::<usize>()).unwrap()
                }
                Ask::DeleteRecords(below) => dice.start = *below,
                _ => {}
            }
            let (mine, theirs) = (ask(&mut here, &request).await, ask(&mut real, &request).await);
            log.push(format!("{request:?}\n    {theirs}"));
            assert_eq!(mine, theirs, "seed {seed}, {}", log.join("\n"));
        }
    }
}
