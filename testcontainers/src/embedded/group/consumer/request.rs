//! ConsumerGroupHeartbeat as the coordinator takes it, and what it refuses unseen: Kafka's
//! `throwIfConsumerGroupHeartbeatRequestIsInvalid`.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::member::Partitions;
use super::settings::ConsumerGroups;

/// A member is new, or comes back with nothing.
pub(crate) const JOIN: i32 = 0;
/// A member goes.
pub(crate) const LEAVE: i32 = -1;
/// A static member goes and will be back.
pub(crate) const LEAVE_FOR_NOW: i32 = -2;

/// From this version on members make their own ids (KIP-1082).
const MEMBERS_MAKE_IDS: i16 = 1;

/// A heartbeat; `None` is what the member has said before.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) instance: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) rebalance_timeout: Option<Duration>,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) regex: Option<String>,
    pub(crate) assignor: Option<String>,
    pub(crate) owned: Option<Partitions>,
    pub(crate) client_id: String,
}

impl Beat {
    pub(crate) fn check(
        &self,
        version: i16,
        group: &str,
        settings: &ConsumerGroups,
    ) -> Result<(), ResponseError> {
        let needs_id = version >= MEMBERS_MAKE_IDS || self.epoch > 0 || self.epoch == LEAVE;
        if needs_id && is_blank(&self.member_id) {
            return Err(ResponseError::InvalidRequest);
        }
        let optional = [&self.instance, &self.rack];
        if is_blank(group) || optional.into_iter().flatten().any(|text| is_blank(text)) {
            return Err(ResponseError::InvalidRequest);
        }
        let is_valid = match self.epoch {
            JOIN => {
                self.rebalance_timeout.is_some()
                    && self.owned.as_ref().is_some_and(Partitions::is_empty)
                    && (self.names.is_some() || self.regex.is_some())
            }
            LEAVE_FOR_NOW => self.instance.is_some(),
            epoch => epoch >= LEAVE,
        };
        if !is_valid {
            return Err(ResponseError::InvalidRequest);
        }
        if self.assignor.as_deref().is_some_and(|name| settings.assignor(name).is_none()) {
            return Err(ResponseError::UnsupportedAssignor);
        }
        Ok(())
    }

    /// It says everything, so the reply does, too.
    pub(crate) fn is_full(&self) -> bool {
        self.rebalance_timeout.is_some()
            && (self.names.is_some() || self.regex.is_some())
            && self.owned.is_some()
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
