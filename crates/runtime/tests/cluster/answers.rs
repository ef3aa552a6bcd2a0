//! The answers are those of one machine alone, whatever the placement and the load.

use helix_runtime::service::{
    Finish, FinishReason, GenerateRequest, GenerationEvent, Sampling, Stop, SubmitError, Usage,
};

use crate::harness::{Cluster, collect, generate, plan};
use crate::model::{alone, random_model};

/// One machine; two; three of which two overlap (partial inference); two whole pipelines and a shared end.
const PLACEMENTS: [&[(u32, u32)]; 4] =
    [&[(0, 6)], &[(0, 2), (2, 6)], &[(0, 3), (2, 5), (4, 6)], &[(0, 3), (0, 4), (2, 6), (3, 6)]];

fn prompts() -> Vec<Vec<u32>> {
    (0..16u32).map(|n| (0..=n * 23).map(|i| (i * (n + 3) + n) % 256).collect()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_placement_answers_as_one_machine_does_alone_and_under_load() {
    let model = random_model("answers", 1);
    let prompts = prompts();
    let expected: Vec<Vec<u32>> = prompts.iter().map(|prompt| alone(model.path(), prompt, 24)).collect();
    assert!(expected.iter().any(|answer| answer != &expected[0]), "the prompts make a difference");
    for ranges in PLACEMENTS {
        let cluster = Cluster::start(model.path(), plan(ranges)).await;
        for pick in [0, 7, 15] {
            assert_eq!(
                generate(&cluster.service, &prompts[pick], 24).await,
                expected[pick],
                "{ranges:?} alone"
            );
        }
        let together = prompts.iter().map(|prompt| {
            let (service, prompt) = (cluster.service.clone(), prompt.clone());
            tokio::spawn(async move { generate(&service, &prompt, 24).await })
        });
        let together: Vec<_> = together.collect();
        for (answer, expected) in together.into_iter().zip(&expected) {
            assert_eq!(&answer.await.unwrap(), expected, "{ranges:?} under load");
        }
        let report = cluster.idle(19).await;
        assert_eq!((report.finished, report.failed), (19, 0));
        let ways = report.pipelines.len();
        assert_eq!(report.pipelines.iter().map(|way| way.requests).sum::<u64>(), 19 + report.preempted);
        assert!(ways >= if ranges.len() == 4 { 2 } else { 1 }, "{:?}", report.pipelines);
        cluster.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_end_at_stop_tokens_and_lengths_and_seeds_repeat_them() {
    let model = random_model("ends", 1);
    let cluster = Cluster::start(model.path(), plan(&[(0, 3), (2, 6)])).await;
    let prompt: Vec<u32> = (0..40).collect();
    let answer = alone(model.path(), &prompt, 12);
    let usage = Usage { prompt_tokens: 40, completion_tokens: 12 };
    let (_, end) =
        collect(cluster.service.submit(GenerateRequest::greedy(prompt.clone(), 12)).unwrap()).await;
    let GenerationEvent::Finished(Finish { reason, usage: found, .. }) = end else { panic!("{end:?}") };
    assert_eq!((reason, found), (FinishReason::Length, usage));

    let stop_at = answer[5];
    let first = answer.iter().position(|token| *token == stop_at).unwrap();
    let stop = Stop { tokens: vec![stop_at], ..Stop::default() };
    let request = GenerateRequest { stop, ..GenerateRequest::greedy(prompt.clone(), 12) };
    let (tokens, end) = collect(cluster.service.submit(request).unwrap()).await;
    assert_eq!(tokens, answer[..first]);
    assert!(
        matches!(&end, GenerationEvent::Finished(finish) if finish.reason == FinishReason::Stop),
        "{end:?}"
    );

    let warm = |seed| {
        let sampling =
            Sampling { temperature: 1.5, seed: Some(seed), logprobs: Some(2), ..Sampling::greedy() };
        GenerateRequest { sampling, ..GenerateRequest::greedy(prompt.clone(), 12) }
    };
    let mut answers = Vec::new();
    for seed in [1, 1, 2] {
        answers.push(collect(cluster.service.submit(warm(seed)).unwrap()).await.0);
    }
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], answers[2]);
    let mut stream = cluster.service.submit(warm(1)).unwrap();
    let Some(GenerationEvent::Token(token)) = stream.next().await else { panic!("a token was expected") };
    assert!(token.logprob.is_some_and(|logprob| logprob <= 0.0) && token.top.len() == 2, "{token:?}");
    drop(stream);
    cluster.idle(6).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_caches_hold_waits_or_gives_way_and_ends_all_the_same() {
    let model = random_model("full", 1);
    let mut small = plan(&[(0, 3), (2, 6)]);
    // Room for less than three whole contexts, where 24 requests of half a context come at once.
    for machine in &mut small.machines {
        machine.kv_blocks = Some(4 * 80);
    }
    let cluster = Cluster::start(model.path(), small).await;
    let prompt: Vec<u32> = (0..60).collect();
    let expected = alone(model.path(), &prompt, 200);
    let answers = (0..24).map(|_| {
        let (service, prompt) = (cluster.service.clone(), prompt.clone());
        tokio::spawn(async move { generate(&service, &prompt, 200).await })
    });
    let answers: Vec<_> = answers.collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap(), expected);
    }
    let report = cluster.idle(24).await;
    assert_eq!((report.finished, report.failed), (24, 0), "{report:?}");
    println!("preempted: {}", report.preempted);
    let long = vec![1; 600];
    let refused = cluster.service.submit(GenerateRequest::greedy(long, 1)).unwrap_err();
    assert!(matches!(refused, SubmitError::TooLong { prompt: 600, .. }), "{refused}");
    cluster.stop().await;
}
