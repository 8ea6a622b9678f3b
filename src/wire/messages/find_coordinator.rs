// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! FindCoordinator, API key 10, versions 0 to 6, flexible from 3.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for FindCoordinatorRequest<'_> {
    const API: ApiKey = ApiKey::FindCoordinator;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE: i16 = 3;
    const THROTTLE: i16 = 1;
    type Response<'a> = FindCoordinatorResponse<'a>;
}

/// The request, versions 0 to 6, flexible from 3.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct FindCoordinatorRequest<'a> {
    /// Versions 0 to 3.
    pub(crate) key: &'a str,
    /// Versions 1+.
    pub(crate) key_type: i8,
    /// Versions 4+.
    pub(crate) coordinator_keys: Vec<&'a str>,
}

impl Encode for FindCoordinatorRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 3 {
            to.string("key", self.key)?;
        } else {
            to.lacks("key", !self.key.is_empty())?;
        }
        if version >= 1 {
            to.i8(self.key_type);
        } else {
            to.lacks("key_type", self.key_type != 0)?;
        }
        if version >= 4 {
            to.array("coordinator_keys", &self.coordinator_keys)?;
        } else {
            to.lacks("coordinator_keys", !self.coordinator_keys.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 6, flexible from 3.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FindCoordinatorResponse<'a> {
    /// Versions 1+.
    pub(crate) throttle_time_ms: i32,
    /// Versions 0 to 3.
    pub(crate) error_code: i16,
    /// Versions 1 to 3.
    pub(crate) error_message: Option<&'a str>,
    /// Versions 0 to 3.
    pub(crate) node_id: i32,
    /// Versions 0 to 3.
    pub(crate) host: &'a str,
    /// Versions 0 to 3.
    pub(crate) port: i32,
    /// Versions 4+.
    pub(crate) coordinators: Vec<Coordinator<'a>>,
}

impl Default for FindCoordinatorResponse<'_> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: Some(""),
            node_id: 0,
            host: "",
            port: 0,
            coordinators: Vec::new(),
        }
    }
}

impl<'a> Decode<'a> for FindCoordinatorResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 1 { from.i32("throttle_time_ms")? } else { 0 },
            error_code: if version <= 3 { from.i16("error_code")? } else { 0 },
            error_message: if (1..=3).contains(&version) { from.nullable_string("error_message")? } else { Some("") },
            node_id: if version <= 3 { from.i32("node_id")? } else { 0 },
            host: if version <= 3 { from.string("host")? } else { "" },
            port: if version <= 3 { from.i32("port")? } else { 0 },
            coordinators: if version >= 4 { from.array("coordinators")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`FindCoordinatorResponse::coordinators`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coordinator<'a> {
    pub(crate) key: &'a str,
    pub(crate) node_id: i32,
    pub(crate) host: &'a str,
    pub(crate) port: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for Coordinator<'_> {
    fn default() -> Self {
        Self { key: "", node_id: 0, host: "", port: 0, error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for Coordinator<'a> {
    const MIN_LEN: usize = 14;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            key: from.string("key")?,
            node_id: from.i32("node_id")?,
            host: from.string("host")?,
            port: from.i32("port")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
