//! When a batch is closed, what goes out together, and what a flush waits for.

use super::model::{LINGER, World, settings};
use super::{confirmed, written};
use crate::error::{Error, Written};
use crate::producer::sender::SenderSettings;

#[test]
fn a_lingering_batch_is_closed_when_its_time_has_come() {
    let mut world = World::ready(settings(), 1);
    world.accept(0);
    world.run();
    assert!(world.sent.is_empty());
    world.wait(LINGER);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn an_open_batch_grows_while_others_are_before_it() {
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    world.accept(0);
    world.wait(LINGER * 2);
    world.accept(0);
    world.serve_well(1);
    assert_eq!(world.sent[1].batches.len(), 1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 1, 2]);
}

#[test]
fn a_flush_ends_when_all_before_it_has_a_verdict_and_waits_for_nothing_later() {
    let mut world = World::ready(settings(), 2);
    world.accept(0);
    world.accept(1);
    let newest = world.sender.handle_flush(world.now).expect("there are batches");
    world.run();
    world.accept(0);
    world.run();
    assert_eq!(world.sent.len(), 1, "both are due at once, in one request");
    assert!(world.sender.oldest().is_some_and(|oldest| oldest <= newest));
    world.serve_well(1);
    assert!(world.sender.oldest().is_some_and(|oldest| oldest > newest));
}

#[test]
fn a_flush_of_nothing_ends_at_once() {
    let mut world = World::ready(settings(), 1);
    assert_eq!((world.sender.handle_flush(world.now), world.sender.oldest()), (None, None));
}

#[test]
fn pressure_makes_every_open_batch_due() {
    let mut world = World::ready(settings(), 2);
    world.accept(0);
    world.accept(1);
    world.run();
    assert_eq!(world.sent.len(), 0);
    world.sender.handle_memory_exhausted(world.now);
    world.run();
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_request_carries_every_ready_partition_and_the_next_begins_behind_the_last() {
    let settings = SenderSettings { max_request_size: 3 * 71, max_in_flight: 1, ..settings() };
    let mut world = World::ready(settings, 5);
    let blocker = world.accept_batch(4, 1);
    assert_eq!(blocker, 0..1);
    for partition in 0..5 {
        world.accept_batch(partition, 1);
    }
    for _ in 0..3 {
        world.serve_well(1);
    }
    let partitions: Vec<Vec<_>> = world
        .sent
        .iter()
        .map(|sent| sent.batches.iter().map(|batch| batch.partition.0).collect())
        .collect();
    assert_eq!(partitions, [vec![4], vec![0, 1, 2], vec![3, 4]]);
}

#[test]
fn a_batch_that_cannot_be_sealed_fails_at_once_and_the_next_is_sent() {
    let mut world = confirmed();
    world.is_sealing_slow = true;
    world.accept_batch(0, 1);
    let batch = world.sealing.pop().unwrap();
    world.sender.handle_unfit(batch, Error::config("damaged"), world.now);
    world.run();
    assert_eq!(written(&world, 1), Some(Written::No));
    world.is_sealing_slow = false;
    world.accept_batch(0, 1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 2]);
}
