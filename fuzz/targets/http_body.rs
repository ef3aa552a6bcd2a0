//! Any bytes as the body of a chat completion, a completion, or one about tokens: an error that can be told, or a request
//! that is fit to be submitted.
#![no_main]

use helix_server::ApiError;
use helix_server::request::{ChatRequest, CompletionRequest, DetokenizeRequest, Shared, Source, TokenizeRequest};
use libfuzzer_sys::fuzz_target;

fn check(shared: Result<&Shared, &ApiError>, body: &[u8]) {
    match shared {
        Ok(shared) => {
            shared.sampling.check().expect("its limits were checked");
            shared.stop.check().expect("its limits were checked");
            assert!((1..=128).contains(&shared.n) && shared.max_tokens != Some(0));
            assert!(shared.stream || !shared.include_usage);
            assert!(std::str::from_utf8(body).is_ok());
        }
        Err(error) => told(error),
    }
}

fn told(error: &ApiError) {
    assert!(error.status.as_u16() == 400, "{error}");
    assert!(error.message.len() < 2000, "{error}");
}

fuzz_target!(|body: &[u8]| {
    let chat = ChatRequest::parse(body);
    check(chat.as_ref().map(|chat| &chat.shared), body);
    assert!(!chat.is_ok_and(|chat| chat.messages.is_empty()));
    let completion = CompletionRequest::parse(body);
    check(completion.as_ref().map(|completion| &completion.shared), body);
    assert!(!completion.is_ok_and(|completion| completion.prompts.is_empty()));
    match TokenizeRequest::parse(body) {
        Ok(TokenizeRequest { source: Source::Chat { messages, .. }, .. }) => assert!(!messages.is_empty()),
        Ok(_) => {}
        Err(error) => told(&error),
    }
    if let Err(error) = DetokenizeRequest::parse(body) {
        told(&error);
    }
});
