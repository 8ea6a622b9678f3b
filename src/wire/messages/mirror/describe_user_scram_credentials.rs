// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_user_scram_credentials::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeUserScramCredentialsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { users: from.nullable_array("users")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeUserScramCredentialsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { users: from.option(|from| from.array(|from| UserName::sample(from, version))) }
    }
}

impl<'a> Decode<'a> for UserName<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for UserName<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string() }
    }
}

impl Encode for DescribeUserScramCredentialsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeUserScramCredentialsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            results: from.array(|from| DescribeUserScramCredentialsResult::sample(from, version)),
        }
    }
}

impl Encode for DescribeUserScramCredentialsResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("user", self.user)?;
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("credential_infos", &self.credential_infos)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeUserScramCredentialsResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            user: from.string(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            credential_infos: from.array(|from| CredentialInfo::sample(from, version)),
        }
    }
}

impl Encode for CredentialInfo {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i8(self.mechanism);
        to.i32(self.iterations);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for CredentialInfo {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { mechanism: from.i8(), iterations: from.i32() }
    }
}
