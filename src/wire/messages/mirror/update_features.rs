// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::update_features::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for UpdateFeaturesRequest<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            timeout_ms: from.i32("timeout_ms")?,
            feature_updates: from.array("feature_updates")?,
            validate_only: if version >= 1 { from.bool("validate_only")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for UpdateFeaturesRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            timeout_ms: from.i32(),
            feature_updates: from.array(|from| FeatureUpdateKey::sample(from, version)),
            validate_only: if version >= 1 { from.bool() } else { false },
        }
    }
}

impl<'a> Decode<'a> for FeatureUpdateKey<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            feature: from.string("feature")?,
            max_version_level: from.i16("max_version_level")?,
            allow_downgrade: if version <= 0 { from.bool("allow_downgrade")? } else { false },
            upgrade_type: if version >= 1 { from.i8("upgrade_type")? } else { 1 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for FeatureUpdateKey<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            feature: from.string(),
            max_version_level: from.i16(),
            allow_downgrade: if version <= 0 { from.bool() } else { false },
            upgrade_type: if version >= 1 { from.i8() } else { 1 },
        }
    }
}

impl Encode for UpdateFeaturesResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        if version <= 1 {
            to.array("results", &self.results)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for UpdateFeaturesResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            results: if version <= 1 { from.array(|from| UpdatableFeatureResult::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl Encode for UpdatableFeatureResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("feature", self.feature)?;
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for UpdatableFeatureResult<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { feature: from.string(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
