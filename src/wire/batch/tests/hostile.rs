//! Bytes that mean harm: whatever comes, reading ends with a record or an error, within its bounds.

use super::*;
use crate::clock::Random;
use crate::wire::hostile;

/// What reading may take beside the multiple of the batch's size: what is decompressed, and a
/// codec's tables.
fn may_allocate(len: u64) -> u64 {
    16 * len + 400_000
}

fn changed_batches_survive(name: &str, hex: &str) {
    let valid = |_: &mut Random| (golden::bytes(hex), ());
    let decode = |bytes: &[u8], ()| {
        crate::fuzz::batches(bytes.to_vec());
        // The same with the length mended, so that changes behind it are reached.
        let mut mended = bytes.to_vec();
        mend_length(&mut mended);
        crate::fuzz::batches(mended);
    };
    hostile::survive(name, valid, decode, may_allocate);
}

macro_rules! survives {
    ($($test:ident: $golden:ident;)*) => {
        $(
            #[test]
            fn $test() {
                changed_batches_survive(stringify!($golden), golden::$golden);
            }
        )*
    };
}

survives! {
    v2_none: JAVA_V2_NONE;
    v2_gzip: JAVA_V2_GZIP;
    v2_snappy: JAVA_V2_SNAPPY;
    v2_lz4: JAVA_V2_LZ4;
    v2_zstd: JAVA_V2_ZSTD;
    v1_none: JAVA_V1_NONE;
    v1_gzip: JAVA_V1_GZIP;
    v1_snappy: JAVA_V1_SNAPPY;
    v1_lz4: JAVA_V1_LZ4;
    v0_none: JAVA_V0_NONE;
    v0_gzip: JAVA_V0_GZIP;
    v0_snappy: JAVA_V0_SNAPPY;
    v0_lz4: JAVA_V0_LZ4;
    control: JAVA_ABORT;
    librdkafka_snappy: RDKAFKA_SNAPPY;
    librdkafka_zstd: RDKAFKA_ZSTD;
}

/// Makes the length of the first batch what it is, so that changes behind it are reached.
fn mend_length(bytes: &mut [u8]) {
    let length = i32::try_from(bytes.len()).unwrap() - 12;
    if let Some(field) = bytes.get_mut(8..12) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_records_in_a_sound_batch_are_survived(records: Vec<u8>, count in 0..20_i32, attributes in 0..256_i16) {
        crate::fuzz::batches(forged(&records, count, 1000, attributes).to_vec());
    }

    #[test]
    fn random_bytes_are_survived(mut bytes: Vec<u8>, magic in -1..4_i8) {
        if let Some(place) = bytes.get_mut(MAGIC_AT) {
            *place = magic.to_be_bytes()[0];
        }
        mend_length(&mut bytes);
        crate::fuzz::batches(bytes);
    }
}
