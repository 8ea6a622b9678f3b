//! What arrives on a socket, in pieces of a length that the first byte says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [piece, bytes @ ..] = bytes {
        kavka::fuzz::frames(bytes, usize::from(*piece));
    }
});
