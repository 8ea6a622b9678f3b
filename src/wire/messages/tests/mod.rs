//! Every message in every version: against itself and against hostile bytes.

pub(in crate::wire::messages) mod samples;

use super::mirror::for_each_api;
use crate::wire::call::Request;
use crate::wire::versions::ApiKey;
use crate::wire::{Decode, Encode, Reader, Writer};
use samples::{Sample, Samples};

/// The bytes of a message by itself.
fn encoded(message: &impl Encode, api: ApiKey, version: i16, is_flexible: bool) -> Vec<u8> {
    let mut to = Writer::new(api.name(), version, is_flexible);
    message.encode(&mut to, version).unwrap_or_else(|error| panic!("{error}"));
    to.into_contiguous()
}

macro_rules! come_back {
    ($($name:ident: $request:ident, $response:ident;)*) => {
        mod come_back {
            use super::*;
            $(
                #[test]
                fn $name() {
                    use crate::wire::messages::$name::{$request, $response};
                    let mut samples = Samples::new(1);
                    for version in $request::VERSIONS {
                        let is_flexible = version >= $request::FLEXIBLE;
                        for _ in 0..50 {
                            let request = $request::sample(&mut samples, version);
                            let bytes = encoded(&request, $request::API, version, is_flexible);
                            let mut from = Reader::new(&bytes, stringify!($request), version, is_flexible);
                            assert_eq!($request::decode(&mut from, version), Ok(request), "v{version}");
                            assert_eq!(from.finish(), Ok(()));

                            let response = $response::sample(&mut samples, version);
                            let bytes = encoded(&response, $request::API, version, is_flexible);
                            let mut from = Reader::new(&bytes, stringify!($response), version, is_flexible);
                            assert_eq!($response::decode(&mut from, version), Ok(response), "v{version}");
                            assert_eq!(from.finish(), Ok(()));
                        }
                    }
                }
            )*
        }
    };
}

for_each_api!(come_back);
