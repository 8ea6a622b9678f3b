//! Records that are purged: what becomes of them, and of the sequences that they had.

use super::model::{Fault, World, settings};
use super::{SECOND, confirmed, stamps, written};
use crate::error::{ErrorKind, Written};
use crate::ids::BrokerId;
use crate::producer::purge::Purge;

/// The records that were purged, and whether they may be written.
fn purged(world: &World) -> Vec<(u64, Written)> {
    let is_purged = |record: &u64| {
        let verdict = world.verdicts[record].as_ref();
        verdict.is_err_and(|error| error.kind() == ErrorKind::Purged)
    };
    let records = world.verdicts.keys().copied().filter(is_purged);
    records.map(|record| (record, written(world, record).expect("it says so"))).collect()
}

#[test]
fn a_queue_that_is_purged_leaves_no_gap_behind_what_is_in_flight() {
    let mut world = confirmed();
    for _ in 0..7 {
        world.accept_batch(0, 1);
    }
    let open = world.accept(0);
    world.purge(&Purge::queue());
    assert_eq!(purged(&world), [(6, Written::No), (7, Written::No), (open, Written::No)]);
    for _ in 0..5 {
        world.serve_well(1);
    }
    world.accept_batch(0, 1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 1, 2, 3, 4, 5, 9]);
    assert_eq!(stamps(&world).last(), Some(&(0, 6)));
}

#[test]
fn e_what_is_in_flight_is_purged_as_maybe_written_and_the_next_goes_under_another_epoch() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.accept_batch(0, 1);
    world.purge(&Purge::all());
    assert_eq!(purged(&world), [(1, Written::Maybe), (2, Written::Maybe)]);
    assert_eq!(world.sender.oldest(), None, "whoever flushes waits no more");
    world.accept_batch(0, 1);
    assert_eq!(world.wires[&BrokerId(1)].len(), 2, "it waits for the attempts to end");
    world.serve_well(1);
    world.cut(1);
    world.wait(SECOND);
    world.serve_well(1);
    assert_eq!(stamps(&world), [(0, 0), (0, 1), (0, 2), (1, 0)]);
    assert_eq!(world.logs[0].records, [0, 1, 3]);
}

#[test]
fn e_what_is_to_be_sent_again_is_purged_by_what_its_attempts_have_said() {
    for (fault, told) in [
        (Fault::NotEnoughReplicas, Written::No),
        (Fault::TimedOutUnwritten, Written::Maybe),
        (Fault::NotEnoughReplicasAfterAppend, Written::Maybe),
    ] {
        let mut world = confirmed();
        world.accept_batch(0, 1);
        world.serve(1, |_| Some(fault));
        world.purge(&Purge::queue());
        assert_eq!(purged(&world), [], "it has been sent");
        world.purge(&Purge::in_flight());
        assert_eq!(purged(&world), [(1, told)]);
        world.accept_batch(0, 1);
        world.serve_well(1);
        assert_eq!(stamps(&world).last(), Some(&(1, 0)));
        assert!(world.verdicts[&2].is_ok());
    }
}

#[test]
fn a_queue_outlives_what_was_in_flight_before_it() {
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    world.accept_batch(0, 2);
    world.purge(&Purge::in_flight());
    assert_eq!(purged(&world), [(0, Written::Maybe)]);
    world.cut(1);
    world.wait(SECOND);
    world.serve_well(1);
    assert_eq!(stamps(&world), [(0, 0), (1, 0)]);
    assert_eq!(world.logs[0].records, [1, 2]);
}

#[test]
fn what_waits_for_a_connection_is_withdrawn_and_certainly_not_written() {
    let mut world = World::ready(settings(), 1);
    world.is_connecting = true;
    world.accept_batch(0, 1);
    world.purge(&Purge::all());
    assert_eq!(purged(&world), [(0, Written::No)]);
}

#[test]
fn a_batch_that_is_being_split_is_purged_whole() {
    let mut world = confirmed();
    world.accept_batch(0, 4);
    world.limit = 2;
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
    let too_large = crate::producer::sender::Answer::TooLarge(crate::error::Error::new(
        ErrorKind::RecordTooLarge,
        "",
    ));
    world.sender.handle_answers(sent.request, vec![too_large], world.now);
    world.purge_before(&Purge::all());
    world.run();
    assert_eq!(purged(&world).len(), 4);
    world.accept_batch(0, 1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 5]);
}

#[test]
fn only_the_partitions_that_are_meant_are_purged() {
    let mut world = World::ready(settings(), 2);
    world.accept_batch(0, 1);
    world.accept_batch(1, 1);
    let (purge, now) = (Purge::all(), world.now);
    world.sender.handle_purge(&purge, now, |partition| partition.0 == 1);
    world.run();
    assert_eq!(purged(&world), [(1, Written::Maybe)]);
}
