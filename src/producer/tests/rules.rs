use std::time::Duration;

use super::model::{DELIVERY, Fault, LINGER, World, settings};
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::{BrokerId, Offset, Sequence};
use crate::producer::sender::{Answer, FlushId, Settings};

const SECOND: Duration = Duration::from_secs(1);

/// The base sequences of what was sent, with the epoch.
fn stamps(world: &World) -> Vec<(i16, i32)> {
    let stamps = world.sent.iter().flat_map(|sent| &sent.batches).filter_map(|outgoing| outgoing.stamp);
    stamps.map(|stamp| (stamp.identity.epoch.0, stamp.base.0)).collect()
}

/// A world whose leader has acknowledged a batch of one record, so that several may fly.
fn confirmed() -> World {
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    world.serve_well(1);
    world
}

fn written(world: &World, record: u64) -> Option<Written> {
    world.verdicts[&record].as_ref().err().and_then(Error::written)
}

#[test]
fn a_sequence_is_given_at_the_first_drain_and_kept_on_every_retry() {
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 3);
    world.accept_batch(0, 2);
    assert_eq!(stamps(&world), [(0, 0)]);
    world.serve(1, |_| Some(Fault::NotEnoughReplicas));
    world.wait(SECOND);
    world.cut(1);
    world.wait(SECOND);
    world.serve_well(1);
    world.serve_well(1);
    assert_eq!(stamps(&world), [(0, 0), (0, 0), (0, 0), (0, 3)]);
    assert_eq!(world.logs[0].records, [0, 1, 2, 3, 4]);
}

#[test]
fn b_one_batch_flies_until_the_leader_has_acknowledged_one_then_five() {
    let mut world = World::ready(settings(), 1);
    for _ in 0..8 {
        world.accept_batch(0, 1);
    }
    assert_eq!(world.wires[&BrokerId(1)].len(), 1);
    world.serve_well(1);
    assert_eq!(world.wires[&BrokerId(1)].len(), 5);
}

#[test]
fn b_a_new_leader_must_acknowledge_one_first_too() {
    let mut world = confirmed();
    world.move_leader(0, 2);
    world.tell_leaders();
    world.accept_batch(0, 1);
    world.accept_batch(0, 1);
    assert_eq!(world.wires[&BrokerId(2)].len(), 1);
}

#[test]
fn c_nothing_goes_to_a_new_leader_before_the_old_ones_attempts_have_ended() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.accept_batch(0, 1);
    world.move_leader(0, 2);
    world.tell_leaders();
    world.accept_batch(0, 1);
    world.serve_well(1);
    assert!(!world.wires.contains_key(&BrokerId(2)), "one attempt is still at the old leader");
    world.serve_well(1);
    assert_eq!(world.wires[&BrokerId(2)].len(), 1);
    for _ in 0..3 {
        world.serve_well(2);
    }
    assert_eq!(world.logs[0].records, [0, 1, 2, 3]);
}

#[test]
fn d_what_may_have_been_written_is_resolved_under_its_own_sequence() {
    let mut world = confirmed();
    world.accept_batch(0, 2);
    world.serve(1, |_| Some(Fault::NotEnoughReplicasAfterAppend));
    world.wait(SECOND);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 1, 2]);
    assert_eq!(world.verdicts[&1].as_ref().unwrap(), &Some(Offset(1)), "recognised as a duplicate");
}

#[test]
fn d_what_may_have_been_written_and_cannot_be_resolved_fails_as_maybe() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.cut(1);
    world.wait(SECOND);
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
    let answer = Answer::OutOfSequence(Error::new(ErrorKind::Broker, "out of order"));
    world.sender.handle_answers(sent.request, vec![answer], world.now);
    world.run();
    assert_eq!(written(&world, 1), Some(Written::Maybe));
}

#[test]
fn out_of_sequence_renumbers_what_is_certainly_not_written_in_order() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.serve_well(1);
    world.logs[0].lose(1);
    world.accept_batch(0, 2);
    world.accept_batch(0, 1);
    for _ in 0..4 {
        world.serve_well(1);
    }
    assert_eq!(stamps(&world), [(0, 0), (0, 1), (0, 2), (0, 4), (1, 0), (1, 2)]);
    assert_eq!(world.logs[0].records, [0, 2, 3, 4]);
}

#[test]
fn out_of_sequence_behind_an_attempt_that_is_late_is_not_repeated_in_a_hot_loop() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.accept_batch(0, 1);
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_back().unwrap();
    let answer = Answer::OutOfSequence(Error::new(ErrorKind::Broker, "out of order"));
    world.sender.handle_answers(sent.request, vec![answer], world.now);
    world.run();
    assert_eq!(world.wires[&BrokerId(1)].len(), 1, "only what it has overtaken is on its way");
    world.wait(SECOND);
    world.serve_well(1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 1, 2]);
}

#[test]
fn e_an_expired_batch_fails_alone_and_the_rest_goes_under_the_next_epoch() {
    let mut world = confirmed();
    world.accept_batch(0, 2);
    world.wait(DELIVERY / 2);
    world.accept_batch(0, 2);
    world.accept_batch(0, 2);
    world.serve(1, |_| Some(Fault::NotEnoughReplicas));
    world.wait(DELIVERY / 2);
    assert_eq!(written(&world, 1), Some(Written::No));
    assert_eq!(world.verdicts.len(), 3, "it alone has failed");
    // The others were sent behind it: their attempts end first, out of sequence.
    world.serve_well(1);
    world.serve_well(1);
    world.serve_well(1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 3, 4, 5, 6]);
    assert_eq!(stamps(&world).last(), Some(&(1, 2)));
}

#[test]
fn e_a_batch_that_expires_in_flight_may_have_been_written() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.wait(DELIVERY);
    assert_eq!(written(&world, 1), Some(Written::Maybe));
    world.accept_batch(0, 1);
    assert_eq!(world.wires[&BrokerId(1)].len(), 1, "the old epoch drains first");
    world.serve_well(1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 1, 2]);
    assert_eq!(stamps(&world), [(0, 0), (0, 1), (1, 0)]);
}

#[test]
fn e_a_batch_that_expires_unsent_leaves_no_gap() {
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    world.wait(DELIVERY / 2);
    world.accept_batch(0, 1);
    world.serve(1, |_| Some(Fault::NotEnoughReplicas));
    world.sender.handle_leader(crate::producer::ready::PartitionIndex(0), None, world.now);
    world.wait(DELIVERY);
    assert_eq!(world.verdicts.len(), 2);
    world.tell_leaders();
    world.accept_batch(0, 1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [2]);
}

#[test]
fn f_a_batch_too_large_is_split_and_later_ones_wait() {
    let mut world = confirmed();
    world.limit = 2;
    world.accept_batch(0, 4);
    world.accept_batch(0, 1);
    world.serve_well(1);
    world.serve_well(1);
    assert_eq!(world.verdicts.len(), 1);
    for _ in 0..3 {
        world.serve_well(1);
    }
    assert_eq!(world.logs[0].records, [0, 1, 2, 3, 4, 5]);
    assert_eq!(stamps(&world), [(0, 0), (0, 1), (0, 5), (0, 1), (0, 3), (0, 5)]);
}

#[test]
fn f_a_record_too_large_fails_alone() {
    let mut world = confirmed();
    world.limit = 0;
    world.accept_batch(0, 1);
    world.accept_batch(0, 1);
    world.serve_well(1);
    world.limit = 1;
    world.serve_well(1);
    world.serve_well(1);
    assert_eq!(world.verdicts[&1].as_ref().unwrap_err().kind(), ErrorKind::RecordTooLarge);
    assert_eq!(world.logs[0].records, [0, 2]);
}

#[test]
fn g_a_duplicate_is_success() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.cut(1);
    world.haunt(1);
    world.wait(SECOND);
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
    world.sender.handle_answers(sent.request, vec![Answer::Written { base_offset: None, append_time: None }], world.now);
    world.run();
    assert_eq!(world.verdicts[&1].as_ref().unwrap(), &None);
}

#[test]
fn a_fenced_producer_takes_a_new_id_and_goes_on() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
    let before = world.id_requests;
    world.sender.handle_answers(sent.request, vec![Answer::Fenced(Error::new(ErrorKind::Broker, "fenced"))], world.now);
    world.run();
    assert_eq!(world.id_requests, before + 1);
    world.give_id(41, 0);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0, 1]);
}

#[test]
fn an_epoch_used_up_leads_to_a_new_id() {
    let mut world = World::new(settings(), 1, 1);
    world.give_id(40, i16::MAX - 1);
    world.accept_batch(0, 1);
    world.serve(1, |_| Some(Fault::Invalid));
    assert_eq!(world.id_requests, 2);
    world.give_id(41, 0);
    world.accept_batch(0, 1);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [1]);
}

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
    world.sender.handle_flush(FlushId(1), world.now);
    world.run();
    world.accept(0);
    world.run();
    assert_eq!(world.sent.len(), 1, "both are due at once, in one request");
    assert!(world.flushed.is_empty());
    world.serve_well(1);
    assert!(world.flushed.contains(&FlushId(1)));
}

#[test]
fn a_flush_of_nothing_ends_at_once() {
    let mut world = World::ready(settings(), 1);
    world.sender.handle_flush(FlushId(1), world.now);
    world.run();
    assert!(world.flushed.contains(&FlushId(1)));
}

#[test]
fn pressure_makes_every_open_batch_due() {
    let mut world = World::ready(settings(), 2);
    world.accept(0);
    world.accept(1);
    world.run();
    assert_eq!(world.sent.len(), 0);
    world.sender.handle_pressure(world.now);
    world.run();
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_request_carries_every_ready_partition_and_the_next_begins_behind_the_last() {
    let settings = Settings { max_request_size: 3 * 71, max_in_flight: 1, ..settings() };
    let mut world = World::ready(settings, 5);
    let blocker = world.accept_batch(4, 1);
    assert_eq!(blocker, 0..1);
    for partition in 0..5 {
        world.accept_batch(partition, 1);
    }
    for _ in 0..3 {
        world.serve_well(1);
    }
    let partitions: Vec<Vec<_>> =
        world.sent.iter().map(|sent| sent.batches.iter().map(|batch| batch.partition.0).collect()).collect();
    assert_eq!(partitions, [vec![4], vec![0, 1, 2], vec![3, 4]]);
}

#[test]
fn a_retry_backs_off_until_the_leader_changes() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    world.move_leader(0, 2);
    world.serve_well(1);
    assert_eq!(world.refreshes, 1);
    assert!(!world.wires.contains_key(&BrokerId(2)));
    world.tell_leaders();
    assert_eq!(world.wires[&BrokerId(2)].len(), 1);
}

#[test]
fn retries_that_are_used_up_fail_the_batch() {
    let mut world = World::ready(Settings { retries: 1, ..settings() }, 1);
    world.accept_batch(0, 1);
    world.serve(1, |_| Some(Fault::NotEnoughReplicas));
    world.wait(SECOND);
    world.serve(1, |_| Some(Fault::NotEnoughReplicas));
    assert_eq!(written(&world, 0), Some(Written::No));
}

#[test]
fn only_what_a_leader_answered_uses_up_answered_retries() {
    let mut world = World::ready(Settings { answered_retries: 1, ..settings() }, 1);
    world.accept_batch(0, 1);
    let answer = |world: &mut World, code: ErrorCode| {
        let sent = world.wires.get_mut(&BrokerId(1)).and_then(|wire| wire.pop_front()).expect("one more attempt");
        let is_leader_stale = code.needs_metadata_refresh();
        let answers = vec![Answer::Retry { error: Error::broker(code), written: Written::No, is_leader_stale }];
        world.sender.handle_answers(sent.request, answers, world.now);
        world.run();
        world.wait(2 * SECOND);
    };
    world.cut(1);
    world.wait(SECOND);
    world.refuse_connection(1);
    world.wait(2 * SECOND);
    answer(&mut world, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    answer(&mut world, ErrorCode::NOT_ENOUGH_REPLICAS);
    assert!(world.verdicts.is_empty());
    answer(&mut world, ErrorCode::NOT_ENOUGH_REPLICAS);
    let error = world.verdicts[&0].as_ref().expect_err("the second answer of the leader was the last");
    assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
}

#[test]
fn without_idempotence_nothing_is_stamped_and_five_fly_at_once() {
    let mut world = World::new(Settings { is_idempotent: false, ..settings() }, 1, 1);
    for _ in 0..6 {
        world.accept_batch(0, 1);
    }
    assert_eq!(world.wires[&BrokerId(1)].len(), 5);
    assert!(stamps(&world).is_empty());
    assert_eq!(world.id_requests, 0);
}

#[test]
fn a_refused_producer_id_fails_what_waits_and_what_comes() {
    let mut world = World::new(settings(), 1, 1);
    world.accept_batch(0, 1);
    world.sender.handle_producer_id(Err(Error::config("not allowed")), world.now);
    world.run();
    world.accept(0);
    world.run();
    assert_eq!(world.verdicts.len(), 2);
}

#[test]
fn a_producer_id_that_could_not_be_got_is_asked_for_again() {
    let mut world = World::new(settings(), 1, 1);
    world.run();
    world.sender.handle_producer_id(Err(Error::new(ErrorKind::Timeout, "")), world.now);
    world.run();
    assert_eq!(world.id_requests, 1);
    world.wait(SECOND);
    assert_eq!(world.id_requests, 2);
}

#[test]
fn a_partition_without_a_leader_asks_for_metadata_again_and_again() {
    let mut world = World::ready(settings(), 1);
    world.sender.handle_leader(crate::producer::ready::PartitionIndex(0), None, world.now);
    world.accept_batch(0, 1);
    assert_eq!(world.refreshes, 1);
    world.wait(SECOND);
    assert_eq!(world.refreshes, 2);
}

#[test]
fn an_answer_that_misses_a_batch_leaves_it_in_doubt() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
    world.sender.handle_answers(sent.request, vec![], world.now);
    world.run();
    world.wait(DELIVERY);
    assert_eq!(written(&world, 1), Some(Written::Maybe));
}

#[test]
fn the_sequence_wraps_as_brokers_do() {
    assert_eq!(Sequence(i32::MAX).advance(1), Sequence::ZERO);
}
