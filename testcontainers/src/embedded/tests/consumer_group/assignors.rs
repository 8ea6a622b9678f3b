//! What assignors promise, whatever they are given.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::embedded::Assignor;
use crate::embedded::clock::Random;
use crate::embedded::group::consumer::assignor::{Plan, Subscriber};
use crate::embedded::group::consumer::member::Partitions;

/// Members that subscribe to some of a few topics, or all to all of them.
fn plan(random: &mut Random) -> Plan {
    let is_homogeneous = random.chance(500_000);
    let topics: BTreeMap<Uuid, i32> =
        (0..=random.below(3)).map(|_| (random.uuid(), size(random))).collect();
    let mut members = BTreeMap::new();
    for number in 0..=random.below(5) {
        let mut chosen: Vec<Uuid> = topics.keys().copied().collect();
        if !is_homogeneous {
            chosen.retain(|_| random.chance(600_000));
        }
        let instance = random.chance(200_000).then(|| format!("i{number}"));
        let topics = chosen.into_iter().collect();
        members.insert(format!("m{number}"), Subscriber { instance, topics, ..<_>::default() });
    }
    Plan { members, sizes: topics, is_homogeneous }
}

fn size(random: &mut Random) -> i32 {
    i32::try_from(random.below(9)).unwrap()
}

fn load(target: &Partitions) -> usize {
    target.values().map(|of| of.len()).sum()
}

fn keep(plan: &mut Plan, targets: &BTreeMap<String, Partitions>) {
    for (id, member) in &mut plan.members {
        member.target = targets.get(id).cloned().unwrap_or_default();
    }
}

/// Every partition that somebody wants goes to one of those who do.
fn assert_whole(plan: &Plan, targets: &BTreeMap<String, Partitions>) {
    for (topic, size) in &plan.sizes {
        let is_wanted = plan.members.values().any(|one| one.topics.contains(topic));
        for partition in 0..*size {
            let has =
                |target: &Partitions| target.get(topic).is_some_and(|of| of.contains(&partition));
            let owners: Vec<_> = targets.iter().filter(|(_, target)| has(target)).collect();
            assert_eq!(owners.len(), usize::from(is_wanted), "{plan:?} {targets:?}");
            for (owner, _) in owners {
                assert!(plan.members[owner].topics.contains(topic), "{plan:?} {targets:?}");
            }
        }
    }
    let total: usize = targets.values().map(load).sum();
    let most: usize = plan
        .sizes
        .iter()
        .filter(|(topic, _)| plan.members.values().any(|one| one.topics.contains(topic)))
        .map(|(_, size)| usize::try_from(*size).unwrap())
        .sum();
    assert_eq!(total, most, "nothing else is given");
}

#[test]
fn every_partition_goes_to_one_subscriber_and_stays_there() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let mut plan = plan(&mut random);
        for assignor in [Assignor::Uniform, Assignor::Range] {
            keep(&mut plan, &BTreeMap::new());
            let first = assignor.assign(&plan);
            assert_whole(&plan, &first);
            keep(&mut plan, &first);
            assert_eq!(assignor.assign(&plan), first, "seed {seed}: nothing has changed");
            // A member goes.
            if plan.members.len() > 1 {
                plan.members.remove("m0");
                let second = assignor.assign(&plan);
                assert_whole(&plan, &second);
            }
        }
    }
}

#[test]
fn equal_subscriptions_get_equal_shares_and_few_moves() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let mut plan = plan(&mut random);
        if !plan.is_homogeneous {
            continue;
        }
        let first = Assignor::Uniform.assign(&plan);
        keep(&mut plan, &first);
        let topics = plan.members["m0"].topics.clone();
        plan.members.insert("a".to_owned(), Subscriber { topics, ..Subscriber::default() });
        let second = Assignor::Uniform.assign(&plan);
        let loads: Vec<usize> = second.values().map(load).collect();
        assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{second:?}");
        // It comes first in order, but leaves what is over to those who have it.
        let share = loads.iter().sum::<usize>() / plan.members.len();
        assert_eq!(load(&second["a"]), share, "seed {seed}: {second:?}");
        let moved: usize = first
            .iter()
            .flat_map(|(id, target)| target.iter().map(move |(topic, of)| (id, topic, of)))
            .map(|(id, topic, of)| {
                of.iter()
                    .filter(|one| !second[id].get(topic).is_some_and(|now| now.contains(one)))
                    .count()
            })
            .sum();
        assert_eq!(moved, load(&second["a"]), "only what the new member gets moves");
    }
}

#[test]
fn different_subscriptions_get_what_balance_there_is() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let plan = plan(&mut random);
        let targets = Assignor::Uniform.assign(&plan);
        // Nobody could give a partition to a subscriber that has two fewer.
        for (id, target) in &targets {
            for topic in target.keys() {
                for (other, member) in &plan.members {
                    if member.topics.contains(topic) {
                        assert!(
                            load(target) <= load(&targets[other]) + 1,
                            "seed {seed}: {id} {other}"
                        );
                    }
                }
            }
        }
    }
}
