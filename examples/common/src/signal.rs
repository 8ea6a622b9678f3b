//! SIGINT and SIGTERM, which ask a program to finish.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Whether a signal has come; cheap to clone.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on; needs a runtime. A second signal ends the process at once, unless it
    /// comes within a second of the first: `timeout` of GNU sends its own to the program, and to
    /// the whole process group right after.
    pub fn listen() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            let mut first = None;
            loop {
                let status = signals.next().await;
                match answer(first, Instant::now()) {
                    Answer::Finish(since) => {
                        first = Some(since);
                        let _ = sender.send(true);
                    }
                    Answer::Ignore => {}
                    Answer::Exit => std::process::exit(status),
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Waits for a signal; for ever if none comes.
    pub async fn received(&mut self) {
        if self.0.wait_for(|has_come| *has_come).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub fn is_received(&self) -> bool {
        *self.0.borrow()
    }
}

/// What a signal means.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The first, at this time.
    Finish(Instant),
    /// It belongs to the first.
    Ignore,
    Exit,
}

/// How long after the first signal another one is the same. A guess: far more than one sender
/// needs, and less than who has lost patience waits.
const SAME: Duration = Duration::from_secs(1);

fn answer(first: Option<Instant>, now: Instant) -> Answer {
    match first {
        None => Answer::Finish(now),
        Some(first) if now.saturating_duration_since(first) <= SAME => Answer::Ignore,
        Some(_) => Answer::Exit,
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next; the exit status of a process that it ends.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next; the exit status of a process that it ends.
    async fn next(&mut self) -> i32 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 130,
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_right_after_the_first_is_the_same_and_a_later_one_ends_the_process() {
        let begin = Instant::now();
        assert_eq!(answer(None, begin), Answer::Finish(begin));
        let after = |millis| answer(Some(begin), begin + Duration::from_millis(millis));
        assert_eq!([0, 1, 1000].map(after), [const { Answer::Ignore }; 3]);
        assert_eq!([1001, 60_000].map(after), [const { Answer::Exit }; 2]);
    }
}
