//! What a consumer reads for its metrics when they are pushed (KIP-714), and for reports.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::client_telemetry::{ClientTelemetry, Readings};
use crate::cluster::Cluster;
use crate::consumer::config::ConsumerConfig;
use crate::consumer::group::Group;
use crate::consumer::shared::ConsumerShared;
use crate::runtime::Runtime;
use crate::statistics;

pub(crate) fn start(
    shared: &Arc<ConsumerShared>,
    group: Option<&Group>,
    cluster: &Cluster,
    runtime: &Runtime,
    config: &ConsumerConfig,
) -> ClientTelemetry {
    let meter = shared.observer.meter();
    let (shared, group) = (Arc::clone(shared), group.cloned());
    let mut labels = Vec::new();
    labels.extend(config.group_id.clone().map(|id| ("group_id", id)));
    labels.extend(config.group_instance_id.clone().map(|id| ("group_instance_id", id)));
    labels.extend(config.client_rack.clone().map(|rack| ("client_rack", rack)));
    let before = Mutex::new((Duration::ZERO, Duration::ZERO));
    ClientTelemetry::start(cluster, runtime, meter, move || {
        let mut labels = labels.clone();
        labels.extend(group.as_ref().and_then(Group::member_id).map(|id| ("group_member_id", id)));
        let now = shared.activity.waited();
        let (waited, whole) =
            std::mem::replace(&mut *before.lock().unwrap_or_else(PoisonError::into_inner), now);
        let idle = now.0.saturating_sub(waited).as_secs_f64()
            / now.1.saturating_sub(whole).as_secs_f64().max(0.001);
        let mut gauges = vec![("poll.idle.ratio.avg", idle.min(1.0))];
        if group.is_some() {
            let assigned = shared.read(|subscription| subscription.assignment().count());
            gauges.push((
                "coordinator.assigned.partitions",
                u32::try_from(assigned).map_or(f64::INFINITY, f64::from),
            ));
        }
        Readings { labels, gauges }
    })
}

/// What a consumer that lives tells for reports.
pub(crate) fn reading(
    shared: &Arc<ConsumerShared>,
    is_in_group: bool,
) -> impl Fn(&mut statistics::HandleReadings) -> bool + Send + Sync + use<> {
    let shared = Arc::downgrade(shared);
    move |readings| {
        let Some(shared) = shared.upgrade() else { return false };
        readings.has_group |= is_in_group;
        let partitions = &mut readings.consumers.get_or_insert_default().0;
        shared.read(|subscription| partitions.extend(subscription.readings()));
        true
    }
}
