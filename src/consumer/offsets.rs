//! Where logs begin and end, and which offset belongs to a time: asked of the leaders, for any
//! partition.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tracing::warn;

use crate::cluster::{Cluster, MetadataInterest};
use crate::consumer::config::IsolationLevel;
use crate::consumer::fetch::rpc::{self, LookupAnswer};
use crate::error::{Class, Error, ErrorKind, Result};
use crate::ids::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicName, TopicPartition};
use crate::runtime;

/// The first record whose timestamp is at or after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffsetAndTimestamp {
    /// The offset of the record.
    pub offset: Offset,
    /// The timestamp of the record.
    pub timestamp: Option<Timestamp>,
    /// The epoch of the leader that appended the record.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Asks the leaders, again while they fail for reasons that may pass.
///
/// # Errors
/// At the deadline, [`ErrorKind::Timeout`] with the last failure; at once one that does not pass,
/// such as a missing right.
pub(super) async fn find(
    cluster: &Cluster,
    times: &BTreeMap<TopicPartition, i64>,
    isolation: IsolationLevel,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
    let topics = times.keys().map(|tp| tp.topic.clone()).collect();
    let _interest = cluster.want(MetadataInterest { topics, ..MetadataInterest::default() });
    let mut retries = cluster.retries(deadline);
    let start = runtime::now();
    let mut found = BTreeMap::new();
    let mut last: Option<Error> = None;
    let mut told = BTreeSet::new();
    loop {
        let (asks, leaderless) = by_leader(cluster, times, &found);
        if let Some(partition) = leaderless {
            cluster.request_refresh();
            if let Some(refusal) = cluster.refusal() {
                return Err(refusal);
            }
            last = Some(why_leaderless(cluster, partition, &mut told)?);
        }
        for (broker, asked) in asks {
            let attempt = deadline.min(runtime::now() + cluster.config().request_timeout);
            match rpc::list_offsets(cluster, broker, &asked, isolation, attempt).await {
                Ok(answers) => {
                    for (partition, answer) in answers {
                        last = take(&mut found, times, partition, &answer)?.or(last);
                    }
                }
                Err(error) if error.is_retriable() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        if found.len() == times.len() {
            return Ok(found);
        }
        cluster.request_refresh();
        let Some(pause) = retries.pause() else { return Err(late(start, last)) };
        pause.await?;
    }
}

/// Why a partition has no leader, which may pass; warns of a topic that does not exist, once.
///
/// # Errors
/// What does not pass, such as a missing right.
fn why_leaderless(
    cluster: &Cluster,
    partition: TopicPartition,
    told: &mut BTreeSet<TopicName>,
) -> Result<Error> {
    let view = cluster.view();
    let Some(code) = view.topic(&partition.topic).and_then(|topic| topic.error) else {
        return Ok(Error::new(
            ErrorKind::NoMetadata,
            "the partition is not known, or has no leader",
        )
        .at_partition(partition));
    };
    let error = Error::broker(code).in_api("Metadata").at_partition(partition.clone());
    if code.class() != Class::Retriable {
        return Err(error);
    }
    if told.insert(partition.topic.clone()) {
        warn!(topic = %partition.topic, %code, "offsets of this topic are waited for");
    }
    Ok(error)
}

/// The deadline has passed, and what stood against an answer.
fn late(start: Instant, cause: Option<Error>) -> Error {
    let waited = runtime::now().saturating_duration_since(start);
    let error = |why: &dyn std::fmt::Display| {
        Error::new(
            ErrorKind::Timeout,
            format!("the offsets were not found within {} ms: {why}", waited.as_millis()),
        )
    };
    let Some(cause) = cause else { return error(&"no leader answered") };
    let late = if cause.code().is_some() { error(&"the last answer") } else { error(&cause) };
    let late = match cause.context().partition.clone() {
        Some(partition) => late.at_partition(partition),
        None => late,
    };
    late.caused_by(cause)
}

type Asks<'a> = BTreeMap<BrokerId, Vec<(&'a TopicPartition, Option<LeaderEpoch>, i64)>>;

/// What is still to be asked, by leader, and a partition that has none.
fn by_leader<'a, T>(
    cluster: &Cluster,
    times: &'a BTreeMap<TopicPartition, i64>,
    found: &BTreeMap<TopicPartition, T>,
) -> (Asks<'a>, Option<TopicPartition>) {
    let view = cluster.view();
    let mut asks = Asks::new();
    let mut leaderless = None;
    for (partition, time) in times.iter().filter(|(partition, _)| !found.contains_key(*partition)) {
        match view.leader_and_epoch(partition) {
            Some((leader, epoch)) => {
                asks.entry(leader).or_default().push((partition, epoch, *time))
            }
            None => leaderless = Some(partition.clone()),
        }
    }
    (asks, leaderless)
}

/// Keeps an answer; returns a failure that may pass.
fn take(
    found: &mut BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>,
    times: &BTreeMap<TopicPartition, i64>,
    partition: TopicPartition,
    answer: &LookupAnswer,
) -> Result<Option<Error>> {
    if !times.contains_key(&partition) {
        return Ok(None);
    }
    let offset = match answer {
        LookupAnswer::Offset { position, timestamp } => Some(OffsetAndTimestamp {
            offset: position.offset,
            timestamp: *timestamp,
            leader_epoch: position.leader_epoch,
        }),
        LookupAnswer::NoOffset | LookupAnswer::EpochEnd(_) => None,
        LookupAnswer::Refused(code) => {
            let error = rpc::refusal(*code, "ListOffsets", &partition);
            return if code.is_retriable() || code.needs_metadata_refresh() {
                Ok(Some(error))
            } else {
                Err(error)
            };
        }
    };
    found.insert(partition, offset);
    Ok(None)
}
