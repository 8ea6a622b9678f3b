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
        MemberAction::Lost(partitions) => Some(("lost", numbers(partitions))),
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
