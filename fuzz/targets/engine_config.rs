//! Any text as the `config.json` of a model to serve: an error, or heads that divide and finite frequencies.
#![no_main]

use helix_engine::ModelConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ModelConfig::from_json(text, "config.json") {
        Ok(config) => {
            assert!(config.query_heads.is_multiple_of(config.kv_heads));
            assert_eq!(config.windows.len(), config.shape.layers as usize);
            assert!(config.end_tokens.iter().all(|token| *token < config.shape.vocab));
            let frequencies = config.rope.frequencies(config.head_dim);
            assert!(frequencies.iter().all(|frequency| frequency.is_finite() && *frequency >= 0.0));
            assert!(config.rope.attention_factor().is_finite());
        }
        Err(error) => assert!(error.to_string().len() < 2000, "{error}"),
    }
});
