// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::alter_user_scram_credentials::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for AlterUserScramCredentialsRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { deletions: from.array("deletions")?, upsertions: from.array("upsertions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterUserScramCredentialsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            deletions: from.array(|from| ScramCredentialDeletion::sample(from, version)),
            upsertions: from.array(|from| ScramCredentialUpsertion::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for ScramCredentialDeletion<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, mechanism: from.i8("mechanism")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ScramCredentialDeletion<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), mechanism: from.i8() }
    }
}

impl<'a> Decode<'a> for ScramCredentialUpsertion<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            mechanism: from.i8("mechanism")?,
            iterations: from.i32("iterations")?,
            salt: from.bytes("salt")?,
            salted_password: from.bytes("salted_password")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ScramCredentialUpsertion<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            name: from.string(),
            mechanism: from.i8(),
            iterations: from.i32(),
            salt: from.bytes(),
            salted_password: from.bytes(),
        }
    }
}

impl Encode for AlterUserScramCredentialsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterUserScramCredentialsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), results: from.array(|from| AlterUserScramCredentialsResult::sample(from, version)) }
    }
}

impl Encode for AlterUserScramCredentialsResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("user", self.user)?;
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterUserScramCredentialsResult<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { user: from.string(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
