//! A bar on the terminal for what takes long: one line, where stderr is a terminal, and nothing
//! elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How much is done; cheap to clone. The bar is wiped away when the last of them is dropped.
#[derive(Clone, Debug)]
pub struct Progress {
    done: Arc<AtomicU64>,
    drawing: Option<Arc<Drawing>>,
}

/// The task that draws.
#[derive(Debug)]
struct Drawing {
    task: tokio::task::AbortHandle,
    is_over: AtomicBool,
}

impl Progress {
    /// Begins to draw, if somebody can see it; needs a runtime.
    pub fn start(all: u64) -> Self {
        Self::start_if(all, true)
    }

    /// [`Progress::start`] of a program that prints results, which would be torn apart where they
    /// are seen on the same terminal.
    pub fn start_beside_results(all: u64) -> Self {
        Self::start_if(all, !std::io::stdout().is_terminal())
    }

    fn start_if(all: u64, is_apart: bool) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let drawing = (is_apart && std::io::stderr().is_terminal()).then(|| {
            let done = Arc::clone(&done);
            let task = tokio::spawn(async move {
                let mut ticks = tokio::time::interval(Duration::from_millis(200));
                loop {
                    ticks.tick().await;
                    show(&format!("{WIPE}{}", bar(done.load(Relaxed), all)));
                }
            });
            Arc::new(Drawing { task: task.abort_handle(), is_over: AtomicBool::new(false) })
        });
        Self { done, drawing }
    }

    /// So much more is done.
    #[inline]
    pub fn add(&self, more: u64) {
        self.done.fetch_add(more, Relaxed);
    }

    /// So much is done in all.
    pub fn set(&self, done: u64) {
        self.done.store(done, Relaxed);
    }

    /// Wipes the bar away.
    pub fn stop(&self) {
        if let Some(drawing) = &self.drawing {
            drawing.end();
        }
    }
}

impl Drawing {
    fn end(&self) {
        if !self.is_over.swap(true, Relaxed) {
            self.task.abort();
            show(WIPE);
        }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.end();
    }
}

/// To the begin of the line, and nothing behind it.
const WIPE: &str = "\r\x1b[K";

fn show(text: &str) {
    let mut to = std::io::stderr().lock();
    // Who cannot be shown it misses nothing else.
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// The bar: `[####    ] 2 of 4`.
fn bar(done: u64, all: u64) -> String {
    let share = u128::from(done.min(all)) * WIDTH / u128::from(all.max(1));
    let filled = usize::try_from(share).unwrap_or(0);
    let empty = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(filled);
    format!("[{}{}] {done} of {all}", "#".repeat(filled), " ".repeat(empty))
}

const WIDTH: u128 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_full_as_the_work_is_done_and_always_as_wide() {
        let filled = |done, all| {
            let bar = bar(done, all);
            let (inside, numbers) = bar.split_once("] ").expect("a bar and numbers");
            assert_eq!(inside.len(), 41, "{bar}");
            assert_eq!(numbers, format!("{done} of {all}"));
            inside.matches('#').count()
        };
        assert_eq!((filled(0, 4), filled(1, 4), filled(4, 4)), (0, 10, 40));
        // What is more than was expected, or nothing, or too much to count with.
        assert_eq!((filled(9, 4), filled(0, 0), filled(u64::MAX / 2, u64::MAX)), (40, 0, 19));
    }
}
