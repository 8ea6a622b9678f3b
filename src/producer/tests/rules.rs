//! The sequence rules (a) to (g) of `docs/dev/sequence-rules.md`, by their letters, and what
//! follows from them.

use super::model::{DELIVERY, Fault, World, settings};
use super::{SECOND, confirmed, stamps, written};
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::{BrokerId, Offset, Sequence};
use crate::producer::sender::{Answer, SenderSettings};

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
    world.sender.handle_answers(
        sent.request,
        vec![Answer::Written { base_offset: None, append_time: None }],
        world.now,
    );
    world.run();
    assert_eq!(world.verdicts[&1].as_ref().unwrap(), &None);
}

#[test]
fn a_fenced_producer_takes_a_new_id_and_goes_on() {
    let mut world = confirmed();
    world.accept_batch(0, 1);
    let sent = world.wires.get_mut(&BrokerId(1)).unwrap().pop_front().unwrap();
    let before = world.id_requests;
    world.sender.handle_answers(
        sent.request,
        vec![Answer::Fenced(Error::new(ErrorKind::Broker, "fenced"))],
        world.now,
    );
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
fn without_idempotence_nothing_is_stamped_and_five_fly_at_once() {
    let mut world = World::new(SenderSettings { epochs: None, ..settings() }, 1, 1);
    for _ in 0..6 {
        world.accept_batch(0, 1);
    }
    assert_eq!(world.wires[&BrokerId(1)].len(), 5);
    assert!(stamps(&world).is_empty());
    assert_eq!(world.id_requests, 0);
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
