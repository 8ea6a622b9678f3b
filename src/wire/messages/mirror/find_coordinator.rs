// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::find_coordinator::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for FindCoordinatorRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            key: if version <= 3 { from.string("key")? } else { "" },
            key_type: if version >= 1 { from.i8("key_type")? } else { 0 },
            coordinator_keys: if version >= 4 { from.array("coordinator_keys")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for FindCoordinatorRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            key: if version <= 3 { from.string() } else { "" },
            key_type: if version >= 1 { from.i8() } else { 0 },
            coordinator_keys: if version >= 4 { from.array(|from| from.string()) } else { Vec::new() },
        }
    }
}

impl Encode for FindCoordinatorResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        if version <= 3 {
            to.i16(self.error_code);
        } else {
            to.lacks("error_code", self.error_code != 0)?;
        }
        if (1..=3).contains(&version) {
            to.nullable_string("error_message", self.error_message)?;
        }
        if version <= 3 {
            to.i32(self.node_id);
            to.string("host", self.host)?;
            to.i32(self.port);
        } else {
            to.lacks("node_id", self.node_id != 0)?;
            to.lacks("host", !self.host.is_empty())?;
            to.lacks("port", self.port != 0)?;
        }
        if version >= 4 {
            to.array("coordinators", &self.coordinators)?;
        } else {
            to.lacks("coordinators", !self.coordinators.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for FindCoordinatorResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 1 { from.i32() } else { 0 },
            error_code: if version <= 3 { from.i16() } else { 0 },
            error_message: if (1..=3).contains(&version) { from.option(|from| from.string()) } else { Some("") },
            node_id: if version <= 3 { from.i32() } else { 0 },
            host: if version <= 3 { from.string() } else { "" },
            port: if version <= 3 { from.i32() } else { 0 },
            coordinators: if version >= 4 { from.array(|from| Coordinator::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl Encode for Coordinator<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("key", self.key)?;
        to.i32(self.node_id);
        to.string("host", self.host)?;
        to.i32(self.port);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Coordinator<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            key: from.string(),
            node_id: from.i32(),
            host: from.string(),
            port: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
        }
    }
}
