use super::*;
use crate::ids::{PartitionId, TopicId};

const SECOND: Duration = Duration::from_secs(1);

fn machine(now: Instant) -> ShareMembership {
    let settings = ShareMemberSettings {
        max_poll_interval: 300 * SECOND,
        backoff: Backoff::new(Duration::from_millis(100), SECOND),
    };
    ShareMembership::new(settings, Random::new(1), now)
}

fn topics(names: &[&str]) -> BTreeSet<TopicName> {
    names.iter().map(TopicName::from).collect()
}

fn assignment(partitions: &[i32]) -> PartitionsById {
    let partitions = partitions.iter().map(|at| PartitionId(*at)).collect();
    [(TopicId([1; 16]), partitions)].into()
}

/// The heartbeat that goes out now.
fn beat(machine: &mut ShareMembership, now: Instant) -> (Attempt, ShareHeartbeat) {
    machine.handle_timeout(now);
    loop {
        match machine.poll() {
            Some(ShareMemberAction::Heartbeat { attempt, heartbeat }) => {
                return (attempt, heartbeat);
            }
            Some(_) => {}
            None => panic!("no heartbeat goes out: {machine:?}"),
        }
    }
}

fn answer(epoch: i32, partitions: Option<&[i32]>) -> Result<ShareHeartbeatAnswer> {
    let assignment = partitions.map(assignment);
    Ok(ShareHeartbeatAnswer { epoch, interval: 5 * SECOND, assignment })
}

#[test]
fn a_member_says_what_has_changed_and_takes_what_it_is_assigned() {
    let now = crate::runtime::now();
    let mut machine = machine(now);
    machine.handle_wanted(Some(topics(&["a"])), now);
    let (attempt, first) = beat(&mut machine, now);
    assert_eq!((first.epoch, first.is_full, first.topics), (0, true, Some(topics(&["a"]))));
    machine.handle_heartbeat(attempt, answer(1, None), now);
    assert!(machine.poll().is_none(), "nothing is assigned yet");
    let early = now + SECOND;
    let (attempt, second) = beat(&mut machine, early);
    assert_eq!((second.epoch, second.is_full, second.topics), (1, false, None), "soon");
    machine.handle_heartbeat(attempt, answer(2, Some(&[0, 2])), early);
    let Some(ShareMemberAction::Assign(assigned)) = machine.poll() else { panic!("assigned") };
    assert_eq!(assigned, assignment(&[0, 2]));
    assert_eq!(machine.poll_timeout(), Some(early + 5 * SECOND));
    machine.handle_wanted(Some(topics(&["a", "b"])), early);
    let (_, third) = beat(&mut machine, early);
    assert_eq!((third.epoch, third.topics), (2, Some(topics(&["a", "b"]))));
}

#[test]
fn who_is_fenced_has_nothing_and_joins_again_as_the_same() {
    let now = crate::runtime::now();
    let mut machine = machine(now);
    machine.handle_wanted(Some(topics(&["a"])), now);
    let (attempt, first) = beat(&mut machine, now);
    machine.handle_heartbeat(attempt, answer(3, Some(&[0])), now);
    let later = now + 5 * SECOND;
    while machine.poll().is_some() {}
    let (attempt, _) = beat(&mut machine, later);
    for code in [ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::UNKNOWN_MEMBER_ID] {
        let mut machine = ShareMembership { actions: VecDeque::new(), ..clone(&machine) };
        machine.handle_heartbeat(attempt, Err(Error::broker(code)), later);
        let Some(ShareMemberAction::Assign(assigned)) = machine.poll() else { panic!("{code}") };
        assert!(assigned.is_empty());
        let (_, again) = beat(&mut machine, later);
        assert_eq!((again.epoch, again.is_full), (0, true), "{code}");
        assert_eq!(again.member, first.member);
        machine.handle_heartbeat(attempt, answer(9, Some(&[1])), later);
        assert!(machine.poll().is_none(), "a reply to an older attempt changes nothing");
    }
}

fn clone(machine: &ShareMembership) -> ShareMembership {
    ShareMembership {
        settings: machine.settings.clone(),
        random: Random::new(2),
        member: machine.member.clone(),
        wanted: machine.wanted.clone(),
        heard: machine.heard.clone(),
        in_flight: machine.in_flight.clone(),
        actions: VecDeque::new(),
        ..*machine
    }
}

#[test]
fn a_heartbeat_that_is_lost_is_followed_by_one_that_says_everything() {
    let now = crate::runtime::now();
    let mut machine = machine(now);
    machine.handle_wanted(Some(topics(&["a"])), now);
    let (attempt, _) = beat(&mut machine, now);
    machine.handle_heartbeat(attempt, answer(1, Some(&[0])), now);
    let later = now + 5 * SECOND;
    while machine.poll().is_some() {}
    let (attempt, _) = beat(&mut machine, later);
    machine.handle_heartbeat(attempt, Err(Error::new(ErrorKind::Disconnected, "")), later);
    assert!(machine.poll_timeout().is_some_and(|at| at > later && at < later + SECOND));
    let (_, full) = beat(&mut machine, later + SECOND);
    assert_eq!((full.epoch, full.is_full, full.topics), (1, true, Some(topics(&["a"]))));
}

#[test]
fn who_is_refused_tells_so_and_tries_again_when_records_are_asked_for() {
    let now = crate::runtime::now();
    let mut machine = machine(now);
    machine.handle_wanted(Some(topics(&["a"])), now);
    let (attempt, _) = beat(&mut machine, now);
    let refusal = Error::broker(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    machine.handle_heartbeat(attempt, Err(refusal), now);
    let told = std::iter::from_fn(|| machine.poll());
    assert!(told.last().is_some_and(|last| matches!(last, ShareMemberAction::Report(_))));
    assert!(machine.is_idle() && !machine.is_member());
    machine.handle_polled(now);
    assert!(machine.is_member());
}
