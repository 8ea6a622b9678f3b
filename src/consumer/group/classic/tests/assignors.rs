//! What the machine does with an assignor of the user's own.

use std::sync::{Arc, Mutex};

use super::*;
use crate::consumer::assignor::{PartitionAssignor, Racks};
use crate::group_metadata::ConsumerGroupMetadata;

/// Writes down what it is asked and told; the user data counts the assignments so far.
#[derive(Debug, Default)]
struct Diary {
    notes: Arc<Mutex<Vec<String>>>,
    panics: bool,
}

impl Diary {
    fn note(&self, note: String) -> usize {
        let mut notes = self.notes.lock().unwrap();
        notes.push(note);
        notes.len()
    }
}

impl PartitionAssignor for Diary {
    fn name(&self) -> &str {
        "diary"
    }

    fn subscription_user_data(&self, topics: &BTreeSet<TopicName>) -> Option<Vec<u8>> {
        let count = self.note(format!("asked for {} topics", topics.len()));
        u8::try_from(count).ok().map(|count| vec![count])
    }

    fn assign(
        &self,
        group: &GroupSubscription,
    ) -> std::result::Result<GroupAssignment, Box<dyn std::error::Error + Send + Sync>> {
        let all = MemberAssignment::new(group.partitions());
        Ok([(group.members[0].id.clone(), MemberAssignment { user_data: Some(vec![9]), ..all })]
            .into())
    }

    fn on_assignment(&self, assignment: &MemberAssignment, metadata: &ConsumerGroupMetadata) {
        let ConsumerGroupMetadata { group_id, generation, member_id, .. } = metadata;
        let user_data = assignment.user_data.as_deref();
        self.note(format!(
            "{group_id} {generation:?} {member_id} {:?} {user_data:?}",
            assignment.partitions
        ));
        assert!(!self.panics, "told to");
    }
}

fn joined(leader: &str, members: Vec<(String, Option<String>, Vec<u8>)>) -> Joined {
    Joined {
        member: "me".to_owned(),
        generation: Generation(1),
        protocol: "diary".to_owned(),
        leader: leader.to_owned(),
        skips_assignment: false,
        members,
    }
}

/// A leader of two members whose assignor is to decide.
fn leading(assignor: Diary) -> Script {
    let mut script = Script::wanting(settings(Assignor::custom(assignor)));
    lead(&mut script);
    script
}

/// Answers a JoinGroup that is on its way: leader of two.
fn lead(script: &mut Script) {
    let MemberAction::Join { attempt, protocols, .. } = script.only() else { panic!("no join") };
    let (name, bytes) = protocols[0].clone();
    assert_eq!(name, "diary");
    let members = vec![("me".to_owned(), None, bytes.clone()), ("you".to_owned(), None, bytes)];
    script.machine.handle_joined(attempt, Ok(joined("me", members)), script.now);
    let MemberAction::Describe { attempt, .. } = script.only() else { panic!("no question") };
    let topics = [("t".into(), vec![Racks::new(); 2])].into();
    script.machine.handle_described(attempt, topics, script.now);
}

#[test]
fn an_assignor_tells_its_data_decides_and_hears_of_it() {
    let notes = Arc::default();
    let mut script = leading(Diary { notes: Arc::clone(&notes), panics: false });
    let MemberAction::Decide { attempt, strategy, group } = script.only() else {
        panic!("nothing to decide")
    };
    assert_eq!(group.members[1].subscription.user_data, Some(vec![1]));
    script.machine.handle_decided(attempt, strategy.decide(&group), script.now);
    let MemberAction::Sync { assignments, protocol, .. } = script.only() else { panic!("no sync") };
    assert_eq!(protocol, "diary");
    let mine = assignments.iter().find(|(member, _)| member == "me").unwrap().1.clone();
    script.machine.handle_synced(script.machine.attempt, Ok(mine), script.now);
    assert_eq!(script.owned(), [0, 1]);
    assert_eq!(
        notes.lock().unwrap()[..],
        ["asked for 1 topics", "g Some(1) me [t-0, t-1] Some([9])"],
        "told before it is asked anew"
    );
}

#[test]
fn a_leader_beats_while_its_assignor_thinks_and_forgets_what_comes_too_late() {
    let mut script = leading(Diary::default());
    let MemberAction::Decide { attempt, strategy, group } = script.only() else {
        panic!("nothing to decide")
    };
    script.wait();
    assert!(matches!(script.only(), MemberAction::Heartbeat { .. }));
    script.beat(Err(code(ErrorCode::REBALANCE_IN_PROGRESS)));
    // Somebody else has joined.
    lead(&mut script);
    assert!(matches!(script.only(), MemberAction::Decide { .. }));
    script.machine.handle_decided(attempt, strategy.decide(&group), script.now);
    assert!(script.actions().is_empty(), "of a generation that is over");
}

#[test]
fn a_leader_that_cannot_decide_tells_nobody_and_leaves() {
    let mut script = leading(Diary::default());
    let MemberAction::Decide { attempt, .. } = script.only() else { panic!("nothing to decide") };
    script.machine.handle_decided(attempt, Err(Error::config("impossible")), script.now);
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Leave { .. }, MemberAction::Report(error)] if error.kind() == ErrorKind::Config),
        "{actions:?}"
    );
    script.machine.handle_polled(script.now);
    assert!(script.actions().is_empty(), "after a pause only");
    script.wait();
    assert!(matches!(script.only(), MemberAction::Join { .. }));
}

#[test]
fn an_assignor_that_panics_when_it_is_told_costs_an_error_and_nothing_else() {
    let mut script =
        Script::wanting(settings(Assignor::custom(Diary { panics: true, ..Diary::default() })));
    script.join(1);
    script.sync(&[0]);
    let actions = script.actions();
    assert!(
        matches!(&actions[..], [MemberAction::Report(error), MemberAction::Assign(_)] if error.to_string().contains("told to")),
        "{actions:?}"
    );
    assert_eq!(script.owned(), [0]);
}
