use super::*;
use crate::ids::{PartitionId, TopicId};

const FETCH: Option<ShareCall> = Some(ShareCall::Fetch { may_wait: false, takes_parts: false });
const WAITING_FETCH: Option<ShareCall> =
    Some(ShareCall::Fetch { may_wait: true, takes_parts: false });

fn demand() -> ShareDemand {
    ShareDemand {
        calls: 1,
        is_waiting: false,
        has_room: true,
        has_said: false,
        has_said_elsewhere: false,
        renews: false,
        has_many: false,
    }
}

fn broker() -> ShareBroker {
    let mut broker = ShareBroker::new();
    broker.wanted.insert((TopicId([1; 16]), PartitionId(0)));
    broker
}

/// One whose session is open and that has nothing to fetch for the call before.
fn opened(now: Instant) -> ShareBroker {
    let mut broker = broker();
    assert_eq!(broker.poll(&demand(), now), FETCH);
    broker.session.request(&broker.wanted.clone());
    broker.fetched(true);
    broker
}

#[test]
fn each_call_of_the_application_has_one_fetch_made_unless_it_waits() {
    let now = crate::runtime::now();
    let mut broker = broker();
    assert_eq!(broker.poll(&demand(), now), FETCH);
    assert_eq!(broker.poll(&demand(), now), None, "one at a time");
    broker.fetched(true);
    assert_eq!(broker.poll(&demand(), now), None, "nobody has asked since");
    assert_eq!(broker.poll(&ShareDemand { calls: 2, ..demand() }, now), FETCH);
    broker.fetched(false);
    assert_eq!(broker.poll(&ShareDemand { calls: 3, ..demand() }, now), None, "it is dry");
    let waits = ShareDemand { calls: 3, is_waiting: true, ..demand() };
    assert_eq!(broker.poll(&waits, now), WAITING_FETCH);
    broker.fetched(false);
    assert_eq!(broker.poll(&waits, now), WAITING_FETCH, "it still waits");
    broker.fetched(true);
    assert_eq!(broker.poll(&ShareDemand { has_room: false, calls: 4, ..demand() }, now), None);
}

#[test]
fn acknowledgements_wait_for_a_fetch_but_not_for_long() {
    let now = crate::runtime::now();
    let mut broker = opened(now);
    let said = ShareDemand { has_said: true, ..demand() };
    assert_eq!(broker.poll(&said, now), None);
    assert_eq!(broker.poll_timeout(now), Some(now + LINGER));
    assert_eq!(broker.poll(&said, now + LINGER), Some(ShareCall::Acknowledge));
    broker.answered();
    assert_eq!(broker.poll(&said, now + LINGER), None);
    broker.hurry();
    assert_eq!(broker.poll(&said, now + LINGER), Some(ShareCall::Acknowledge));
    broker.answered();
    let many = ShareDemand { has_many: true, ..said };
    assert_eq!(broker.poll(&many, now), Some(ShareCall::Acknowledge));
    broker.answered();
    let renews = ShareDemand { renews: true, calls: 9, ..said };
    assert_eq!(broker.poll(&renews, now), Some(ShareCall::Acknowledge), "no fetch renews");
}

#[test]
fn a_part_of_an_acquisition_waits_for_the_rest_but_not_for_long() {
    let now = crate::runtime::now();
    let mut broker = opened(now);
    let said = |calls| ShareDemand { has_said: true, calls, ..demand() };
    let parts = Some(ShareCall::Fetch { may_wait: false, takes_parts: true });
    assert_eq!(broker.poll(&said(2), now), FETCH);
    broker.fetched(true);
    assert_eq!(broker.poll(&said(3), now + LINGER / 2), FETCH);
    broker.fetched(true);
    assert_eq!(broker.poll(&said(4), now + LINGER), parts, "no fetch in between began it anew");
    broker.fetched(true);
    broker.hurry();
    assert_eq!(broker.poll(&said(5), now + LINGER), parts, "somebody waits");
}

#[test]
fn who_waits_for_an_acknowledgement_does_not_wait_for_records() {
    let now = crate::runtime::now();
    let mut broker = opened(now);
    let said = ShareDemand { has_said: true, is_waiting: true, calls: 2, ..demand() };
    broker.hurry();
    let quick = ShareCall::Fetch { may_wait: false, takes_parts: true };
    assert_eq!(broker.poll(&said, now), Some(quick));
    broker.fetched(false);
    let rests = ShareDemand { has_said: false, ..said };
    assert_eq!(broker.poll(&rests, now), WAITING_FETCH);
}

#[test]
fn a_session_that_has_failed_is_opened_by_a_fetch_after_a_rest() {
    let now = crate::runtime::now();
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    let mut random = Random::new(1);
    let mut broker = opened(now);
    let said = ShareDemand { has_said: true, ..demand() };
    broker.hurry();
    assert_eq!(broker.poll(&said, now), Some(ShareCall::Acknowledge));
    broker.failed(&backoff, &mut random, now);
    assert_eq!(broker.poll(&said, now), None, "it rests");
    let later = broker.poll_timeout(now).unwrap();
    assert_eq!(broker.poll_timeout(later), None, "what is due and waits for more is no timer");
    broker.hurry();
    let opens = ShareCall::Fetch { may_wait: false, takes_parts: true };
    assert_eq!(broker.poll(&said, later), Some(opens), "which alone can begin a session");
}

#[test]
fn closing_ends_a_session_that_is_open() {
    let now = crate::runtime::now();
    let mut broker = opened(now);
    broker.close();
    assert!(!broker.is_idle());
    assert_eq!(broker.poll(&ShareDemand { calls: 5, ..demand() }, now), Some(ShareCall::Close));
    broker.closed();
    assert!(broker.is_idle());
    assert_eq!(broker.poll(&ShareDemand { calls: 6, ..demand() }, now), None, "nothing is wanted");
    // One that never had a session is ready for the next membership.
    broker.close();
    broker.wanted.insert((TopicId([1; 16]), PartitionId(0)));
    assert_eq!(broker.poll(&ShareDemand { calls: 7, ..demand() }, now), FETCH);
    broker.fetched(true);
    assert_eq!(broker.poll(&ShareDemand { calls: 8, ..demand() }, now), FETCH);
}

#[test]
fn what_no_fetch_takes_along_does_not_wait_for_an_application_that_waits() {
    let begun = crate::runtime::now();
    let mut broker = opened(begun);
    let waits = ShareDemand { calls: 2, is_waiting: true, ..demand() };
    assert_eq!(broker.poll(&waits, begun), WAITING_FETCH);
    let said = ShareDemand { has_said: true, has_said_elsewhere: true, ..waits };
    assert_eq!(broker.poll(&said, begun), None, "it is said while a fetch is under way");
    broker.fetched(false);
    assert_eq!(broker.poll(&said, begun + LINGER / 2), WAITING_FETCH, "there may be more");
    broker.fetched(false);
    assert_eq!(broker.poll(&said, begun + LINGER), Some(ShareCall::Acknowledge));
}
