use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn offsets(of: &[(i32, i64)]) -> Offsets {
    of.iter().map(|&(partition, offset)| (tp(partition), OffsetAndMetadata::new(offset))).collect()
}

fn commits_under(assignment: u64, of: &[(i32, i64)]) -> Vec<CommitPosition> {
    let commit = |(partition, offset)| CommitPosition {
        partition,
        assignment: AssignmentEpoch(assignment),
        since: AssignmentEpoch(assignment),
        offset,
        is_own: false,
    };
    offsets(of).into_iter().map(commit).collect()
}

fn commits() -> (Commits, Instant) {
    (Commits::new(Backoff::new(Duration::from_millis(100), SECOND), Random::new(1)), Instant::now())
}

fn sent(action: Option<CommitAction>) -> Offsets {
    match action {
        Some(CommitAction::Send { offsets, .. }) => offsets,
        other => panic!("{other:?}"),
    }
}

fn code(code: ErrorCode) -> CommitOutcome {
    Ok(vec![(tp(0), Err(Error::broker(code)))])
}

fn member() -> CommitIdentity {
    CommitIdentity::Member(GroupMemberIdentity {
        member: "m".to_owned(),
        generation: Some(3.into()),
    })
}

#[test]
fn a_later_commit_waits_for_an_earlier_one_that_is_tried_again() {
    let (mut commits, now) = commits();
    let first = commits.submit_awaited(commits_under(1, &[(0, 5)]), now + 60 * SECOND);
    assert_eq!(sent(commits.poll(CommitIdentity::Alone, false, now)), offsets(&[(0, 5)]));
    commits.submit(commits_under(1, &[(0, 9)]), now + 60 * SECOND);
    assert!(commits.poll(CommitIdentity::Alone, false, now).is_none());
    commits.handle_reply(Err(Error::new(ErrorKind::Disconnected, "")), &CommitIdentity::Alone, now);
    assert!(commits.poll(CommitIdentity::Alone, false, now).is_none(), "backs off");
    let now = now + SECOND;
    assert_eq!(sent(commits.poll(CommitIdentity::Alone, false, now)), offsets(&[(0, 5)]));
    let committed = commits.handle_reply(Ok(vec![(tp(0), Ok(()))]), &CommitIdentity::Alone, now);
    assert_eq!(committed, [(tp(0), AssignmentEpoch(1), OffsetAndMetadata::new(5))]);
    assert!(
        matches!(commits.poll(CommitIdentity::Alone, false, now), Some(CommitAction::Done { ticket, failures }) if ticket == Some(first) && failures.is_empty())
    );
    assert_eq!(sent(commits.poll(CommitIdentity::Alone, false, now)), offsets(&[(0, 9)]));
}

#[test]
fn commits_nobody_waits_for_are_merged_and_the_later_offset_wins() {
    let (mut commits, now) = commits();
    for offset in 0..100 {
        commits.submit(
            commits_under(1, &[(0, offset), (i32::try_from(offset % 3).unwrap() + 1, offset)]),
            now + SECOND,
        );
    }
    assert_eq!(commits.queue.len(), 1);
    assert_eq!(
        sent(commits.poll(CommitIdentity::Alone, false, now)),
        offsets(&[(0, 99), (1, 99), (2, 97), (3, 98)])
    );
}

#[test]
fn a_commit_during_a_rebalance_waits_and_goes_under_the_new_generation() {
    let (mut commits, now) = commits();
    commits.submit(commits_under(1, &[(0, 5)]), now + 60 * SECOND);
    sent(commits.poll(member(), true, now));
    commits.handle_reply(code(ErrorCode::REBALANCE_IN_PROGRESS), &member(), now);
    let now = now + SECOND;
    assert!(commits.poll(CommitIdentity::Nobody, true, now).is_none());
    let next = CommitIdentity::Member(GroupMemberIdentity {
        member: "m".to_owned(),
        generation: Some(4.into()),
    });
    let Some(CommitAction::Send { sender, .. }) = commits.poll(next.clone(), true, now) else {
        panic!("not sent")
    };
    assert_eq!(sender, next);
}

#[test]
fn what_is_taken_away_fails_and_is_not_tried_again() {
    let (mut commits, now) = commits();
    let ticket = commits.submit_awaited(commits_under(1, &[(0, 5)]), now + 60 * SECOND);
    let waiting = commits.submit_awaited(commits_under(1, &[(0, 6), (1, 6)]), now + 60 * SECOND);
    sent(commits.poll(member(), true, now));
    commits.handle_gone(&[(tp(0), AssignmentEpoch(1))], not_owned);
    commits.handle_reply(code(ErrorCode::ILLEGAL_GENERATION), &member(), now);
    let Some(CommitAction::Done { ticket: done, failures }) = commits.poll(member(), true, now)
    else {
        panic!("not done")
    };
    assert_eq!((done, failures.len()), (Some(ticket), 1));
    assert_eq!(failures[0].1.class(), crate::error::Class::Rejoin);
    assert_eq!(sent(commits.poll(member(), true, now)), offsets(&[(1, 6)]));
    commits.handle_reply(Ok(vec![(tp(1), Ok(()))]), &member(), now);
    let Some(CommitAction::Done { ticket: done, failures }) = commits.poll(member(), true, now)
    else {
        panic!("not done")
    };
    assert_eq!((done, failures.len()), (Some(waiting), 1));
}

#[test]
fn one_partition_may_fail_for_good_while_another_succeeds() {
    let (mut commits, now) = commits();
    commits.submit_awaited(commits_under(1, &[(0, 5), (1, 5)]), now + SECOND);
    sent(commits.poll(CommitIdentity::Alone, false, now));
    let outcome =
        vec![(tp(0), Err(Error::broker(ErrorCode::OFFSET_METADATA_TOO_LARGE))), (tp(1), Ok(()))];
    assert_eq!(
        commits.handle_reply(Ok(outcome), &CommitIdentity::Alone, now),
        [(tp(1), AssignmentEpoch(1), OffsetAndMetadata::new(5))]
    );
    let Some(CommitAction::Done { failures, .. }) = commits.poll(CommitIdentity::Alone, false, now)
    else {
        panic!("not done")
    };
    assert_eq!(failures[0].1.code(), Some(ErrorCode::OFFSET_METADATA_TOO_LARGE));
}

#[test]
fn a_commit_fails_at_its_deadline() {
    let (mut commits, now) = commits();
    commits.submit_awaited(commits_under(1, &[(0, 5)]), now + SECOND);
    assert!(commits.poll(CommitIdentity::Nobody, true, now).is_none());
    assert_eq!(commits.poll_timeout(), Some(now + SECOND));
    let Some(CommitAction::Done { failures, .. }) =
        commits.poll(CommitIdentity::Nobody, true, now + SECOND)
    else {
        panic!("not done")
    };
    assert_eq!(failures[0].1.kind(), ErrorKind::Timeout);
    assert!(commits.is_idle());
}

#[test]
fn an_automatic_commit_does_not_take_back_what_is_under_way() {
    let (mut commits, now) = commits();
    commits.submit(commits_under(1, &[(0, 5)]), now + SECOND);
    sent(commits.poll(CommitIdentity::Alone, false, now));
    let mut automatic = commits_under(1, &[(0, 4), (1, 4)]);
    commits.retain_newer(&mut automatic);
    assert_eq!(automatic, commits_under(1, &[(1, 4)]));
}

#[test]
fn an_automatic_commit_follows_a_seek_back_though_another_is_under_way() {
    let (mut commits, now) = commits();
    commits.submit(commits_under(1, &[(0, 50)]), now + SECOND);
    sent(commits.poll(CommitIdentity::Alone, false, now));
    let mut automatic = commits_under(2, &[(0, 10)]);
    commits.retain_newer(&mut automatic);
    assert_eq!(automatic, commits_under(2, &[(0, 10)]));
}

#[test]
fn what_was_chosen_by_hand_is_committed_before_the_consumer_is_a_member_or_not_at_all() {
    let own = || {
        commits_under(1, &[(0, 5)])
            .into_iter()
            .map(|commit| CommitPosition { is_own: true, ..commit })
            .collect::<Vec<_>>()
    };
    let (mut commits, now) = commits();
    commits.submit(own(), now + SECOND);
    let Some(CommitAction::Send { sender, .. }) = commits.poll(CommitIdentity::Nobody, false, now)
    else {
        panic!("not sent")
    };
    assert_eq!(sender, CommitIdentity::Alone);
    commits.submit(own(), now + SECOND);
    commits.handle_reply(Ok(vec![(tp(0), Ok(()))]), &CommitIdentity::Alone, now);
    assert!(
        matches!(commits.poll(member(), true, now), Some(CommitAction::Done { failures, .. }) if failures.len() == 1)
    );
}

#[test]
fn a_deleted_topic_holds_up_nothing_for_long() {
    let (mut commits, mut now) = commits();
    let (deadline, start) = (now + 60 * SECOND, now);
    let ticket = commits.submit_awaited(commits_under(1, &[(0, 5), (1, 5)]), deadline);
    let failures = loop {
        match commits.poll(CommitIdentity::Alone, false, now) {
            Some(CommitAction::Send { offsets, .. }) => {
                let unknown = |tp: &TopicPartition| match tp.partition.0 {
                    0 => Err(Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
                    _ => Ok(()),
                };
                let outcome = offsets.keys().map(|tp| (tp.clone(), unknown(tp))).collect();
                commits.handle_reply(Ok(outcome), &CommitIdentity::Alone, now);
            }
            Some(CommitAction::Done { ticket: done, failures }) => {
                assert_eq!(done, Some(ticket));
                break failures;
            }
            None => now = commits.poll_timeout().expect("tried again"),
        }
    };
    assert_eq!(failures[0].1.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(now - start < 5 * SECOND, "{:?}", now - start);
}

#[test]
fn what_is_taken_away_fails_no_commit_of_a_later_assignment() {
    let (mut commits, now) = commits();
    commits.submit_awaited(commits_under(5, &[(0, 7)]), now + SECOND);
    commits.handle_gone(&[(tp(0), AssignmentEpoch(4))], not_owned);
    assert_eq!(sent(commits.poll(CommitIdentity::Alone, false, now)), offsets(&[(0, 7)]));
}

#[test]
fn what_waited_for_a_deleted_topic_is_not_committed_into_the_one_created_anew() {
    let (mut commits, now) = commits();
    commits.submit_awaited(commits_under(3, &[(0, 7)]), now + 60 * SECOND);
    sent(commits.poll(member(), true, now));
    commits.handle_reply(code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), &member(), now);
    commits.handle_gone(&[(tp(0), AssignmentEpoch(3))], of_old_topic);
    let Some(CommitAction::Done { failures, .. }) = commits.poll(member(), true, now + SECOND)
    else {
        panic!("tried again")
    };
    assert_eq!(failures[0].1.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[test]
fn a_barrier_is_done_when_all_before_it_are() {
    let (mut commits, now) = commits();
    commits.submit(commits_under(1, &[(0, 5)]), now + SECOND);
    let barrier = commits.submit_awaited(vec![], now + SECOND);
    sent(commits.poll(CommitIdentity::Alone, false, now));
    assert!(commits.poll(CommitIdentity::Alone, false, now).is_none());
    commits.handle_reply(Ok(vec![(tp(0), Ok(()))]), &CommitIdentity::Alone, now);
    assert!(
        matches!(commits.poll(CommitIdentity::Alone, false, now), Some(CommitAction::Done { ticket, .. }) if ticket == Some(barrier))
    );
}
