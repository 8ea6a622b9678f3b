//! The statistics of a client in the form of librdkafka (its `STATISTICS.md`), for the program's
//! callback. `docs/observability.md` lists the fields; one that has no number is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::error;

use crate::cluster::{Cluster, ClusterView};
use crate::config::StatisticsCallback;
use crate::ids::{BrokerId, Offset, TopicName, TopicPartition};
use crate::runtime;
use crate::statistics::{
    BrokerCounts, DurationWindow, HandleReadings, Object, PartitionCounts, PartitionReading,
    Statistics, object,
};

/// Reports every so often, until the client is closed.
pub(super) async fn run(
    cluster: Cluster,
    statistics: Arc<Statistics>,
    interval: Duration,
    callback: StatisticsCallback,
) {
    let mut due = statistics.begun;
    let mut has_panicked = false;
    loop {
        // What was missed while the callback took long is not made up for.
        due = (due + interval).max(runtime::now());
        runtime::sleep_until(due).await;
        let report = report(&cluster, &statistics);
        // A panic of the program's must not end the reports.
        let outcome = catch_unwind(AssertUnwindSafe(|| (callback.0)(&report)));
        if outcome.is_err() && !std::mem::replace(&mut has_panicked, true) {
            error!("the callback for statistics has panicked; later panics are not logged");
        }
    }
}

type Partitions = BTreeMap<TopicPartition, (PartitionCounts, Option<PartitionReading>)>;

fn report(cluster: &Cluster, statistics: &Statistics) -> String {
    let (view, now) = (cluster.view(), runtime::now());
    let readings = statistics.read();
    let brokers = statistics.counters.take_brokers();
    let partitions = merged(statistics, &readings);
    let sum = |of: fn(&BrokerCounts) -> u64| brokers.values().map(of).sum::<u64>();
    let client_id = &cluster.config().client_id;
    // A client of administration alone is a producer in librdkafka too.
    let kind = if readings.consumers.is_some() { "consumer" } else { "producer" };
    object(|to| {
        to.text("name", &format!("{client_id}#{kind}"));
        to.text("client_id", client_id);
        to.text("type", kind);
        to.number("ts", age(statistics.begun, now).as_micros());
        to.number("time", cluster.wall_clock().now().0.div_euclid(1000));
        to.number("age", age(statistics.begun, now).as_micros());
        if let Some(memory) = readings.producers {
            to.number("msg_size", memory.used);
            to.number("msg_size_max", memory.size);
        }
        to.number("tx", sum(|broker| broker.sent));
        to.number("tx_bytes", sum(|broker| broker.sent_bytes));
        to.number("rx", sum(|broker| broker.received));
        to.number("rx_bytes", sum(|broker| broker.received_bytes));
        write_totals(to, &readings, &partitions);
        to.number("metadata_cache_cnt", view.topics().count());
        to.object("brokers", |to| {
            for ((id, address), counts) in &brokers {
                let nodename = address.to_string();
                let name = id.map_or("bootstrap".to_owned(), |id| id.to_string());
                let name = format!("{nodename}/{name}");
                to.object(&name, |to| {
                    to.text("name", &name);
                    to.number("nodeid", id.map_or(-1, |id| id.0));
                    to.text("nodename", &nodename);
                    write_broker(to, *id, counts, now);
                    to.object("toppars", |to| write_led(to, *id, &view, &partitions));
                });
            }
        });
        to.object("topics", |to| write_topics(to, &view, &partitions));
        if readings.has_group {
            to.object("cgrp", |to| write_group(to, statistics, &readings, now));
        }
    })
}

/// What was counted of partitions, and where consumers stand in them.
fn merged(statistics: &Statistics, readings: &HandleReadings) -> Partitions {
    let counted = statistics.counters.partitions().into_iter();
    let mut partitions: Partitions = counted.map(|(tp, counts)| (tp, (counts, None))).collect();
    for (tp, reading) in readings.consumers.iter().flat_map(|assignment| &assignment.0) {
        partitions.entry(tp.clone()).or_default().1 = Some(*reading);
    }
    partitions
}

fn write_totals(to: &mut Object<'_>, readings: &HandleReadings, partitions: &Partitions) {
    let sums = |of: fn(&PartitionCounts) -> Option<(u64, u64)>| {
        let all = partitions.values().filter_map(|(counts, _)| of(counts));
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    if readings.producers.is_some() {
        let (records, bytes) = sums(|counts| counts.produced);
        to.number("txmsgs", records);
        to.number("txmsg_bytes", bytes);
    }
    if readings.consumers.is_some() {
        let (records, bytes) = sums(|counts| counts.consumed);
        to.number("rxmsgs", records);
        to.number("rxmsg_bytes", bytes);
    }
}

fn write_broker(to: &mut Object<'_>, id: Option<BrokerId>, counts: &BrokerCounts, now: Instant) {
    to.text("source", if id.is_some() { "learned" } else { "configured" });
    to.text("state", if counts.open > 0 { "UP" } else { "DOWN" });
    to.number("stateage", age(counts.since, now).as_micros());
    to.number("tx", counts.sent);
    to.number("txbytes", counts.sent_bytes);
    to.number("rx", counts.received);
    to.number("rxbytes", counts.received_bytes);
    to.object("req", |to| {
        for (api, count) in &counts.requests {
            to.number(api, count);
        }
    });
    to.number("connects", counts.connects);
    to.number("disconnects", counts.disconnects);
    to.object("rtt", |to| write_window(to, &counts.round_trips, |value| value.as_micros()));
    to.object("throttle", |to| write_window(to, &counts.throttles, |value| value.as_millis()));
}

fn write_window(to: &mut Object<'_>, window: &DurationWindow, unit: fn(Duration) -> u128) {
    if window.count > 0 {
        to.number("min", unit(window.least));
        to.number("max", unit(window.most));
        to.number("avg", unit(window.sum / window.count));
    }
    to.number("sum", unit(window.sum));
    to.number("cnt", window.count);
}

/// The partitions that a broker leads.
fn write_led(
    to: &mut Object<'_>,
    id: Option<BrokerId>,
    view: &ClusterView,
    partitions: &Partitions,
) {
    for tp in partitions.keys().filter(|tp| id.is_some() && view.leader(tp) == id) {
        to.object(&tp.to_string(), |to| {
            to.text("topic", &tp.topic);
            to.number("partition", tp.partition.0);
        });
    }
}

fn write_topics(to: &mut Object<'_>, view: &ClusterView, partitions: &Partitions) {
    let topics: BTreeSet<&TopicName> = partitions.keys().map(|tp| &tp.topic).collect();
    for topic in topics {
        to.object(topic, |to| {
            to.text("topic", topic);
            to.object("partitions", |to| {
                let of_topic = partitions.iter().filter(|(tp, _)| tp.topic == *topic);
                for (tp, (counts, reading)) in of_topic {
                    to.object(&tp.partition.to_string(), |to| {
                        to.number("partition", tp.partition.0);
                        let leader = view.leader_and_epoch(tp);
                        to.known("leader", leader.map(|(id, _)| id.0));
                        to.known("leader_epoch", leader.and_then(|(_, epoch)| Some(epoch?.0)));
                        to.number("unknown", view.partition(tp).is_none());
                        write_partition(to, counts, reading.unwrap_or_default());
                    });
                }
            });
        });
    }
}

fn write_partition(to: &mut Object<'_>, counts: &PartitionCounts, reading: PartitionReading) {
    let behind = |offset: Option<Offset>| Some((reading.end?.0 - offset?.0).max(0));
    let offset = |offset: Option<Offset>| offset.map(|offset| offset.0);
    to.known("app_offset", offset(reading.position));
    to.known("stored_offset", offset(reading.stored));
    to.known("committed_offset", offset(reading.committed));
    to.known("lo_offset", offset(reading.log_start));
    to.known("hi_offset", offset(reading.high_watermark));
    to.known("ls_offset", offset(reading.last_stable));
    to.known("consumer_lag", behind(reading.committed));
    to.known("consumer_lag_stored", behind(reading.stored));
    to.known("txmsgs", counts.produced.map(|(records, _)| records));
    to.known("txbytes", counts.produced.map(|(_, bytes)| bytes));
    to.known("rxmsgs", counts.consumed.map(|(records, _)| records));
    to.known("rxbytes", counts.consumed.map(|(_, bytes)| bytes));
}

fn write_group(
    to: &mut Object<'_>,
    statistics: &Statistics,
    readings: &HandleReadings,
    now: Instant,
) {
    let rebalances = statistics.counters.rebalances();
    to.known("rebalance_age", rebalances.last.map(|last| age(last, now).as_millis()));
    to.number("rebalance_cnt", rebalances.count);
    to.known("assignment_size", readings.consumers.as_ref().map(|assignment| assignment.0.len()));
}

fn age(since: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(since)
}

#[cfg(test)]
mod tests;
