//! What every Rust wrapper shares: arguments, payloads, pacing, latency, the JSON line.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use hdrhistogram::Histogram;

#[derive(Clone, Debug)]
pub struct Args {
    pub mode: String,
    pub bootstrap: String,
    pub topic: String,
    pub records: u64,
    pub size: usize,
    pub acks: String,
    pub idempotence: bool,
    pub compression: String,
    pub linger_ms: Option<u64>,
    pub batch_bytes: Option<usize>,
    pub rate: Option<u64>,
    pub payload: String,
    pub warmup: u64,
    pub group: Option<String>,
    /// Of the topic; for the wrappers that place records themselves.
    pub partitions: usize,
    /// Reads the one partition as well, and measures how long a record takes to there.
    pub to_consumer: bool,
}

impl Args {
    pub fn parse() -> Args {
        use lexopt::prelude::*;
        now_ns();
        let mut a = Args {
            mode: String::new(),
            bootstrap: "127.0.0.1:9092".into(),
            topic: "perf".into(),
            records: 1_000_000,
            size: 128,
            acks: "all".into(),
            idempotence: true,
            compression: "none".into(),
            linger_ms: None,
            batch_bytes: None,
            rate: None,
            payload: "text".into(),
            warmup: 1000,
            group: None,
            partitions: 6,
            to_consumer: false,
        };
        let mut p = lexopt::Parser::from_env();
        let step = |p: &mut lexopt::Parser| -> Result<String, lexopt::Error> { p.value()?.string() };
        while let Some(arg) = p.next().expect("arguments") {
            match arg {
                Value(v) if a.mode.is_empty() => a.mode = v.string().unwrap(),
                Long(name) => {
                    let name = name.to_owned();
                    let v = step(&mut p).unwrap_or_else(|e| die(&e.to_string()));
                    let num = || v.parse::<u64>().unwrap_or_else(|_| die(&format!("--{name} {v}: not a number")));
                    match name.as_str() {
                        "bootstrap-server" => a.bootstrap = v,
                        "topic" => a.topic = v,
                        "records" => a.records = num(),
                        "size" => a.size = num() as usize,
                        "acks" => a.acks = v,
                        "idempotence" => a.idempotence = v == "true",
                        "compression" => a.compression = v,
                        "linger-ms" => a.linger_ms = Some(num()),
                        "batch-bytes" => a.batch_bytes = Some(num() as usize),
                        "rate" => a.rate = Some(num()),
                        "payload" => a.payload = v,
                        "warmup" => a.warmup = num(),
                        "group" => a.group = Some(v),
                        "partitions" => a.partitions = num() as usize,
                        "to-consumer" => a.to_consumer = v == "true",
                        "from" => {}
                        other => die(&format!("unknown option --{other}")),
                    }
                }
                other => die(&other.unexpected().to_string()),
            }
        }
        a
    }

    pub fn produce(&self) -> bool {
        match self.mode.as_str() {
            "produce" => true,
            "consume" => false,
            _ => die("usage: perf produce|consume --bootstrap-server HOST:PORT --topic T --records N ..."),
        }
    }
}

pub fn die(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}

/// Nanoseconds since the process's first call.
#[inline]
pub fn now_ns() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    ZERO.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// The same pseudo-random stream in Rust, Go and Java, so that every client sends the same bytes.
pub struct SplitMix(pub u64);

impl SplitMix {
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }
}

pub const POOL: usize = 8 << 20;

/// A pool of 8 MiB of payload, of which record `i` is the slice `slot(i)`.
pub struct Payload {
    pub pool: Vec<u8>,
    pub size: usize,
    slots: usize,
}

impl Payload {
    pub fn new(kind: &str, size: usize) -> Payload {
        let len = POOL.max(size);
        let pool = match kind {
            "zero" => vec![0; len],
            "random" => {
                let mut r = SplitMix(1);
                let mut v = Vec::with_capacity(len + 8);
                while v.len() < len {
                    v.extend_from_slice(&r.next().to_le_bytes());
                }
                v.truncate(len);
                v
            }
            "text" => text(len),
            other => die(&format!("unknown payload {other}")),
        };
        Payload { pool, size, slots: (len / size.max(1)).max(1) }
    }
    #[inline]
    pub fn offset(&self, i: u64) -> usize {
        (i as usize % self.slots) * self.size
    }
    #[inline]
    pub fn get(&self, i: u64) -> &[u8] {
        let o = self.offset(i);
        &self.pool[o..o + self.size]
    }
}

/// JSON-like log lines with varying numbers.
pub fn text(len: usize) -> Vec<u8> {
    use std::io::Write;
    const LEVEL: [&str; 4] = ["INFO", "INFO", "WARN", "DEBUG"];
    const PATH: [&str; 4] = ["/api/v1/items", "/api/v1/orders", "/api/v1/users", "/healthz"];
    let mut r = SplitMix(7);
    let mut ts = 1_763_900_000_000u64;
    let mut v = Vec::with_capacity(len + 256);
    while v.len() < len {
        ts += r.below(50);
        let (l, s, h, p, id, st, ms) =
            (r.below(4), r.below(8), r.below(20), r.below(4), r.below(100_000), r.below(20), r.below(500));
        writeln!(
            v,
            "{{\"ts\":{ts},\"level\":\"{}\",\"service\":\"orders-{s}\",\"host\":\"node-{h}.example.internal\",\"method\":\"GET\",\"path\":\"{}/{id}\",\"status\":{},\"duration_ms\":{ms},\"message\":\"request completed\"}}",
            LEVEL[l as usize],
            PATH[p as usize],
            if st == 0 { 500 } else { 200 },
        )
        .unwrap();
    }
    v.truncate(len);
    v
}

/// How many records are due: all of them without a rate, else by the clock in 1 ms ticks.
pub struct Pacer {
    rate: Option<u64>,
    start: u64,
}

impl Pacer {
    pub const TICK: Duration = Duration::from_millis(1);
    pub fn new(rate: Option<u64>) -> Pacer {
        Pacer { rate, start: now_ns() }
    }
    /// The count of records that may have been sent by now.
    #[inline]
    pub fn due(&self, total: u64) -> u64 {
        match self.rate {
            None => total,
            Some(r) => (((now_ns() - self.start) as u128 * r as u128 / 1_000_000_000) as u64).min(total),
        }
    }
}

pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 600_000_000_000, 3).unwrap()
}

/// Sums over what a consumer read, so that reading cannot be optimised away.
#[derive(Default, Debug)]
pub struct Sink {
    pub records: u64,
    pub bytes: u64,
    pub keys: u64,
    pub offsets: u64,
}

impl Sink {
    #[inline]
    pub fn take(&mut self, key: Option<usize>, value: usize, offset: i64) {
        self.records += 1;
        self.bytes += value as u64;
        self.keys += key.unwrap_or(0) as u64;
        self.offsets = self.offsets.wrapping_add(offset as u64);
    }
}

fn usage() -> (f64, f64, i64) {
    // SAFETY: getrusage fills the zeroed struct it is given.
    let u = unsafe {
        let mut u: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut u);
        u
    };
    let s = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    (s(u.ru_utime), s(u.ru_stime), u.ru_maxrss)
}

fn quantiles(h: &Histogram<u64>) -> serde_json::Map<String, serde_json::Value> {
    [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)]
        .into_iter()
        .map(|(name, q)| (name.to_owned(), (h.value_at_quantile(q) as f64 / 1e6).into()))
        .collect()
}

/// What is printed at the end; `handler` are the latencies to a consumer.
#[derive(Default)]
pub struct Latencies<'a> {
    pub acknowledged: Option<&'a Histogram<u64>>,
    pub handler: Option<&'a Histogram<u64>>,
}

pub fn report(client: &str, mode: &str, records: u64, bytes: u64, nanos: u64, latencies: Latencies<'_>, errors: u64) {
    let (user, sys, rss) = usage();
    let secs = nanos as f64 / 1e9;
    let mut o = serde_json::json!({
        "client": client, "mode": mode, "records": records, "bytes": bytes, "seconds": secs,
        "records_per_s": records as f64 / secs, "mb_per_s": bytes as f64 / secs / 1e6,
        "cpu_user_s": user, "cpu_sys_s": sys, "max_rss_kb": rss, "errors": errors,
    });
    if let Some(h) = latencies.acknowledged {
        o.as_object_mut().unwrap().extend(quantiles(h));
    }
    if let Some(h) = latencies.handler {
        let mut handler = quantiles(h);
        handler.insert("records".to_owned(), h.len().into());
        o["handler"] = handler.into();
    }
    println!("{o}");
}

pub fn report_sink(client: &str, s: &Sink, nanos: u64) {
    black_box(s);
    report(client, "consume", s.records, s.bytes, nanos, Latencies::default(), 0);
}

/// Counts records in flight and holds the sender back above `cap`, for clients whose own `send`
/// does not wait.
pub struct Gate {
    cap: u64,
    flying: std::sync::atomic::AtomicU64,
    free: tokio::sync::Notify,
}

impl Gate {
    pub fn new(cap: u64) -> Gate {
        Gate { cap, flying: 0.into(), free: tokio::sync::Notify::new() }
    }
    pub async fn enter(&self) {
        use std::sync::atomic::Ordering::SeqCst;
        if self.flying.fetch_add(1, SeqCst) >= self.cap {
            while self.flying.load(SeqCst) > self.cap / 2 {
                self.free.notified().await;
            }
        }
    }
    pub fn leave(&self) {
        use std::sync::atomic::Ordering::SeqCst;
        if self.flying.fetch_sub(1, SeqCst) <= self.cap / 2 + 1 {
            self.free.notify_one();
        }
    }
}

/// The records that fit the 32 MiB which every client gets as its buffer.
pub const BUFFER_BYTES: usize = 32 << 20;

/// What a delivery callback writes: latencies after the warm-up, errors, the last acknowledgement.
pub struct Acks {
    inner: std::sync::Mutex<(Histogram<u64>, u64, u64, u64)>,
}

impl Default for Acks {
    fn default() -> Acks {
        Acks { inner: std::sync::Mutex::new((histogram(), 0, 0, 0)) }
    }
}

impl Acks {
    /// One outcome of a record sent at `sent` (0 = a warm-up record).
    #[inline]
    pub fn done(&self, sent: u64, ok: bool) {
        let now = now_ns();
        let mut g = self.inner.lock().unwrap();
        if sent != 0 {
            let _ = g.0.record(now - sent);
            g.2 = g.2.max(now);
        }
        if !ok {
            g.1 += 1;
        }
        g.3 += 1;
    }
    pub fn done_many(&self, sent: &[u64], ok: bool) {
        let now = now_ns();
        let mut g = self.inner.lock().unwrap();
        for &s in sent {
            if s != 0 {
                let _ = g.0.record(now - s);
                g.2 = g.2.max(now);
            }
        }
        if !ok {
            g.1 += sent.len() as u64;
        }
        g.3 += sent.len() as u64;
    }
    pub fn count(&self) -> u64 {
        self.inner.lock().unwrap().3
    }
    pub fn report(&self, client: &str, a: &Args, started: u64) {
        self.report_handled(client, a, started, None);
    }
    /// Waits until the consumer has seen every record, if there is one.
    pub fn report_handled(&self, client: &str, a: &Args, started: u64, handled: Option<&Handled>) {
        let handled = handled.map(Handled::finish);
        let g = self.inner.lock().unwrap();
        let want = a.records + a.warmup;
        let missing = want.saturating_sub(g.3);
        let latencies = Latencies { acknowledged: Some(&g.0), handler: handled.as_deref() };
        report(client, "produce", a.records, a.records * a.size as u64, g.2.max(started + 1) - started, latencies, g.1 + missing);
    }
}

/// When each record was sent, by its offset in the one partition of a fresh topic, for a consumer
/// in the same process.
pub struct Handled {
    sent: Vec<std::sync::atomic::AtomicU64>,
    seen: std::sync::Mutex<Histogram<u64>>,
    /// The consumer has read the last record of the warm-up.
    warm: std::sync::atomic::AtomicBool,
    warmup: u64,
    records: u64,
}

impl Handled {
    pub fn new(a: &Args) -> Option<std::sync::Arc<Handled>> {
        if !a.to_consumer {
            return None;
        }
        if a.partitions != 1 {
            die("--to-consumer needs a fresh topic with one partition");
        }
        let sent = (0..a.records).map(|_| 0.into()).collect();
        Some(std::sync::Arc::new(Handled { sent, seen: histogram().into(), warm: false.into(), warmup: a.warmup, records: a.records }))
    }
    /// Waits until the consumer has begun to read.
    pub fn wait(&self) {
        while !self.warm.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    /// Record `i` after the warm-up is sent at `now`.
    pub fn sent(&self, i: u64, now: u64) {
        self.sent[i as usize].store(now, std::sync::atomic::Ordering::SeqCst);
    }
    pub fn seen(&self, offset: u64) {
        let now = now_ns();
        if offset + 1 == self.warmup {
            self.warm.store(true, std::sync::atomic::Ordering::SeqCst);
        }
        if let Some(sent) = offset.checked_sub(self.warmup).and_then(|i| self.sent.get(i as usize)) {
            let _ = self.seen.lock().unwrap().record(now - sent.load(std::sync::atomic::Ordering::SeqCst));
        }
    }
    fn finish(&self) -> std::sync::MutexGuard<'_, Histogram<u64>> {
        let begun = now_ns();
        while self.seen.lock().unwrap().len() < self.records {
            if now_ns() - begun > 30_000_000_000 {
                die("the consumer did not see every record");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.seen.lock().unwrap()
    }
}
