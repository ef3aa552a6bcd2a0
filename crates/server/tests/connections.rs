//! Clients that come in numbers, dawdle, or go away; a server that ends.

mod common;

use std::time::{Duration, Instant};

use common::{Answer, Server, read_all};
use helix_server::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SHORT: Duration = Duration::from_millis(100);
/// Far beyond every limit that is set here, far below every default.
const LONG: Duration = Duration::from_secs(20);

/// A streamed request that has begun to answer.
async fn endless(server: &Server, max_tokens: u32) -> TcpStream {
    let body = format!(r#"{{"prompt": "go on for ever", "stream": true, "max_tokens": {max_tokens}}}"#);
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /v1/completions HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.0 200");
    socket
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let mut server = Server::start(Options::default()).await;
    drop(endless(&server, 400).await);
    server.cancelled.wait_for(|count| *count == 1).await.unwrap();
    // Not streamed: nothing is ever written that could fail.
    let body = r#"{"prompt": ["go on for ever", "b"], "n": 2, "max_tokens": 400}"#;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /v1/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    server.taken.wait_for(|count| *count == 5).await.unwrap();
    drop(socket);
    server.cancelled.wait_for(|count| *count == 3).await.unwrap();
}

#[tokio::test]
async fn more_requests_than_the_service_takes_are_told_to_come_again() {
    let server = Server::with_limit(Options::default(), 2).await;
    let _first = endless(&server, 400).await;
    let two = server.complete(r#"{"prompt": ["a", "b"]}"#).await;
    assert_eq!((two.status, two.error().1.as_str()), (429, "- overloaded"));
    assert!(two.head.contains("retry-after: 1"), "{two:?}");
    assert_eq!(server.complete(r#"{"prompt": "a"}"#).await.status, 200, "what was refused holds no place");
}

#[tokio::test]
async fn more_connections_than_allowed_are_shed() {
    let server = Server::start(Options { max_connections: 2, ..Options::default() }).await;
    let first = endless(&server, 400).await;
    let _second = endless(&server, 400).await;
    let body = r#"{"prompt": "a"}"#;
    let refused = server.complete(body).await;
    assert_eq!((refused.status, refused.error().1.as_str()), (503, "- too_many_connections"));
    assert!(
        refused.head.contains("retry-after: 1") && refused.head.contains("connection: close"),
        "{refused:?}"
    );
    drop(first);
    let until = Instant::now() + LONG;
    while server.complete(body).await.status != 200 {
        assert!(Instant::now() < until, "the place of a closed connection never came free");
    }
}

#[tokio::test]
async fn a_head_or_a_body_that_never_ends_is_given_up() {
    let server =
        Server::start(Options { header_timeout: SHORT, body_timeout: SHORT, ..Options::default() }).await;
    let begun = Instant::now();
    for head in ["", "POST /v1/comp", "GET /health HTTP/1.1\r\nhost: h\r\nx: "] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let answer = read_all(&mut socket).await;
        assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
    }
    let slow = server.raw(b"POST /v1/completions HTTP/1.0\r\ncontent-length: 100\r\n\r\n{\"prompt\"").await;
    let error = Answer::new(&slow).error();
    assert_eq!((error.0, error.1.as_str()), (408, "- body_timeout"));
    assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_whether_declared_or_not() {
    let server = Server::start(Options { max_body_bytes: 100, ..Options::default() }).await;
    let declared = server.raw(b"POST /v1/completions HTTP/1.0\r\ncontent-length: 101\r\n\r\n").await;
    let error = Answer::new(&declared).error();
    assert_eq!((error.0, error.1.as_str()), (413, "- body_too_large"));
    assert_eq!(error.2, "the body is 101 bytes, allowed: 100 bytes at most");
    let mut chunked =
        b"POST /v1/completions HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..3 {
        chunked.extend_from_slice(b"28\r\n                                        \r\n");
    }
    assert!(server.raw(&chunked).await.starts_with("HTTP/1.1 413 "));
    let fits = format!("{{\"prompt\": \"a\"{}}}", " ".repeat(100 - 15));
    assert_eq!(server.complete(&fits).await.status, 200);
    let broken = server
        .raw(b"POST /v1/completions HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        .await;
    assert!(broken.starts_with("HTTP/1.1 400 "), "{broken}");
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let server = Server::start(Options { keep_alive: Duration::from_millis(40), ..Options::default() }).await;
    let answer = server.complete(r#"{"prompt": "slowly", "stream": true}"#).await;
    assert!(answer.body.starts_with(": still working\n\n"), "{answer:?}");
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
}

#[tokio::test]
async fn running_answers_finish_when_the_server_ends() {
    let mut server = Server::start(Options::default()).await;
    let mut socket = endless(&server, 12).await;
    server.stop();
    let answer = read_all(&mut socket).await;
    assert!(answer.ends_with("data: [DONE]\n\n"), "{answer}");
    (&mut server.running).await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn answers_that_do_not_finish_in_time_are_cut_off() {
    let mut server = Server::start(Options { shutdown_grace: SHORT, ..Options::default() }).await;
    let _socket = endless(&server, 400).await;
    let begun = Instant::now();
    server.stop();
    (&mut server.running).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    server.cancelled.wait_for(|count| *count == 1).await.unwrap();
}
