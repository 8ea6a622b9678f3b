//! The context of a trace in the headers of a message.

use super::message::{Message, MessageHeader};
use crate::trace_context::TraceContext;

impl TraceContext {
    /// Returns the message with this trace context, replacing an earlier one.
    ///
    /// ```
    /// use kavka::mq::{Message, TraceContext};
    ///
    /// let context: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    /// let message = context.inject(Message::new("chat-messages", "Hello"));
    /// assert_eq!(TraceContext::extract(&message), Some(context));
    /// ```
    #[must_use]
    pub fn inject(&self, mut message: Message) -> Message {
        message.headers.retain(|header| header.name != Self::HEADER);
        message.headers.push(MessageHeader::new(Self::HEADER, self.to_string()));
        message
    }

    /// Returns the trace context of a message, if it carries one.
    pub fn extract(message: &Message) -> Option<Self> {
        Self::of_value(message.last_header(Self::HEADER)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_one_context() {
        let context: TraceContext =
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        let other = TraceContext { span_id: 7, ..context };
        let message = other.inject(context.inject(Message::new("t", "v")));
        assert_eq!(message.headers.len(), 1);
        assert_eq!(TraceContext::extract(&message), Some(other));
        assert_eq!(TraceContext::extract(&Message::new("t", "v")), None);
    }
}
