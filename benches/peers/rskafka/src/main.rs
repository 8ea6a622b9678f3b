//! rskafka: no accumulator of its own, so the wrapper builds the batches, one request in flight per
//! partition.

use perf_common::{die, now_ns, report_sink, Acks, Args, Pacer, Payload, Sink};
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use rskafka::client::ClientBuilder;
use rskafka::record::Record;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "rskafka";

#[tokio::main]
async fn main() {
    let a = Args::parse();
    if a.produce() { produce(a).await } else { consume(a).await }
}

async fn client(a: &Args) -> rskafka::client::Client {
    ClientBuilder::new(vec![a.bootstrap.clone()]).build().await.unwrap_or_else(|e| die(&e.to_string()))
}

async fn produce(a: Args) {
    let comp = match a.compression.as_str() {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::NoCompression,
    };
    if a.acks != "all" {
        die("rskafka always sends acks=all");
    }
    let c = client(&a).await;
    let acks = Arc::new(Acks::default());
    let data = Arc::new(Payload::new(&a.payload, a.size));
    let batch = (a.batch_bytes.unwrap_or(16384) / (a.size + 10)).max(1);
    let mut senders = Vec::new();
    let mut tasks = Vec::new();
    for n in 0..a.partitions as i32 {
        let p = c
            .partition_client(a.topic.clone(), n, UnknownTopicHandling::Retry)
            .await
            .unwrap_or_else(|e| die(&e.to_string()));
        // Two batches wait per partition while one is on the wire.
        let (tx, mut rx) = tokio::sync::mpsc::channel::<(Vec<u64>, Vec<Record>)>(2);
        let acks = acks.clone();
        tasks.push(tokio::spawn(async move {
            while let Some((sent, records)) = rx.recv().await {
                let r = p.produce(records, comp).await;
                acks.done_many(&sent, r.is_ok());
            }
        }));
        senders.push(tx);
    }
    let record = |i: u64| Record {
        key: None,
        value: Some(data.get(i).to_vec()),
        headers: BTreeMap::new(),
        timestamp: chrono::Utc::now(),
    };
    let chunk = (262_144 / (a.size + 10)).max(1) as u64;
    let mut i = 0;
    while i < a.warmup {
        let k = chunk.min(a.warmup - i);
        let records = (i..i + k).map(record).collect();
        let _ = senders[(i / chunk) as usize % senders.len()].send((vec![0; k as usize], records)).await;
        i += k;
    }
    while acks.count() < a.warmup {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let start = now_ns();
    let pace = Pacer::new(a.rate);
    let (mut i, mut at) = (0, 0);
    while i < a.records {
        let due = pace.due(a.records);
        while i < due {
            let n = batch.min((due - i) as usize);
            let (mut sent, mut records) = (Vec::with_capacity(n), Vec::with_capacity(n));
            for _ in 0..n {
                sent.push(now_ns());
                records.push(record(i));
                i += 1;
            }
            let _ = senders[at].send((sent, records)).await;
            at = (at + 1) % senders.len();
        }
        if i < a.records {
            tokio::time::sleep(Pacer::TICK.max(Duration::from_millis(a.linger_ms.unwrap_or(0)))).await;
        }
    }
    drop(senders);
    for t in tasks {
        let _ = t.await;
    }
    acks.report(NAME, &a, start);
}

async fn consume(a: Args) {
    if a.group.is_some() {
        die("rskafka has no consumer groups");
    }
    let c = client(&a).await;
    let (tx, mut rx) = tokio::sync::mpsc::channel(6);
    for n in 0..a.partitions as i32 {
        let p = c
            .partition_client(a.topic.clone(), n, UnknownTopicHandling::Retry)
            .await
            .unwrap_or_else(|e| die(&e.to_string()));
        let tx = tx.clone();
        tokio::spawn(async move {
            let mut at = 0;
            loop {
                let (records, _) = p.fetch_records(at, 1..1_048_576, 500).await.unwrap_or_else(|e| die(&e.to_string()));
                if let Some(l) = records.last() {
                    at = l.offset + 1;
                }
                if tx.send(records).await.is_err() {
                    return;
                }
            }
        });
    }
    let (mut s, mut start) = (Sink::default(), 0);
    while s.records < a.records {
        let batch = rx.recv().await.unwrap();
        if start == 0 && !batch.is_empty() {
            start = now_ns();
        }
        for r in &batch {
            s.take(r.record.key.as_ref().map(Vec::len), r.record.value.as_ref().map_or(0, Vec::len), r.offset);
        }
    }
    report_sink(NAME, &s, now_ns() - start);
    std::process::exit(0);
}
