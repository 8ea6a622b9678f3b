//! What goes wrong with share groups alone.

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};

use super::plan::GROUPS;
use crate::dice::Dice;
use crate::faults::{Trouble, rule_for};
use crate::run::World;

/// What a coordinator, or a leader, in trouble answers. All of it passes: none of it is for the
/// application.
const CODES: [(ApiKey, &[ErrorCode]); 6] = {
    use ErrorCode::*;
    [
        (
            ApiKey::ShareFetch,
            &[
                NotLeaderOrFollower,
                FencedLeaderEpoch,
                UnknownTopicOrPartition,
                UnknownTopicId,
                KafkaStorageError,
                ShareSessionNotFound,
                InvalidShareSessionEpoch,
                ShareSessionLimitReached,
            ],
        ),
        (
            ApiKey::ShareAcknowledge,
            &[
                NotLeaderOrFollower,
                FencedLeaderEpoch,
                InvalidRecordState,
                KafkaStorageError,
                ShareSessionNotFound,
                InvalidShareSessionEpoch,
            ],
        ),
        (
            ApiKey::ShareGroupHeartbeat,
            &[
                NotCoordinator,
                CoordinatorNotAvailable,
                CoordinatorLoadInProgress,
                UnknownMemberId,
                FencedMemberEpoch,
            ],
        ),
        (ApiKey::FindCoordinator, &[CoordinatorNotAvailable, CoordinatorLoadInProgress]),
        (ApiKey::Metadata, &[LeaderNotAvailable]),
        (ApiKey::ShareFetch, &[NotLeaderOrFollower, ShareSessionNotFound]),
    ]
};

/// The kinds of it; what loses most comes most often.
pub(super) const KINDS: &[Trouble] =
    &[rule, rule, rule, rule, rule, rule, late, late, session, session, coordinator, member, slots];

fn rule(world: &World, dice: &mut Dice) {
    let (api, codes) = dice.pick(&CODES);
    rule_for(world, dice, api, codes);
}

/// A request is served when nobody waits for it any more.
fn late(world: &World, dice: &mut Dice) {
    let api = dice.pick(&[ApiKey::ShareFetch, ApiKey::ShareAcknowledge]);
    let delay = world.plan.request_timeout + dice.millis(0..=3_000);
    world.embedded.fault(Fault::on(api).times(1).then(Reaction::Delay(delay)));
    world.log.say(format_args!("the next {api:?} is {delay:?} late"));
}

/// A broker gives up a session, whose connection goes on.
fn session(world: &World, dice: &mut Dice) {
    let broker =
        i32::try_from(dice.within(1..=u64::from(world.plan.brokers.unsigned_abs()))).unwrap();
    let sessions = world.embedded.share_sessions(broker);
    let at = usize::try_from(dice.next() % sessions.len().max(1) as u64).unwrap();
    let Some((group, member, epoch)) = sessions.get(at) else { return };
    world.embedded.drop_share_session(broker, group, member);
    world.log.say(format_args!("broker {broker} drops the session of {member} at {epoch}"));
}

fn coordinator(world: &World, dice: &mut Dice) {
    let group = dice.pick(&GROUPS);
    world.embedded.move_group_coordinator(group, None);
    world.log.say(format_args!("the coordinator of {group} moves"));
}

/// The coordinator gives up a member.
fn member(world: &World, dice: &mut Dice) {
    let group = dice.pick(&GROUPS);
    let Some(described) = world.embedded.share_group(group) else { return };
    let at = usize::try_from(dice.next() % described.members.len().max(1) as u64).unwrap();
    let Some(member) = described.members.get(at) else { return };
    world.embedded.expire_share_member(group, &member.id);
    world.log.say(format_args!("{group} fences {}", member.id));
}

/// A broker admits fewer sessions for a while.
fn slots(world: &World, dice: &mut Dice) {
    let broker =
        i32::try_from(dice.within(1..=u64::from(world.plan.brokers.unsigned_abs()))).unwrap();
    let slots = dice.pick(&[1, 2, 2_000, 2_000]);
    world.embedded.set_share_session_slots(broker, slots);
    world.log.say(format_args!("broker {broker} admits {slots} share sessions"));
}

/// Ends what the end of all faults does not.
pub(super) fn mend(world: &World) {
    for broker in 1..=world.plan.brokers {
        world.embedded.set_share_session_slots(broker, 2_000);
    }
}
