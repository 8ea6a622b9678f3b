// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ApiVersions, API key 18, versions 0 to 5, flexible from 3.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ApiVersionsRequest<'_> {
    const API: ApiKey = ApiKey::ApiVersions;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE: i16 = 3;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = ApiVersionsResponse<'a>;
}

/// The request, versions 0 to 5, flexible from 3.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsRequest<'a> {
    /// Versions 3+.
    pub(crate) client_software_name: &'a str,
    /// Versions 3+.
    pub(crate) client_software_version: &'a str,
    /// Versions 5+.
    pub(crate) cluster_id: Option<&'a str>,
    /// Versions 5+.
    pub(crate) node_id: i32,
}

impl Default for ApiVersionsRequest<'_> {
    fn default() -> Self {
        Self { client_software_name: "", client_software_version: "", cluster_id: None, node_id: -1 }
    }
}

impl Encode for ApiVersionsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            to.string("client_software_name", self.client_software_name)?;
            to.string("client_software_version", self.client_software_version)?;
        }
        if version >= 5 {
            to.nullable_string("cluster_id", self.cluster_id)?;
            to.i32(self.node_id);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 5, flexible from 3.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsResponse<'a> {
    pub(crate) error_code: i16,
    pub(crate) api_keys: Vec<ApiVersion>,
    /// Versions 1+.
    pub(crate) throttle_time_ms: i32,
    /// Versions 3+, tag 0.
    pub(crate) supported_features: Vec<SupportedFeatureKey<'a>>,
    /// Versions 3+, tag 1.
    pub(crate) finalized_features_epoch: i64,
    /// Versions 3+, tag 2.
    pub(crate) finalized_features: Vec<FinalizedFeatureKey<'a>>,
    /// Versions 3+, tag 3.
    pub(crate) zk_migration_ready: bool,
}

impl Default for ApiVersionsResponse<'_> {
    fn default() -> Self {
        Self {
            error_code: 0,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

impl<'a> Decode<'a> for ApiVersionsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            error_code: from.i16("error_code")?,
            api_keys: from.array("api_keys")?,
            throttle_time_ms: if version >= 1 { from.i32("throttle_time_ms")? } else { 0 },
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 => this.supported_features = from.array("supported_features")?,
                1 => this.finalized_features_epoch = from.i64("finalized_features_epoch")?,
                2 => this.finalized_features = from.array("finalized_features")?,
                3 => this.zk_migration_ready = from.bool("zk_migration_ready")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// An element of [`ApiVersionsResponse::api_keys`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ApiVersion {
    pub(crate) api_key: i16,
    pub(crate) min_version: i16,
    pub(crate) max_version: i16,
}

impl<'a> Decode<'a> for ApiVersion {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this =
            Self { api_key: from.i16("api_key")?, min_version: from.i16("min_version")?, max_version: from.i16("max_version")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ApiVersionsResponse::supported_features`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SupportedFeatureKey<'a> {
    pub(crate) name: &'a str,
    pub(crate) min_version: i16,
    pub(crate) max_version: i16,
}

impl<'a> Decode<'a> for SupportedFeatureKey<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this =
            Self { name: from.string("name")?, min_version: from.i16("min_version")?, max_version: from.i16("max_version")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ApiVersionsResponse::finalized_features`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct FinalizedFeatureKey<'a> {
    pub(crate) name: &'a str,
    pub(crate) max_version_level: i16,
    pub(crate) min_version_level: i16,
}

impl<'a> Decode<'a> for FinalizedFeatureKey<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            max_version_level: from.i16("max_version_level")?,
            min_version_level: from.i16("min_version_level")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
