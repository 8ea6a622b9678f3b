//! The few requests that the two programs below every client need, written and read by hand.

use perf_common::{die, now_ns, report_sink, Args, Sink};
use std::io::{Read, Write};
use std::net::TcpStream;

pub fn varint(out: &mut Vec<u8>, v: i64) {
    let mut z = ((v << 1) ^ (v >> 63)) as u64;
    while z >= 0x80 {
        out.push(z as u8 | 0x80);
        z >>= 7;
    }
    out.push(z as u8);
}

pub fn string(out: &mut Vec<u8>, s: &str) {
    out.extend((s.len() as i16).to_be_bytes());
    out.extend(s.as_bytes());
}

pub fn framed(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut f = Vec::with_capacity(body.len() + 32);
    f.extend([0; 4]);
    f.extend(key.to_be_bytes());
    f.extend(version.to_be_bytes());
    f.extend(1i32.to_be_bytes());
    string(&mut f, "raw");
    f.extend(body);
    let n = f.len() as i32 - 4;
    f[..4].copy_from_slice(&n.to_be_bytes());
    f
}

pub fn frame(s: &mut TcpStream, buf: &mut Vec<u8>) {
    let mut n = [0; 4];
    s.read_exact(&mut n).unwrap_or_else(|e| die(&e.to_string()));
    buf.resize(i32::from_be_bytes(n) as usize, 0);
    s.read_exact(buf).unwrap_or_else(|e| die(&e.to_string()));
}

pub fn i16_at(b: &[u8], o: usize) -> i16 {
    i16::from_be_bytes(b[o..o + 2].try_into().unwrap())
}
pub fn i32_at(b: &[u8], o: usize) -> i32 {
    i32::from_be_bytes(b[o..o + 4].try_into().unwrap())
}
pub fn i64_at(b: &[u8], o: usize) -> i64 {
    i64::from_be_bytes(b[o..o + 8].try_into().unwrap())
}

/// The partitions of a Produce v7 answer that failed.
pub fn failures(b: &[u8]) -> u64 {
    let mut o = 8;
    o += 2 + i16_at(b, o) as usize;
    let n = i32_at(b, o) as usize;
    (0..n).filter(|i| i16_at(b, o + 4 + i * 30 + 4) != 0).count() as u64
}

/// Fetch v4 of every partition, from the offsets `at`.
fn fetch(topic: &str, at: &[i64]) -> Vec<u8> {
    let mut b = Vec::new();
    b.extend((-1i32).to_be_bytes());
    b.extend(500i32.to_be_bytes());
    b.extend(1i32.to_be_bytes());
    b.extend(52_428_800i32.to_be_bytes());
    b.push(0);
    b.extend(1i32.to_be_bytes());
    string(&mut b, topic);
    b.extend((at.len() as i32).to_be_bytes());
    for (p, o) in at.iter().enumerate() {
        b.extend((p as i32).to_be_bytes());
        b.extend(o.to_be_bytes());
        b.extend(1_048_576i32.to_be_bytes());
    }
    framed(1, 4, &b)
}

/// Fetches all partitions, one request after the other; `each` counts a batch: where its partition
/// was read up to, its base offset, itself.
pub fn consume(name: &str, a: &Args, mut s: TcpStream, mut each: impl FnMut(&mut Sink, i64, i64, &[u8])) {
    let (mut sink, mut start) = (Sink::default(), 0);
    fetch_while(a, &mut s, |at, first, _, batch| {
        if start == 0 {
            start = now_ns();
        }
        each(&mut sink, at, first, batch);
        sink.records < a.records
    });
    report_sink(name, &sink, now_ns() - start);
}

/// Fetches until `each` says no: where its partition was read up to, base offset, last offset
/// delta, batch.
pub fn fetch_while(a: &Args, s: &mut TcpStream, mut each: impl FnMut(i64, i64, i64, &[u8]) -> bool) {
    let (mut at, mut buf, mut more) = (vec![0i64; a.partitions], Vec::new(), true);
    while more {
        s.write_all(&fetch(&a.topic, &at)).unwrap();
        frame(s, &mut buf);
        batches(&buf, |p, first, delta, batch| {
            more = each(at[p], first, delta, batch);
            at[p] = first + delta + 1;
        });
    }
}

/// Calls `each` with every whole batch of a Fetch v4 answer: partition, base offset, last offset
/// delta, batch.
fn batches(buf: &[u8], mut each: impl FnMut(usize, i64, i64, &[u8])) {
    let mut o = 12;
    o += 2 + i16_at(buf, o) as usize;
    let n = i32_at(buf, o);
    o += 4;
    for _ in 0..n {
        let p = i32_at(buf, o) as usize;
        if i16_at(buf, o + 4) != 0 {
            die(&format!("fetch error {}", i16_at(buf, o + 4)));
        }
        let aborted = i32_at(buf, o + 22).max(0) as usize;
        o += 26 + aborted * 16;
        let len = i32_at(buf, o).max(0) as usize;
        o += 4;
        let records = &buf[o..o + len];
        o += len;
        let mut b = 0;
        while b + 61 <= len {
            let size = i32_at(records, b + 8) as usize + 12;
            if b + size > len {
                break;
            }
            each(p, i64_at(records, b), i64::from(i32_at(records, b + 23)), &records[b..b + size]);
            b += size;
        }
    }
}
