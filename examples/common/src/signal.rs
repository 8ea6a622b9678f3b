//! SIGINT and SIGTERM, which ask a program to finish.

use tokio::sync::watch;

/// Whether a signal has come; cheap to clone.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on; needs a runtime. A second signal ends the process at once.
    pub fn listen() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::spawn(async move {
                for is_first in [true, false] {
                    let status = tokio::select! {
                        _ = terminate.recv() => 143,
                        _ = interrupt.recv() => 130,
                    };
                    if !is_first {
                        std::process::exit(status);
                    }
                    let _ = sender.send(true);
                }
            });
        }
        #[cfg(not(unix))]
        tokio::spawn(async move {
            for is_first in [true, false] {
                let _ = tokio::signal::ctrl_c().await;
                if !is_first {
                    std::process::exit(130);
                }
                let _ = sender.send(true);
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
