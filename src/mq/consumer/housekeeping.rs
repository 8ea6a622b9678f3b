//! What is done now and then: commits of what is handled, and a look at lag.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::{debug, warn};

use super::shared::ConsumerInner;
use crate::config::bounded;
use crate::ids::{Offset, TopicPartition};
use crate::mq::error::{During, Error, Result};
use crate::runtime;
use crate::sync::lock;

/// Commits and looks at lag, now and then.
pub(super) async fn housekeeping(shared: Arc<ConsumerInner>) {
    let commits = shared.config.consumer.enable_auto_commit;
    let (every, look_every) =
        (shared.config.consumer.auto_commit_interval, shared.config.monitoring.metrics_interval);
    let (every, look_every) = (bounded(every), bounded(look_every));
    let begun = runtime::now();
    let (mut commit_at, mut look_at) = (begun + every, begun + look_every);
    loop {
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return,
            () = runtime::sleep_until(commit_at), if commits => {
                if let Err(error) = shared.commit_done(None).await {
                    warn!(%error, "offsets are not committed; tried again later");
                }
                commit_at = runtime::now() + every;
            }
            () = runtime::sleep_until(look_at) => {
                if shared.meter.is_on && !shared.handle.assignment().is_empty()
                    && let Err(error) = shared.measure_lag().await
                {
                    debug!(%error, "lag is not known");
                }
                look_at = runtime::now() + look_every;
            }
        }
    }
}

impl ConsumerInner {
    /// Commits what is done, of these partitions or of all.
    pub(super) async fn commit_done(&self, only: Option<&[TopicPartition]>) -> Result<()> {
        let offsets = self.progress().to_commit(only);
        if offsets.is_empty() { Ok(()) } else { self.commit_offsets(offsets).await }
    }

    pub(super) async fn commit_offsets(
        &self,
        offsets: Vec<(TopicPartition, Offset)>,
    ) -> Result<()> {
        let committed = self.handle.commit_offsets(offsets.clone()).await;
        committed.map_err(|error| Error::from_client(error, During::Commit))?;
        self.progress().committed(&offsets);
        Ok(())
    }

    pub(super) async fn measure_lag(&self) -> crate::error::Result<u64> {
        let partitions = self.handle.assignment();
        let ends = self.handle.end_offsets(partitions).await?;
        let mut lag = BTreeMap::new();
        for (partition, end) in ends {
            let next = self.progress().unhandled(&partition);
            let at = match next {
                Some(next) => next,
                None => self.handle.position(&partition).await?,
            };
            lag.insert(partition, u64::try_from(end.0.saturating_sub(at.0)).unwrap_or(0));
        }
        let total = lag.values().fold(0, |total: u64, lag| total.saturating_add(*lag));
        *lock(&self.lag) = lag;
        Ok(total)
    }
}
