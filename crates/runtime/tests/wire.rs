//! The wire protocol: what is sent comes out, in whatever pieces; urgent before bulk; nonsense is refused in words.

use bytes::Bytes;
use helix_runtime::service::Sampling;
use helix_runtime::wire::{
    Activations, Assembler, ChunkHeader, Class, Decision, Ending, FrameError, HEADER_BYTES, HandshakeError,
    Hello, LinkClosed, MAX_CHUNK, Message, Open, Outbox, Outgoing, ReadError, RouteHop, Sampled, SessionKey,
    ShortOfBlocks, Status, greet, read_message, receive_hello, refuse, welcome, write_loop,
};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

fn open() -> Open {
    let sampling =
        Sampling { seed: Some(7), logprobs: Some(3), logit_bias: vec![(5, -2.5)], ..Sampling::greedy() };
    let route = vec![RouteHop { machine: 2, start: 0, end: 5 }, RouteHop { machine: 0, start: 5, end: 9 }];
    let (tokens, end_tokens) = ((0..300).collect(), vec![1, 2]);
    Open { request: 1 << 40, attempt: 3, route, sampling, max_tokens: 99, end_tokens, tokens, generated: 4 }
}

fn activations(tokens: u32, decode: bool) -> Activations {
    let width = 7;
    let hidden = (0..tokens * width).flat_map(|n| f32::to_le_bytes(n as f32)).collect::<Vec<u8>>().into();
    Activations { request: 9, attempt: 0, decode, last: true, context: 12, tokens, width, hidden }
}

fn messages() -> Vec<Message> {
    let (request, attempt) = (u64::MAX, 1);
    let sampled = Sampled {
        request,
        attempt,
        context: 4,
        token: 77,
        ending: Ending::Length,
        logprob: Some(-0.5),
        top: vec![(77, -0.5), (78, -1.5)],
    };
    vec![
        Message::Open(open()),
        Message::Activations(activations(1, true)),
        Message::Activations(activations(50_000, false)),
        Message::Sampled(sampled.clone()),
        Message::Sampled(Sampled { logprob: None, top: Vec::new(), ending: Ending::Goes, ..sampled }),
        Message::Credit { request, attempt, tokens: 512 },
        Message::Free { request, attempt, in_flight: true },
        Message::OutOfBlocks(ShortOfBlocks { waits: (1, 2), decode: true, youngest: (3, 4) }),
        Message::Decided { request, attempt, decision: Decision::Refused(3) },
        Message::Decided { request, attempt, decision: Decision::Failed("no".to_owned()) },
        Message::PeerLost { machine: 5, reason: "gone".to_owned() },
        Message::Status(Status { blocks_used: 1, blocks_total: 2, requests: 3, ..Status::default() }),
    ]
}

#[test]
fn every_message_survives_and_no_shortened_or_longer_one_does() {
    for message in messages() {
        let Outgoing { kind, head, body, .. } = message.encode();
        let bytes = [&head[..], &body[..]].concat();
        assert_eq!(Message::decode(kind, bytes.clone().into()), Ok(message));
        for cut in (0..bytes.len()).rev().take(400) {
            assert!(Message::decode(kind, Bytes::copy_from_slice(&bytes[..cut])).is_err(), "{cut}");
        }
        assert!(Message::decode(kind, [&bytes[..], &[0]].concat().into()).is_err());
    }
}

#[tokio::test]
async fn messages_of_any_length_come_out_of_a_narrow_pipe() {
    let (near, mut far) = tokio::io::duplex(1000);
    let outbox = Outbox::new(Outbox::LIMIT);
    for message in messages() {
        outbox.send(message.encode()).unwrap();
    }
    outbox.close();
    let writer = tokio::spawn(write_loop(outbox, near));
    let (mut assembler, mut found) = (Assembler::default(), Vec::new());
    while let Some((kind, bytes)) = read_message(&mut far, &mut assembler).await.unwrap() {
        found.push(Message::decode(kind, bytes).unwrap());
    }
    writer.await.unwrap().unwrap();
    let (mut urgent, mut bulk) = (messages(), messages());
    urgent.retain(|message| message.encode().class == Class::Urgent);
    bulk.retain(|message| message.encode().class == Class::Bulk);
    let order = |class| found.iter().filter(|m| m.encode().class == class).cloned().collect::<Vec<_>>();
    assert_eq!(order(Class::Urgent), urgent);
    assert_eq!(order(Class::Bulk), bulk);
}

/// A prompt of 16 MiB is on its way when a decode comes: only what the pipe held already may be before it.
#[tokio::test]
async fn a_decode_overtakes_a_prompt_that_is_on_its_way() {
    const PIPE: usize = 1 << 20;
    let (near, mut far) = tokio::io::duplex(PIPE);
    let outbox = Outbox::new(Outbox::LIMIT);
    let body = Bytes::from(vec![0; 16 << 20]);
    outbox.send(Outgoing { kind: 200, class: Class::Bulk, head: Bytes::new(), body }).unwrap();
    let writer = tokio::spawn(write_loop(outbox.clone(), near));
    // The first chunk is read, so the prompt is under way; nothing else is read yet.
    let mut header = [0; HEADER_BYTES];
    tokio::io::AsyncReadExt::read_exact(&mut far, &mut header).await.unwrap();
    let decode = Message::Activations(activations(1, true));
    outbox.send(decode.encode()).unwrap();
    outbox.close();
    let mut before = HEADER_BYTES;
    loop {
        let known = ChunkHeader::decode(&header).unwrap();
        if known.kind != 200 {
            break;
        }
        let mut chunk = vec![0; known.chunk as usize];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut chunk).await.unwrap();
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut header).await.unwrap();
        before += chunk.len() + HEADER_BYTES;
    }
    assert!(
        before <= PIPE + 3 * (MAX_CHUNK as usize + HEADER_BYTES),
        "{before} bytes went before the decode"
    );
    drop(far);
    assert!(writer.await.unwrap().is_err(), "the reader left in the middle");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_closes_the_connection_instead_of_filling_the_memory() {
    let outbox = Outbox::new(100_000);
    let message = Message::Activations(activations(1000, false)).encode();
    let sent = (0..10).map_while(|_| outbox.send(message.clone()).ok()).count();
    assert_eq!(sent, 3);
    assert_eq!(outbox.send(message).unwrap_err(), LinkClosed::Closed);
    assert!(outbox.waiting_bytes() <= 100_000);
}

fn hello() -> Hello {
    Hello { key: SessionKey([7; 32]), from: Some(3), to: 4 }
}

#[tokio::test]
async fn a_refused_caller_hears_why() {
    let (mut near, mut far) = tokio::io::duplex(4096);
    let server = async {
        let said = receive_hello(&mut far).await.unwrap();
        assert_eq!(said, hello());
        assert!(!said.key.matches(&SessionKey([8; 32])));
        refuse(&mut far, "it is not a member of this cluster").await.unwrap();
    };
    let hello = hello();
    let (answer, ()) = tokio::join!(greet(&mut near, &hello), server);
    let Err(HandshakeError::Refused(reason)) = answer else { panic!("{answer:?}") };
    assert_eq!(reason, "it is not a member of this cluster");

    let (mut near, mut far) = tokio::io::duplex(4096);
    let server = async {
        receive_hello(&mut far).await.unwrap();
        welcome(&mut far).await.unwrap();
    };
    let (answer, ()) = tokio::join!(greet(&mut near, &hello), server);
    answer.unwrap();
}

#[tokio::test]
async fn strangers_are_refused_in_words() {
    let cases: [(&[u8], &str); 4] = [
        (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "does not speak this protocol"),
        (b"HLXA\x63aaaaaaaaaaaaaaaaaaaaaaaa", "version 99"),
        (b"HLXA\x01\x01\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", "is not possible"),
        (b"HL", "broke"),
    ];
    for (bytes, words) in cases {
        let (mut near, mut far) = tokio::io::duplex(4096);
        near.write_all(bytes).await.unwrap();
        drop(near);
        let error = receive_hello(&mut far).await.unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    let header = ChunkHeader { kind: 1, message: 0, chunk: MAX_CHUNK, total: 1 << 27, offset: 0 };
    near.write_all(&[&header.encode()[..], &vec![0; 1 << 17]].concat()).await.unwrap();
    assert!(receive_hello(&mut far).await.is_err(), "a first message is short");
}

#[test]
fn chunks_that_contradict_each_other_are_refused() {
    let header = |message, chunk: u32, total, offset| ChunkHeader { kind: 1, message, chunk, total, offset };
    let mut assembler = Assembler::default();
    let mut push = |header: ChunkHeader| assembler.push(header, &vec![0; header.chunk as usize]);
    assert_eq!(push(header(1, 4, 8, 4)), Err(FrameError::Order { message: 1, offset: 4 }));
    assert_eq!(push(header(1, 4, 12, 0)), Ok(None));
    assert_eq!(push(header(1, 4, 12, 8)), Err(FrameError::Order { message: 1, offset: 8 }));
    assert_eq!(push(header(1, 4, 11, 4)), Err(FrameError::Order { message: 1, offset: 4 }));
    assert_eq!(push(header(2, 4, 12, 0)), Ok(None));
    assert_eq!(push(header(3, 4, 12, 0)), Err(FrameError::TooManyPartial));
    assert_eq!(push(header(1, 8, 12, 4)).map(|whole| whole.map(|(_, bytes)| bytes.len())), Ok(Some(12)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoders_panic(kind in 0u8..32, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::decode(kind, bytes.clone().into());
        if let Some(header) = bytes.first_chunk::<HEADER_BYTES>() {
            let mut header = *header;
            header[..5].copy_from_slice(b"HLXA\x01");
            if let Ok(known) = ChunkHeader::decode(&header) {
                prop_assert!(known.chunk <= MAX_CHUNK && known.offset + known.chunk <= known.total);
                prop_assert_eq!(ChunkHeader::decode(&known.encode()), Ok(known));
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_inside_a_message_is_an_error() {
    let (mut near, mut far) = tokio::io::duplex(4096);
    let header = ChunkHeader { kind: 1, message: 0, chunk: 10, total: 10, offset: 0 };
    near.write_all(&header.encode()).await.unwrap();
    near.write_all(&[0; 5]).await.unwrap();
    drop(near);
    let read = read_message(&mut far, &mut Assembler::default()).await;
    assert!(matches!(read, Err(ReadError::Broken(_))), "{read:?}");
}

#[test]
fn what_the_fuzzer_starts_from_are_messages() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/wire");
    let mut messages = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        // These two are what comes on a connection.
        if ["chunks", "connection"].map(Into::into).contains(&file.file_name()) {
            continue;
        }
        let bytes = std::fs::read(file.path()).unwrap();
        let (kind, rest) = bytes.split_first().unwrap();
        assert!(Message::decode(*kind, rest.to_vec().into()).is_ok(), "{}", file.path().display());
        messages += 1;
    }
    assert!(messages > 8, "{messages}");
}
