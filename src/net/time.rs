//! Times as the services of clouds write them (ISO 8601, RFC 3339).

use crate::ids::Timestamp;

/// `20210315T123456Z`.
#[cfg(feature = "aws-msk-iam")]
pub(super) fn stamp(now: Timestamp) -> String {
    let [year, month, day, hour, minute, second] = fields(now);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2021-03-15T12:34:56Z`.
#[cfg(feature = "aws-msk-iam")]
pub(super) fn extended(now: Timestamp) -> String {
    let [year, month, day, hour, minute, second] = fields(now);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days become a date by the proleptic Gregorian calendar, whose eras are 400 years.
#[cfg(feature = "aws-msk-iam")]
fn fields(now: Timestamp) -> [i64; 6] {
    let seconds = now.0.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Years begin in March.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    [year, month, day, second / 3600, second / 60 % 60, second % 60]
}

/// `2021-03-15T12:34:56Z`, with a fraction, or with an offset such as `+01:00` in place of the Z;
/// `None` if it is another text.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let (time, offset) = zone(time)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_whole = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let three = |text: &str, by: char| -> Option<[i64; 3]> {
        let numbers: Option<Vec<i64>> = text
            .split(by)
            .map(|part| if is_whole(part) && part.len() <= 4 { part.parse().ok() } else { None })
            .collect();
        numbers?.try_into().ok()
    };
    let [year, month, day] = three(date, '-')?;
    let [hour, minute, second] = three(time, ':')?;
    let is_time = hour < 24 && minute < 60 && second <= 60 && is_whole(fraction);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !is_time {
        return None;
    }
    // The way back from `stamp`: years begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468;
    Some(Timestamp((((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000))
}

/// A time without its zone, and by how many minutes that is ahead.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let (time, zone) = time.split_at_checked(time.rfind(['+', '-'])?)?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit());
    let (sign, zone) = zone.split_at_checked(1)?;
    let (hours, minutes) = zone.split_once(':')?;
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let offset = hours * 60 + minutes;
    Some((time, if sign == "-" { -offset } else { offset }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "aws-msk-iam")]
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_369_353_600, "20130524T000000Z"),
            (4_107_542_399, "21000228T235959Z"),
        ] {
            assert_eq!(stamp(Timestamp(seconds * 1000)), text);
            let extended = extended(Timestamp(seconds * 1000));
            assert_eq!(extended.replace(['-', ':'], ""), text);
            assert_eq!(parse(&extended), Some(Timestamp(seconds * 1000)));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2021-03-15T12:34:56.789Z", 1_615_811_696),
            ("2021-03-15T12:34:56+00:00", 1_615_811_696),
            ("2021-03-15T14:04:56+01:30", 1_615_811_696),
            ("2021-03-15T04:34:56.5-08:00", 1_615_811_696),
            ("2100-02-28T23:59:59Z", 4_107_542_399),
        ] {
            assert_eq!(parse(text), Some(Timestamp(seconds * 1000)), "{text}");
        }
        for text in ["", "T", "2021-03-15", "2021-13-15T00:00:00Z", "2021-03-15T12:34:56+0200"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:.+-]{0,30}") {
            let _ = parse(&text);
        }
    }
}
