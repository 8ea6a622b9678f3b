//! Random scripts: whatever fails, and in whatever order, the promises of the producer hold.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Fault, World, settings};
use super::{Seed, seeds};
use crate::clock::Random;
use crate::error::Written;
use crate::producer::purge::Purge;
use crate::producer::sender::SenderSettings;
use crate::producer::sender::sequence::EpochOwner;

const PARTITIONS: u32 = 3;
const BROKERS: u64 = 3;

fn chance(random: &mut Random, percent: u64) -> bool {
    random.below(100) < percent
}

fn fault(random: &mut Random) -> Option<Fault> {
    match random.below(40) {
        0..=2 => Some(Fault::NotEnoughReplicas),
        3 | 4 => Some(Fault::NotEnoughReplicasAfterAppend),
        5 | 6 => Some(Fault::TimedOutUnwritten),
        7 => Some(Fault::Invalid),
        _ => None,
    }
}

fn purge(random: &mut Random) -> Purge {
    match random.below(3) {
        0 => Purge::queue(),
        1 => Purge::in_flight(),
        _ => Purge::all(),
    }
}

fn script(seed: u64, is_idempotent: bool) -> World {
    let mut random = Random::new(seed);
    let settings = SenderSettings {
        epochs: is_idempotent.then_some(EpochOwner::Partition),
        max_request_size: 200,
        ..settings()
    };
    let mut world = World::new(settings, usize::try_from(PARTITIONS).unwrap(), seed);
    world.run();
    for _ in 0..400 {
        let broker = i32::try_from(random.below(BROKERS)).unwrap() + 1;
        let partition = u32::try_from(random.below(u64::from(PARTITIONS))).unwrap();
        match random.below(100) {
            0..=29 => {
                for _ in 0..=random.below(6) {
                    world.accept(partition);
                }
                if chance(&mut random, 60) {
                    world.close(partition);
                }
            }
            30..=59 => world.serve(broker, |_| fault(&mut random)),
            60..=64 => world.cut(broker),
            65 | 66 => world.refuse_connection(broker),
            67..=69 => world.haunt(broker),
            70..=73 => world.move_leader(partition, broker),
            74..=78 => world.tell_leaders(),
            79 => drop(world.sender.handle_flush(world.now)),
            80 => world.sender.handle_memory_exhausted(world.now),
            81 => world.limit = 1 + random.below(6),
            82..=84 if world.id_requests > 0 && is_idempotent => {
                world.give_id(40 + i64::try_from(world.id_requests).unwrap(), 0);
            }
            85..=88 => {
                world.is_sealing_slow = chance(&mut random, 50);
                if !world.sealing.is_empty() {
                    let at =
                        usize::try_from(random.below(u64::try_from(world.sealing.len()).unwrap()))
                            .unwrap();
                    let batch = world.sealing.swap_remove(at);
                    world.finish_sealing(batch);
                }
            }
            89 => world.purge(&purge(&mut random)),
            90..=98 => world.wait(Duration::from_millis(random.below(300))),
            _ => world.wait(Duration::from_millis(random.below(8000))),
        }
        world.run();
    }
    heal(&mut world, is_idempotent);
    assert_eq!(world.sender.oldest(), None, "a flush never ends");
    world
}

/// With no more faults everything accepted has its verdict in the end.
fn heal(world: &mut World, is_idempotent: bool) {
    world.is_sealing_slow = false;
    world.limit = u64::MAX;
    for _ in 0..200 {
        for batch in std::mem::take(&mut world.sealing) {
            world.finish_sealing(batch);
        }
        if is_idempotent {
            world.give_id(1000 + i64::try_from(world.id_requests).unwrap(), 0);
        }
        world.tell_leaders();
        for broker in 1..=3 {
            world.serve_well(broker);
        }
        world.wait(Duration::from_millis(150));
    }
    assert_eq!(world.verdicts.len(), world.accepted.len(), "every record has a verdict");
}

/// How often each record is in the logs.
fn copies(world: &World) -> BTreeMap<u64, usize> {
    let mut copies = BTreeMap::new();
    for record in world.logs.iter().flat_map(|log| &log.records) {
        *copies.entry(*record).or_default() += 1;
    }
    copies
}

fn check(world: &World) {
    let copies = copies(world);
    for (record, partition) in &world.accepted {
        let count = copies.get(record).copied().unwrap_or(0);
        let log = &world.logs[usize::try_from(*partition).unwrap()];
        match &world.verdicts[record] {
            Ok(offset) => {
                assert_eq!(count, 1, "record {record} was acknowledged");
                let at = usize::try_from(offset.unwrap().0).unwrap();
                assert_eq!(log.records.get(at), Some(record), "the offset is the record's");
            }
            Err(error) if error.written() == Some(Written::No) => {
                assert_eq!(count, 0, "record {record} was not written: {error:?}")
            }
            Err(error) => {
                assert_eq!(error.written(), Some(Written::Maybe));
                assert!(count <= 1, "record {record} is there twice");
            }
        }
    }
    for log in &world.logs {
        assert!(log.records.is_sorted(), "order within a partition: {:?}", log.records);
    }
}

#[test]
fn nothing_acknowledged_is_lost_doubled_or_out_of_order() {
    let mut acknowledged = 0;
    for seed in seeds(0..300) {
        let _named = Seed(seed);
        let world = script(seed, true);
        check(&world);
        acknowledged += world.verdicts.values().filter(|verdict| verdict.is_ok()).count();
    }
    assert!(acknowledged > 0);
}

#[test]
fn without_idempotence_every_record_has_one_verdict_too() {
    for seed in seeds(0..300) {
        let _named = Seed(seed);
        script(seed, false);
    }
}

#[test]
fn the_same_script_does_the_same_twice() {
    for seed in 0..20 {
        let once = format!("{:?}", script(seed, true).sent);
        assert_eq!(once, format!("{:?}", script(seed, true).sent));
    }
}
