//! raw: not a client but a ceiling. Produce requests encoded once and sent over and over, five in
//! flight on one connection (no producer id, no retries); fetches whose records are counted by
//! batch header and never decoded.

use peer_raw::{failures, fetch_while, frame, framed, i32_at, string, varint};
use perf_common::{die, now_ns, Acks, Args, Handled, Pacer, Payload};
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::sync_channel;

const NAME: &str = "raw";

fn main() {
    let a = Args::parse();
    let s = TcpStream::connect(&a.bootstrap).unwrap_or_else(|e| die(&e.to_string()));
    s.set_nodelay(true).unwrap();
    if a.produce() { produce(a, s) } else { consume(a, s) }
}

fn batch(data: &Payload, from: u64, n: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0i16.to_be_bytes());
    body.extend((n as i32 - 1).to_be_bytes());
    let t = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    body.extend(t.to_be_bytes());
    body.extend(t.to_be_bytes());
    body.extend((-1i64).to_be_bytes());
    body.extend((-1i16).to_be_bytes());
    body.extend((-1i32).to_be_bytes());
    body.extend((n as i32).to_be_bytes());
    let mut r = Vec::new();
    for i in 0..n {
        r.clear();
        r.push(0);
        varint(&mut r, 0);
        varint(&mut r, i as i64);
        varint(&mut r, -1);
        varint(&mut r, data.size as i64);
        r.extend(data.get(from + i as u64));
        varint(&mut r, 0);
        varint(&mut body, r.len() as i64);
        body.extend(&r);
    }
    let mut out = Vec::new();
    out.extend(0i64.to_be_bytes());
    out.extend((body.len() as i32 + 9).to_be_bytes());
    out.extend((-1i32).to_be_bytes());
    out.push(2);
    out.extend(crc32c::crc32c(&body).to_be_bytes());
    out.extend(body);
    out
}

/// Produce v7: one batch for each of `parts`.
fn request(topic: &str, parts: &[(i32, Vec<u8>)]) -> Vec<u8> {
    let mut b = Vec::new();
    b.extend((-1i16).to_be_bytes());
    b.extend((-1i16).to_be_bytes());
    b.extend(30_000i32.to_be_bytes());
    b.extend(1i32.to_be_bytes());
    string(&mut b, topic);
    b.extend((parts.len() as i32).to_be_bytes());
    for (p, batch) in parts {
        b.extend(p.to_be_bytes());
        b.extend((batch.len() as i32).to_be_bytes());
        b.extend(batch);
    }
    framed(0, 7, &b)
}

fn produce(a: Args, mut w: TcpStream) {
    if a.compression != "none" || a.acks != "all" {
        die("raw: no compression, acks=all");
    }
    let data = Payload::new(&a.payload, a.size);
    let acks = std::sync::Arc::new(Acks::default());
    let mut r = w.try_clone().unwrap();
    let (tx, rx) = sync_channel::<(Vec<u64>, u64)>(4);
    let reader = std::thread::spawn({
        let acks = acks.clone();
        move || {
            let (mut buf, mut errors) = (Vec::new(), 0);
            while let Ok((sent, n)) = rx.recv() {
                frame(&mut r, &mut buf);
                let bad = failures(&buf);
                errors += bad;
                if sent.len() == 1 && n > 1 {
                    acks.done_many(&vec![sent[0]; n as usize], bad == 0);
                } else {
                    acks.done_many(&sent, bad == 0);
                }
            }
            errors
        }
    });
    let per = (a.batch_bytes.unwrap_or(16384).saturating_sub(61) / (a.size + 10)).max(1);
    let split = |from: u64, n: u64| -> Vec<(i32, Vec<u8>)> {
        let each = n.div_ceil(a.partitions as u64);
        (0..a.partitions as u64)
            .map(|p| (p as i32, each.min(n.saturating_sub(p * each)), from + p * each))
            .filter(|x| x.1 > 0)
            .map(|(p, k, at)| (p, batch(&data, at, k as usize)))
            .collect()
    };
    let full = (per * a.partitions) as u64;
    let mut i = 0;
    while i < a.warmup {
        let n = full.min(a.warmup - i);
        w.write_all(&request(&a.topic, &split(i, n))).unwrap();
        tx.send((vec![0; n as usize], n)).unwrap();
        i += n;
    }
    while acks.count() < a.warmup {
        std::thread::yield_now();
    }
    let handled = Handled::new(&a);
    let consumer = handled.clone().map(|handled| follow(&a, handled));
    if let Some(handled) = &handled {
        handled.wait();
    }
    let start = now_ns();
    if a.rate.is_some() {
        let pace = Pacer::new(a.rate);
        let (mut i, mut at) = (0, 0);
        while i < a.records {
            let due = pace.due(a.records);
            if due > i {
                let n = due - i;
                let t = now_ns();
                if let Some(handled) = &handled {
                    (i..due).for_each(|record| handled.sent(record, t));
                }
                w.write_all(&request(&a.topic, &[(at, batch(&data, i, n as usize))])).unwrap();
                tx.send((vec![t; n as usize], n)).unwrap();
                at = (at + 1) % a.partitions as i32;
                i = due;
            }
            if i < a.records {
                std::thread::sleep(Pacer::TICK);
            }
        }
    } else {
        let ready = request(&a.topic, &split(0, full));
        let mut left = a.records;
        while left > 0 {
            let n = left.min(full);
            let t = now_ns();
            if n == full {
                w.write_all(&ready).unwrap();
            } else {
                w.write_all(&request(&a.topic, &split(0, n))).unwrap();
            }
            tx.send((vec![t], n)).unwrap();
            left -= n;
        }
    }
    drop(tx);
    let _ = reader.join().unwrap();
    if let Some(consumer) = consumer {
        consumer.join().unwrap();
    }
    acks.report_handled(NAME, &a, start, handled.as_deref());
}

/// Reads the topic from its beginning on a connection of its own, up to the last record of the run.
fn follow(a: &Args, handled: std::sync::Arc<Handled>) -> std::thread::JoinHandle<()> {
    let a = a.clone();
    let mut s = TcpStream::connect(&a.bootstrap).unwrap_or_else(|e| die(&e.to_string()));
    s.set_nodelay(true).unwrap();
    std::thread::spawn(move || {
        let end = (a.warmup + a.records) as i64;
        fetch_while(&a, &mut s, |_, first, delta, _| {
            (first..=first + delta).for_each(|offset| handled.seen(offset as u64));
            first + delta + 1 < end
        });
    })
}

fn consume(a: Args, s: TcpStream) {
    peer_raw::consume(NAME, &a, s, |sink, _, _, batch| {
        sink.records += i32_at(batch, 57) as u64;
        sink.bytes += batch.len() as u64;
    });
}
