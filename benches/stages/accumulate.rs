//! Records into the shared batches of a producer, from tasks on two threads: partition, locks,
//! memory and buffers as in `send`, and in place of the sender task and all behind it a stub that
//! acknowledges batches each millisecond.

use std::hint::black_box;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use kavka::Record;
use kavka::bench::{Accumulator, Builder};
use tokio::runtime;

use crate::material::{BATCH, TIME, TOPIC, text};

const TASKS: [usize; 3] = [1, 4, 16];

/// All tasks together, a sample.
const RECORDS: usize = 128 << 10;

const SIZE: usize = 128;
const PARTITIONS: usize = 6;

/// How many records `send_all` takes from the caller at a time.
const CHUNK: usize = 64;

#[derive(Clone, Copy)]
enum Way {
    Send,
    SendWithKey,
    SendAll,
}

/// All tasks append to the same open batch.
#[divan::bench(args = TASKS)]
fn send(bencher: Bencher<'_, '_>, tasks: usize) {
    accumulate(bencher, tasks, Way::Send);
}

/// Tasks meet at one of six batches only now and then.
#[divan::bench(args = TASKS)]
fn send_with_key(bencher: Bencher<'_, '_>, tasks: usize) {
    accumulate(bencher, tasks, Way::SendWithKey);
}

#[divan::bench(args = TASKS)]
fn send_all(bencher: Bencher<'_, '_>, tasks: usize) {
    accumulate(bencher, tasks, Way::SendAll);
}

/// One task that owns its batch: no lock, no memory to ask for, nobody to tell.
#[divan::bench]
fn without_locks(bencher: Bencher<'_, '_>) {
    let text = text();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let mut batch = Builder::with_capacity(BATCH);
        for value in values(&text, 0, RECORDS) {
            while !batch.append(BATCH, TIME, None, Some(value), &[]) {
                black_box(std::mem::replace(&mut batch, Builder::with_capacity(BATCH)));
            }
        }
        batch
    });
}

fn accumulate(bencher: Bencher<'_, '_>, tasks: usize, way: Way) {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let accumulator = {
        let _inside = runtime.enter();
        Arc::new(Accumulator::new(TOPIC, PARTITIONS))
    };
    let text: Arc<[u8]> = text().into();
    let round = async || {
        let stub = tokio::spawn({
            let accumulator = Arc::clone(&accumulator);
            async move { accumulator.acknowledge().await }
        });
        let sender = |task| {
            let (accumulator, text) = (Arc::clone(&accumulator), Arc::clone(&text));
            tokio::spawn(async move {
                work(way, &accumulator, values(&text, task, RECORDS / tasks)).await
            })
        };
        for sender in (0..tasks).map(sender).collect::<Vec<_>>() {
            sender.await.expect("no panic");
        }
        accumulator.flush().await;
        let acknowledged = stub.await.expect("no panic");
        assert_eq!(acknowledged, u64::try_from(RECORDS).expect("few"));
    };
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| runtime.block_on(round()));
}

async fn work<'a>(way: Way, accumulator: &Accumulator, mut values: impl Iterator<Item = &'a [u8]>) {
    match way {
        Way::Send => {
            for value in values {
                drop(accumulator.send(&Record::to(TOPIC).value(value)).await);
            }
        }
        Way::SendWithKey => {
            for value in values {
                drop(accumulator.send(&Record::to(TOPIC).key(&value[..10]).value(value)).await);
            }
        }
        Way::SendAll => {
            let mut chunk: [_; CHUNK] = std::array::from_fn(|_| Record::to(TOPIC));
            loop {
                let mut len = 0;
                for (place, value) in chunk.iter_mut().zip(&mut values) {
                    *place = Record::to(TOPIC).value(value);
                    len += 1;
                }
                if len == 0 {
                    return;
                }
                accumulator.send_chunk(&chunk[..len]).await;
            }
        }
    }
}

/// The values that one task sends; each begins elsewhere.
fn values(text: &[u8], task: usize, count: usize) -> impl Iterator<Item = &[u8]> {
    text.chunks_exact(SIZE).cycle().skip(7 * task).take(count).map(black_box)
}
