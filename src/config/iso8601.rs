//! Durations as ISO 8601 writes them, in the form that Java's `Duration` reads: `PnDTnHnMn.nS`.

use std::time::Duration;

/// Reads a duration; `None` if it is malformed or negative.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let text = text.strip_prefix('+').unwrap_or(&text);
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        // What follows a T is not left out.
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    let mut rest = days;
    total = total.checked_add(take(&mut rest, 'D', 86_400)?)?;
    if !rest.is_empty() {
        return None;
    }
    rest = time;
    total = total.checked_add(take(&mut rest, 'H', 3600)?)?;
    total = total.checked_add(take(&mut rest, 'M', 60)?)?;
    match rest.strip_suffix('S') {
        Some(seconds) => total.checked_add(fraction(seconds)?),
        None if rest.is_empty() => Some(total),
        None => None,
    }
}

/// Takes a whole number of `seconds` from the front if `unit` follows it.
fn take(rest: &mut &str, unit: char, seconds: u64) -> Option<Duration> {
    let Some((count, after)) = rest.split_once(unit) else { return Some(Duration::ZERO) };
    *rest = after;
    Some(Duration::from_secs(whole(count)?.checked_mul(seconds)?))
}

/// Reads seconds with up to nine digits after the point.
fn fraction(text: &str) -> Option<Duration> {
    let Some((seconds, digits)) = text.split_once(['.', ',']) else {
        return whole(text).map(Duration::from_secs);
    };
    if digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{digits:0<9}").parse().ok()?;
    Duration::from_secs(whole(seconds)?).checked_add(Duration::from_nanos(nanos.into()))
}

fn whole(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_java_reads_them() {
        for (text, millis) in [
            ("P1D", 86_400_000),
            ("PT1H", 3_600_000),
            ("pt15m", 900_000),
            ("PT20.345S", 20_345),
            ("PT0.5S", 500),
            ("PT7,25s", 7250),
            ("PT1.S", 1000),
            ("P2DT3H4M5S", 183_845_000),
            ("P1DT1S", 86_401_000),
            ("+PT+1S", 1000),
            ("PT0S", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_java_refuses_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "1D",
            "P1H",
            "PT1D",
            "PT1M1H",
            "P1W",
            "PT-1S",
            "-PT1S",
            "PT1",
            "PT.5S",
            "PT1.0000000000S",
            "P1DT1SX",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[+-]?P?[0-9.,DHMSTdhms+-]{0,30}") {
            let _ = parse_duration(&text);
        }
    }
}
