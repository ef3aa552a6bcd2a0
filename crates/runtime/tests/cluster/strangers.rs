//! Who does not belong: without the token, of another version or model, with nonsense.

use std::time::Duration;

use helix_runtime::WorkerError;
use helix_runtime::control::proto::control_client::ControlClient;
use helix_runtime::control::proto::{DrainRequest, FromWorker, Heartbeat, Register, from_worker};
use helix_runtime::net::{DialError, Security, dial};
use helix_runtime::wire::{HandshakeError, Hello, SessionKey, WIRE_VERSION};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Cluster, TOKEN, coordinator, generate, plan, spawn, worker_settings};
use crate::model::{alone, random_model};

async fn refusal(settings: helix_runtime::WorkerSettings) -> String {
    let ended = tokio::time::timeout(Duration::from_secs(10), spawn(settings).task).await.unwrap().unwrap();
    match ended {
        Err(WorkerError::Refused(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_do_not_belong_are_refused_in_words() {
    let (model, other) = (random_model("belongs", 1), random_model("stranger", 2));
    let coordinator = coordinator(model.path(), plan(&[(0, 6)])).await;
    let settings = |name: &str| worker_settings(coordinator.address(), name, model.path());

    let mut without = settings("w0");
    without.join_token = "another token".to_owned();
    assert!(refusal(without).await.contains("join token is wrong"));
    let mut of_other_model = settings("w0");
    of_other_model.model = other.path().to_owned();
    assert!(refusal(of_other_model).await.contains("another model"));
    let unknown = refusal(settings("w7")).await;
    assert!(unknown.contains("no machine w7") && unknown.contains("w0"), "{unknown}");

    let _first = spawn(settings("w0"));
    coordinator.service().ready().await.unwrap();
    assert!(refusal(settings("w0")).await.contains("joined as w0 already"));

    let mut client = ControlClient::connect(format!("http://{}", coordinator.address())).await.unwrap();
    let ours = env!("CARGO_PKG_VERSION");
    let others = [("0.0.1", WIRE_VERSION, "helix 0.0.1"), (ours, WIRE_VERSION + 1, "(protocol 3)")];
    for (version, wire_version, named) in others {
        let other = Register {
            join_token: TOKEN.to_owned(),
            version: version.to_owned(),
            wire_version,
            ..Register::default()
        };
        let other = FromWorker { message: Some(from_worker::Message::Register(other)) };
        let refused = client.join(tokio_stream::once(other)).await.unwrap_err();
        assert!(refused.message().contains(named) && refused.message().contains("same version"), "{refused}");
    }
    // Who says nothing of the sort, or nothing at all, learns nothing.
    let beat = FromWorker { message: Some(from_worker::Message::Heartbeat(Heartbeat::default())) };
    let refused = client.join(tokio_stream::once(beat)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    let wrong = DrainRequest { join_token: "wrong".to_owned(), machine: "w0".to_owned() };
    assert_eq!(client.drain(wrong).await.unwrap_err().code(), tonic::Code::Unauthenticated);
    coordinator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_on_both_ports_harms_nobody() {
    let model = random_model("nonsense", 1);
    let cluster = Cluster::start(model.path(), plan(&[(0, 3), (3, 6)])).await;
    let control = cluster.coordinator.address().to_string();
    let activations = cluster.service.report().machines[0].address.clone();
    let long = vec![0xff; 70_000];
    let nonsense: [&[u8]; 5] = [b"", b"GET / HTTP/1.1\r\n\r\n", &[0; 4096], &long, b"HLXA\x01\x01"];
    for address in [&control, &activations] {
        for bytes in nonsense {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Both may be cut off by the other end at any moment.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut rest = Vec::new();
            let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
            assert!(closed.is_ok(), "{address} keeps a caller that speaks nonsense");
        }
    }
    let hello = Hello { key: SessionKey([0; 32]), from: Some(1), to: 0 };
    let refused = dial(&activations, &hello, &Security::none()).await.err().unwrap();
    let DialError::Handshake { reason: HandshakeError::Refused(words), .. } = refused else {
        panic!("{refused}")
    };
    assert!(words.contains("does not belong to this cluster"), "{words}");
    let prompt: Vec<u32> = (0..30).collect();
    assert_eq!(generate(&cluster.service, &prompt, 10).await, alone(model.path(), &prompt, 10));
    cluster.idle(1).await;
    cluster.stop().await;
}
