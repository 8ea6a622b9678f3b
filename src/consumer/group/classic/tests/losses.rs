//! Whether the application hears that partitions are revoked or lost, as Java's
//! `ConsumerCoordinator` decides in `onJoinPrepare` and `onLeavePrepare`; and that it hears it once.

use super::*;

const BOTH: [Assignor; 2] = [Assignor::Range, Assignor::CooperativeSticky];

/// What is told of partitions that go, with their numbers.
fn told(actions: &[MemberAction]) -> Vec<(&'static str, Vec<i32>)> {
    let numbers = |partitions: &[TopicPartition]| {
        partitions.iter().map(|tp| tp.partition.0).collect::<Vec<_>>()
    };
    let told = actions.iter().filter_map(|action| match action {
        MemberAction::Revoke(partitions) => Some(("revoked", numbers(partitions))),
        MemberAction::Abandon(partitions) | MemberAction::Lost(partitions) => {
            Some(("lost", numbers(partitions)))
        }
        _ => None,
    });
    told.collect()
}

/// A member of two partitions, whose assignment has been told.
fn owning(strategy: Assignor) -> Script {
    let mut script = Script::stable(settings(strategy), &[0, 1]);
    script.actions();
    script
}

/// What is told when the member is closed now, beside what was told before.
fn closed(script: &mut Script, mut actions: Vec<MemberAction>) -> Vec<(&'static str, Vec<i32>)> {
    script.machine.handle_close(GroupMembershipOperation::Default, script.now);
    actions.extend(script.actions());
    script.machine.handle_revoked(script.now);
    actions.extend(script.actions());
    assert!(script.machine.is_away());
    told(&actions)
}

#[test]
fn a_member_that_joins_again_in_its_generation_revokes_what_the_protocol_asks() {
    let mut eager = owning(Assignor::Range);
    eager.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    assert_eq!(told(&eager.actions()), [("revoked", vec![0, 1])]);
    let mut cooperative = owning(Assignor::CooperativeSticky);
    cooperative.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    assert_eq!(told(&cooperative.actions()), []);
    let mut cooperative = owning(Assignor::CooperativeSticky);
    cooperative.want(&["u"]);
    assert_eq!(told(&cooperative.actions()), [("revoked", vec![0, 1])], "of topics it has left");
}

#[test]
fn a_member_whose_generation_is_gone_loses_all_once() {
    for strategy in BOTH {
        for end in [
            ErrorCode::ILLEGAL_GENERATION,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::FENCED_INSTANCE_ID,
        ] {
            let mut script = owning(strategy.clone());
            script.beat(Err(code(end)));
            let actions = script.actions();
            assert_eq!(
                closed(&mut script, actions),
                [("lost", vec![0, 1])],
                "{strategy:?} {end:?}"
            );
        }
    }
}

#[test]
fn a_member_that_is_not_heard_of_or_not_polled_loses_all_once() {
    for (session, poll) in [(45, 300), (600, 10)] {
        let settings = MemberSettings {
            session_timeout: session * SECOND,
            max_poll_interval: poll * SECOND,
            ..settings(Assignor::CooperativeSticky)
        };
        let mut script = Script::stable(settings, &[0, 1]);
        script.actions();
        let mut actions = Vec::new();
        while told(&actions).is_empty() {
            script.wait();
            actions.extend(script.actions());
        }
        assert_eq!(closed(&mut script, actions), [("lost", vec![0, 1])], "{session} {poll}");
    }
}

#[test]
fn what_is_lost_while_it_is_given_up_is_not_told_again() {
    for end in [ErrorCode::ILLEGAL_GENERATION, ErrorCode::UNKNOWN_MEMBER_ID] {
        let mut script = owning(Assignor::Range);
        script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
        let mut actions = script.actions();
        script.beat(Err(code(end)));
        actions.extend(script.actions());
        assert!(
            matches!(actions.last(), Some(MemberAction::Drop(dropped)) if dropped.len() == 2),
            "{actions:?}"
        );
        script.machine.handle_revoked(script.now);
        actions.extend(script.actions());
        assert_eq!(told(&actions), [("revoked", vec![0, 1])]);
        assert!(matches!(actions.last(), Some(MemberAction::Join { .. })));
    }
}

/// How far a member of two partitions has come when it goes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Stable,
    HeartbeatInVain,
    JoinGroup,
    JoinGroupInVain,
    Describing,
    Deciding,
    SyncGroup,
    SyncGroupInVain,
    SyncGroupRebalancing,
    Synced,
    IllegalGeneration,
    UnknownMember,
    UnknownMemberInJoinGroup,
    FencedInstance,
    NotPolled,
}

impl Moment {
    /// What happens up to then.
    fn reach(self, script: &mut Script) -> Vec<MemberAction> {
        let mut actions = Vec::new();
        match self {
            Self::Stable => {}
            Self::HeartbeatInVain => script.beat(Err(unreachable())),
            Self::IllegalGeneration => script.beat(Err(code(ErrorCode::ILLEGAL_GENERATION))),
            Self::UnknownMember => script.beat(Err(code(ErrorCode::UNKNOWN_MEMBER_ID))),
            Self::FencedInstance => script.beat(Err(code(ErrorCode::FENCED_INSTANCE_ID))),
            Self::NotPolled => {
                script.now += 301 * SECOND;
                script.machine.handle_timeout(script.now);
            }
            _ => {
                script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
                actions.extend(script.actions());
                script.machine.handle_revoked(script.now);
                actions.extend(script.actions());
                self.rejoin(script, &mut actions);
            }
        }
        actions.extend(script.actions());
        actions
    }

    /// What becomes of JoinGroup.
    fn rejoin(self, script: &mut Script, actions: &mut Vec<MemberAction>) {
        let Some(MemberAction::Join { attempt, protocols, .. }) = actions.last() else {
            panic!("no join: {actions:?}")
        };
        let attempt = *attempt;
        let members = vec![("me".to_owned(), None, protocols[0].1.clone())];
        let outcome = match self {
            Self::JoinGroup => return,
            Self::JoinGroupInVain => Err(unreachable()),
            Self::UnknownMemberInJoinGroup => Err(code(ErrorCode::UNKNOWN_MEMBER_ID)),
            _ => Ok(Joined {
                member: "me".to_owned(),
                generation: Generation(2),
                protocol: protocols[0].0.clone(),
                leader: "me".to_owned(),
                skips_assignment: false,
                members,
            }),
        };
        script.machine.handle_joined(attempt, outcome, script.now);
        if matches!(self, Self::Describing | Self::JoinGroupInVain | Self::UnknownMemberInJoinGroup)
        {
            return;
        }
        let topics = [("t".into(), vec![Racks::new(); 2])].into();
        actions.extend(script.actions());
        script.machine.handle_described(attempt, topics, script.now);
        if matches!(self, Self::Deciding) {
            return;
        }
        script.decide();
        match self {
            Self::SyncGroup => {}
            Self::Synced => script.sync(&[0]),
            Self::SyncGroupInVain => {
                script.machine.handle_synced(attempt, Err(unreachable()), script.now);
            }
            _ => {
                // The first time it joins again at once, and then after a pause.
                let again = code(ErrorCode::REBALANCE_IN_PROGRESS);
                script.machine.handle_synced(attempt, Err(again.clone()), script.now);
                script.machine.handle_joined(script.machine.attempt, Err(again), script.now);
                assert!(matches!(script.machine.state, State::Waiting(_)));
            }
        }
    }
}

/// All that is told of partitions by one that goes at that moment, by leaving its group or by
/// unsubscribing.
fn told_by(strategy: &Assignor, moment: Moment, closes: bool) -> Vec<(&'static str, Vec<i32>)> {
    let mut script = owning(strategy.clone());
    let actions = moment.reach(&mut script);
    if closes {
        return closed(&mut script, actions);
    }
    script.machine.handle_wanted(None, script.now);
    let mut all = actions;
    all.extend(script.actions());
    script.machine.handle_revoked(script.now);
    all.extend(script.actions());
    told(&all)
}

/// Java: in a rebalance, or without a generation, what goes is lost. An eager member has given up all
/// before, and is told no more; a cooperative one that has its new assignment is in no rebalance.
#[test]
fn what_a_member_that_goes_had_is_revoked_or_lost_as_java_decides() {
    let revoked = || vec![("revoked", vec![0, 1])];
    let lost = || vec![("lost", vec![0, 1])];
    let gives_up_a_part = || vec![("revoked", vec![1]), ("revoked", vec![0])];
    for (moment, eager, cooperative) in [
        (Moment::Stable, revoked(), revoked()),
        (Moment::HeartbeatInVain, revoked(), revoked()),
        (Moment::JoinGroup, revoked(), lost()),
        (Moment::JoinGroupInVain, revoked(), lost()),
        (Moment::Describing, revoked(), lost()),
        (Moment::Deciding, revoked(), lost()),
        (Moment::SyncGroup, revoked(), lost()),
        (Moment::SyncGroupInVain, revoked(), lost()),
        (Moment::SyncGroupRebalancing, revoked(), lost()),
        (Moment::Synced, [revoked(), vec![("revoked", vec![0])]].concat(), gives_up_a_part()),
        (Moment::IllegalGeneration, lost(), lost()),
        (Moment::UnknownMember, lost(), lost()),
        (Moment::UnknownMemberInJoinGroup, revoked(), lost()),
        (Moment::FencedInstance, lost(), lost()),
        (Moment::NotPolled, lost(), lost()),
    ] {
        for (strategy, expected) in BOTH.into_iter().zip([eager, cooperative]) {
            for closes in [true, false] {
                let told = told_by(&strategy, moment, closes);
                assert_eq!(told, expected, "{strategy:?} {moment:?}, closes: {closes}");
            }
        }
    }
}

/// Java commits before it tells of either; one in SyncGroup is refused that.
#[test]
fn what_is_lost_by_leaving_may_be_committed_until_the_group_is_left() {
    let mut script = joining(&[0, 1]);
    script.machine.handle_close(GroupMembershipOperation::Default, script.now);
    assert!(matches!(script.only(), MemberAction::Abandon(_)));
    assert!(script.machine.can_commit());
    script.machine.handle_revoked(script.now);
    assert!(matches!(script.only(), MemberAction::Leave { .. }));
    assert!(!script.machine.can_commit());
}

/// It stays a member, so what it gives up can be committed.
#[test]
fn what_is_given_up_between_two_attempts_to_join_is_revoked() {
    let mut script = joining(&[0, 1]);
    script.want(&["u"]);
    let again = Err(code(ErrorCode::REBALANCE_IN_PROGRESS));
    script.machine.handle_joined(script.machine.attempt, again, script.now);
    assert_eq!(told(&script.actions()), [("revoked", vec![0, 1])]);
    script.machine.handle_revoked(script.now);
    assert!(matches!(script.only(), MemberAction::Join { .. }));
}
