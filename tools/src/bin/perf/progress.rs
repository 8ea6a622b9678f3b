//! A bar on the terminal, where stderr is one.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How many records are done; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    drawing: Option<tokio::task::AbortHandle>,
}

impl Progress {
    /// Begins to draw, if somebody can see it.
    pub(crate) fn start(all: u64) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let drawing = std::io::stderr().is_terminal().then(|| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(Duration::from_millis(200));
                loop {
                    ticks.tick().await;
                    draw(done.load(Relaxed), all);
                }
            })
            .abort_handle()
        });
        Self { done, drawing }
    }

    #[inline]
    pub(crate) fn add(&self, records: u64) {
        self.done.fetch_add(records, Relaxed);
    }

    /// Wipes the bar away.
    pub(crate) fn stop(&self) {
        if let Some(drawing) = &self.drawing {
            drawing.abort();
            eprint!("\r\x1b[K");
        }
    }
}

fn draw(done: u64, all: u64) {
    let filled = usize::try_from(done.min(all) * WIDTH / all.max(1)).unwrap_or(0);
    let empty = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(filled);
    eprint!("\r\x1b[K[{}{}] {done} of {all}", "#".repeat(filled), " ".repeat(empty));
    let _ = std::io::stderr().flush();
}

const WIDTH: u64 = 40;
