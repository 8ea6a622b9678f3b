use bytes::Bytes;

use super::*;
use crate::ids::Timestamp;
use crate::record::Header;
use crate::wire::compress::Compression;

const OPTIONS: DecodeOptions = DecodeOptions { check_crc: true, max_decompressed: 1 << 20 };

/// A batch of these records as it goes to a broker.
fn batch_of(records: &[RecordFields<'_>], compression: Compression, header: BatchHeader) -> Bytes {
    let mut builder = RecordsBuilder::with_capacity(0);
    for record in records {
        let before = builder.len();
        let expected = builder.encoded_len_of(record);
        builder.append(record).unwrap();
        assert_eq!(builder.len() - before, expected);
    }
    let sealed = builder.seal(compression).unwrap();
    [&header.write(&sealed)[..], &sealed.records].concat().into()
}

fn fields<'a>(timestamp: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]>, headers: &'a [Header<'a>]) -> RecordFields<'a> {
    RecordFields { timestamp: Timestamp(timestamp), key, value, headers }
}

#[test]
fn records_come_back_as_they_were_with_every_codec() {
    let headers = [Header::new("a", "1"), Header { name: "a", value: None }, Header::new("", "")];
    let long = vec![b'x'; 5000];
    let records = [
        fields(1000, Some(b"key"), Some(b"value"), &[]),
        fields(900, None, None, &headers),
        fields(70_000, Some(b""), Some(&long), &[]),
    ];
    for compression in [Compression::NONE, Compression::GZIP, Compression::SNAPPY, Compression::LZ4, Compression::ZSTD] {
        let bytes = batch_of(&records, compression, BatchHeader::default());
        let mut batches = Batches::new(bytes);
        let batch = batches.next().unwrap().unwrap();
        assert!(batches.next().is_none());
        assert_eq!(batches.remaining(), 0);
        assert_eq!(batch.next_offset(), Offset(3));
        let decoded = batch.decode(&OPTIONS).unwrap();
        let read: Vec<_> = decoded.iter().map(Result::unwrap).collect();
        assert_eq!(read.len(), records.len());
        for (index, (read, record)) in (0..).zip(read.iter().zip(&records)) {
            assert_eq!(read.offset, Offset(index));
            assert_eq!((read.timestamp, read.key, read.value), (record.timestamp, record.key, record.value));
            let headers: Vec<_> = record.headers.iter().map(|header| (header.name.into(), header.value)).collect();
            assert_eq!(read.headers().map(|header| (header.name(), header.value)).collect::<Vec<_>>(), headers);
        }
    }
}
