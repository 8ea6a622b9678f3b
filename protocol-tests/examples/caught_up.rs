//! Compares reading a compacted topic to its end by `caught_up` beside `next_batch` with
//! `next_batch` alone, which is told how many records there are.
//!
//! ```sh
//! cargo run --release -p kavka-protocol-tests --example caught_up -- 1000000 9
//! ```
//! Both are run in turn, on embedded brokers in the process; the arguments are how many keys and
//! how many runs of each. Prints the times and the ratio of their medians.
#![allow(clippy::unwrap_used, reason = "a tool for developers ends at its first surprise")]

use std::pin::pin;
use std::time::{Duration, Instant};

use kavka::{
    Client, ClientConfig, Consumer, ConsumerConfig, ProducerConfig, Record, TopicPartition,
};
use kavka_testcontainers::embedded::EmbeddedCluster;

const PARTITIONS: i32 = 6;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let (keys, runs) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(9));
    let cluster = EmbeddedCluster::builder()
        .brokers(1)
        .tcp()
        .topic("table", PARTITIONS, 1)
        .start()
        .await
        .unwrap();
    let client = Client::new(ClientConfig::new(cluster.bootstrap_servers())).unwrap();
    let producer = client.producer(ProducerConfig::new()).unwrap();
    for key in 0..keys {
        let text = format!("key-{key:012}");
        drop(producer.send(Record::to("table").key(&text).value(&text)).await.unwrap());
    }
    producer.flush().await.unwrap();

    let (mut plain, mut waiting) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let by_count = read(&client, keys, false).await;
        let by_end = read(&client, keys, true).await;
        // The first warms up.
        if run > 0 {
            plain.push(by_count);
            waiting.push(by_end);
        }
    }
    println!("next_batch alone:     {plain:.3?}");
    println!("beside caught_up:     {waiting:.3?}");
    let ratio = median(&mut waiting).as_secs_f64() / median(&mut plain).as_secs_f64();
    println!("ratio of the medians: {ratio:.3}");
}

async fn read(client: &Client, keys: usize, to_end: bool) -> Duration {
    let mut consumer = client.consumer(ConsumerConfig::new()).unwrap();
    let partitions: Vec<_> = (0..PARTITIONS).map(|it| TopicPartition::new("table", it)).collect();
    consumer.assign(partitions.clone()).unwrap();
    consumer.seek_to_beginning(&partitions).unwrap();
    let begun = Instant::now();
    let count = if to_end {
        beside_caught_up(&mut consumer).await
    } else {
        alone(&mut consumer, keys).await
    };
    let took = begun.elapsed();
    assert_eq!(count, keys);
    consumer.close(Duration::from_secs(5)).await.unwrap();
    took
}

async fn alone(consumer: &mut Consumer, keys: usize) -> usize {
    let mut count = 0;
    while count < keys {
        count += consumer.next_batch().await.unwrap().iter().count();
    }
    count
}

async fn beside_caught_up(consumer: &mut Consumer) -> usize {
    let (mut count, mut caught_up) = (0, pin!(consumer.caught_up()));
    loop {
        tokio::select! {
            done = &mut caught_up => {
                done.unwrap();
                return count;
            }
            batch = consumer.next_batch() => count += batch.unwrap().iter().count(),
        }
    }
}

fn median(of: &mut [Duration]) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}
