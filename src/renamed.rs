//! Names that things had before; they go with the first release that may break.

use crate::boxed::BoxFuture;
use crate::config::{SaslError, SaslSession, Token};
use crate::net::Io;
use crate::record::Header;

/// What [`Connector::connect`](crate::Connector::connect) returns.
#[doc(hidden)]
#[deprecated(note = "write BoxFuture<'a, io::Result<Box<dyn Io>>>")]
pub type Connecting<'a> = BoxFuture<'a, std::io::Result<Box<dyn Io>>>;

/// What [`SaslMechanism::start`](crate::SaslMechanism::start) returns.
#[doc(hidden)]
#[deprecated(note = "write BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>>")]
pub type SaslStarting<'a> = BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>>;

/// What [`TokenSource::token`](crate::TokenSource::token) returns.
#[doc(hidden)]
#[deprecated(note = "write BoxFuture<'a, Result<Token, SaslError>>")]
pub type TokenFuture<'a> = BoxFuture<'a, Result<Token, SaslError>>;

/// A header that was received.
#[doc(hidden)]
#[deprecated(note = "is Header")]
pub type HeaderRef<'a> = Header<'a>;
