// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::api_versions::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ApiVersionsRequest<'a> {
    const MIN_LEN: usize = 1;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            client_software_name: if version >= 3 { from.string("client_software_name")? } else { "" },
            client_software_version: if version >= 3 { from.string("client_software_version")? } else { "" },
            cluster_id: if version >= 5 { from.nullable_string("cluster_id")? } else { None },
            node_id: if version >= 5 { from.i32("node_id")? } else { -1 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ApiVersionsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            client_software_name: if version >= 3 { from.string() } else { "" },
            client_software_version: if version >= 3 { from.string() } else { "" },
            cluster_id: if version >= 5 { from.option(|from| from.string()) } else { None },
            node_id: if version >= 5 { from.i32() } else { -1 },
        }
    }
}

impl Encode for ApiVersionsResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.array("api_keys", &self.api_keys)?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.tagged_fields(|fields| {
            if !self.supported_features.is_empty() {
                fields.add(0, |to| to.array("supported_features", &self.supported_features))?;
            }
            if self.finalized_features_epoch != -1 {
                fields.add(1, |to| {
                    to.i64(self.finalized_features_epoch);
                    Ok(())
                })?;
            }
            if !self.finalized_features.is_empty() {
                fields.add(2, |to| to.array("finalized_features", &self.finalized_features))?;
            }
            if self.zk_migration_ready {
                fields.add(3, |to| {
                    to.bool(self.zk_migration_ready);
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Sample for ApiVersionsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            api_keys: from.array(|from| ApiVersion::sample(from, version)),
            throttle_time_ms: if version >= 1 { from.i32() } else { 0 },
            supported_features: if version >= 3 {
                from.array(|from| SupportedFeatureKey::sample(from, version))
            } else {
                Vec::new()
            },
            finalized_features_epoch: if version >= 3 { from.i64() } else { -1 },
            finalized_features: if version >= 3 {
                from.array(|from| FinalizedFeatureKey::sample(from, version))
            } else {
                Vec::new()
            },
            zk_migration_ready: if version >= 3 { from.bool() } else { false },
        }
    }
}

impl Encode for ApiVersion {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.api_key);
        to.i16(self.min_version);
        to.i16(self.max_version);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ApiVersion {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { api_key: from.i16(), min_version: from.i16(), max_version: from.i16() }
    }
}

impl Encode for SupportedFeatureKey<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i16(self.min_version);
        to.i16(self.max_version);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for SupportedFeatureKey<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), min_version: from.i16(), max_version: from.i16() }
    }
}

impl Encode for FinalizedFeatureKey<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i16(self.max_version_level);
        to.i16(self.min_version_level);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for FinalizedFeatureKey<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), max_version_level: from.i16(), min_version_level: from.i16() }
    }
}
