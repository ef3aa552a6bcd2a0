//! The activation protocol: chunks put together to messages, messages decoded, what decodes encodes to the same. The
//! bytes are taken twice: as what comes on a connection, and as the kind and the bytes of one message.
#![no_main]

use helix_runtime::wire::{Assembler, ChunkHeader, HEADER_BYTES, MAX_CHUNK, Message};
use libfuzzer_sys::fuzz_target;

fn message(kind: u8, bytes: &[u8]) {
    let Ok(message) = Message::decode(kind, bytes.to_vec().into()) else { return };
    let again = message.encode();
    assert_eq!(again.kind, kind);
    let encoded = [&again.head[..], &again.body[..]].concat();
    // NaN differs from itself, so the bytes are compared, not the messages. Texts that are no UTF-8 are replaced once.
    let twice = Message::decode(kind, encoded.clone().into()).expect("what was encoded decodes").encode();
    assert_eq!(encoded, [&twice.head[..], &twice.body[..]].concat());
}

fn connection(bytes: &[u8]) {
    let (mut rest, mut assembler) = (bytes, Assembler::default());
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let Ok(header) = ChunkHeader::decode(header) else { return };
        assert!(header.chunk <= MAX_CHUNK && header.offset + header.chunk <= header.total);
        let Some((chunk, after)) = after.split_at_checked(header.chunk as usize) else { return };
        rest = after;
        match assembler.push(header, chunk) {
            Ok(Some((kind, bytes))) => {
                assert_eq!(bytes.len(), header.total as usize);
                message(kind, &bytes);
            }
            Ok(None) => {}
            Err(error) => {
                assert!(error.to_string().len() < 400, "{error}");
                return;
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    connection(bytes);
    if let Some((kind, bytes)) = bytes.split_first() {
        message(*kind, bytes);
    }
});
