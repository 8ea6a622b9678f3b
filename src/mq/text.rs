//! Settings as text: how a value is written in a file, in the environment or by hand.

use std::time::Duration;

use crate::config::{FromProperty, Secret, SecurityProtocol};
use crate::consumer::{AutoOffsetReset, IsolationLevel};
use crate::producer::Acks;
use crate::wire::compress::Compression;

/// A value that can be read from text.
pub(super) trait FromText: Sized {
    /// What is allowed, for those who wrote something else.
    const ALLOWED: &'static str;

    fn from_text(text: &str) -> Option<Self>;
}

/// A key in snake_case: `lingerMs`, `LingerMs` and `linger_ms` are the same.
pub(super) fn normalized(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    let chars: Vec<char> = key.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let begins_word = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase()
                        && chars.get(at + 1).is_some_and(char::is_ascii_lowercase))
            });
        if begins_word {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

impl FromText for String {
    const ALLOWED: &'static str = "any text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl FromText for Secret {
    const ALLOWED: &'static str = "any text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl<T: FromText> FromText for Option<T> {
    const ALLOWED: &'static str = T::ALLOWED;

    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }
}

impl FromText for Vec<String> {
    const ALLOWED: &'static str = "a list of host:port";

    fn from_text(text: &str) -> Option<Self> {
        Some(
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }
}

impl FromText for bool {
    const ALLOWED: &'static str = "true or false";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

macro_rules! whole_numbers {
    ($($type:ty)+) => {$(
        impl FromText for $type {
            const ALLOWED: &'static str = "a whole number from 0";

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok().filter(|number: &Self| *number >= 0 as $type)
            }
        }
    )+};
}

whole_numbers!(i32 u32 u64 usize);

impl FromText for Duration {
    const ALLOWED: &'static str =
        "a number with a unit (ns, us, ms, s, m, h), such as 5s or 1m30s,";

    /// As Go writes durations.
    fn from_text(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        if rest == "0" {
            return Some(Self::ZERO);
        }
        let mut total = Self::ZERO;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest.get(..digits)?.parse().ok()?;
            rest = rest.get(digits..)?;
            let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let seconds = match rest.get(..unit)? {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
            rest = rest.get(unit..)?;
            total = total.checked_add(Self::try_from_secs_f64(number * seconds).ok()?)?;
        }
        (!text.trim().is_empty()).then_some(total)
    }
}

impl FromText for Compression {
    const ALLOWED: &'static str = "none, gzip, snappy, lz4 or zstd";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromText for Acks {
    const ALLOWED: &'static str = "-1 (all), 1 or 0";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "-1" | "all" => Some(Self::All),
            "1" => Some(Self::Leader),
            "0" => Some(Self::None),
            _ => None,
        }
    }
}

impl FromText for AutoOffsetReset {
    const ALLOWED: &'static str = "latest, earliest or none";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "latest" => Some(Self::Latest),
            "earliest" => Some(Self::Earliest),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

impl FromText for IsolationLevel {
    const ALLOWED: &'static str = "read_uncommitted or read_committed";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "read_uncommitted" => Some(Self::ReadUncommitted),
            "read_committed" => Some(Self::ReadCommitted),
            _ => None,
        }
    }
}

impl FromText for SecurityProtocol {
    const ALLOWED: &'static str = <Self as FromProperty>::ALLOWED;

    fn from_text(text: &str) -> Option<Self> {
        Self::from_property(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_key_are_one() {
        for (key, name) in [
            ("lingerMs", "linger_ms"),
            ("LingerMs", "linger_ms"),
            ("linger_ms", "linger_ms"),
            ("ClientID", "client_id"),
            ("clientId", "client_id"),
            ("GroupID", "group_id"),
            ("producerConfig.maxInFlightRequests", "producer_config.max_in_flight_requests"),
            ("targetThroughputPerSec", "target_throughput_per_sec"),
        ] {
            assert_eq!(normalized(key), name);
        }
    }

    #[test]
    fn durations_are_written_as_in_go() {
        for (text, millis) in [
            ("5s", 5000),
            ("100ms", 100),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1.5s", 1500),
            ("0", 0),
        ] {
            assert_eq!(Duration::from_text(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "5d", "1e400s", "99999999999999999999h", "5s5"] {
            assert_eq!(Duration::from_text(text), None, "{text}");
        }
    }
}
