//! What the members of groups of every kind have in common.

use std::time::Duration;

use crate::clock::Random;
use crate::error::{Error, ErrorKind};
use crate::ids::TopicId;

/// A member id of a member's own: a random UUID (KIP-1082).
pub(crate) fn new_member_id(random: &mut Random) -> String {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random.next_u64().to_be_bytes());
    bytes[8..].copy_from_slice(&random.next_u64().to_be_bytes());
    TopicId(bytes).to_string()
}

/// Why a member that does not ask for records has left.
pub(crate) fn not_polled(limit: Duration) -> Error {
    let message = format!(
        "left the group: no record was asked for in max.poll.interval.ms ({} ms); process faster, \
         take fewer records at a time or raise it",
        limit.as_millis()
    );
    Error::new(ErrorKind::MaxPollExceeded, message)
}

/// Until a coordinator says how often heartbeats are to come (`group.consumer.heartbeat.interval.ms`,
/// `group.share.heartbeat.interval.ms`).
pub(crate) const FIRST_INTERVAL: Duration = Duration::from_secs(5);

/// What a coordinator says of it, kept within limits, so that a wrong word neither makes the client
/// spin nor lets it fall silent.
pub(crate) fn heartbeat_interval(told: Duration) -> Duration {
    told.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

/// Guesses.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_secs(600);
