//! Whom the client waits for in vain, and what of it is told: one voice for all that wait, which
//! grows rarer while the trouble lasts.
//!
//! ```text
//!            a call waits                 connected
//!   (none) ───────────────▶ in trouble ─────────────▶ (none)     each node
//!            is asked for               answered
//!   (none) ───────────────▶ outage ─────────────────▶ (none)     metadata
//! ```
//!
//! Trouble is told of a node while somebody waits for it, or tries again: a node that nobody needs
//! may be away in silence. While an outage is told, the nodes are not, since it is the same
//! trouble.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::complaint::{Complaint, FIRST};
use super::pool::Node;

/// Whoever has failed so shortly ago is expected to try again: twice the default of
/// `retry.backoff.max.ms`.
const RECENT: Duration = Duration::from_secs(2);

/// All that is waited for.
#[derive(Debug, Default)]
pub(super) struct Waits {
    outage: Complaint,
    nodes: BTreeMap<Node, NodeWait>,
}

/// A node that somebody waits for, or has waited for in vain.
#[derive(Debug)]
struct NodeWait {
    complaint: Complaint,
    waiters: usize,
    /// Since when there has been a waiter at all times.
    waiting_since: Instant,
    failed: Option<Instant>,
}

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitEnd {
    Connected,
    Failed,
    /// By those who waited.
    GivenUp,
}

/// What is to be told, with the time that it has lasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// No metadata can be had.
    Outage(Duration),
    /// These nodes cannot be connected to.
    Nodes(Vec<Node>, Duration),
}

impl Waits {
    /// Metadata is asked for.
    pub(super) fn handle_question(&mut self, now: Instant) {
        self.outage.begin(now);
    }

    /// Metadata has come, or none is waited for any more.
    pub(super) fn handle_answer(&mut self, now: Instant) {
        self.outage.end();
        // What was behind the same trouble has a moment to recover as well.
        for wait in self.nodes.values_mut() {
            wait.waiting_since = now;
            wait.failed = None;
        }
    }

    /// Somebody begins to wait for a connection to a node.
    pub(super) fn handle_wait(&mut self, node: Node, now: Instant) {
        let wait = self.nodes.entry(node).or_insert_with(|| NodeWait::new(now));
        if wait.waiters == 0 {
            wait.waiting_since = now;
        }
        wait.waiters += 1;
    }

    /// Somebody waits no more.
    pub(super) fn handle_end(&mut self, node: Node, ended: WaitEnd, now: Instant) {
        let Some(wait) = self.nodes.get_mut(&node) else { return };
        wait.waiters = wait.waiters.saturating_sub(1);
        let waiters = wait.waiters;
        match ended {
            // Others may wait for another lane.
            WaitEnd::Connected => *wait = NodeWait { waiters, ..NodeWait::new(now) },
            WaitEnd::Failed => wait.failed = Some(now),
            WaitEnd::GivenUp => {}
        }
        // A node of several that was tried for a moment is in no trouble.
        if waiters == 0 && wait.failed.is_none() && now - wait.waiting_since < FIRST {
            self.nodes.remove(&node);
        }
    }

    /// Forgets nodes that there are no more.
    pub(super) fn retain(&mut self, is_known: impl Fn(Node) -> bool) {
        self.nodes.retain(|node, wait| wait.waiters > 0 || is_known(*node));
    }

    /// What is to be told now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Report> {
        if let Some(lasted) = self.outage.poll(now) {
            return Some(Report::Outage(lasted));
        }
        if self.outage.is_told() {
            return None;
        }
        let may_be_told = |wait: &&NodeWait| wait.may_be_told(now, now);
        let due =
            self.nodes.values().filter(may_be_told).filter_map(|wait| wait.complaint.lasting(now));
        let lasted = due.max()?;
        // Those that are in the same trouble, and were tried a moment later, are told along.
        let soon = now + lasted / 2;
        let told = self
            .nodes
            .iter_mut()
            .filter(|(_, wait)| wait.may_be_told(now, soon) && wait.complaint.due() <= Some(soon));
        let told = told.map(|(node, wait)| {
            wait.complaint.told(now);
            *node
        });
        Some(Report::Nodes(told.collect(), lasted))
    }

    /// When [`Waits::poll`] will have something to tell if nothing else happens.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.outage.is_told() {
            return self.outage.due();
        }
        let waiting = self.nodes.values().filter(|wait| wait.waiters > 0);
        let nodes =
            waiting.filter_map(|wait| Some(wait.complaint.due()?.max(wait.waiting_since + FIRST)));
        nodes.chain(self.outage.due()).min()
    }
}

impl NodeWait {
    fn new(now: Instant) -> Self {
        let mut complaint = Complaint::default();
        complaint.begin(now);
        Self { complaint, waiters: 0, waiting_since: now, failed: None }
    }

    /// Whether somebody waits who will have waited for a while by `soon`, or may try again.
    fn may_be_told(&self, now: Instant, soon: Instant) -> bool {
        let waits = self.waiters > 0 && self.waiting_since + FIRST <= soon;
        waits || self.failed.is_some_and(|failed| now <= failed + RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BrokerId;

    const A: Node = Node::Bootstrap(0);
    const B: Node = Node::Broker(BrokerId(2));

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// What is told, and when, in so many seconds in which nothing happens but that time passes.
    fn told(waits: &mut Waits, from: Instant, seconds: u64) -> Vec<(u64, Report)> {
        let mut told = Vec::new();
        while let Some(due) =
            waits.poll_timeout().filter(|due| *due <= from + Duration::from_secs(seconds))
        {
            let report = waits.poll(due).expect("what is due is told");
            told.push(((due - from).as_secs(), report));
        }
        told
    }

    fn nodes(nodes: &[Node], seconds: u64) -> Report {
        Report::Nodes(nodes.to_vec(), Duration::from_secs(seconds))
    }

    #[test]
    fn who_waits_for_a_node_hears_of_it_soon_and_then_ever_more_rarely() {
        let start = Instant::now();
        let mut waits = Waits::default();
        waits.handle_wait(A, start);
        waits.handle_wait(A, start + millis(100));
        let all = told(&mut waits, start, 40);
        assert_eq!(all, [1, 2, 4, 8, 16, 32].map(|second| (second, nodes(&[A], second))));
        for _ in 0..2 {
            waits.handle_end(A, WaitEnd::Connected, start + Duration::from_secs(41));
        }
        assert_eq!((waits.poll_timeout(), waits.nodes.len()), (None, 0));
    }

    #[test]
    fn a_node_that_fails_at_once_and_is_tried_again_is_told_as_well() {
        let start = Instant::now();
        let mut waits = Waits::default();
        let mut told = Vec::new();
        for tenth in 0..400 {
            let now = start + millis(100) * tenth;
            waits.handle_wait(A, now);
            assert!(waits.poll_timeout().is_some_and(|due| due > now));
            waits.handle_end(A, WaitEnd::Failed, now);
            told.extend(waits.poll(now).map(|report| (tenth / 10, report)));
            assert_eq!(waits.poll_timeout(), None, "nobody waits");
        }
        assert_eq!(
            told,
            [1, 2, 4, 8, 16, 32]
                .map(|second: u64| (u32::try_from(second).unwrap(), nodes(&[A], second)))
        );
    }

    #[test]
    fn nodes_in_the_same_trouble_are_told_together() {
        let start = Instant::now();
        let mut waits = Waits::default();
        waits.handle_wait(A, start);
        waits.handle_wait(B, start + millis(250));
        assert_eq!(told(&mut waits, start, 3), [(1, nodes(&[A, B], 1)), (2, nodes(&[A, B], 2))]);
    }

    #[test]
    fn an_outage_is_told_in_place_of_its_nodes() {
        let start = Instant::now();
        let mut waits = Waits::default();
        waits.handle_question(start);
        waits.handle_wait(A, start);
        let seconds = |seconds| (seconds, Report::Outage(Duration::from_secs(seconds)));
        assert_eq!(told(&mut waits, start, 5), [seconds(1), seconds(2), seconds(4)]);
        let recovered = start + Duration::from_secs(6);
        waits.handle_answer(recovered);
        waits.handle_wait(B, recovered);
        assert_eq!(waits.poll(recovered), None, "it may connect now");
        assert_eq!(told(&mut waits, recovered, 1), [(1, nodes(&[A, B], 7))]);
    }

    #[test]
    fn what_is_tried_for_a_moment_or_needed_by_nobody_is_not_told() {
        let start = Instant::now();
        let mut waits = Waits::default();
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            waits.handle_wait(A, now);
            waits.handle_end(A, WaitEnd::GivenUp, now + millis(250));
            assert_eq!((waits.poll(now + millis(250)), waits.nodes.len()), (None, 0));
        }
        waits.handle_wait(A, start);
        waits.handle_end(A, WaitEnd::Failed, start);
        let later = start + Duration::from_secs(3600);
        waits.handle_wait(B, later);
        assert_eq!(told(&mut waits, later, 1), [(1, nodes(&[B], 1))], "A was tried an hour ago");
        waits.handle_end(B, WaitEnd::GivenUp, later + Duration::from_secs(1));
        waits.retain(|_| false);
        assert_eq!(waits.nodes.len(), 0);
    }

    #[test]
    fn who_comes_again_and_again_for_a_while_hears_of_it_ever_more_rarely_too() {
        let start = Instant::now();
        let mut waits = Waits::default();
        let mut seconds = Vec::new();
        // A check of health, each minute, which waits for two seconds.
        for minute in 0..30 {
            let now = start + Duration::from_secs(60 * minute);
            waits.handle_wait(A, now);
            seconds.extend(told(&mut waits, now, 2).into_iter().map(|_| minute));
            waits.handle_end(A, WaitEnd::GivenUp, now + Duration::from_secs(2));
        }
        assert_eq!(seconds, [0, 0, 1, 2, 5, 10, 15, 20, 25]);
    }
}
