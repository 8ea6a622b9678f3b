//! A scan of uncompressed records, for the checks that need a key or a record's time.

/// One record of an uncompressed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedRecord<'a> {
    /// The timestamp, counted from the batch's first.
    pub timestamp_delta: i64,
    /// The offset, counted from the batch's first.
    pub offset_delta: i64,
    /// The key, or `None` for null.
    pub key: Option<&'a [u8]>,
    /// The value, or `None` for null.
    pub value: Option<&'a [u8]>,
}

/// Reads the records of an uncompressed batch after its header; `None` when they are malformed.
pub(crate) fn scan(mut rest: &[u8], count: i32) -> Option<Vec<ScannedRecord<'_>>> {
    let mut records = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let mut body = take(&mut rest, length)?;
        records.push(record(&mut body)?);
        if !body.is_empty() {
            return None;
        }
    }
    rest.is_empty().then_some(records)
}

/// Encodes records of (key, value) as the body of a batch.
pub(crate) fn encode(records: &[(Option<&[u8]>, Option<&[u8]>)]) -> Vec<u8> {
    let mut to = Vec::new();
    for (offset_delta, (key, value)) in (0_i64..).zip(records) {
        let mut body = vec![0, 0];
        put_varint(&mut body, offset_delta);
        put_bytes(&mut body, *key);
        put_bytes(&mut body, *value);
        body.push(0);
        put_varint(&mut to, i64::try_from(body.len()).expect("a record of a test is small"));
        to.extend_from_slice(&body);
    }
    to
}

fn record<'a>(body: &mut &'a [u8]) -> Option<ScannedRecord<'a>> {
    take(body, 1)?;
    let timestamp_delta = varint(body)?;
    let offset_delta = varint(body)?;
    let key = bytes(body)?;
    let value = bytes(body)?;
    for _ in 0..varint(body)? {
        bytes(body)??;
        bytes(body)?;
    }
    Some(ScannedRecord { timestamp_delta, offset_delta, key, value })
}

#[expect(clippy::option_option, reason = "the outer is malformed, the inner Kafka's null")]
fn bytes<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint(from)?;
    if length < 0 {
        return Some(None);
    }
    take(from, usize::try_from(length).ok()?).map(Some)
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(head)
}

fn varint(from: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(from, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let sign = if value & 1 == 0 { 0 } else { -1 };
            return Some((value >> 1).cast_signed() ^ sign);
        }
    }
    None
}

fn put_varint(to: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            to.push(low);
            return;
        }
        to.push(low | 0x80);
    }
}

fn put_bytes(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else { return put_varint(to, -1) };
    put_varint(to, i64::try_from(bytes.len()).expect("a record of a test is small"));
    to.extend_from_slice(bytes);
}
