// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! UpdateFeatures, API key 57, versions 0 to 2, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for UpdateFeaturesRequest<'_> {
    const API: ApiKey = ApiKey::UpdateFeatures;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = UpdateFeaturesResponse<'a>;
}

/// The request, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UpdateFeaturesRequest<'a> {
    pub(crate) timeout_ms: i32,
    pub(crate) feature_updates: Vec<FeatureUpdateKey<'a>>,
    /// Versions 1+.
    pub(crate) validate_only: bool,
}

impl Default for UpdateFeaturesRequest<'_> {
    fn default() -> Self {
        Self { timeout_ms: 60000, feature_updates: Vec::new(), validate_only: false }
    }
}

impl Encode for UpdateFeaturesRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.timeout_ms);
        to.array("feature_updates", &self.feature_updates)?;
        if version >= 1 {
            to.bool(self.validate_only);
        } else {
            to.lacks("validate_only", self.validate_only)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`UpdateFeaturesRequest::feature_updates`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FeatureUpdateKey<'a> {
    pub(crate) feature: &'a str,
    pub(crate) max_version_level: i16,
    /// Version 0.
    pub(crate) allow_downgrade: bool,
    /// Versions 1+.
    pub(crate) upgrade_type: i8,
}

impl Default for FeatureUpdateKey<'_> {
    fn default() -> Self {
        Self { feature: "", max_version_level: 0, allow_downgrade: false, upgrade_type: 1 }
    }
}

impl Encode for FeatureUpdateKey<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("feature", self.feature)?;
        to.i16(self.max_version_level);
        if version <= 0 {
            to.bool(self.allow_downgrade);
        } else {
            to.lacks("allow_downgrade", self.allow_downgrade)?;
        }
        if version >= 1 {
            to.i8(self.upgrade_type);
        } else {
            to.lacks("upgrade_type", self.upgrade_type != 1)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UpdateFeaturesResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    /// Versions 0 to 1.
    pub(crate) results: Vec<UpdatableFeatureResult<'a>>,
}

impl Default for UpdateFeaturesResponse<'_> {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, error_message: Some(""), results: Vec::new() }
    }
}

impl<'a> Decode<'a> for UpdateFeaturesResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            results: if version <= 1 { from.array("results")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`UpdateFeaturesResponse::results`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UpdatableFeatureResult<'a> {
    pub(crate) feature: &'a str,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for UpdatableFeatureResult<'_> {
    fn default() -> Self {
        Self { feature: "", error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for UpdatableFeatureResult<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            feature: from.string("feature")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
