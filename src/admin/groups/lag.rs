//! How far groups are behind.

use std::collections::BTreeMap;

use super::super::{Admin, OffsetSpec, Outcomes, only};
use super::share::ShareOffset;
use crate::error::{ErrorKind, Result};
use crate::ids::{GroupId, Offset, TopicPartition};

/// How far a group is behind in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupLag {
    /// The offset that the group has committed, or, of a share group, the first that is not fully
    /// processed; `None` if a share group has not begun.
    pub offset: Option<Offset>,
    /// The offset of the next record to be written.
    pub end: Option<Offset>,
    /// The number of records still to be processed, as far as offsets tell: compaction and
    /// transactions leave gaps between them. `None` where the cluster does not say.
    pub lag: Option<i64>,
}

impl Admin {
    /// Returns how far a group of any type is behind, in each partition that it has offsets of. A
    /// group that does not exist has none.
    ///
    /// The offsets of a consumer group and the ends of the partitions are asked for one after the
    /// other, so a group that consumes meanwhile is behind by less.
    ///
    /// With the feature `metrics`, each call tells the gauges `kafka_consumer_group_lag`: a program
    /// that calls it at intervals exports the lag of any group.
    ///
    /// # Errors
    /// Those of [`Admin::list_group_offsets`] and [`Admin::list_share_group_offsets`] for the group;
    /// for a partition those, or why its end is not known.
    pub async fn list_group_lag(
        &self,
        group: impl Into<GroupId>,
    ) -> Result<Outcomes<TopicPartition, GroupLag>> {
        let group = group.into();
        let lags = self.group_lag(&group).await?;
        let known =
            lags.iter().filter_map(|(partition, lag)| Some((partition, lag.as_ref().ok()?.lag?)));
        self.cluster.recorder().group_lags(&group, known);
        Ok(lags)
    }

    async fn group_lag(&self, group: &GroupId) -> Result<Outcomes<TopicPartition, GroupLag>> {
        let committed = only(self.list_group_offsets([group.clone()]).await)?;
        if committed.is_empty() {
            return self.share_group_lag(group.clone()).await;
        }
        let partitions = committed.keys().map(|partition| (partition.clone(), OffsetSpec::Latest));
        let mut ends = self.list_offsets(partitions).await;
        let lags = committed.into_iter().map(|(partition, committed)| {
            let end = ends.remove(&partition).map(|end| end.map(|end| end.offset)).transpose();
            let lag = committed.and_then(|committed| {
                let end = end?.flatten();
                let behind = |end: Offset| end.0.saturating_sub(committed.offset.0).max(0);
                Ok(GroupLag { offset: Some(committed.offset), end, lag: end.map(behind) })
            });
            (partition, lag)
        });
        Ok(lags.collect())
    }

    async fn share_group_lag(&self, group: GroupId) -> Result<Outcomes<TopicPartition, GroupLag>> {
        let found = match only(self.list_share_group_offsets([group]).await) {
            Ok(found) => found,
            // It is of another type, or the cluster has no such groups.
            Err(error) if error.kind() == ErrorKind::Unsupported || error.code().is_some() => {
                return Ok(BTreeMap::new());
            }
            Err(error) => return Err(error),
        };
        // Brokers of 4.2 may not tell the lag of a partition that nobody has read yet.
        let silent = found.iter().filter(|(_, offset)| {
            offset.as_ref().is_ok_and(|offset| offset.start.is_some() && offset.lag.is_none())
        });
        let silent = silent.map(|(partition, _)| (partition.clone(), OffsetSpec::Latest));
        let silent: Vec<_> = silent.collect();
        let mut ends = self.list_offsets(silent).await;
        let lag = found.into_iter().map(|(partition, offset)| {
            let end = ends.remove(&partition);
            let lag = offset.and_then(|ShareOffset { start, lag, .. }| {
                let end = match end {
                    Some(end) => end?.offset,
                    None => start.zip(lag).map(|(start, lag)| start.advance(lag)),
                };
                let behind =
                    start.zip(end).map(|(start, end)| end.0.saturating_sub(start.0).max(0));
                Ok(GroupLag { offset: start, end, lag: lag.or(behind) })
            });
            (partition, lag)
        });
        Ok(lag.collect())
    }
}
