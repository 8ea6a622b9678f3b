//! Reading from the nearest replica (KIP-392).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kavka_testcontainers::proxy::Direction;

use super::group::{Group, Setup};
use super::producer::Producer;
use super::{Bench, Shutdown, on};
use crate::support::sized;

/// Fast enough that what is read outweighs all else that a broker answers.
const THROUGHPUT: u32 = 2000;
/// How many bytes a record has at least: seven and its value.
const LEAST: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn test_consumer_preferred_read_replica() {
    let test = async |bench: &Bench| {
        let least = sized(1, 0);
        for protocol in bench.protocols().into_iter().skip(least) {
            let topic = bench.topic(1).await;
            let described =
                bench.until_described("all are in sync", &topic, |all| all[0].1.len() == 3).await;
            let leader = described[0].0.unwrap();
            let nearest = if leader == 2 { 1 } else { 2 };
            let producer = Producer::start(bench, &topic, THROUGHPUT).await;
            let more: &[&str] = match nearest {
                1 => &["-X", "client.rack=r1"],
                _ => &["-X", "client.rack=r2"],
            };
            let setup = Setup { more, ..Setup::new(protocol) };
            let mut group = Group::new(bench, &topic, setup).await;
            let answered = answered(bench);
            group.start([1]);
            group.until_stable(1).await;
            group.until_consumed(10_000).await;
            group.finish(producer).await;
            let bytes = |node: u16| answered[usize::from(node) - 1].load(Ordering::Relaxed);
            let consumed = group.ask(|books| books.consumed).unsigned_abs();
            eprintln!(
                "{consumed} records, the follower answered {} bytes, the leader {}",
                bytes(nearest),
                bytes(leader)
            );
            assert!(bytes(nearest) > LEAST * consumed, "the follower was not read from");
            group.verify(Shutdown::Clean).await;
        }
    };
    on(3, |config| config.racks().behind_proxies(), &test).await;
}

/// How many bytes each node has answered from now on.
fn answered(bench: &Bench) -> Vec<Arc<AtomicU64>> {
    let count = |node| {
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        bench.cluster.proxy(node).unwrap().tap(move |_, direction, bytes| {
            if direction == Direction::Response {
                counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
        });
        count
    };
    bench.cluster.nodes().map(count).collect()
}
