//! All members want the same topics: each gets the rounded-down share, some one more.
//!
//! Members first keep what they had up to their share, then the rest goes round. If racks matter,
//! the rest goes round within racks before it goes round anyhow.

use std::collections::VecDeque;

use super::AssignmentPlan;

pub(super) fn fill(plan: &mut AssignmentPlan<'_>) {
    let mut quota = EvenShares::new(plan);
    quota.keep_owned(plan);
    let mut open: Vec<usize> =
        (0..plan.partitions.len()).filter(|&p| plan.owner[p].is_none()).collect();
    if plan.racks_matter {
        // Those with the fewest members on their racks first: they have the least choice.
        open.sort_by_cached_key(|&p| {
            (0..plan.members.len())
                .filter(|&member| plan.is_near(member, &plan.partitions[p]))
                .count()
        });
        quota.go_round_within_racks(plan, &mut open);
    }
    quota.go_round(plan, &open);
}

struct EvenShares {
    /// What each member gets at least.
    share: usize,
    /// How many members may still get one more.
    extra: usize,
    has: Vec<usize>,
    /// Members below `share`, by id.
    below: Vec<usize>,
    /// Members at `share` that may get one more, by id.
    at_share: VecDeque<usize>,
}

impl EvenShares {
    fn new(plan: &AssignmentPlan<'_>) -> Self {
        let (partitions, members) = (plan.partitions.len(), plan.members.len());
        Self {
            share: partitions / members,
            extra: partitions % members,
            has: vec![0; members],
            below: Vec::new(),
            at_share: VecDeque::new(),
        }
    }

    fn keep_owned(&mut self, plan: &mut AssignmentPlan<'_>) {
        let mut owned = vec![Vec::new(); plan.members.len()];
        for (p, owner) in plan.owner.iter().enumerate() {
            if let Some(owner) = owner {
                owned[*owner].push(p);
            }
        }
        for (member, mut owned) in owned.into_iter().enumerate() {
            // Low numbers of every topic rather than all of one topic.
            owned.sort_by_key(|&p| (plan.partitions[p].tp.partition, plan.partitions[p].topic));
            let keep = if owned.len() > self.share && self.extra > 0 {
                self.extra -= 1;
                self.share + 1
            } else {
                owned.len().min(self.share)
            };
            self.has[member] = keep;
            match keep {
                keep if keep < self.share => self.below.push(member),
                keep if keep == self.share => self.at_share.push_back(member),
                _ => {}
            }
            for &p in owned.iter().skip(keep) {
                plan.owner[p] = None;
            }
        }
    }

    fn go_round_within_racks(&mut self, plan: &mut AssignmentPlan<'_>, open: &mut Vec<usize>) {
        let mut next = 0;
        open.retain(|&p| {
            let near = |member: usize| plan.is_near(member, &plan.partitions[p]);
            let found = (0..self.below.len())
                .map(|step| (next + step) % self.below.len())
                .find(|&at| near(self.below[at]));
            let member = if let Some(at) = found {
                let member = self.below[at];
                next = at + 1;
                if self.has[member] + 1 >= self.share {
                    self.below.remove(at);
                    self.at_share.push_back(member);
                    next = at;
                }
                next = if self.below.is_empty() { 0 } else { next % self.below.len() };
                member
            } else {
                let found = self
                    .at_share
                    .iter()
                    .position(|&member| near(member))
                    .filter(|_| self.extra > 0);
                let Some(member) = found.and_then(|at| self.at_share.remove(at)) else {
                    return true;
                };
                self.extra -= 1;
                member
            };
            self.has[member] += 1;
            plan.owner[p] = Some(member);
            false
        });
    }

    fn go_round(&mut self, plan: &mut AssignmentPlan<'_>, open: &[usize]) {
        let mut next = 0;
        for &p in open {
            let member = if self.below.is_empty() {
                // The shares add up to all partitions, so there is one.
                let Some(member) = self.at_share.pop_front() else { return };
                member
            } else {
                next %= self.below.len();
                let member = self.below[next];
                if self.has[member] + 1 == self.share {
                    self.below.remove(next);
                    self.at_share.push_back(member);
                } else {
                    next += 1;
                }
                member
            };
            self.has[member] += 1;
            plan.owner[p] = Some(member);
        }
    }
}
