use std::time::Duration;

use super::*;
use crate::cluster::Backoff;
use crate::consumer::assignor::Racks;

mod assignors;
mod enforced;
mod leaving;
mod losses;
mod random;

const SECOND: Duration = Duration::from_secs(1);

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn settings(strategy: Assignor) -> MemberSettings {
    MemberSettings {
        group: "g".into(),
        instance: None,
        rack: None,
        remote_assignor: None,
        strategies: vec![strategy],
        session_timeout: 45 * SECOND,
        heartbeat_interval: 3 * SECOND,
        max_poll_interval: 300 * SECOND,
        backoff: Backoff::new(Duration::from_millis(100), SECOND),
    }
}

/// A machine with the application and the coordinator around it.
struct Script {
    machine: Classic,
    now: Instant,
}

impl Script {
    fn new(settings: MemberSettings) -> Self {
        let now = Instant::now();
        Self { machine: Classic::new(settings, Random::new(1), now), now }
    }

    fn wanting(settings: MemberSettings) -> Self {
        let mut script = Self::new(settings);
        script.want(&["t"]);
        script
    }

    /// A follower that owns partitions.
    fn stable(settings: MemberSettings, partitions: &[i32]) -> Self {
        let mut script = Self::wanting(settings);
        script.join(1);
        script.sync(partitions);
        assert_eq!(script.owned(), partitions);
        script
    }

    fn want(&mut self, topics: &[&str]) {
        let wanted =
            WantedTopics { topics: topics.iter().map(TopicName::from).collect(), pattern: None };
        self.machine.handle_wanted(Some(wanted), self.now);
    }

    fn actions(&mut self) -> Vec<MemberAction> {
        std::iter::from_fn(|| self.machine.poll()).collect()
    }

    fn only(&mut self) -> MemberAction {
        let mut actions = self.actions();
        assert_eq!(actions.len(), 1, "{actions:?}");
        actions.remove(0)
    }

    /// Answers a JoinGroup that is on its way: follower in this generation.
    fn join(&mut self, generation: i32) {
        let actions = self.actions();
        assert!(matches!(actions.last(), Some(MemberAction::Join { .. })), "{actions:?}");
        let strategy = self.machine.settings.strategies[0].name().to_owned();
        let joined = Joined {
            member: "me".to_owned(),
            generation: Generation(generation),
            protocol: strategy,
            leader: "other".to_owned(),
            skips_assignment: false,
            members: vec![],
        };
        self.machine.handle_joined(self.machine.attempt, Ok(joined), self.now);
        assert!(matches!(self.only(), MemberAction::Sync { .. }));
    }

    /// Lets the leader decide.
    fn decide(&mut self) {
        let MemberAction::Decide { attempt, strategy, group } = self.only() else {
            panic!("nothing to decide")
        };
        self.machine.handle_decided(attempt, strategy.decide(&group), self.now);
    }

    fn sync(&mut self, partitions: &[i32]) {
        let partitions = partitions.iter().copied().map(tp).collect();
        let bytes = MemberAssignment { partitions, user_data: None }.encode().unwrap();
        self.machine.handle_synced(self.machine.attempt, Ok(bytes), self.now);
    }

    fn beat(&mut self, outcome: Result<()>) {
        self.machine.handle_heartbeat(self.machine.attempt, outcome, self.now, self.now);
    }

    /// Lets time pass up to the next moment at which something is due.
    fn wait(&mut self) {
        self.now = self.machine.poll_timeout().unwrap();
        self.machine.handle_timeout(self.now);
    }

    fn owned(&self) -> Vec<i32> {
        self.machine.owned.iter().map(|tp| tp.partition.0).collect()
    }
}

fn code(code: ErrorCode) -> Error {
    Error::broker(code)
}

fn unreachable() -> Error {
    Error::new(ErrorKind::Disconnected, "")
}

fn subscription(action: &MemberAction) -> MemberSubscription {
    match action {
        MemberAction::Join { protocols, .. } => {
            MemberSubscription::decode(&protocols[0].1).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn joins_again_with_the_member_id_it_is_given() {
    let mut script = Script::wanting(settings(Assignor::Range));
    let MemberAction::Join { attempt, member, .. } = script.only() else { panic!("no join") };
    assert_eq!(member, "");
    script.machine.handle_member_id(attempt, "me".to_owned(), script.now);
    assert!(matches!(script.only(), MemberAction::Join { member, .. } if member == "me"));
}

#[test]
fn a_leader_decides_for_all_with_the_topics_of_all() {
    let mut script = Script::wanting(settings(Assignor::Range));
    let MemberAction::Join { attempt, protocols, .. } = script.only() else { panic!("no join") };
    let other = MemberSubscription { topics: vec!["u".into()], ..MemberSubscription::default() }
        .encode()
        .unwrap();
    let joined = Joined {
        member: "me".to_owned(),
        generation: Generation(1),
        protocol: "range".to_owned(),
        leader: "me".to_owned(),
        skips_assignment: false,
        members: vec![
            ("me".to_owned(), None, protocols[0].1.clone()),
            ("you".to_owned(), None, other),
        ],
    };
    script.machine.handle_joined(attempt, Ok(joined), script.now);
    let MemberAction::Describe { attempt, topics } = script.only() else { panic!("no question") };
    assert_eq!(topics, ["t".into(), "u".into()].into());
    let described: TopicRacks =
        [("t".into(), vec![Racks::new(); 2]), ("u".into(), vec![Racks::new()])].into();
    script.machine.handle_described(attempt, described.clone(), script.now);
    script.decide();
    let MemberAction::Sync { assignments, .. } = script.only() else { panic!("no sync") };
    let partitions: Vec<_> = assignments
        .iter()
        .map(|(member, bytes)| {
            (member.as_str(), MemberAssignment::decode(bytes).unwrap().partitions)
        })
        .collect();
    assert_eq!(
        partitions,
        [("me", vec![tp(0), tp(1)]), ("you", vec![TopicPartition::new("u", 0)])]
    );

    script.sync(&[0, 1]);
    script.actions();
    script.machine.handle_topics(&described, script.now);
    assert!(script.actions().is_empty());
    let grown: TopicRacks =
        [("t".into(), vec![Racks::new(); 3]), ("u".into(), vec![Racks::new()])].into();
    script.machine.handle_topics(&grown, script.now);
    assert!(matches!(script.only(), MemberAction::Revoke(_)), "more partitions: a new round");
}

#[test]
fn an_eager_member_gives_up_all_before_it_joins_and_beats_meanwhile() {
    let mut script = Script::stable(settings(Assignor::Range), &[0, 1]);
    assert!(
        matches!(script.only(), MemberAction::Assign(partitions) if partitions == [tp(0), tp(1)])
    );
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    assert!(
        matches!(script.only(), MemberAction::Revoke(partitions) if partitions == [tp(0), tp(1)])
    );
    assert!(script.machine.can_commit(), "what was processed must be committed before it goes");
    script.wait();
    assert!(matches!(script.only(), MemberAction::Heartbeat { .. }));
    script.machine.handle_revoked(script.now);
    let join = script.only();
    assert!(subscription(&join).owned_partitions.is_empty());
}

#[test]
fn a_listener_may_take_longer_than_the_session_while_heartbeats_are_answered() {
    let mut script = Script::stable(settings(Assignor::Range), &[0]);
    script.actions();
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    script.actions();
    for _ in 0..40 {
        script.wait();
        assert!(matches!(script.only(), MemberAction::Heartbeat { .. }));
        script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    }
    assert!(script.machine.can_commit());
}

#[test]
fn a_cooperative_member_keeps_what_it_owns_and_joins_again_after_it_gave_something_up() {
    let mut script = Script::stable(settings(Assignor::CooperativeSticky), &[0, 1, 2]);
    script.actions();
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let join = script.only();
    assert_eq!(subscription(&join).owned_partitions, [tp(0), tp(1), tp(2)]);
    assert_eq!(subscription(&join).generation, Some(Generation(1)));
    script.machine.actions.push_back(join);
    script.join(2);
    script.sync(&[0, 3]);
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Revoke(taken), MemberAction::Assign(added)] if *taken == [tp(1), tp(2)] && *added == [tp(3)])
    );
    script.machine.handle_revoked(script.now);
    assert_eq!(subscription(&script.only()).owned_partitions, [tp(0), tp(3)]);
}

/// A coordinator that fails before the assignment is written down gives the generation twice.
#[test]
fn a_transaction_is_of_the_last_generation_with_an_assignment() {
    let mut script = Script::stable(settings(Assignor::CooperativeSticky), &[0]);
    let of = |script: &Script| script.machine.confirmed().generation;
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    script.join(2);
    assert_eq!((of(&script), script.owned()), (Some(Generation(1)), vec![0]));
    script.sync(&[0]);
    assert_eq!(of(&script), Some(Generation(2)));
}

#[test]
fn a_member_the_coordinator_does_not_know_loses_all_and_joins_as_a_new_one() {
    let mut script = Script::stable(settings(Assignor::CooperativeSticky), &[0]);
    script.actions();
    script.beat(Err(code(ErrorCode::UNKNOWN_MEMBER_ID)));
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Lost(lost), MemberAction::Join { member, .. }] if *lost == [tp(0)] && member.is_empty())
    );
    assert_eq!(subscription(&actions[1]).generation, None);
}

#[test]
fn an_illegal_generation_costs_the_partitions_but_not_the_member_id() {
    let mut script = Script::stable(settings(Assignor::Range), &[0]);
    script.actions();
    let identity = script.machine.identity().clone();
    script.machine.handle_refused(&identity, &code(ErrorCode::ILLEGAL_GENERATION), script.now);
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Lost(_), MemberAction::Join { member, .. }] if member == "me")
    );
    script.machine.handle_refused(&identity, &code(ErrorCode::ILLEGAL_GENERATION), script.now);
    assert!(script.actions().is_empty(), "a late answer to the old generation means nothing");
}

/// A cooperative member goes on with what it owns while it joins again.
fn joining(partitions: &[i32]) -> Script {
    let mut script = Script::stable(settings(Assignor::CooperativeSticky), partitions);
    script.actions();
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    assert!(matches!(script.only(), MemberAction::Join { .. }));
    script
}

#[test]
fn a_member_that_owns_something_beats_while_it_joins() {
    let mut script = joining(&[0]);
    script.wait();
    assert!(matches!(script.only(), MemberAction::Heartbeat { .. }));
    let ends = script.machine.session_ends;
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    assert!(script.machine.session_ends > ends, "the coordinator has heard of it");
    assert!(script.actions().is_empty(), "it joins already");
}

#[test]
fn a_member_whose_join_is_not_answered_loses_what_it_owns_with_its_session() {
    let mut script = joining(&[0]);
    let joined = script.now;
    let lost = loop {
        script.wait();
        let actions = script.actions();
        if !matches!(actions[..], [MemberAction::Heartbeat { .. }]) {
            break actions;
        }
        // The generation that the lost reply told of.
        script.beat(Err(code(ErrorCode::ILLEGAL_GENERATION)));
    };
    assert!(matches!(&lost[..], [MemberAction::Lost(_), MemberAction::Join { .. }]), "{lost:?}");
    assert!(script.now - joined <= 45 * SECOND);
}

#[test]
fn what_is_not_answered_is_asked_anew_though_the_member_is_known_to_live() {
    let mut script = joining(&[0]);
    let begun = script.now;
    let again = loop {
        script.wait();
        match script.actions().remove(0) {
            MemberAction::Heartbeat { .. } => {
                script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)))
            }
            other => break other,
        }
    };
    assert!(matches!(again, MemberAction::Join { .. }), "{again:?}");
    assert_eq!((script.now - begun, script.owned()), (45 * SECOND, vec![0]));

    let mut script = Script::wanting(settings(Assignor::Range));
    script.join(1);
    let begun = script.now;
    let again = loop {
        script.wait();
        match script.actions().remove(0) {
            MemberAction::Heartbeat { .. } => script.beat(Ok(())),
            other => break other,
        }
    };
    assert!(
        matches!(again, MemberAction::Join { .. }),
        "SyncGroup was not answered, but {again:?}"
    );
    assert_eq!(script.now - begun, 45 * SECOND);
}

#[test]
fn a_commit_of_the_generation_before_costs_nothing_while_the_new_one_is_on_its_way() {
    let mut script = joining(&[0, 1]);
    let identity = script.machine.identity.clone();
    script.machine.handle_refused(&identity, &code(ErrorCode::ILLEGAL_GENERATION), script.now);
    script.machine.handle_refused(&identity, &code(ErrorCode::REBALANCE_IN_PROGRESS), script.now);
    assert!(script.actions().is_empty());
    assert_eq!(script.owned(), [0, 1]);
    script.machine.handle_refused(&identity, &code(ErrorCode::UNKNOWN_MEMBER_ID), script.now);
    assert!(matches!(&script.actions()[..], [MemberAction::Lost(_), MemberAction::Join { .. }]));
}

#[test]
fn unsubscribing_while_something_is_given_up_gives_up_the_rest() {
    let mut script = Script::stable(settings(Assignor::CooperativeSticky), &[0, 1]);
    script.actions();
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    script.join(2);
    script.sync(&[0]);
    assert!(
        matches!(&script.actions()[..], [MemberAction::Revoke(given), MemberAction::Assign(_)] if *given == [tp(1)])
    );
    script.machine.handle_wanted(None, script.now);
    assert!(matches!(script.only(), MemberAction::Revoke(rest) if rest == [tp(0)]));
    script.want(&["t"]);
    script.machine.handle_revoked(script.now);
    assert!(matches!(script.only(), MemberAction::Join { .. }));
    assert_eq!(script.owned(), [0_i32; 0]);
}

#[test]
fn a_fenced_instance_ends_for_good() {
    let mut script = Script::stable(
        MemberSettings { instance: Some("i".to_owned()), ..settings(Assignor::Range) },
        &[0],
    );
    script.actions();
    script.beat(Err(code(ErrorCode::FENCED_INSTANCE_ID)));
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Lost(_), MemberAction::Fail(error)] if error.code() == Some(ErrorCode::FENCED_INSTANCE_ID))
    );
    script.machine.handle_polled(script.now);
    assert!(script.actions().is_empty() && script.machine.poll_timeout().is_none());
}

#[test]
fn a_session_without_an_answer_ends_before_the_coordinator_can_end_it() {
    let mut script = Script::stable(settings(Assignor::Range), &[0]);
    let begun = script.now;
    script.actions();
    loop {
        script.wait();
        assert!(script.now <= begun + 45 * SECOND);
        match script.actions().remove(0) {
            MemberAction::Heartbeat { .. } => script.beat(Err(unreachable())),
            MemberAction::Lost(lost) => break assert_eq!(lost, [tp(0)]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(script.now, begun + 45 * SECOND);
}

#[test]
fn a_session_lasts_from_when_the_answered_heartbeat_was_sent() {
    let mut script = Script::stable(settings(Assignor::Range), &[0]);
    script.actions();
    script.wait();
    let sent = script.now;
    script.only();
    script.machine.handle_heartbeat(script.machine.attempt, Ok(()), sent, sent + 10 * SECOND);
    assert_eq!(script.machine.session_ends, sent + 45 * SECOND);
}

#[test]
fn an_application_that_does_not_poll_leaves_once_and_comes_back_when_it_does() {
    let mut script = Script::stable(
        MemberSettings { max_poll_interval: 10 * SECOND, ..settings(Assignor::Range) },
        &[0],
    );
    script.actions();
    let begun = script.now;
    let actions = loop {
        script.wait();
        let actions = script.actions();
        match &actions[..] {
            [MemberAction::Heartbeat { .. }] => script.beat(Ok(())),
            _ => break actions,
        }
    };
    assert_eq!(script.now, begun + 10 * SECOND);
    assert!(
        matches!(&actions[..], [MemberAction::Lost(_), MemberAction::Leave { member, .. }, MemberAction::Report(error)]
            if member == "me" && error.kind() == ErrorKind::MaxPollExceeded),
        "{actions:?}"
    );
    assert!(script.machine.poll_timeout().is_none());
    script.machine.handle_polled(script.now);
    assert!(matches!(script.only(), MemberAction::Join { member, .. } if member.is_empty()));
}

#[test]
fn a_listener_that_outlives_the_session_costs_the_partitions_at_once() {
    let mut script = Script::stable(settings(Assignor::Range), &[0]);
    script.actions();
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    script.actions();
    script.now += 46 * SECOND;
    script.machine.handle_timeout(script.now);
    assert!(matches!(script.only(), MemberAction::Drop(partitions) if partitions == [tp(0)]));
    assert!(!script.machine.can_commit());
    script.machine.handle_revoked(script.now);
    assert!(matches!(script.only(), MemberAction::Join { .. }));
}

#[test]
fn a_refusal_is_told_once_and_tried_again_by_the_next_poll_after_a_while() {
    for refusal in [
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::GROUP_MAX_SIZE_REACHED,
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode::INVALID_SESSION_TIMEOUT,
    ] {
        let mut script = Script::wanting(settings(Assignor::Range));
        script.only();
        script.machine.handle_joined(script.machine.attempt, Err(code(refusal)), script.now);
        assert!(
            matches!(script.only(), MemberAction::Report(error) if error.code() == Some(refusal))
        );
        script.machine.handle_polled(script.now);
        assert!(script.actions().is_empty());
        script.wait();
        assert!(matches!(script.only(), MemberAction::Join { .. }));
    }
}

#[test]
fn a_coordinator_that_moves_is_asked_again_after_a_backoff() {
    let mut script = Script::wanting(settings(Assignor::Range));
    script.only();
    for again in [
        code(ErrorCode::NOT_COORDINATOR),
        code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        unreachable(),
    ] {
        script.machine.handle_joined(script.machine.attempt, Err(again), script.now);
        assert!(script.actions().is_empty());
        script.wait();
        assert!(matches!(script.only(), MemberAction::Join { .. }));
    }
}

#[test]
fn a_group_that_rebalances_whenever_it_is_joined_is_joined_ever_more_rarely() {
    let mut script = Script::wanting(settings(Assignor::Range));
    let begun = script.now;
    for generation in 1..=20 {
        script.join(generation);
        let rebalancing = Err(code(ErrorCode::REBALANCE_IN_PROGRESS));
        script.machine.handle_synced(script.machine.attempt, rebalancing, script.now);
        if generation > 1 {
            assert!(script.actions().is_empty());
            script.wait();
        }
    }
    let lasted = script.now - begun;
    assert!(lasted > 10 * SECOND && lasted < 30 * SECOND, "{lasted:?}");
    // What works ends the row.
    script.join(21);
    script.sync(&[0]);
    script.actions();
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    assert!(matches!(
        script.actions().last(),
        Some(MemberAction::Join { .. } | MemberAction::Revoke(_))
    ));
}

#[test]
fn an_interest_that_changed_on_the_way_is_not_given_old_partitions() {
    let mut script = Script::wanting(settings(Assignor::Range));
    script.join(1);
    script.want(&["u"]);
    script.sync(&[0, 1]);
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Assign(none), MemberAction::Join { .. }] if none.is_empty()),
        "{actions:?}"
    );
}

#[test]
fn an_assignment_that_is_cut_short_is_refused_and_not_taken_for_less() {
    let mut script = Script::wanting(settings(Assignor::Range));
    script.join(1);
    let bytes =
        MemberAssignment { partitions: vec![tp(0), tp(1)], user_data: None }.encode().unwrap();
    script.machine.handle_synced(
        script.machine.attempt,
        Ok(bytes[..bytes.len() - 6].to_vec()),
        script.now,
    );
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Leave { .. }, MemberAction::Report(_)]),
        "{actions:?}"
    );
}
