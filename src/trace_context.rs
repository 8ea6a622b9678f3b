//! The context of a trace in the headers of records, as W3C writes it: what OpenTelemetry's
//! propagators read and write.

use std::fmt;
use std::str::FromStr;

/// The trace and span that a record belongs to (W3C Trace Context, `traceparent`).
///
/// ```
/// use kavka::{Header, Record, TraceContext};
///
/// let context: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
/// let traceparent = context.to_string();
/// let headers = [Header::new(TraceContext::HEADER, &traceparent)];
/// let record = Record::to("orders").value("tea").headers(&headers);
/// # let _ = record;
/// ```
///
/// [`Headers::trace_context`](crate::Headers::trace_context) reads it from a consumed record;
/// `mq::Message` carries it with its methods `inject` and `extract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace id; never zero.
    pub trace_id: u128,
    /// The id of the span that sent the message; never zero.
    pub span_id: u64,
    /// Whether the trace is sampled, that is, recorded.
    pub is_sampled: bool,
}

/// The error of parsing a [`TraceContext`]: the text is not a valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTraceContext;

impl fmt::Display for NoTraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(
            "not a traceparent: 00, 32 and 16 hexadecimal digits and 2 for flags are needed, \
             joined by hyphens",
        )
    }
}

impl std::error::Error for NoTraceContext {}

impl TraceContext {
    /// The name of the header that carries the context.
    pub const HEADER: &'static str = "traceparent";

    /// The context that the value of a header says, if it does.
    pub(crate) fn of_value(value: &[u8]) -> Option<Self> {
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.is_sampled)
        )
    }
}

impl FromStr for TraceContext {
    type Err = NoTraceContext;

    fn from_str(text: &str) -> Result<Self, NoTraceContext> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let is_lower_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
            parts
                .next()
                .filter(|part| part.len() == digits && part.bytes().all(is_lower_hex))
                .ok_or(NoTraceContext)
        };
        let version = hex(2)?;
        let (trace, span, flags) = (hex(32)?, hex(16)?, hex(2)?);
        // A later version may have more parts; this one may not, and ff is none.
        let has_more = parts.next().is_some();
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0);
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0);
        let flags = u8::from_str_radix(flags, 16).ok();
        match (trace_id, span_id, flags) {
            (Some(trace_id), Some(span_id), Some(flags))
                if version != "ff" && !(version == "00" && has_more) =>
            {
                Ok(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
            }
            _ => Err(NoTraceContext),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_is_written_as_it_was_read() {
        assert_eq!(GOOD.parse::<TraceContext>().unwrap().to_string(), GOOD);
    }

    #[test]
    fn what_the_standard_forbids_is_no_context() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<TraceContext>(), Err(NoTraceContext), "{text}");
        }
        assert!(
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"
                .parse::<TraceContext>()
                .is_ok()
        );
    }
}
