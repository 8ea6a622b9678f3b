//! How a member goes.

use super::*;

#[test]
fn leaving_gives_up_then_leaves_and_a_static_member_stays_unless_told_otherwise() {
    use GroupMembershipOperation::{Default, LeaveGroup, RemainInGroup};
    for (instance, operation, leaves) in [
        (None, Default, true),
        (None, LeaveGroup, true),
        (None, RemainInGroup, false),
        (Some("i"), Default, false),
        (Some("i"), LeaveGroup, true),
        (Some("i"), RemainInGroup, false),
    ] {
        let instance = instance.map(str::to_owned);
        let settings = MemberSettings { instance, ..settings(Assignor::CooperativeSticky) };
        let mut script = Script::stable(settings, &[0]);
        script.actions();
        script.machine.handle_close(operation, script.now);
        assert!(matches!(script.only(), MemberAction::Revoke(partitions) if partitions == [tp(0)]));
        script.machine.handle_revoked(script.now);
        if leaves {
            assert!(matches!(script.only(), MemberAction::Leave { member, .. } if member == "me"));
        } else {
            assert!(script.actions().is_empty(), "{operation:?}");
        }
        assert!(script.machine.is_away() && script.machine.poll_timeout().is_none());
    }
}
