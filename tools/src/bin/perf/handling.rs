//! Reads through `kavka::mq`: a handler that counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kavka::Client;
use kavka::mq::{Message, Mq};
use kavka_programs::{Interrupt, Outcome, Stop};
use kavka_tools::progress::Progress;

use super::consume::NOTHING_COMES;
use super::options::Options;
use super::report::Report;

#[derive(Debug, Default)]
struct Read {
    records: AtomicU64,
    bytes: AtomicU64,
    started: OnceLock<Instant>,
    /// From the first record to the last that was wanted.
    elapsed: OnceLock<Duration>,
}

/// Consumes and measures.
pub(crate) async fn run(
    options: &Options,
    client: &Client,
    mut interrupt: Interrupt,
) -> Outcome<Report> {
    let mut config = options.mq_config()?;
    config.consumer.group_id = Some(options.group.clone().unwrap_or_else(|| "perf-mq".to_owned()));
    let mq = Mq::with_client(client.clone(), config)?;
    let progress = Progress::start(options.records);
    let read = Arc::new(Read::default());
    let (done, mut is_done) = tokio::sync::watch::channel(false);
    let (wanted, noted, shown) = (options.records, Arc::clone(&read), progress.clone());
    let handler = move |message: Message| {
        let started = *noted.started.get_or_init(Instant::now);
        let before = noted.records.fetch_add(1, Relaxed);
        if before < wanted {
            noted
                .bytes
                .fetch_add(message.value.as_ref().map_or(0, |value| value.len() as u64), Relaxed);
            shown.add(1);
        }
        if before + 1 == wanted {
            let _ = noted.elapsed.set(started.elapsed());
            done.send_replace(true);
        }
        std::future::ready(())
    };
    mq.consumer()?.subscribe([options.topic.as_str()], handler)?;
    let mut silence =
        tokio::time::interval_at(tokio::time::Instant::now() + NOTHING_COMES, NOTHING_COMES);
    let mut seen = 0;
    loop {
        tokio::select! {
            biased;
            _ = is_done.wait_for(|done| *done) => break,
            () = interrupt.received() => break,
            _ = silence.tick() => {
                let now = read.records.load(Relaxed);
                if now == seen {
                    return Err(Stop::failure(format_args!("only {now} of {wanted} records came, \
                                                           and none for {NOTHING_COMES:?}")));
                }
                seen = now;
            }
        }
    }
    progress.stop();
    let elapsed = read.elapsed.get().copied();
    let elapsed = elapsed.or_else(|| Some(read.started.get()?.elapsed())).unwrap_or_default();
    let report =
        Report::consumed(read.records.load(Relaxed).min(wanted), read.bytes.load(Relaxed), elapsed);
    mq.consumer()?.close(super::PATIENCE).await?;
    Ok(report)
}
