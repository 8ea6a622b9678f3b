//! Adaptive batching in virtual time: the sender machine, records that come at some rate, and a
//! broker that answers one request at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::model::{World, settings};
use crate::clock::Random;
use crate::ids::BrokerId;
use crate::producer::AdaptiveBatching;
use crate::producer::sender::SenderSettings;

const STEP: Duration = Duration::from_micros(5);
/// What fills a batch: 16,384 bytes of 200-byte records.
const FULL: u64 = 80;

/// What a run came to.
#[derive(Debug)]
struct Seen {
    /// From the acceptance of each record to the request that carries it, in order.
    waits: Vec<Duration>,
    /// From the acceptance of each record to the answer.
    acknowledged: Vec<Duration>,
    /// When each request left, and its records.
    requests: Vec<(Instant, u64)>,
}

impl Seen {
    fn mean_batch(&self) -> f64 {
        self.waits.len() as f64 / self.requests.len() as f64
    }
}

fn p99(waits: &[Duration]) -> Duration {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * 99 / 100]
}

fn adaptive(targets: AdaptiveBatching) -> SenderSettings {
    SenderSettings { adaptive: Some(targets), max_request_size: 1 << 20, ..settings() }
}

/// Records come as `per_second` says of the time that has passed; the broker works on each request
/// for `service`, give or take a fifth.
fn run(
    settings: SenderSettings,
    lasts: Duration,
    service: Duration,
    mut per_second: impl FnMut(Duration) -> f64,
) -> Seen {
    let mut world = World::ready(settings, 1);
    let mut random = Random::new(3);
    let begun = world.now;
    let mut accepted: VecDeque<Instant> = VecDeque::new();
    let mut flying: VecDeque<Vec<Instant>> = VecDeque::new();
    let mut seen = Seen { waits: Vec::new(), acknowledged: Vec::new(), requests: Vec::new() };
    let (mut owed, mut busy_until) = (0.0, None);
    while world.now - begun < lasts {
        world.now += STEP;
        owed += per_second(world.now - begun) * STEP.as_secs_f64();
        while owed >= 1.0 {
            owed -= 1.0;
            world.accept(0);
            accepted.push_back(world.now);
            if world.open_count(0) == FULL {
                world.close(0);
            }
        }
        if busy_until.is_some_and(|until| until <= world.now) {
            busy_until = None;
            world.serve_well(1);
            seen.acknowledged
                .extend(flying.pop_front().unwrap().into_iter().map(|at| world.now - at));
        }
        if world.sender.poll_timeout().is_some_and(|due| due <= world.now) {
            world.sender.handle_timeout(world.now);
        }
        world.run();
        for sent in world.sent.drain(..) {
            let mut count = 0;
            for outgoing in &sent.batches {
                let records = world.batches[&outgoing.batch].clone();
                count += records.end - records.start;
            }
            let records: Vec<_> = accepted.drain(..usize::try_from(count).unwrap()).collect();
            seen.waits.extend(records.iter().map(|at| world.now - *at));
            flying.push_back(records);
            seen.requests.push((world.now, count));
        }
        if busy_until.is_none()
            && world.wires.get(&BrokerId(1)).is_some_and(|wire| !wire.is_empty())
        {
            busy_until = Some(world.now + random.jitter(service, 0.2));
        }
    }
    seen
}

const SECOND: Duration = Duration::from_secs(1);
const SERVICE: Duration = Duration::from_micros(250);

#[test]
fn a_lone_record_leaves_at_once() {
    let seen = run(adaptive(AdaptiveBatching::new()), SECOND, SERVICE, |_| 100.0);
    assert!(seen.waits.len() > 95);
    assert_eq!(seen.waits.iter().max(), Some(&Duration::ZERO));
    // Also after a burst, whose rate it has forgotten.
    let burst = |at: Duration| {
        if at < SECOND / 2 {
            100_000.0
        } else if at < SECOND * 3 / 5 {
            0.0
        } else {
            100.0
        }
    };
    for targets in
        [AdaptiveBatching::new(), AdaptiveBatching::new().target_latency(Duration::from_millis(5))]
    {
        let seen = run(adaptive(targets), SECOND, SERVICE, burst);
        let lone = &seen.waits[seen.waits.len() - 30..];
        assert_eq!(lone.iter().max(), Some(&Duration::ZERO));
    }
}

#[test]
fn two_thousand_a_second_wait_for_nothing() {
    let seen = run(adaptive(AdaptiveBatching::new()), SECOND, SERVICE, |_| 2_000.0);
    assert_eq!(p99(&seen.waits), Duration::ZERO);
}

#[test]
fn a_burst_is_packed_and_waits_less_than_the_target() {
    let burst = |at: Duration| if at < SECOND / 10 { 100.0 } else { 100_000.0 };
    let seen = run(adaptive(AdaptiveBatching::new()), SECOND, SERVICE, burst);
    assert!(seen.mean_batch() >= 20.0, "{}", seen.mean_batch());
    assert!(p99(&seen.waits) < Duration::from_millis(1), "{:?}", p99(&seen.waits));
    // Without the option the pipeline packs as well, but five requests queue at the broker, and
    // each record behind four of them.
    let unpaced = run(
        SenderSettings {
            linger: Duration::ZERO,
            adaptive: None,
            ..adaptive(AdaptiveBatching::new())
        },
        SECOND,
        SERVICE,
        burst,
    );
    let (paced, unpaced) = (p99(&seen.acknowledged), p99(&unpaced.acknowledged));
    assert!(paced < Duration::from_millis(1) && paced * 3 < unpaced * 2, "{paced:?} {unpaced:?}");
}

#[test]
fn a_wider_target_packs_more_and_is_kept() {
    let target = Duration::from_millis(5);
    // Too few bytes to fill batches, so that only the clock decides.
    let seen = run(
        adaptive(AdaptiveBatching::new().target_latency(target).target_throughput(20_000)),
        SECOND,
        SERVICE,
        |_| 15_000.0,
    );
    assert!(seen.mean_batch() >= 30.0, "{}", seen.mean_batch());
    assert!(p99(&seen.waits) < target, "{:?}", p99(&seen.waits));
}

#[test]
fn a_slow_broker_does_not_make_records_wait_for_its_replies() {
    let seen =
        run(adaptive(AdaptiveBatching::new()), SECOND, Duration::from_millis(2), |_| 2_000.0);
    assert!(
        seen.requests.iter().take(20).all(|(_, count)| *count < 10),
        "sent on while replies are late"
    );
}

#[test]
fn batches_settle_and_do_not_swing() {
    for (targets, per_second) in [
        (AdaptiveBatching::new(), 100_000.0),
        (AdaptiveBatching::new(), 20_000.0),
        (
            AdaptiveBatching::new()
                .target_latency(Duration::from_millis(5))
                .target_throughput(20_000),
            10_000.0,
        ),
    ] {
        let seen = run(adaptive(targets), SECOND, SERVICE, |_| per_second);
        let begun = seen.requests[0].0;
        let settled: Vec<f64> = (seen.requests.iter())
            .filter(|(at, _)| *at - begun > SECOND / 5)
            .map(|(_, count)| u32::try_from(*count).unwrap().into())
            .collect();
        let mean = settled.iter().sum::<f64>() / settled.len() as f64;
        let variance =
            settled.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / settled.len() as f64;
        // The broker's own time varies by a fifth either way; a swing would be of the size of the
        // mean.
        assert!(
            variance.sqrt() / mean < 0.3,
            "{targets:?} at {per_second}: {mean} ± {}",
            variance.sqrt()
        );
    }
}
