//! Settings of single groups, which are resources of type `GROUP`: Kafka's `GroupConfig`.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::share::settings::ShareGroups;
use crate::embedded::share::partition::ShareTerms;
use crate::embedded::state::Settings;

/// The type of a resource that is a group.
pub(crate) const GROUP_RESOURCE: i8 = 32;

const SESSION_TIMEOUT: &str = "share.session.timeout.ms";
const HEARTBEAT_INTERVAL: &str = "share.heartbeat.interval.ms";
const LOCK_DURATION: &str = "share.record.lock.duration.ms";
const DELIVERY_LIMIT: &str = "share.delivery.count.limit";
const RECORD_LOCKS: &str = "share.partition.max.record.locks";
const RESET: &str = "share.auto.offset.reset";
const ISOLATION: &str = "share.isolation.level";
const RENEW: &str = "share.renew.acknowledge.enable";
const ASSIGNMENT_INTERVAL: &str = "share.assignment.interval.ms";

/// What was set on groups, by group and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupConfigs {
    groups: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where a share group begins that has read nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    Latest,
    Earliest,
    ByDuration(Duration),
}

impl GroupConfigs {
    pub(crate) fn of(&self, group: &str) -> BTreeMap<String, String> {
        self.groups.get(group).cloned().unwrap_or_default()
    }

    pub(crate) fn replace(&mut self, group: &str, values: BTreeMap<String, String>) {
        self.groups.insert(group.to_owned(), values);
    }

    fn value(&self, group: &str, name: &str) -> Option<&str> {
        Some(self.groups.get(group)?.get(name)?.as_str())
    }

    fn number<N: std::str::FromStr>(&self, group: &str, name: &str, default: N) -> N {
        self.value(group, name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    fn time(&self, group: &str, name: &str, default: Duration) -> Duration {
        let set = self.value(group, name).and_then(|value| value.parse().ok());
        set.map_or(default, Duration::from_millis)
    }

    pub(crate) fn share_terms(&self, group: &str, defaults: &ShareGroups) -> ShareTerms {
        ShareTerms {
            lock: self.time(group, LOCK_DURATION, defaults.record_lock_duration),
            most_deliveries: self.number(group, DELIVERY_LIMIT, defaults.delivery_count_limit),
            most_locks: self.number(group, RECORD_LOCKS, defaults.partition_max_record_locks),
            renews: self.value(group, RENEW) != Some("false"),
            committed_only: self.value(group, ISOLATION) == Some("read_committed"),
        }
    }

    pub(crate) fn reset(&self, group: &str) -> Reset {
        self.value(group, RESET).and_then(Reset::read).unwrap_or(Reset::Latest)
    }

    pub(crate) fn share_session_timeout(&self, group: &str, defaults: &ShareGroups) -> Duration {
        self.time(group, SESSION_TIMEOUT, defaults.session_timeout)
    }

    pub(crate) fn share_heartbeat_interval(&self, group: &str, defaults: &ShareGroups) -> Duration {
        self.time(group, HEARTBEAT_INTERVAL, defaults.heartbeat_interval)
    }

    pub(crate) fn share_assignment_interval(
        &self,
        group: &str,
        defaults: &ShareGroups,
    ) -> Duration {
        self.time(group, ASSIGNMENT_INTERVAL, defaults.assignment_interval)
    }
}

impl Reset {
    /// `latest`, `earliest` or `by_duration:` with a duration of ISO 8601.
    fn read(text: &str) -> Option<Self> {
        match text {
            "latest" => Some(Self::Latest),
            "earliest" => Some(Self::Earliest),
            _ => iso_duration(text.strip_prefix("by_duration:")?).map(Self::ByDuration),
        }
    }
}

/// A duration such as `PT1H30M` or `P2DT0.5S`.
fn iso_duration(text: &str) -> Option<Duration> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    for (mut rest, units) in
        [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])]
    {
        for (unit, each) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                seconds += number.parse::<f64>().ok()? * each;
                rest = after;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// The settings that a group can have, with their defaults.
pub(crate) fn defaults(settings: &Settings) -> BTreeMap<&'static str, String> {
    let ms = |duration: Duration| duration.as_millis().to_string();
    let (consumer, share) = (&settings.consumer_groups, &settings.share_groups);
    BTreeMap::from([
        ("consumer.heartbeat.interval.ms", ms(consumer.heartbeat_interval)),
        ("consumer.session.timeout.ms", ms(consumer.session_timeout)),
        ("consumer.assignment.interval.ms", ms(consumer.assignment_interval)),
        (SESSION_TIMEOUT, ms(share.session_timeout)),
        (HEARTBEAT_INTERVAL, ms(share.heartbeat_interval)),
        (LOCK_DURATION, ms(share.record_lock_duration)),
        (DELIVERY_LIMIT, share.delivery_count_limit.to_string()),
        (RECORD_LOCKS, share.partition_max_record_locks.to_string()),
        (RESET, "latest".to_owned()),
        (ISOLATION, "read_uncommitted".to_owned()),
        (RENEW, "true".to_owned()),
        (ASSIGNMENT_INTERVAL, ms(share.assignment_interval)),
    ])
}

/// Whether a group may have these settings: `GroupConfig.validate`, with the limits that brokers
/// have by default.
pub(crate) fn check(
    values: &BTreeMap<String, String>,
    settings: &Settings,
) -> Result<(), ResponseError> {
    let known = defaults(settings);
    let is_good = |(name, value): (&String, &String)| {
        let within = |least: i64, most: i64| {
            value.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number))
        };
        known.contains_key(name.as_str())
            && match name.as_str() {
                SESSION_TIMEOUT => within(45_000, 60_000),
                HEARTBEAT_INTERVAL => within(5_000, 15_000),
                LOCK_DURATION => within(15_000, 60_000),
                DELIVERY_LIMIT => within(2, 10),
                RECORD_LOCKS => within(100, 4_000),
                ASSIGNMENT_INTERVAL => within(0, 15_000),
                RESET => Reset::read(value).is_some(),
                ISOLATION => matches!(value.as_str(), "read_committed" | "read_uncommitted"),
                RENEW => matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
                _ => within(0, i64::from(i32::MAX)),
            }
    };
    if values.iter().all(is_good) { Ok(()) } else { Err(ResponseError::InvalidConfig) }
}
