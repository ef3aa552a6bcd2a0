//! What a coordinator makes of a worker that says nothing, and of one whose words come late.

use std::time::Duration;

use helix_runtime::Coordinator;
use helix_runtime::service::{GenerateRequest, GenerationEvent, MachineState, Readiness, Report};
use helix_runtime::wire::{Ending, Message, Sampled, ShortOfBlocks};

use crate::harness::{collect, coordinator_settings, plan};
use crate::model::{LAYERS, random_model};
use crate::puppet::{Beats, Puppet};

/// Fails a test that would wait for ever.
async fn soon<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_shows_no_life_is_lost_and_told_so() {
    let model = random_model("silent", 1);
    let mut settings = coordinator_settings(model.path(), plan(&[(0, LAYERS)]));
    settings.patience = Duration::from_millis(300);
    let coordinator = Coordinator::start(settings).await.unwrap();
    let service = coordinator.service();
    // Before anybody has come, it says for whom it waits.
    let waits = |readiness: &Readiness| matches!(readiness, Readiness::NotReady { reasons } if reasons[0].contains("w0 (layers 0..6) has not joined"));
    soon(service.readiness_when(waits)).await.unwrap();
    let fingerprint = helix_runtime::fingerprint(model.path()).unwrap();
    let mut silent = Puppet::join(coordinator.address(), "w0", fingerprint, Beats::No).await;
    let reason = soon(silent.dismissed()).await;
    assert_eq!(reason, "no heartbeat for 0.3 s");
    let lost = |report: &Report| report.machines.first().is_some_and(|m| m.state == MachineState::Lost);
    soon(service.report_when(lost)).await.unwrap();
    let Readiness::NotReady { reasons } = service.readiness() else { panic!("nobody serves") };
    assert!(reasons[0].contains("is lost: no heartbeat for 0.3 s"), "{reasons:?}");
    coordinator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_tokens_of_an_older_attempt_are_dropped() {
    let model = random_model("late", 1);
    let settings = coordinator_settings(model.path(), plan(&[(0, LAYERS)]));
    let coordinator = Coordinator::start(settings).await.unwrap();
    let service = coordinator.service();
    let fingerprint = helix_runtime::fingerprint(model.path()).unwrap();
    let mut worker = Puppet::join(coordinator.address(), "w0", fingerprint, Beats::Yes).await;
    soon(service.ready()).await.unwrap();
    let answer = tokio::spawn(collect(service.submit(GenerateRequest::greedy(vec![1, 2, 3], 3)).unwrap()));
    let open = soon(worker.opened()).await;
    assert_eq!((open.attempt, &open.tokens[..], open.generated), (0, &[1, 2, 3][..], 0));
    let request = open.request;
    let token = |attempt, context, token, ending| {
        let (logprob, top) = (None, Vec::new());
        Message::Sampled(Sampled { request, attempt, context, token, ending, logprob, top })
    };
    worker.say(&token(0, 3, 40, Ending::Goes));
    let waits = (request, 0);
    worker.say(&Message::OutOfBlocks(ShortOfBlocks { waits, decode: true, youngest: waits }));
    // It gave way to itself, and begins anew with what it has.
    let open = soon(worker.opened()).await;
    assert_eq!((open.attempt, &open.tokens[..], open.generated), (1, &[1, 2, 3, 40][..], 1));
    assert_eq!(open.max_tokens, 3);
    // Words of the first attempt that were on their way, and one of an attempt that never was.
    worker.say(&token(0, 4, 41, Ending::Goes));
    worker.say(&token(0, 4, 42, Ending::Length));
    worker.say(&token(7, 4, 43, Ending::EndToken));
    worker.say(&token(1, 4, 50, Ending::Goes));
    worker.say(&token(1, 5, 51, Ending::Length));
    let (tokens, end) = soon(answer).await.unwrap();
    assert_eq!(tokens, [40, 50, 51]);
    let GenerationEvent::Finished(finish) = end else { panic!("{end:?}") };
    assert_eq!(finish.usage.completion_tokens, 3);
    let counted = soon(service.report_when(|report| report.finished == 1)).await.unwrap();
    assert_eq!((counted.generated_tokens, counted.preempted, counted.failed), (3, 1, 0));
    coordinator.stop().await;
}
