//! Names that things had before; they go with the first release that may break.

use crate::boxed::BoxFuture;
use crate::config::{SaslError, SaslSession, Token};
use crate::error::{Class, Error, ErrorContext, ErrorKind};
use crate::net::Io;
use crate::producer::ProducerConfig;
use crate::record::Header;

/// The future returned by [`Connector::connect`](crate::Connector::connect).
#[doc(hidden)]
#[deprecated(note = "write BoxFuture<'a, io::Result<Box<dyn Io>>>")]
pub type Connecting<'a> = BoxFuture<'a, std::io::Result<Box<dyn Io>>>;

/// The future returned by [`SaslMechanism::start`](crate::SaslMechanism::start).
#[doc(hidden)]
#[deprecated(note = "write BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>>")]
pub type SaslStarting<'a> = BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>>;

/// The future returned by [`TokenSource::token`](crate::TokenSource::token).
#[doc(hidden)]
#[deprecated(note = "write BoxFuture<'a, Result<Token, SaslError>>")]
pub type TokenFuture<'a> = BoxFuture<'a, Result<Token, SaslError>>;

/// A received header.
#[doc(hidden)]
#[deprecated(note = "is Header")]
pub type HeaderRef<'a> = Header<'a>;

/// Where an error happened.
#[doc(hidden)]
#[deprecated(note = "is ErrorContext")]
pub type Place = ErrorContext;

#[allow(non_upper_case_globals, reason = "stand for variants")]
impl ErrorKind {
    #[doc(hidden)]
    #[deprecated(note = "is BufferFull")]
    pub const Full: Self = Self::BufferFull;
    #[doc(hidden)]
    #[deprecated(note = "is LogTruncated")]
    pub const Truncated: Self = Self::LogTruncated;
}

#[allow(non_upper_case_globals, reason = "stands for a variant")]
impl Class {
    #[doc(hidden)]
    #[deprecated(note = "is InvalidConfiguration")]
    pub const Config: Self = Self::InvalidConfiguration;
}

impl Error {
    #[doc(hidden)]
    #[deprecated(note = "is Error::context")]
    pub fn place(&self) -> &ErrorContext {
        self.context()
    }
}

impl ProducerConfig {
    #[doc(hidden)]
    #[deprecated(note = "is ProducerConfig::broker_error_retries")]
    #[must_use]
    pub fn answered_retries(self, retries: u32) -> Self {
        self.broker_error_retries(retries)
    }
}

#[cfg(test)]
#[allow(deprecated, reason = "they must go on to work")]
mod tests {
    use super::*;

    #[test]
    fn old_names_of_variants_are_patterns_of_the_new_ones() {
        assert!(matches!(ErrorKind::BufferFull, ErrorKind::Full));
        assert!(matches!(ErrorKind::LogTruncated, ErrorKind::Truncated));
        assert!(matches!(Class::InvalidConfiguration, Class::Config));
    }
}
