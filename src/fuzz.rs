//! Decoders that are given hostile bytes: by tests, which change valid ones by chance
//! (`wire::hostile`), and by `fuzz/`, which is guided by coverage. Each returns, whatever the
//! bytes. Not part of the public API.

use crate::net::Incoming;
use crate::wire::batch::{Batches, DecodeOptions};
use crate::wire::call::{Request, decode_data, decode_response};
use crate::wire::messages::consumer_protocol_assignment::ConsumerProtocolAssignment;
use crate::wire::messages::consumer_protocol_subscription::ConsumerProtocolSubscription;

macro_rules! replies {
    ($($api:ident: $request:ident,)*) => {
        /// How the reply of each API is read that every client may send; those of administration
        /// are made by the same generator.
        const REPLIES: &[fn(&[u8], i16)] = &[$(reply_of::<crate::wire::messages::$api::$request>),*];
    };
}

replies! {
    api_versions: ApiVersionsRequest,
    fetch: FetchRequest,
    find_coordinator: FindCoordinatorRequest,
    get_telemetry_subscriptions: GetTelemetrySubscriptionsRequest,
    heartbeat: HeartbeatRequest,
    init_producer_id: InitProducerIdRequest,
    join_group: JoinGroupRequest,
    leave_group: LeaveGroupRequest,
    list_offsets: ListOffsetsRequest,
    metadata: MetadataRequest,
    offset_commit: OffsetCommitRequest,
    offset_fetch: OffsetFetchRequest,
    offset_for_leader_epoch: OffsetForLeaderEpochRequest,
    produce: ProduceRequest,
    push_telemetry: PushTelemetryRequest,
    sasl_authenticate: SaslAuthenticateRequest,
    sasl_handshake: SaslHandshakeRequest,
    sync_group: SyncGroupRequest,
}

/// Reads a reply, header included: the first byte says of which API, the second in which version.
pub fn reply(bytes: &[u8]) {
    let [api, version, frame @ ..] = bytes else { return };
    if let Some(read) = REPLIES.get(usize::from(*api) % REPLIES.len()) {
        read(frame, i16::from(*version));
    }
}

/// Reads a reply in one of the versions that the client speaks.
pub(crate) fn reply_of<R: Request>(frame: &[u8], version: i16) {
    let (first, last) = R::VERSIONS.into_inner();
    drop(decode_response::<R>(frame, first + version % (last - first + 1)));
}

/// Reads what members of a group say of themselves, and what their leader gives them.
pub fn consumer_protocol(bytes: &[u8]) {
    drop(decode_data::<ConsumerProtocolSubscription<'_>>(bytes));
    drop(decode_data::<ConsumerProtocolAssignment<'_>>(bytes));
}

/// Reads batches of records, and as much of each as there is; the checksum would hide what comes
/// behind it.
///
/// # Panics
/// If a batch decompresses to more than it may, or its records do not rise.
pub fn batches(bytes: Vec<u8>) {
    const LIMIT: usize = 10_000;
    let options = DecodeOptions { check_crc: false, max_decompressed: LIMIT };
    let len = bytes.len();
    for batch in Batches::new(bytes.into()) {
        let Ok(batch) = batch else { continue };
        drop(batch.control(&options));
        let Ok(records) = batch.decode(&options) else { continue };
        assert!(records.len() <= LIMIT.max(len), "{} bytes", records.len());
        let mut position = None;
        for record in records.iter().map_while(Result::ok) {
            assert!(position < Some(record.offset), "offsets do not rise");
            position = Some(record.offset);
            record.headers().for_each(|header| drop(header.name()));
        }
    }
}

/// Cuts what arrives in pieces of so many bytes into frames.
///
/// # Panics
/// If more comes out than went in, or there is no room for a piece.
pub fn frames(bytes: &[u8], piece: usize) {
    const LIMIT: usize = 2_000;
    const LENGTH: usize = 4;
    let mut incoming = Incoming::new(LIMIT);
    let mut brought = 0;
    for piece in bytes.chunks(piece.max(1)) {
        let (room, most) = incoming.room();
        assert!(most >= piece.len(), "no room");
        room.extend_from_slice(piece);
        loop {
            match incoming.frame() {
                Ok(Some(frame)) => brought += LENGTH + frame.len(),
                Ok(None) => break,
                Err(bad) => return drop(bad.explain()),
            }
        }
    }
    assert!(brought <= bytes.len(), "more than came");
}
