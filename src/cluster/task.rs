//! The metadata task: keeps the view of the cluster fresh enough for those who use it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::interest::CombinedInterest;
use super::pool::{Lane, Node};
use super::refresh::{LastingTrouble, MetadataRefresh, RefreshRequest};
use super::rpc::{self, MetadataQuery};
use super::view::{ClusterView, Snapshot, Topic, TopicTrouble};
use super::{Alive, Cluster};
use crate::clock::Random;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::hedge;
use crate::ids::TopicName;
use crate::runtime;

/// How long one broker may think before another is asked as well (a guess: most answer within some
/// milliseconds).
const HEDGE_DELAY: Duration = Duration::from_millis(500);

/// Topics whose names stand in a warning; the others are counted.
const NAMED: usize = 10;

/// Runs until the client is closed, or its tokio runtime ends: then so does all else of the client,
/// by `_ends`.
pub(super) async fn run(
    cluster: Cluster,
    mut refresh: MetadataRefresh,
    mut random: Random,
    _ends: Alive,
) {
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            biased;
            () = cluster.inner.refresh_wanted.notified() => follow(&cluster, &mut refresh),
            () = runtime::sleep_until_some(refresh.poll_timeout()) => {}
            () = runtime::sleep_until_some(cluster.complaint_due()) => cluster.complain(),
        }
        let wanted = cluster.inner.interests.wanted();
        // What nobody wants any more is not asked for because it was in trouble.
        refresh.retain(|topic| wanted.topics.contains_key(topic));
        let Some(question) = refresh.poll(runtime::now()) else { continue };
        let (asked, ask) = put(&question, &wanted);
        let outcome = outage
            .watch(&cluster, ask_around(&cluster, &ask, outage.must_rebootstrap(&cluster)))
            .await;
        let now = runtime::now();
        match outcome {
            Ok(snapshot) => {
                outage = Outage::default();
                cluster.lock_waits().handle_answer(now);
                let snapshot = completed(snapshot, &asked);
                let wanted = snapshot.topics.iter().filter(|topic| asked.contains(&topic.name));
                let troubles: Vec<_> =
                    wanted.map(|topic| (topic.name.clone(), topic.trouble())).collect();
                let brought_news = publish(&cluster, snapshot, question == RefreshRequest::Whole);
                tell(&cluster, &refresh.handle_reply(troubles, brought_news, &mut random, now));
            }
            Err(error) => {
                debug!(%error, "metadata could not be refreshed");
                if error.is_refusal() {
                    refresh.handle_refusal(&mut random, now);
                } else {
                    refresh.handle_failure(&mut random, now);
                }
                outage.failed(&cluster, error);
            }
        }
    }
}

/// Takes up what has come to be wanted.
fn follow(cluster: &Cluster, refresh: &mut MetadataRefresh) {
    let now = runtime::now();
    if cluster.inner.take_stale() {
        refresh.handle_stale();
    }
    let added = cluster.inner.interests.take_added();
    if added.all {
        refresh.handle_all_wanted(now);
    }
    if !added.topics.is_empty() {
        let view = cluster.view();
        for topic in added.topics {
            if !view.topic(&topic).is_some_and(|topic| topic.is_described()) {
                refresh.handle_added(topic, now);
            }
        }
    }
}

/// The topics that a question is about, and how it is put to a node.
fn put(
    question: &RefreshRequest,
    wanted: &CombinedInterest,
) -> (BTreeSet<TopicName>, MetadataQuery) {
    let of = |topics: &BTreeMap<TopicName, bool>, all| {
        MetadataQuery::new(all, topics.iter().map(|(name, may_create)| (name, *may_create)))
    };
    match question {
        RefreshRequest::Whole => {
            (wanted.topics.keys().cloned().collect(), of(&wanted.topics, wanted.all))
        }
        RefreshRequest::Topics(names) => {
            let topics = names
                .iter()
                .filter_map(|name| Some((name.clone(), *wanted.topics.get(name)?)))
                .collect();
            (names.clone(), of(&topics, false))
        }
    }
}

/// Asks one node after the other until one answers.
async fn ask_around(
    cluster: &Cluster,
    ask: &MetadataQuery,
    from_bootstrap: bool,
) -> Result<Snapshot> {
    let deadline = runtime::now() + cluster.config().request_timeout;
    let mut nodes = cluster.nodes_best_first(Lane::Control);
    if from_bootstrap {
        nodes.sort_by_key(|node| !matches!(node, Node::Bootstrap(_)));
    }
    let attempt = |node| rpc::ask_metadata(cluster, node, ask, deadline);
    // Credentials are the same everywhere, and accounts are locked for using wrong ones often.
    let is_final = |error: &Error| error.kind() == ErrorKind::Authentication;
    hedge::first(nodes, HEDGE_DELAY, attempt, is_final).await.map_err(most_telling)
}

/// Of several failures, one that may pass before one that will not: others than that broker may
/// answer.
pub(super) fn most_telling(errors: Vec<Error>) -> Error {
    let none = || Error::new(ErrorKind::Connect, "no broker is known");
    let refused = errors.iter().find(|error| error.kind() == ErrorKind::Authentication).cloned();
    let passing = errors.iter().rev().find(|error| error.is_retriable()).cloned();
    refused.or(passing).or_else(|| errors.into_iter().next_back()).unwrap_or_else(none)
}

/// Adds what the answer leaves out.
fn completed(mut snapshot: Snapshot, asked: &BTreeSet<TopicName>) -> Snapshot {
    let answered: BTreeSet<&TopicName> = snapshot.topics.iter().map(|topic| &topic.name).collect();
    let silent: Vec<_> = asked.iter().filter(|name| !answered.contains(name)).cloned().collect();
    snapshot.topics.extend(silent.into_iter().map(|name| {
        let code = if name.is_legal() {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ErrorCode::INVALID_TOPIC_EXCEPTION
        };
        Topic::unknown(name, code)
    }));
    snapshot
}

/// Publishes what was learned; returns whether it is anything new.
fn publish(cluster: &Cluster, snapshot: Snapshot, is_whole: bool) -> bool {
    cluster.inner.failure.send_if_modified(|failure| failure.take().is_some());
    let mut is_new = true;
    cluster.inner.view.send_modify(|view| {
        if let (Some(old), Some(new)) = (&view.cluster_id, &snapshot.cluster_id)
            && old != new
        {
            warn!(%old, %new, "the bootstrap addresses lead to another cluster than before");
        }
        let next = ClusterView::updated(view, snapshot, is_whole);
        if view.version == 0 {
            info!(
                cluster_id = next.cluster_id.as_deref(),
                brokers = next.brokers.len(),
                "found the cluster"
            );
        } else {
            debug!(version = next.version, topics = next.topics().count(), "metadata refreshed");
        }
        is_new = !next.says_the_same(view);
        *view = Arc::new(next);
    });
    let view = cluster.view();
    cluster.inner.pool.retain_brokers(|id| view.brokers.contains_key(&id));
    cluster.lock_waits().retain(|node| node.id().is_none_or(|id| view.brokers.contains_key(&id)));
    is_new
}

/// Tells of topics whose trouble lasts: their records do not come, or are not sent, and nobody else
/// says why.
fn tell(cluster: &Cluster, lasting: &[LastingTrouble]) {
    let mut by_trouble: BTreeMap<i16, Vec<&LastingTrouble>> = BTreeMap::new();
    for lasting in lasting {
        let code = match lasting.trouble {
            TopicTrouble::Missing(code) => code,
            TopicTrouble::Leaderless => ErrorCode::LEADER_NOT_AVAILABLE,
        };
        by_trouble.entry(code.0).or_default().push(lasting);
    }
    for (code, topics) in by_trouble {
        let names: Vec<&str> =
            topics.iter().take(NAMED).map(|lasting| lasting.topic.as_str()).collect();
        let lasted = topics.iter().map(|lasting| lasting.lasted).max().unwrap_or_default();
        warn!(
            client_id = cluster.config().client_id,
            topics = names.join(", "),
            others = topics.len() - names.len(),
            reason = %ErrorCode(code),
            ?lasted,
            "topics are waited for"
        );
    }
}

/// A time in which no metadata can be had.
#[derive(Debug, Default)]
struct Outage {
    /// When it began to be asked for.
    since: Option<Instant>,
    must_rebootstrap: bool,
}

impl Outage {
    /// Whether to begin at the bootstrap addresses.
    fn must_rebootstrap(&self, cluster: &Cluster) -> bool {
        let trigger = cluster.config().metadata_recovery_rebootstrap_trigger;
        // A broker has said that it is time to, or nothing was heard for long (KIP-1102).
        self.must_rebootstrap || self.since.is_some_and(|since| runtime::now() - since >= trigger)
    }

    /// Awaits an answer, and tells if that takes long.
    async fn watch<T>(
        &mut self,
        cluster: &Cluster,
        asking: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let now = runtime::now();
        self.since.get_or_insert(now);
        cluster.lock_waits().handle_question(now);
        cluster.complaining(asking).await
    }

    fn failed(&mut self, cluster: &Cluster, error: Error) {
        self.must_rebootstrap |= error.code() == Some(ErrorCode::REBOOTSTRAP_REQUIRED);
        if error.is_refusal() {
            // It is not tried again by itself.
            warn!(
                client_id = cluster.config().client_id, %error, "the cluster refuses this client"
            );
            cluster.lock_waits().handle_answer(runtime::now());
        }
        cluster.inner.failure.send_replace(Some(error));
    }
}

/// The machine that the task drives.
pub(super) fn refresh(cluster: &Cluster, now: Instant) -> MetadataRefresh {
    MetadataRefresh::new(cluster.config().metadata_max_age, cluster.retry_backoff(), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_about_many_topics_takes_time_in_proportion() {
        let time_of = |topics: usize, replies: usize| {
            let names: Vec<TopicName> =
                (0..topics).map(|topic| TopicName::from(format!("topic-{topic:05}"))).collect();
            let asked = names.iter().cloned().collect();
            let topics = names
                .into_iter()
                .map(|name| Topic::unknown(name, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
                .collect();
            let snapshot = Snapshot { topics, ..Snapshot::default() };
            let view = ClusterView::default().updated(snapshot.clone(), true);
            runtime::time_of(|| {
                for _ in 0..replies {
                    drop(view.updated(completed(snapshot.clone(), &asked), true));
                }
            })
        };
        let (few, many) = (time_of(100, 40), time_of(4000, 1));
        // It would be forty times as long if each were looked for among all.
        assert!(many < few * 8, "{few:?} for 40 times 100 topics, {many:?} for 4000");
    }
}
