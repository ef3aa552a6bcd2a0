//! What goes away: a worker, a client, the coordinator.

use std::time::Duration;

use helix_runtime::WorkerError;
use helix_runtime::service::{
    GenerateRequest, GenerationError, GenerationEvent, MachineState, Readiness, Report,
};

use helix_spec::{Endpoint, MachineId};

use crate::harness::{Cluster, collect, generate, plan, spawn, worker_settings};
use crate::model::{alone, random_model};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_worker_ends_its_requests_and_no_others() {
    let model = random_model("lost", 1);
    // Two separate pipelines: w0 w1, and w2 w3.
    let mut separate = plan(&[(0, 3), (3, 6), (0, 2), (2, 6)]);
    let first = |end| matches!(end, Endpoint::Machine(MachineId(0 | 1)));
    let second = |end| matches!(end, Endpoint::Machine(MachineId(2 | 3)));
    separate
        .links
        .retain(|link| !(first(link.from) && second(link.to) || second(link.from) && first(link.to)));
    let mut cluster = Cluster::start(model.path(), separate).await;
    let prompt: Vec<u32> = (0..30).collect();
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut stream = cluster.service.submit(GenerateRequest::greedy(prompt.clone(), 400)).unwrap();
        assert!(matches!(stream.next().await, Some(GenerationEvent::Token(_))));
        streams.push(stream);
    }
    cluster.workers.remove(1).kill().await;
    let (mut lost, mut finished) = (0, 0);
    for stream in streams {
        match collect(stream).await.1 {
            GenerationEvent::Finished(_) => finished += 1,
            GenerationEvent::Failed(
                GenerationError::WorkerLost { machine } | GenerationError::WorkerFailed { machine, .. },
            ) => {
                assert!(["w0", "w1"].contains(&machine.as_str()), "{machine}");
                lost += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0 && finished > 0 && lost + finished == 8, "{lost} lost, {finished} finished");
    assert!(cluster.service.readiness().is_ready(), "the other pipeline serves");
    assert_eq!(generate(&cluster.service, &prompt, 10).await, alone(model.path(), &prompt, 10));
    cluster.idle(9).await;

    // Without the second pipeline nothing serves, and it says why; with the first one again it does.
    cluster.workers.remove(2).kill().await;
    let gone = cluster.service.readiness_when(|readiness| !readiness.is_ready());
    let readiness = tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap().unwrap();
    let Readiness::NotReady { reasons } = readiness else { panic!("not ready was waited for") };
    assert!(reasons.iter().any(|reason| reason.contains("w3") && reason.contains("lost")), "{reasons:?}");
    let refused = cluster.service.submit(GenerateRequest::greedy(prompt.clone(), 5)).unwrap_err();
    assert!(refused.to_string().contains("w3"), "{refused}");
    cluster.workers.push(spawn(worker_settings(cluster.coordinator.address(), "w1", model.path())));
    tokio::time::timeout(Duration::from_secs(20), cluster.service.ready()).await.unwrap().unwrap();
    assert_eq!(generate(&cluster.service, &prompt, 10).await, alone(model.path(), &prompt, 10));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_frees_its_blocks_everywhere() {
    let model = random_model("vanish", 1);
    let cluster = Cluster::start(model.path(), plan(&[(0, 3), (2, 5), (4, 6)])).await;
    let prompt: Vec<u32> = (0..100).collect();
    for (round, wait_for_token) in (0..).zip([true, false, true]) {
        let mut streams = Vec::new();
        for _ in 0..4 {
            let mut stream = cluster.service.submit(GenerateRequest::greedy(prompt.clone(), 400)).unwrap();
            if wait_for_token {
                assert!(matches!(stream.next().await, Some(GenerationEvent::Token(_))));
            }
            streams.push(stream);
        }
        drop(streams);
        cluster.idle(4 * (round + 1)).await;
    }
    let report = cluster.service.report();
    assert_eq!((report.cancelled, report.finished, report.failed), (12, 0, 0));
    assert_eq!(generate(&cluster.service, &prompt, 10).await, alone(model.path(), &prompt, 10));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_a_request_and_frees_its_blocks() {
    let model = random_model("deadline", 1);
    let cluster = Cluster::start(model.path(), plan(&[(0, 3), (3, 6)])).await;
    let mut request = GenerateRequest::greedy((0..100).collect(), 400);
    request.deadline = Some(Duration::from_millis(20));
    let (_, end) = collect(cluster.service.submit(request).unwrap()).await;
    assert_eq!(end, GenerationEvent::Failed(GenerationError::Deadline));
    cluster.idle(1).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_end_when_the_coordinator_is_gone() {
    let model = random_model("orphans", 1);
    let cluster = Cluster::start(model.path(), plan(&[(0, 3), (3, 6)])).await;
    let stream = cluster.service.submit(GenerateRequest::greedy(vec![1; 50], 400)).unwrap();
    let Cluster { coordinator, workers, .. } = cluster;
    coordinator.stop().await;
    let (_, end) = collect(stream).await;
    assert_eq!(end, GenerationEvent::Failed(GenerationError::ShuttingDown));
    for worker in workers {
        let ended = tokio::time::timeout(Duration::from_secs(10), worker.task).await.unwrap().unwrap();
        assert!(matches!(ended, Ok(()) | Err(WorkerError::CoordinatorGone(_))), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_leaves_finishes_what_it_has_and_gets_nothing_new() {
    let model = random_model("leaves", 1);
    // Two ways to end: w1, and w2.
    let mut cluster = Cluster::start(model.path(), plan(&[(0, 3), (3, 6), (3, 6)])).await;
    let prompt: Vec<u32> = (0..30).collect();
    let expected = alone(model.path(), &prompt, 300);
    let mut streams = Vec::new();
    for _ in 0..6 {
        let mut stream = cluster.service.submit(GenerateRequest::greedy(prompt.clone(), 300)).unwrap();
        let Some(GenerationEvent::Token(first)) = stream.next().await else { panic!("a token was expected") };
        assert_eq!(first.id, expected[0]);
        streams.push(tokio::spawn(collect(stream)));
    }
    let leaving = tokio::spawn(cluster.workers.remove(1).leave());
    let draining = cluster.service.report_when(|report| report.machines[1].state != MachineState::Ready);
    tokio::time::timeout(Duration::from_secs(10), draining).await.unwrap().unwrap();
    let ways = |report: &Report| -> u64 {
        let through = report.pipelines.iter().filter(|way| way.hops.iter().any(|hop| hop.machine == "w1"));
        through.map(|way| way.requests).sum()
    };
    let before = ways(&cluster.service.report());
    assert!(before > 0, "some requests are on the worker that leaves");
    for _ in 0..4 {
        assert_eq!(generate(&cluster.service, &prompt, 10).await, expected[..10]);
    }
    for stream in streams {
        let (tokens, end) = stream.await.unwrap();
        assert!(matches!(end, GenerationEvent::Finished(_)), "{end:?}");
        assert_eq!(tokens, expected[1..]);
    }
    tokio::time::timeout(Duration::from_secs(20), leaving).await.expect("it ends by itself").unwrap();
    let left = cluster.service.report_when(|report| report.machines[1].state == MachineState::Left);
    let report = tokio::time::timeout(Duration::from_secs(10), left).await.unwrap().unwrap();
    assert_eq!((ways(&report), report.failed), (before, 0));
    assert!(cluster.service.readiness().is_ready());
    // Without the other one nobody serves, and /ready says which of them left by itself.
    tokio::time::timeout(Duration::from_secs(20), cluster.workers.remove(1).leave()).await.unwrap();
    let gone = cluster.service.readiness_when(|readiness| !readiness.is_ready());
    let readiness = tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap().unwrap();
    let Readiness::NotReady { reasons } = readiness else { panic!("not ready was waited for") };
    assert!(reasons.iter().any(|reason| reason.contains("w1") && reason.contains("has left")), "{reasons:?}");
    // It may come back.
    let back = spawn(worker_settings(cluster.coordinator.address(), "w1", model.path()));
    cluster.workers.push(back);
    tokio::time::timeout(Duration::from_secs(20), cluster.service.ready()).await.unwrap().unwrap();
    assert_eq!(generate(&cluster.service, &prompt, 10).await, expected[..10]);
    cluster.stop().await;
}
