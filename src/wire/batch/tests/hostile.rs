//! Bytes that mean harm: whatever comes, reading ends with a record or an error, within its bounds.

use super::*;

const HEX: [&str; 16] = [
    golden::JAVA_V2_NONE,
    golden::JAVA_V2_GZIP,
    golden::JAVA_V2_SNAPPY,
    golden::JAVA_V2_LZ4,
    golden::JAVA_V2_ZSTD,
    golden::JAVA_V1_NONE,
    golden::JAVA_V1_GZIP,
    golden::JAVA_V1_SNAPPY,
    golden::JAVA_V1_LZ4,
    golden::JAVA_V0_NONE,
    golden::JAVA_V0_GZIP,
    golden::JAVA_V0_SNAPPY,
    golden::JAVA_V0_LZ4,
    golden::JAVA_ABORT,
    golden::RDKAFKA_SNAPPY,
    golden::RDKAFKA_ZSTD,
];

/// Reads as much as there is; the checksum would hide what is being tested.
fn survive(bytes: Vec<u8>) {
    const LIMIT: usize = 10_000;
    let options = DecodeOptions { check_crc: false, max_decompressed: LIMIT };
    let len = bytes.len();
    for batch in Batches::new(bytes.into()) {
        let Ok(batch) = batch else { continue };
        let _ = batch.control(&options);
        let Ok(records) = batch.decode(&options) else { continue };
        assert!(records.len() <= LIMIT.max(len), "{} bytes", records.len());
        let mut position = None;
        for record in records.iter().map_while(Result::ok) {
            assert!(position < Some(record.offset));
            position = Some(record.offset);
            record.headers().for_each(|header| drop(header.name()));
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..400_usize;
    // Values at the edges of variable-length integers do more harm than others.
    let byte = prop_oneof![any::<u8>(), Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff)];
    prop_oneof![
        6 => (at.clone(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (at.clone(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => at.clone().prop_map(Change::Remove),
        1 => at.prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let len = bytes.len().max(1);
    match *change {
        Change::Set(at, byte) => {
            if let Some(place) = bytes.get_mut(at % len) {
                *place = byte;
            }
        }
        Change::Insert(at, byte) => bytes.insert(at % len, byte),
        Change::Remove(at) if !bytes.is_empty() => drop(bytes.remove(at % len)),
        Change::Remove(_) => {}
        Change::Cut(at) => bytes.truncate(at % len),
    }
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
    fn changed_batches_are_survived(which in 0..HEX.len(), changes in proptest::collection::vec(change(), 1..6), mend: bool) {
        let mut bytes = golden::bytes(HEX[which]);
        changes.iter().for_each(|change| apply(&mut bytes, change));
        if mend {
            mend_length(&mut bytes);
        }
        survive(bytes);
    }

    #[test]
    fn random_records_in_a_sound_batch_are_survived(records: Vec<u8>, count in 0..20_i32, attributes in 0..256_i16) {
        survive(forged(&records, count, 1000, attributes).to_vec());
    }

    #[test]
    fn random_bytes_are_survived(mut bytes: Vec<u8>, magic in -1..4_i8) {
        if let Some(place) = bytes.get_mut(MAGIC_AT) {
            *place = magic.to_be_bytes()[0];
        }
        mend_length(&mut bytes);
        survive(bytes);
    }
}
