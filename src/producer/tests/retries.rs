//! What is tried again, after which pauses, for how long, and whom it is not waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::model::{DELIVERY, Fault, World, settings};
use super::{SECOND, confirmed, written};
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::BrokerId;
use crate::producer::sender::{Answer, SenderSettings};

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
        let sent = world
            .wires
            .get_mut(&BrokerId(1))
            .and_then(|wire| wire.pop_front())
            .expect("one more attempt");
        let is_leader_stale = code.needs_metadata_refresh();
        let answers = vec![Answer::Retry {
            error: Error::broker(code),
            written: Written::No,
            is_leader_stale,
        }];
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
    let error =
        world.verdicts[&0].as_ref().expect_err("the second answer of the leader was the last");
    assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
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

/// Every request is refused in this way while a minute passes; tells how many there were.
fn refused_for_a_minute(world: &mut World, answer: fn(Error) -> Answer) -> usize {
    let start = world.sent.len();
    let mut id = 100;
    for _ in 0..6000 {
        while let Some(sent) = world.wires.get_mut(&BrokerId(1)).and_then(|wire| wire.pop_front()) {
            let answers =
                vec![answer(Error::new(ErrorKind::Broker, "refused")); sent.batches.len()];
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
        let mut world =
            World::ready(SenderSettings { delivery_timeout: 100 * SECOND, ..settings() }, 1);
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
        let Some(sent) = world.wires.get_mut(&BrokerId(at)).and_then(|wire| wire.pop_front())
        else {
            break;
        };
        let answer = Answer::Retry {
            error: Error::new(ErrorKind::Broker, ""),
            written: Written::No,
            is_leader_stale: true,
        };
        world.move_leader(0, 3 - at);
        world.tell_leaders();
        world.sender.handle_answers(sent.request, vec![answer], world.now);
        world.run();
    }
    assert!(world.sent.len() < 10, "{}", world.sent.len());
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
    assert!(
        text.starts_with(
            "not acknowledged within 10000 ms (delivery.timeout.ms): NOT_ENOUGH_REPLICAS"
        ),
        "{text}"
    );

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
    assert!(
        told(&world).to_string().contains("the broker has not answered (broker 1)"),
        "{}",
        told(&world)
    );

    let mut world = World::new(settings(), 1, 7);
    world.run();
    world.sender.handle_producer_id(
        Err(Error::new(ErrorKind::Connect, "cannot connect to b:9092")),
        world.now,
    );
    world.accept_batch(0, 1);
    world.wait(DELIVERY);
    assert!(
        told(&world).to_string().contains("no producer id: cannot connect to b:9092"),
        "{}",
        told(&world)
    );
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
