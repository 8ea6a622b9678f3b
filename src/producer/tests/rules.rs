use std::collections::BTreeSet;
use std::time::Duration;

use super::model::{DELIVERY, Fault, LINGER, World, settings};
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::{BrokerId, Offset, Sequence};
use crate::producer::sender::{Answer, SenderSettings};

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
    world.sender.handle_leader(crate::producer::sender::ready::PartitionIndex(0), None, world.now);
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
    world.wait(SECOND);
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
    let mut world = World::ready(SenderSettings { retries: 1, ..settings() }, 1);
    world.accept_batch(0, 1);
    world.serve(1, |_| Some(Fault::NotEnoughReplicas));
    world.wait(SECOND);
    world.serve(1, |_| Some(Fault::NotEnoughReplicas));
    assert_eq!(written(&world, 0), Some(Written::No));
}

#[test]
fn only_what_a_leader_answered_uses_up_broker_error_retries() {
    let mut world = World::ready(SenderSettings { broker_error_retries: 1, ..settings() }, 1);
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
    let mut world = World::new(SenderSettings { is_idempotent: false, ..settings() }, 1, 1);
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
    world.sender.handle_leader(crate::producer::sender::ready::PartitionIndex(0), None, world.now);
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

/// Every request is refused in this way while a minute passes; tells how many there were.
fn refused_for_a_minute(world: &mut World, answer: fn(Error) -> Answer) -> usize {
    let start = world.sent.len();
    let mut id = 100;
    for _ in 0..6000 {
        while let Some(sent) = world.wires.get_mut(&BrokerId(1)).and_then(|wire| wire.pop_front()) {
            let answers = vec![answer(Error::new(ErrorKind::Broker, "refused")); sent.batches.len()];
            world.sender.handle_answers(sent.request, answers, world.now);
            world.run();
            id += 1;
            world.give_id(id, 0);
            assert!(world.sent.len() - start < 1000, "without a pause");
        }
        world.wait(Duration::from_millis(10));
    }
    world.sent.len() - start
}

#[test]
fn what_is_refused_for_ever_is_tried_again_with_pauses() {
    for answer in [Answer::OutOfSequence, Answer::Fenced] {
        let mut world = World::ready(SenderSettings { delivery_timeout: 100 * SECOND, ..settings() }, 1);
        world.accept_batch(0, 1);
        let tries = refused_for_a_minute(&mut world, answer);
        assert!((10..150).contains(&tries), "{tries}");
        let asked = world.id_requests;
        assert!(asked < 150, "{asked}");
    }
}

#[test]
fn no_backoff_at_all_is_a_short_one() {
    let backoff = crate::cluster::Backoff::new(Duration::ZERO, Duration::ZERO);
    let mut world = World::ready(SenderSettings { backoff, ..settings() }, 1);
    world.sender.handle_leader(crate::producer::sender::ready::PartitionIndex(0), None, world.now);
    world.accept_batch(0, 1);
    assert!(world.sender.poll_timeout().expect("it asks again") > world.now);
}

#[test]
fn leaders_that_change_with_every_attempt_are_not_followed_without_a_pause() {
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    for attempt in 0..100 {
        let at = attempt % 2 + 1;
        let Some(sent) = world.wires.get_mut(&BrokerId(at)).and_then(|wire| wire.pop_front()) else { break };
        let answer = Answer::Retry { error: Error::new(ErrorKind::Broker, ""), written: Written::No, is_leader_stale: true };
        world.move_leader(0, 3 - at);
        world.tell_leaders();
        world.sender.handle_answers(sent.request, vec![answer], world.now);
        world.run();
    }
    assert!(world.sent.len() < 10, "{}", world.sent.len());
}

#[test]
fn a_batch_behind_which_others_were_written_is_not_written_after_them() {
    for is_unknown_first in [false, true] {
        let mut world = confirmed();
        world.logs[0].forget_producers();
        for _ in 0..5 {
            world.accept_batch(0, 1);
        }
        if is_unknown_first {
            let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
            let answer = Answer::OutOfSequence(Error::broker(ErrorCode::UNKNOWN_PRODUCER_ID));
            world.sender.handle_answers(sent.request, vec![answer], world.now);
            world.run();
        } else {
            world.serve(1, |_| Some(Fault::NotEnoughReplicas));
        }
        for _ in 0..10 {
            world.serve_well(1);
            world.wait(SECOND / 4);
        }
        assert_eq!(world.logs[0].records, [0, 2, 3, 4, 5]);
        assert_eq!(written(&world, 1), Some(Written::No));
        assert_eq!(world.verdicts.len(), 6);
        world.accept_batch(0, 1);
        world.serve_well(1);
        assert_eq!(world.logs[0].records, [0, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn a_broker_that_was_lost_sight_of_must_acknowledge_one_first_again() {
    let mut world = confirmed();
    for _ in 0..3 {
        world.accept_batch(0, 1);
    }
    world.cut(1);
    world.wait(SECOND);
    assert_eq!(world.wires[&BrokerId(1)].len(), 1, "it may have started anew without its logs");
    world.serve_well(1);
    assert_eq!(world.wires[&BrokerId(1)].len(), 2);
}

#[test]
fn what_waits_for_a_connection_is_certainly_not_written() {
    let mut world = confirmed();
    world.is_connecting = true;
    world.accept_batch(0, 1);
    world.wait(DELIVERY);
    assert_eq!(written(&world, 1), Some(Written::No));
}

#[test]
fn a_batch_that_expires_tells_why() {
    let told = |world: &World| world.verdicts[&0].clone().expect_err("expired");
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
    let error = Error::broker(ErrorCode::NOT_ENOUGH_REPLICAS);
    let answer = Answer::Retry { error, written: Written::No, is_leader_stale: false };
    world.sender.handle_answers(sent.request, vec![answer], world.now);
    world.wait(DELIVERY);
    assert_eq!(told(&world).code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
    let text = told(&world).to_string();
    assert!(text.starts_with("not acknowledged within 10000 ms (delivery.timeout.ms): NOT_ENOUGH_REPLICAS"), "{text}");

    let mut world = World::ready(settings(), 1);
    world.sender.handle_leaderless(
        crate::producer::sender::ready::PartitionIndex(0),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        world.now,
    );
    world.accept_batch(0, 1);
    world.wait(DELIVERY);
    assert_eq!(told(&world).code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    world.wait(DELIVERY);
    assert!(told(&world).to_string().contains("the broker has not answered (broker 1)"), "{}", told(&world));

    let mut world = World::new(settings(), 1, 7);
    world.run();
    world.sender.handle_producer_id(Err(Error::new(ErrorKind::Connect, "cannot connect to b:9092")), world.now);
    world.accept_batch(0, 1);
    world.wait(DELIVERY);
    assert!(told(&world).to_string().contains("no producer id: cannot connect to b:9092"), "{}", told(&world));
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

#[test]
fn a_producer_id_from_an_address_that_is_no_kafka_is_asked_for_elsewhere() {
    let mut world = World::new(settings(), 1, 1);
    world.accept_batch(0, 1);
    world.sender.handle_producer_id(Err(Error::new(ErrorKind::Protocol, "garbage")), world.now);
    world.wait(SECOND);
    assert_eq!((world.id_requests, world.verdicts.len()), (2, 0));
    world.give_id(40, 0);
    world.serve_well(1);
    assert_eq!(world.logs[0].records, [0]);
}

#[test]
fn a_silent_broker_that_leads_no_more_is_not_waited_for() {
    let mut world = confirmed();
    for _ in 0..3 {
        world.accept_batch(0, 1);
    }
    let asked = world.refreshes;
    world.wait(3 * SECOND);
    assert_eq!(world.refreshes, asked + 1, "it asks who leads");
    assert_eq!(world.wires[&BrokerId(1)].len(), 3);
    world.move_leader(0, 2);
    world.tell_leaders();
    world.wait(Duration::from_millis(1));
    assert!(!world.wires.contains_key(&BrokerId(1)));
    for _ in 0..3 {
        world.wait(SECOND);
        world.serve_well(2);
        world.serve_well(2);
    }
    assert_eq!(world.logs[0].records, [0, 1, 2, 3]);
    assert_eq!(world.verdicts.len(), 4);
}

#[test]
fn a_slow_broker_that_leads_is_waited_for() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    for _ in 0..8 {
        world.wait(SECOND);
    }
    assert_eq!(world.wires[&BrokerId(1)].len(), 1);
}

#[test]
fn a_broker_is_stuck_that_takes_nothing_for_long() {
    let mut world = confirmed();
    let stuck = |world: &World| world.sender.stuck(SECOND, world.now);
    for _ in 0..4 {
        world.accept_batch(0, 1);
    }
    world.wait(2 * SECOND);
    assert_eq!(stuck(&world), (BTreeSet::new(), None), "it could take one more");

    let mut world = World::ready(SenderSettings { max_in_flight: 1, ..settings() }, 2);
    world.accept_batch(0, 1);
    world.accept_batch(1, 1);
    let (none, again) = stuck(&world);
    assert!(none.is_empty());
    assert_eq!(again, Some(world.now + SECOND));
    world.wait(SECOND);
    assert!(stuck(&world).0.contains(&BrokerId(1)));
    world.serve_well(1);
    assert_eq!(stuck(&world).0.len(), 0);

    let mut world = World::ready(settings(), 1);
    world.is_connecting = true;
    world.accept_batch(0, 1);
    world.wait(SECOND);
    assert!(stuck(&world).0.contains(&BrokerId(1)), "there is no connection");
}
