//! What the user sets: client-wide settings, and the one table of Kafka's property names.
//!
//! A value is checked twice: its form when it is parsed ([`Settings`]), its range and its agreement with the others in
//! `validate`, which every handle calls before it starts. So a setter never fails, and a config from code and one from a file
//! meet the same rules.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};

mod address;
mod client;

pub use address::BrokerAddress;
pub use client::{ClientConfig, MetadataRecoveryStrategy};

/// The longest duration that is told from "never": 100 years, so that adding it to a clock cannot overflow.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The longest duration that fits the 32-bit millisecond fields of the protocol.
const LONGEST_INT: Duration = Duration::from_millis(2_147_483_647);

/// Makes a duration safe to add to a clock.
pub(crate) fn bounded(duration: Duration) -> Duration {
    duration.min(FOREVER)
}

/// Refuses a duration that the protocol's 32-bit milliseconds cannot say.
pub(crate) fn check_int_millis(key: &str, value: Duration) -> Result<()> {
    if value > LONGEST_INT {
        return Err(Error::config(format!("{key} is {} ms: at most {} is allowed", value.as_millis(), LONGEST_INT.as_millis())));
    }
    Ok(())
}

/// Refuses a value outside a range.
pub(crate) fn check_range<T: PartialOrd + fmt::Display>(key: &str, value: T, least: T, most: T) -> Result<()> {
    if value < least || value > most {
        return Err(Error::config(format!("{key} is {value}: from {least} to {most} is allowed")));
    }
    Ok(())
}

/// Refuses a duration of zero where that would mean spinning or failing at once.
pub(crate) fn check_positive(key: &str, value: Duration) -> Result<()> {
    if value < Duration::from_millis(1) {
        return Err(Error::config(format!("{key} is less than 1 ms: at least 1 is allowed")));
    }
    Ok(())
}

/// Refuses a first backoff that is longer than the longest.
fn check_backoff(key: &str, first: Duration, max_key: &str, max: Duration) -> Result<()> {
    if first > max {
        let (first, max) = (first.as_millis(), max.as_millis());
        return Err(Error::config(format!("{key} is {first} ms, above {max_key} of {max} ms: at most that is allowed")));
    }
    Ok(())
}
