//! barnabas: batches built by the wrapper, `enqueue`d five deep per partition, then one `flush`;
//! `Consumer::poll`.

use barnabas_tokio::{Consumer, IsolationLevel, Producer, ProducerRecord, StartOffset, Tokio};
use perf_common::{die, now_ns, report_sink, Acks, Args, Pacer, Payload, Sink};
use std::time::Duration;

const NAME: &str = "barnabas";
const DEPTH: usize = 5;

#[tokio::main]
async fn main() {
    let a = Args::parse();
    if a.produce() { produce(a).await } else { consume(a).await }
}

async fn produce(a: Args) {
    use barnabas_client::producer::CompressionCodec as C;
    if a.acks != "all" || !a.idempotence {
        die("barnabas is always idempotent with acks=all");
    }
    let mut p = Producer::builder(Tokio)
        .bootstrap([a.bootstrap.as_str()])
        .client_id("perf")
        .compression(match a.compression.as_str() {
            "gzip" => C::Gzip,
            "snappy" => C::Snappy,
            "lz4" => C::Lz4,
            "zstd" => C::Zstd,
            _ => C::None,
        })
        .build()
        .await
        .unwrap_or_else(|e| die(&e.to_string()));
    let parts = a.partitions;
    let data = Payload::new(&a.payload, a.size);
    let pool = bytes::Bytes::from(data.pool.clone());
    let acks = Acks::default();
    let per_batch = (a.batch_bytes.unwrap_or(16384) / (a.size + 10)).max(1);
    let record = |i: u64| {
        let o = data.offset(i);
        ProducerRecord::new(None, Some(pool.slice(o..o + a.size)))
    };
    let mut i = 0;
    while i < a.warmup {
        let k = (per_batch as u64).min(a.warmup - i);
        let records: Vec<_> = (i..i + k).map(record).collect();
        p.enqueue(&a.topic, (i / per_batch as u64 % parts as u64) as i32, &records).await.unwrap_or_else(|e| die(&e.to_string()));
        p.flush().await.unwrap_or_else(|e| die(&e.to_string()));
        acks.done_many(&vec![0; k as usize], true);
        i += k;
    }
    let start = now_ns();
    let pace = Pacer::new(a.rate);
    let (mut i, mut at) = (0, 0);
    let (mut sent, mut records) = (Vec::new(), Vec::with_capacity(per_batch));
    while i < a.records {
        let due = pace.due(a.records);
        while i < due {
            // A window: up to DEPTH batches for every partition, then wait for all.
            for _ in 0..DEPTH * parts {
                records.clear();
                for _ in 0..per_batch.min((due - i) as usize) {
                    sent.push(now_ns());
                    records.push(record(i));
                    i += 1;
                }
                p.enqueue(&a.topic, at as i32, &records).await.unwrap_or_else(|e| die(&e.to_string()));
                at = (at + 1) % parts;
                if i == due {
                    break;
                }
            }
            p.flush().await.unwrap_or_else(|e| die(&e.to_string()));
            acks.done_many(&sent, true);
            sent.clear();
        }
        if i < a.records {
            tokio::time::sleep(Pacer::TICK.max(Duration::from_millis(a.linger_ms.unwrap_or(0)))).await;
        }
    }
    acks.report(NAME, &a, start);
}

async fn consume(a: Args) {
    if a.group.is_some() {
        die("the wrapper only assigns");
    }
    let mut k = Consumer::builder(Tokio)
        .bootstrap([a.bootstrap.as_str()])
        .client_id("perf")
        .isolation(IsolationLevel::ReadUncommitted)
        .prefetch(true)
        .assign_all(a.topic.as_str(), StartOffset::Earliest)
        .build()
        .await
        .unwrap_or_else(|e| die(&e.to_string()));
    let (mut s, mut start) = (Sink::default(), 0);
    while s.records < a.records {
        let got = k.poll().await.unwrap_or_else(|e| die(&e.to_string()));
        if start == 0 && got.iter().any(|b| !b.is_empty()) {
            start = now_ns();
        }
        for b in &got {
            for r in b.iter() {
                s.take(r.key().map(|k| k.len()), r.value().map_or(0, |v| v.len()), r.offset());
            }
        }
    }
    report_sink(NAME, &s, now_ns() - start);
}
