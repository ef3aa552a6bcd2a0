//! The service handle against a stand-in for the coordinator: checks, text, stop texts, cancellation.

use helix_runtime::service::{
    Finish, FinishReason, GenerateRequest, GenerationError, GenerationEvent, GenerationStream, ModelInfo,
    RawToken, Readiness, Service, Stop, Submission, SubmitError, TextModel, Token, Usage, pair,
};

/// Ids 0 to 255 are bytes, 256 is `<end>`: what a byte-level tokenizer does, as small as it can be.
fn bytes_model() -> TextModel {
    let vocab = (0u32..256).map(|byte| format!(r#""<0x{byte:02X}>":{byte}"#)).collect::<Vec<_>>().join(",");
    let json = format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,
        "added_tokens":[{{"id":256,"content":"<end>","single_word":false,"lstrip":false,"rstrip":false,
                         "normalized":false,"special":true}}],
        "normalizer":null,"pre_tokenizer":null,"post_processor":null,
        "decoder":{{"type":"Sequence","decoders":[{{"type":"ByteFallback"}},{{"type":"Fuse"}}]}},
        "model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
                 "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":true,"ignore_merges":false,
                 "vocab":{{{vocab}}},"merges":[]}}}}"#
    );
    TextModel::from_json(&json).unwrap()
}

fn model() -> ModelInfo {
    ModelInfo {
        name: "bytes".to_owned(),
        folder: "nowhere".into(),
        fingerprint: "0".to_owned(),
        layers: 2,
        vocab: 257,
        max_context: 64,
        end_tokens: vec![256],
        sampling: helix_runtime::service::SamplingDefaults::default(),
        created: 0,
    }
}

fn request(stops: &[&str]) -> GenerateRequest {
    let stop = Stop { texts: stops.iter().map(ToString::to_string).collect(), ..Stop::default() };
    GenerateRequest { stop, ..GenerateRequest::greedy(vec![104], 40) }
}

fn send(submission: &Submission, text: &[u8]) {
    for &byte in text {
        assert!(submission.events.token(RawToken { id: byte.into(), logprob: None, top: Vec::new() }));
    }
}

async fn texts(stream: &mut GenerationStream) -> (Vec<String>, Option<GenerationEvent>) {
    let mut texts = Vec::new();
    loop {
        match stream.next().await {
            Some(GenerationEvent::Token(Token { text, .. })) => texts.push(text),
            end => return (texts, end),
        }
    }
}

fn ready() -> (Service, helix_runtime::service::Backend) {
    let (service, backend) = pair(model(), bytes_model(), 2);
    backend.readiness.send(Readiness::Ready).unwrap();
    (service, backend)
}

#[tokio::test]
async fn characters_and_stop_texts_are_held_back_until_they_are_whole() {
    let (service, mut backend) = ready();
    let mut stream = service.submit(request(&["END", "NEVER"])).unwrap();
    let submission = backend.submissions.recv().await.unwrap();
    send(&submission, "é€EN-NEEND and more".as_bytes());
    let (texts, end) = texts(&mut stream).await;
    assert_eq!(texts, ["", "é", "", "", "€", "", "", "EN-", "", "", "NE", ""], "{end:?}");
    let usage = Usage { prompt_tokens: 1, completion_tokens: 13 };
    let stop_text = Some("END".to_owned());
    let finish = Finish { reason: FinishReason::Stop, text: String::new(), stop_text, usage };
    assert_eq!(end, Some(GenerationEvent::Finished(finish)));
    assert_eq!(stream.next().await, None);
    // The stop text was found here, not by a machine: they learn of it.
    submission.events.closed().await;
}

/// The text before the end and the end, of an answer with this stop text that ends in the middle of a character.
async fn ended_within_a_character(stop: &str, end_token: Option<u32>) -> (String, Finish) {
    let (service, mut backend) = ready();
    let mut stream = service.submit(request(&[stop])).unwrap();
    let submission = backend.submissions.recv().await.unwrap();
    send(&submission, b"aEN\xe2\x82");
    assert!(submission.events.finish(FinishReason::Length, end_token));
    let (texts, end) = texts(&mut stream).await;
    let Some(GenerationEvent::Finished(finish)) = end else { panic!("{end:?}") };
    (texts.concat(), finish)
}

#[tokio::test]
async fn what_was_held_back_comes_with_the_end() {
    let (text, finish) = ended_within_a_character("END", Some(256)).await;
    assert_eq!((text.as_str(), finish.reason), ("a", FinishReason::Length));
    assert!(finish.text.starts_with("EN\u{fffd}"), "{finish:?}");
    assert_eq!(finish.usage.completion_tokens, 6, "the token that ended it counts");
}

/// The half of a character becomes a replacement character only when nothing more comes; here it completes a stop text.
#[tokio::test]
async fn a_stop_text_in_what_comes_with_the_end_is_one() {
    let (text, finish) = ended_within_a_character("N\u{fffd}", None).await;
    assert_eq!(text, "aE");
    let told = (finish.reason, finish.text.as_str(), finish.stop_text.as_deref());
    assert_eq!(told, (FinishReason::Stop, "", Some("N\u{fffd}")));
}

#[tokio::test]
async fn a_dropped_stream_tells_the_coordinator_and_gives_its_place_back() {
    let (service, mut backend) = ready();
    let stream = service.submit(request(&[])).unwrap();
    let _second = service.submit(request(&[])).unwrap();
    assert_eq!(service.submit(request(&[])).unwrap_err(), SubmitError::Overloaded { limit: 2 });
    let submission = backend.submissions.recv().await.unwrap();
    drop(stream);
    submission.events.closed().await;
    assert!(!submission.events.token(RawToken { id: 1, logprob: None, top: Vec::new() }));
    assert!(service.submit(request(&[])).is_ok());
}

/// How the request is spoiled, and words of the refusal.
type Case<'a> = (&'a dyn Fn(&mut GenerateRequest), &'a str);

#[tokio::test]
async fn requests_that_cannot_be_served_are_refused_with_the_limit() {
    let (service, backend) = ready();
    let refused = |change: &dyn Fn(&mut GenerateRequest)| {
        let mut request = request(&[]);
        change(&mut request);
        service.submit(request).unwrap_err().to_string()
    };
    let cases: [Case<'_>; 10] = [
        (&|r| r.prompt.clear(), "empty"),
        (&|r| r.prompt = vec![257], "token 257"),
        (&|r| r.prompt = vec![1; 64], "64 tokens"),
        (&|r| r.max_tokens = Some(0), "max_tokens is 0"),
        (&|r| r.max_tokens = Some(u32::MAX), "4294967295 more"),
        (&|r| r.sampling.temperature = f32::NAN, "temperature is NaN"),
        (&|r| r.sampling.top_p = 0.0, "top_p is 0"),
        (&|r| r.sampling.logit_bias = vec![(999, 1.0)], "token 999"),
        (&|r| r.sampling.logprobs = Some(21), "top_logprobs is 21"),
        (&|r| r.stop.texts = vec![String::new()], "a text of 0 bytes"),
    ];
    for (change, words) in cases {
        let message = refused(change);
        assert!(message.contains(words), "{words}: {message}");
    }
    let reasons = vec!["worker b is awaited".to_owned()];
    backend.readiness.send(Readiness::NotReady { reasons }).unwrap();
    assert!(refused(&|_| ()).contains("worker b is awaited"));
    backend.readiness.send(Readiness::Ready).unwrap();
    drop(backend);
    assert_eq!(service.submit(request(&[])).unwrap_err(), SubmitError::ShuttingDown);
}

#[tokio::test]
async fn an_answer_whose_coordinator_is_gone_ends_with_an_error() {
    let (service, mut backend) = ready();
    let mut stream = service.submit(request(&[])).unwrap();
    drop(backend.submissions.recv().await);
    let gone = Some(GenerationEvent::Failed(GenerationError::ShuttingDown));
    assert_eq!(stream.next().await, gone);
    assert_eq!(stream.next().await, None);
}
