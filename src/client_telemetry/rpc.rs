//! GetTelemetrySubscriptions and PushTelemetry between the wire's words and ours.

use std::time::{Duration, Instant};

use super::reporter::{DEFAULT_INTERVAL, LEAST_INTERVAL, Selection, TelemetrySubscription};
use crate::cluster::{Cluster, Lane, Node};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{ClientInstanceId, Uuid};
use crate::wire::compress::{Compression, compress};
use crate::wire::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};
use crate::wire::messages::push_telemetry::PushTelemetryRequest;

/// Asks a broker what it wants to be told.
pub(super) async fn ask(
    cluster: &Cluster,
    node: Node,
    instance: Option<ClientInstanceId>,
    deadline: Instant,
) -> Result<TelemetrySubscription> {
    let client_instance_id = Uuid::from(instance);
    let request = |_| GetTelemetrySubscriptionsRequest { client_instance_id };
    let reply = cluster
        .exchange::<GetTelemetrySubscriptionsRequest, _>(node, Lane::Control, deadline, request)
        .await?;
    subscription(&reply.parse()?)
}

/// Pushes metrics to a broker.
pub(super) async fn push(
    cluster: &Cluster,
    node: Node,
    subscription: &TelemetrySubscription,
    metrics: &[u8],
    is_last: bool,
    deadline: Instant,
) -> Result<()> {
    // What cannot be packed goes as it is: brokers take that always.
    let packed = compress(subscription.compression, metrics).ok().flatten();
    let codec = packed.as_ref().map_or(Compression::NONE, |_| subscription.compression).codec();
    let metrics = packed.as_deref().unwrap_or(metrics);
    let request = |_| PushTelemetryRequest {
        client_instance_id: subscription.instance.into(),
        subscription_id: subscription.id,
        terminating: is_last,
        compression_type: i8::try_from(codec.id()).unwrap_or(0),
        metrics,
    };
    let reply = cluster
        .exchange::<PushTelemetryRequest<'_>, _>(node, Lane::Control, deadline, request)
        .await?;
    check(reply.parse()?.error_code)
}

fn subscription(response: &GetTelemetrySubscriptionsResponse<'_>) -> Result<TelemetrySubscription> {
    check(response.error_code)?;
    let instance = response.client_instance_id.known::<ClientInstanceId>();
    let interval = u64::try_from(response.push_interval_ms)
        .ok()
        .filter(|millis| *millis > 0)
        .map(Duration::from_millis);
    Ok(TelemetrySubscription {
        instance: instance.ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "the broker has given no client instance id")
        })?,
        id: response.subscription_id,
        interval: interval.unwrap_or(DEFAULT_INTERVAL).max(LEAST_INTERVAL),
        compression: preferred(&response.accepted_compression_types),
        is_delta: response.delta_temporality,
        selection: Selection::of(&response.requested_metrics),
    })
}

/// The first codec that a broker takes and this build has: brokers name the best first.
fn preferred(accepted: &[i8]) -> Compression {
    let all = [
        Compression::NONE,
        Compression::GZIP,
        Compression::SNAPPY,
        Compression::LZ4,
        Compression::ZSTD,
    ];
    let known = |id: &i8| {
        all.into_iter().find(|one| i8::try_from(one.codec().id()).is_ok_and(|own| own == *id))
    };
    accepted.iter().filter_map(known).find(|one| one.ensure_built().is_ok()).unwrap_or_default()
}

fn check(code: i16) -> Result<()> {
    ErrorCode::check(code).map_err(Error::broker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_codec_that_is_known_is_taken() {
        assert_eq!(preferred(&[]), Compression::NONE);
        assert_eq!(preferred(&[9, -1, 0, 4]), Compression::NONE);
        #[cfg(feature = "zstd")]
        assert_eq!(preferred(&[9, 4, 3]), Compression::ZSTD);
        #[cfg(not(feature = "zstd"))]
        assert_eq!(preferred(&[4, 0]), Compression::NONE);
    }

    #[test]
    fn an_answer_without_an_id_is_refused_and_a_wild_interval_is_tamed() {
        let with = |id: u8, push_interval_ms| GetTelemetrySubscriptionsResponse {
            client_instance_id: Uuid([id; 16]),
            push_interval_ms,
            ..GetTelemetrySubscriptionsResponse::default()
        };
        assert_eq!(subscription(&with(0, 1000)).expect_err("no id").kind(), ErrorKind::Protocol);
        for (millis, interval) in [
            (-1, DEFAULT_INTERVAL),
            (0, DEFAULT_INTERVAL),
            (1, LEAST_INTERVAL),
            (500, LEAST_INTERVAL * 5),
        ] {
            assert_eq!(subscription(&with(1, millis)).expect("a subscription").interval, interval);
        }
    }
}
