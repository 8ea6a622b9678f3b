//! A rebalance that the application enforces (KIP-568), with its reason (KIP-800).

use super::*;

fn reason(action: &MemberAction) -> &str {
    match action {
        MemberAction::Join { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_enforced_rebalance_joins_with_the_reason() {
    let mut script = Script::stable(settings(Assignor::CooperativeSticky), &[0]);
    script.actions();
    script.machine.handle_enforced("because".to_owned(), script.now);
    let join = script.only();
    assert_eq!((reason(&join), script.owned()), ("because", vec![0]));
}

#[test]
fn an_eager_member_gives_up_all_for_an_enforced_rebalance() {
    let mut script = Script::stable(settings(Assignor::Range), &[0]);
    script.actions();
    script.machine.handle_enforced("because".to_owned(), script.now);
    assert!(matches!(script.only(), MemberAction::Revoke(_)));
    script.machine.handle_enforced("another".to_owned(), script.now);
    assert!(script.actions().is_empty());
    script.machine.handle_revoked(script.now);
    assert_eq!(reason(&script.only()), "because");
}

#[test]
fn a_rebalance_under_way_is_the_enforced_one() {
    let mut script = Script::wanting(settings(Assignor::CooperativeSticky));
    assert!(matches!(script.only(), MemberAction::Join { .. }));
    script.machine.handle_enforced("because".to_owned(), script.now);
    assert!(script.actions().is_empty());
    let mut script = Script::new(settings(Assignor::CooperativeSticky));
    script.machine.handle_enforced("because".to_owned(), script.now);
    assert!(script.actions().is_empty(), "nothing is subscribed");
}
