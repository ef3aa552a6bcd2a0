//! The activation protocol: chunks put together to messages, messages decoded, what decodes encodes to the same.
#![no_main]

use helix_runtime::wire::{Assembler, ChunkHeader, HEADER_BYTES, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut rest, mut assembler) = (bytes, Assembler::default());
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let Ok(header) = ChunkHeader::decode(header) else { return };
        let Some((chunk, after)) = after.split_at_checked(header.chunk as usize) else { return };
        rest = after;
        match assembler.push(header, chunk) {
            Ok(Some((kind, bytes))) => {
                if let Ok(message) = Message::decode(kind, bytes.clone()) {
                    let again = message.encode();
                    let decoded = Message::decode(again.kind, [&again.head[..], &again.body[..]].concat().into());
                    // NaN differs from itself, so the bytes are compared, not the messages.
                    let twice = decoded.expect("what was encoded decodes").encode();
                    assert_eq!((again.head, again.body), (twice.head, twice.body));
                }
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
});
