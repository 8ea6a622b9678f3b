use super::*;
use crate::consumer::position::AssignmentEpoch;
use crate::ids::Offset;

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);
const ANSWERED: FetchOutcome = FetchOutcome::Answered { session: 5, has_news: true };

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn want(offset: i64) -> Want {
    Want {
        assignment: AssignmentEpoch(1),
        offset: Offset(offset),
        leader_epoch: None,
        topic_id: None,
    }
}

fn planner() -> (Planner, Instant) {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    (Planner::new(backoff, Duration::from_secs(300), Random::new(1)), Instant::now())
}

fn asked(planner: &mut Planner, now: Instant) -> Vec<(BrokerId, Vec<i32>)> {
    std::iter::from_fn(|| planner.poll(now, true))
        .map(|plan| {
            (plan.broker, plan.request.fetch.iter().map(|(tp, _)| tp.partition.0).collect())
        })
        .collect()
}

#[test]
fn one_fetch_per_broker_carries_all_its_partitions() {
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    planner.want(&tp(1), want(0), TWO, now);
    planner.want(&tp(2), want(0), TWO, now);
    let mut plans = asked(&mut planner, now);
    plans[1].1.sort_unstable();
    assert_eq!(plans, [(ONE, vec![0]), (TWO, vec![1, 2])]);
    assert_eq!(asked(&mut planner, now), []);
}

#[test]
fn next_fetch_is_due_with_the_answer() {
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    asked(&mut planner, now);
    planner.want(&tp(0), want(9), ONE, now);
    planner.handle_outcome(ONE, ANSWERED, now);
    assert!(planner.poll(now, false).is_none());
    let plan = planner.poll(now, true).expect("due");
    assert_eq!(plan.request.fetch, [(tp(0), want(9))]);
}

#[test]
fn partition_that_moves_is_forgotten_at_its_old_broker() {
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    planner.want(&tp(1), want(0), ONE, now);
    asked(&mut planner, now);
    planner.handle_outcome(ONE, ANSWERED, now);
    planner.want(&tp(1), want(0), TWO, now);
    let plan = planner.poll(now, true).expect("due");
    assert_eq!(plan.request.forget, [(tp(1), None)]);
    assert_eq!(planner.poll(now, true).expect("due").broker, TWO);
}

#[test]
fn lost_fetch_is_made_again_after_a_growing_wait() {
    let (mut planner, mut now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    let mut waits = Vec::new();
    for _ in 0..3 {
        assert_eq!(asked(&mut planner, now).len(), 1);
        planner.handle_outcome(ONE, FetchOutcome::Lost, now);
        assert_eq!(asked(&mut planner, now), []);
        let due = planner.poll_timeout().expect("it waits");
        waits.push(due - now);
        now = due;
    }
    assert!(waits[0] < waits[1] && waits[1] < waits[2]);
}

#[test]
fn failing_partition_does_not_hold_up_its_neighbours() {
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    planner.want(&tp(1), want(0), ONE, now);
    planner.rest(&tp(0), now);
    assert_eq!(asked(&mut planner, now), [(ONE, vec![1])]);
    planner.handle_outcome(ONE, ANSWERED, now);
    let due = planner.poll_timeout().expect("it waits");
    assert_eq!(asked(&mut planner, due), [(ONE, vec![0])]);
}

#[test]
fn beside_a_full_partition_the_others_are_fetched_at_a_glance() {
    let (mut planner, mut now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    planner.want(&tp(1), want(0), ONE, now);
    asked(&mut planner, now);
    planner.suspend(&tp(0), true);
    planner.handle_outcome(ONE, ANSWERED, now);
    for _ in 0..3 {
        assert_eq!(asked(&mut planner, now), [], "not without end");
        now = planner.poll_timeout().expect("a glance");
        let plan = planner.poll(now, true).expect("due");
        assert!(plan.is_glance, "it is not parked");
        planner.handle_outcome(ONE, FetchOutcome::Answered { session: 5, has_news: false }, now);
    }
    planner.want(&tp(0), want(5), ONE, now);
    let plan = planner.poll(now, true).expect("at once when it has drained");
    assert_eq!((plan.request.fetch, plan.is_glance), (vec![(tp(0), want(5))], false));

    planner.handle_outcome(ONE, ANSWERED, now);
    planner.suspend(&tp(0), true);
    planner.suspend(&tp(0), false);
    assert!(
        !planner.poll(now, true).expect("due").is_glance,
        "a paused partition is nobody's business"
    );
}

#[test]
fn broker_that_answers_at_once_with_nothing_is_asked_ever_more_seldom() {
    let (mut planner, start) = planner();
    planner.want(&tp(0), want(0), ONE, start);
    let (mut now, mut fetches) = (start, 0);
    while now < start + Duration::from_secs(10) {
        while planner.poll(now, true).is_some() {
            fetches += 1;
            planner.handle_outcome(
                ONE,
                FetchOutcome::Answered { session: 5, has_news: false },
                now,
            );
        }
        now = planner.poll_timeout().expect("it waits");
    }
    assert!((100..300).contains(&fetches), "{fetches} fetches in ten seconds");
    asked(&mut planner, now);
    now += Duration::from_millis(500);
    planner.handle_outcome(ONE, FetchOutcome::Answered { session: 5, has_news: false }, now);
    assert_eq!(
        asked(&mut planner, now).len(),
        1,
        "one that waits as it is asked to is not waited for"
    );
}

#[test]
fn partition_whose_reply_is_too_long_is_found_and_the_others_go_on() {
    let (mut planner, mut now) = planner();
    for partition in 0..4 {
        planner.want(&tp(partition), want(0), ONE, now);
    }
    let mut culprits = Vec::new();
    for _ in 0..20 {
        now = planner.poll_timeout().unwrap_or(now);
        let Some(plan) = planner.poll(now, true) else { continue };
        let asked: Vec<_> = (0..4).map(tp).filter(|tp| planner.asked(ONE, tp).is_some()).collect();
        assert!(asked.len() == 1 || plan.request.fetch.len() <= asked.len());
        let is_too_long = asked.contains(&tp(2));
        let outcome = if is_too_long {
            FetchOutcome::TooLong
        } else {
            FetchOutcome::Answered { session: 5, has_news: true }
        };
        if let Some(culprit) = planner.handle_outcome(ONE, outcome, now) {
            planner.forget(&culprit);
            culprits.push(culprit);
        }
    }
    assert_eq!(culprits, [tp(2)]);
    assert_eq!([0, 1, 3].map(|partition| planner.asked(ONE, &tp(partition)).is_some()), [true; 3]);
}

#[test]
fn topics_are_named_until_the_id_of_each_is_known_and_then_in_another_session() {
    let (mut planner, now) = planner();
    let known = Want { topic_id: Some(crate::ids::TopicId([7; 16])), ..want(0) };
    planner.want(&tp(0), known, ONE, now);
    planner.want(&tp(1), want(0), ONE, now);
    assert!(planner.poll(now, true).expect("due").is_by_name);
    planner.handle_outcome(ONE, ANSWERED, now);
    planner.want(&tp(1), known, ONE, now);
    let plan = planner.poll(now, true).expect("due");
    assert_eq!(
        (plan.is_by_name, plan.request.id, plan.request.epoch, plan.request.fetch.len()),
        (false, 5, 0, 2)
    );
}

#[test]
fn nearer_replica_is_used_until_it_expires_or_fails() {
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    planner.prefer(&tp(0), TWO, now);
    assert_eq!(asked(&mut planner, now), [(TWO, vec![0])]);
    assert!(planner.is_follower(TWO, &tp(0)));

    planner.handle_outcome(TWO, FetchOutcome::Lost, now);
    assert_eq!(asked(&mut planner, now), [(ONE, vec![0])]);

    planner.prefer(&tp(0), TWO, now);
    planner.handle_outcome(ONE, ANSWERED, now);
    let later = now + Duration::from_secs(301);
    planner.want(&tp(0), want(1), ONE, later);
    assert_eq!(asked(&mut planner, later), [(ONE, vec![0])]);
}

#[test]
fn nearer_replica_that_refuses_or_of_a_leader_that_has_gone_is_left() {
    const THREE: BrokerId = BrokerId(3);
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    planner.prefer(&tp(0), TWO, now);
    assert_eq!(asked(&mut planner, now), [(TWO, vec![0])]);
    planner.handle_outcome(TWO, ANSWERED, now);
    planner.rest(&tp(0), now);
    let rested = planner.poll_timeout().expect("it rests");
    assert_eq!(asked(&mut planner, rested), [(ONE, vec![0])]);

    planner.prefer(&tp(0), TWO, rested);
    planner.want(&tp(0), want(0), THREE, rested);
    assert_eq!(asked(&mut planner, rested), [(THREE, vec![0])]);
}

#[test]
fn vanished_session_is_opened_anew_at_once_but_only_once() {
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    asked(&mut planner, now);
    planner.handle_outcome(ONE, FetchOutcome::SessionNotFound, now);
    assert_eq!(asked(&mut planner, now).len(), 1);
    planner.handle_outcome(ONE, FetchOutcome::SessionNotFound, now);
    assert_eq!(asked(&mut planner, now).len(), 0);
}

#[test]
fn what_waits_for_room_names_no_time_that_has_passed() {
    let (mut planner, now) = planner();
    planner.want(&tp(0), want(0), ONE, now);
    asked(&mut planner, now);
    planner.handle_outcome(ONE, FetchOutcome::Lost, now);
    assert!(planner.poll(now, false).is_none());
    let due = planner.poll_timeout().expect("it waits for its time");
    assert!(planner.poll(due, false).is_none());
    assert_eq!(planner.poll_timeout(), None, "it waits for room, which is told");
    assert_eq!(asked(&mut planner, due), [(ONE, vec![0])]);
}
