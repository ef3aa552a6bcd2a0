//! A worker that joins, takes connections, and never reads what comes on them.

use std::net::SocketAddr;
use std::time::Duration;

use helix_runtime::net::{Peer, Security};
use helix_runtime::service::{GenerateRequest, GenerationError, GenerationEvent, MachineState};
use helix_runtime::wire::welcome;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::{collect, coordinator, plan, spawn, worker_settings};
use crate::model::{alone, random_model};
use crate::puppet::{heartbeat, introduce};

/// Joins as `name` and is alive by its heartbeats; holds what calls it and reads nothing. Gone when the handle is aborted.
async fn deaf(coordinator: SocketAddr, name: &str, fingerprint: String) -> JoinHandle<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (words, orders) = introduce(coordinator, name, fingerprint, &listener).await;
    tokio::spawn(async move {
        let _orders = orders;
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
                    words.send(heartbeat()).await.unwrap();
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
    let deaf = deaf(address, "w1", fingerprint).await;
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
