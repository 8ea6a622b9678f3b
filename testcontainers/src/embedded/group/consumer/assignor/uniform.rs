//! Even shares for members that are all subscribed to the same, with few moves: Kafka's
//! `UniformHomogeneousAssignmentBuilder`.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Partitions, Plan, take};

pub(super) fn assign(plan: &Plan) -> BTreeMap<String, Partitions> {
    let empty = || plan.members.keys().map(|id| (id.clone(), Partitions::new())).collect();
    let Some(first) = plan.members.values().next() else { return BTreeMap::new() };
    let topics = &first.topics;
    if topics.is_empty() {
        return empty();
    }
    let mut free = unassigned(plan, topics);
    let total: usize =
        topics.iter().map(|topic| usize::try_from(plan.size(topic)).unwrap_or(0)).sum();
    let count = plan.members.len();
    let mut extra_left = total % count;
    let mut targets: BTreeMap<String, Partitions> = empty();
    let mut unfilled = Vec::new();
    for (index, (id, member)) in plan.members.iter().enumerate() {
        let mut has_extra = extra_left > 0;
        let mut quota = total / count + usize::from(has_extra);
        let mut target = member.target.clone();
        for (topic, partitions) in &member.target {
            if !topics.contains(topic) {
                target.remove(topic);
                continue;
            }
            let kept = partitions.len().min(quota);
            quota -= kept;
            for partition in partitions.iter().skip(kept) {
                take(&mut target, topic, *partition);
                free.push((*topic, *partition));
            }
        }
        // Another member may have the extra one, unless too few are left to take it.
        if quota > 0 && has_extra && count - index > extra_left {
            quota -= 1;
            has_extra = false;
        }
        if quota > 0 {
            unfilled.push((id.clone(), quota));
        }
        extra_left -= usize::from(has_extra);
        targets.insert(id.clone(), target);
    }
    let mut free = free.into_iter();
    for (id, quota) in unfilled {
        let Some(target) = targets.get_mut(&id) else { continue };
        for (topic, partition) in free.by_ref().take(quota) {
            target.entry(topic).or_default().insert(partition);
        }
    }
    targets
}

/// What is in nobody's target.
fn unassigned(plan: &Plan, topics: &BTreeSet<Uuid>) -> Vec<(Uuid, i32)> {
    let is_free = |topic: &Uuid, partition: i32| {
        let has = |target: &Partitions| target.get(topic).is_some_and(|of| of.contains(&partition));
        !plan.members.values().any(|member| has(&member.target))
    };
    let all = topics.iter().flat_map(|topic| (0..plan.size(topic)).map(|one| (*topic, one)));
    all.filter(|(topic, partition)| is_free(topic, *partition)).collect()
}
