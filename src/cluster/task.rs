//! The metadata task: keeps the view of the cluster fresh enough for those who use it.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::Cluster;
use super::pool::{Lane, Node};
use super::refresh::Refresh;
use super::rpc::{self, Wanted};
use super::view::{ClusterView, Snapshot};
use crate::clock::Random;
use crate::config::MetadataRecoveryStrategy;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::runtime;

/// Runs until the client is closed.
pub(super) async fn run(cluster: Cluster, mut refresh: Refresh, mut random: Random) {
    let mut failures = 0_usize;
    let mut must_rebootstrap = false;
    let mut last_good = runtime::now();
    loop {
        let due = refresh.poll_timeout();
        tokio::select! {
            biased;
            () = cluster.inner.refresh_wanted.notified() => refresh.handle_wanted(),
            () = runtime::sleep_until_some(due) => {}
        }
        if !refresh.poll(runtime::now()) {
            continue;
        }
        let wanted = cluster.inner.interests.wanted();
        let config = cluster.config();
        let rebootstrap = config.metadata_recovery_strategy == MetadataRecoveryStrategy::Rebootstrap
            && (must_rebootstrap || runtime::now() - last_good >= config.metadata_recovery_rebootstrap_trigger);
        let outcome = ask(&cluster, &wanted, failures, rebootstrap).await;
        let now = runtime::now();
        match outcome {
            Ok(snapshot) => {
                last_good = now;
                failures = 0;
                must_rebootstrap = false;
                let complete = wanted.is_answered_by(&snapshot);
                publish(&cluster, snapshot);
                refresh.handle_reply(complete, &mut random, now);
            }
            Err(error) => {
                warn!(%error, "metadata could not be refreshed");
                failures = failures.wrapping_add(1);
                must_rebootstrap |= error.code() == Some(ErrorCode::REBOOTSTRAP_REQUIRED);
                let lasts = error.is_refusal();
                cluster.inner.failure.send_replace(Some(error));
                if lasts {
                    refresh.handle_refusal(&mut random, now);
                } else {
                    refresh.handle_failure(&mut random, now);
                }
            }
        }
    }
}

/// Asks one node.
async fn ask(cluster: &Cluster, wanted: &Wanted, failures: usize, rebootstrap: bool) -> Result<Snapshot> {
    let node = choose(cluster, failures, rebootstrap);
    let deadline = runtime::now() + cluster.config().request_timeout;
    let snapshot = rpc::ask_metadata(cluster, node, wanted, deadline).await?;
    if snapshot.brokers.is_empty() {
        return Err(Error::new(ErrorKind::Protocol, "the metadata names no broker"));
    }
    Ok(snapshot)
}

/// Any broker; after failures one after the other, and every time round the bootstrap addresses too, since all known
/// brokers may have been replaced (KIP-899, KIP-1102).
fn choose(cluster: &Cluster, failures: usize, rebootstrap: bool) -> Node {
    if failures == 0 && !rebootstrap {
        return cluster.any_node(Lane::Control);
    }
    let view = cluster.view();
    let mut nodes: Vec<Node> = Vec::new();
    if !rebootstrap {
        nodes.extend(view.brokers.keys().copied().map(Node::Broker));
    }
    if nodes.is_empty() || cluster.config().metadata_recovery_strategy == MetadataRecoveryStrategy::Rebootstrap {
        nodes.extend((0..cluster.inner.bootstrap.len()).map(Node::Bootstrap));
    }
    let usable: Vec<Node> = nodes.iter().copied().filter(|node| cluster.inner.pool.is_available(*node)).collect();
    let nodes = if usable.is_empty() { nodes } else { usable };
    nodes.get(failures % nodes.len().max(1)).copied().unwrap_or(Node::Bootstrap(0))
}

fn publish(cluster: &Cluster, snapshot: Snapshot) {
    cluster.inner.failure.send_replace(None);
    cluster.inner.view.send_modify(|view| {
        if let (Some(old), Some(new)) = (&view.cluster_id, &snapshot.cluster_id)
            && old != new
        {
            warn!(%old, %new, "the bootstrap addresses lead to another cluster than before");
        }
        let next = ClusterView::updated(view, snapshot);
        if view.version == 0 {
            info!(cluster_id = next.cluster_id.as_deref(), brokers = next.brokers.len(), "found the cluster");
        } else {
            debug!(version = next.version, topics = next.topics().count(), "metadata refreshed");
        }
        *view = Arc::new(next);
    });
    let view = cluster.view();
    cluster.inner.pool.retain_brokers(|id| view.brokers.contains_key(&id));
}

/// The machine that the task drives.
pub(super) fn refresh(cluster: &Cluster, now: Instant) -> Refresh {
    Refresh::new(cluster.config().metadata_max_age, cluster.retry_backoff(), now)
}
