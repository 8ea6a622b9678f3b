//! What scripts of raw requests have in common, whatever they are about.

use std::time::Duration;
#[cfg(feature = "real-kafka")]
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::time::sleep;

/// What was answered, a line each.
#[derive(Default)]
pub(super) struct Said(pub(super) Vec<String>);

impl Said {
    pub(super) fn say(&mut self, what: &str, answer: impl AsRef<str>) {
        self.0.push(format!("{what}: {}", answer.as_ref()));
    }

    /// Says an answer of several parts.
    pub(super) fn say_all(&mut self, what: &str, answer: &str) {
        answer.split("; ").for_each(|part| self.say(what, part));
    }
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn error(code: i16) -> String {
    ResponseError::try_from_code(code).map_or_else(|| "ok".to_owned(), |error| format!("{error:?}"))
}

pub(super) async fn rest(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

/// What the names in a script's world end with on a real cluster, which keeps those of earlier runs.
#[cfg(feature = "real-kafka")]
pub(super) fn suffix(script: &str) -> String {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    format!("-{script}-{moment}")
}

/// Plays scripts in worlds that the function `world` beside it makes.
#[cfg(feature = "real-kafka")]
macro_rules! plays {
    ($($script:ident, $expected:ident;)*) => {$(
        #[tokio::test]
        #[ignore = "needs a real broker"]
        async fn $script() {
            let Some(mut world) = world(stringify!($script)).await else { return };
            assert_eq!(scripts::$script(&mut world).await, scripts::$expected);
        }
    )*};
}
#[cfg(feature = "real-kafka")]
pub(super) use plays;
