//! What tests hear of the logs.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};

/// Hears what is logged on this thread, from a level on, until it is dropped.
pub(crate) struct CapturedLogs {
    text: Text,
    _installed: DefaultGuard,
    /// With a single subscriber, a place that another test's thread comes by first would be taken
    /// for one that nobody listens to.
    _second: Dispatch,
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl CapturedLogs {
    /// Warnings and errors.
    pub(crate) fn warnings() -> Self {
        Self::from(Level::WARN)
    }

    pub(crate) fn from(level: Level) -> Self {
        let text = Text::default();
        let sink = text.clone();
        let subscriber = || {
            let sink = sink.clone();
            let builder = tracing_subscriber::fmt().with_max_level(level).with_ansi(false);
            builder.with_writer(move || sink.clone()).finish()
        };
        let second = Dispatch::new(subscriber());
        Self { text, _installed: tracing::subscriber::set_default(subscriber()), _second: second }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.0.lock().unwrap()).into_owned()
    }

    /// How many lines have all these words.
    pub(crate) fn count(&self, words: &[&str]) -> usize {
        self.text().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    pub(crate) fn clear(&self) {
        self.text.0.lock().unwrap().clear();
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
