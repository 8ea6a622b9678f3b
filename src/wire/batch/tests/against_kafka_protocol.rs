//! A second opinion, where that crate's semantics are right: header names that are unique, and
//! offsets and sequences that rise by one.

use bytes::BytesMut;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression as TheirCompression, Record as TheirRecord, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType as TheirTimestampType,
};

use super::*;

const STAMP: ProducerStamp = ProducerStamp {
    id: ProducerId(77),
    epoch: ProducerEpoch(3),
    sequence: Sequence(9),
    is_transactional: false,
};

fn theirs(record: &Owned) -> TheirRecord {
    let mut headers = IndexMap::new();
    for (name, value) in &record.headers {
        let name = std::str::from_utf8(name).unwrap().to_owned();
        headers.insert(name.into(), value.clone().map(Bytes::from));
    }
    TheirRecord {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: STAMP.id.0,
        producer_epoch: STAMP.epoch.0,
        timestamp_type: TheirTimestampType::Creation,
        offset: record.offset,
        sequence: STAMP.sequence.0 + i32::try_from(record.offset).unwrap(),
        timestamp: record.timestamp,
        key: record.key.clone().map(Bytes::from),
        value: record.value.clone().map(Bytes::from),
        headers,
    }
}

/// Records as that crate can hold them.
fn plain_records() -> impl Strategy<Value = Vec<Owned>> {
    records().prop_map(|mut records| {
        for record in &mut records {
            record.timestamp /= 2;
            record.headers.sort();
            record.headers.dedup_by(|a, b| a.0 == b.0);
        }
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_write_the_same_bytes(records in plain_records()) {
        let ours = batch_bytes(&sealed(&records, Compression::NONE), BatchHeader { producer: Some(STAMP) });
        let their_records: Vec<_> = records.iter().map(theirs).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: TheirCompression::None };
        RecordBatchEncoder::encode(&mut bytes, &their_records, &options).unwrap();
        // That crate takes the smallest timestamp for the base, we the first, as Java does: compare
        // what that leaves alone.
        if records.iter().all(|record| record.timestamp >= records[0].timestamp) {
            prop_assert_eq!(&ours[CRC_START..], &bytes[CRC_START..]);
        }
        prop_assert_eq!(read_all(bytes.freeze(), &OPTIONS).unwrap(), records);
    }

    #[test]
    fn it_reads_what_we_write(records in plain_records()) {
        let mut ours = batch_bytes(&sealed(&records, Compression::NONE), BatchHeader { producer: Some(STAMP) });
        let read = RecordBatchDecoder::decode(&mut ours).unwrap().records;
        prop_assert_eq!(read.len(), records.len());
        for (read, record) in read.iter().zip(&records) {
            prop_assert_eq!(read, &theirs(record));
        }
    }
}
