//! A worker that joins, takes connections, and never reads what comes on them.

use std::time::Duration;

use helix_runtime::control::proto::control_client::ControlClient;
use helix_runtime::control::proto::{FromWorker, Heartbeat, Loaded, Register, from_worker};
use helix_runtime::net::{Peer, Security};
use helix_runtime::service::{GenerateRequest, GenerationError, GenerationEvent, MachineState};
use helix_runtime::wire::{WIRE_VERSION, welcome};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::harness::{TOKEN, collect, coordinator, plan, spawn, worker_settings};
use crate::model::{alone, random_model};

/// Joins as `name` and is alive by its heartbeats; holds what calls it and reads nothing. Gone when the handle is aborted.
async fn deaf(coordinator: String, name: &str, fingerprint: String) -> JoinHandle<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let register = Register {
        join_token: TOKEN.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        wire_version: WIRE_VERSION,
        machine: name.to_owned(),
        activations: listener.local_addr().unwrap().to_string(),
        model_fingerprint: fingerprint,
        ..Register::default()
    };
    tokio::spawn(async move {
        let (words, outbound) = mpsc::channel(16);
        let say = |message| FromWorker { message: Some(message) };
        words.send(say(from_worker::Message::Register(register))).await.unwrap();
        let mut client = ControlClient::connect(format!("http://{coordinator}")).await.unwrap();
        let mut orders = client.join(ReceiverStream::new(outbound)).await.unwrap().into_inner();
        orders.message().await.unwrap().expect("a welcome");
        let loaded = Loaded { kv_blocks: 4000, ..Loaded::default() };
        words.send(say(from_worker::Message::Loaded(loaded))).await.unwrap();
        let mut held = Vec::new();
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                call = listener.accept() => {
                    let (mut stream, _) = Peer::accept(call.unwrap().0, &Security::none()).await.unwrap();
                    welcome(&mut stream).await.unwrap();
                    held.push(stream);
                }
                _ = beat.tick() => {
                    words.send(say(from_worker::Message::Heartbeat(Heartbeat::default()))).await.unwrap();
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_reads_nothing_stalls_nobody_else() {
    const REQUESTS: usize = 24;
    let model = random_model("stuck", 1);
    // After w0 half of the requests go to w1, half to w2.
    let coordinator = coordinator(model.path(), plan(&[(0, 3), (3, 6), (3, 6)])).await;
    let address = coordinator.address();
    let fingerprint = helix_runtime::fingerprint(model.path()).unwrap();
    let deaf = deaf(address.to_string(), "w1", fingerprint).await;
    let _workers = ["w0", "w2"].map(|name| spawn(worker_settings(address, name, model.path())));
    let service = coordinator.service();
    let all_ready = service.report_when(|report| {
        report.machines.len() == 3 && report.machines.iter().all(|m| m.state == MachineState::Ready)
    });
    tokio::time::timeout(Duration::from_secs(30), all_ready).await.unwrap().unwrap();
    // Long prompts: what w0 computes for w1 is more than sockets hold.
    let prompt: Vec<u32> = (0..400).map(|n| n % 251).collect();
    let expected = alone(model.path(), &prompt, 12);
    let answers = (0..REQUESTS).map(|_| {
        let stream = service.submit(GenerateRequest::greedy(prompt.clone(), 12)).unwrap();
        tokio::spawn(collect(stream))
    });
    let answers: Vec<_> = answers.collect();
    let half = service.report_when(|report| report.finished == REQUESTS as u64 / 2);
    tokio::time::timeout(Duration::from_secs(30), half).await.expect("the others go on").unwrap();
    assert_eq!(service.report().failed, 0);
    // Now it is gone, and with it what waited for it.
    deaf.abort();
    let mut lost = 0;
    for answer in answers {
        match tokio::time::timeout(Duration::from_secs(30), answer).await.unwrap().unwrap() {
            (tokens, GenerationEvent::Finished(_)) => assert_eq!(tokens, expected),
            (_, GenerationEvent::Failed(GenerationError::WorkerLost { machine })) => {
                assert_eq!(machine, "w1");
                lost += 1;
            }
            // w0 may notice first.
            (_, GenerationEvent::Failed(GenerationError::WorkerFailed { reason, .. })) => {
                assert!(reason.contains("w1"), "{reason}");
                lost += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lost, REQUESTS / 2);
    coordinator.stop().await;
}
