//! The paged cache: shared blocks, copies, reuse, refusals that change nothing.

mod support;

use helix_engine::{
    BatchError, CacheUse, Input, Item, LogitsOf, Output, RequestId, Stage, StageOptions, WeightFormat,
};
use support::{folder, golden, options, range, run_whole, stage};

fn item(request: u64, position: usize, tokens: &[u32]) -> Item<'_, f32> {
    Item {
        request: RequestId(request),
        position,
        layers: range(0..3),
        input: Input::Tokens(tokens),
        logits: LogitsOf::All,
    }
}

fn logits(stage: &mut Stage<f32>, item: Item<'_, f32>) -> Vec<f32> {
    match stage.forward(&[item]).unwrap().remove(0) {
        Output::Logits(logits) => logits,
        Output::Activations(_) => panic!("the model ends here"),
    }
}

/// Blocks that held numbers of others, infinite ones even, give the same bits as fresh ones.
#[test]
fn reused_blocks_show_nothing_of_those_before() {
    for model in ["llama-3", "mistral"] {
        let tokens = golden(model).tokens;
        let mut used = Stage::<f32>::load(
            &folder(model),
            range(0..3),
            &StageOptions { cache_blocks: 9, ..options(WeightFormat::Full) },
        )
        .unwrap();
        let expected = run_whole(&mut used, &tokens[..20], LogitsOf::All);
        // Activations from which keys and values become NaN.
        let huge = vec![f32::INFINITY; 45 * 32];
        let layers = range(1..3);
        let poison = Item {
            request: RequestId(1),
            position: 0,
            layers,
            input: Input::Activations(&huge),
            logits: LogitsOf::None,
        };
        used.forward(&[poison]).unwrap();
        assert_eq!(used.release(RequestId(1)), 6);
        let fill = logits(&mut used, item(2, 0, &tokens));
        assert_eq!(used.cache_use(), CacheUse { used: 9, total: 9 });
        assert!(fill.iter().all(|logit| logit.is_finite()), "{model}");
        used.release(RequestId(2));
        for chunk in [20, 7, 1] {
            let mut found = Vec::new();
            for start in (0..20).step_by(chunk) {
                found.extend(logits(&mut used, item(3, start, &tokens[start..(start + chunk).min(20)])));
            }
            assert!(found == expected, "{model} {chunk}");
            used.release(RequestId(3));
        }
    }
}

#[test]
fn a_fork_shares_blocks_until_one_of_the_two_writes() {
    let tokens = golden("qwen2").tokens;
    let (prefix, rest) = tokens.split_at(20);
    let mut stage = stage::<f32>("qwen2", 0..3, WeightFormat::Q8_0);
    let expected = run_whole(&mut stage, &tokens, LogitsOf::All);
    logits(&mut stage, item(1, 0, prefix));
    assert_eq!(stage.cache_use().used, 6);
    stage.fork(RequestId(1), RequestId(2), 20);
    assert_eq!(stage.cache_use().used, 6, "shared");
    // Other tokens in the fork must not be seen by the first request.
    let other: Vec<u32> = rest.iter().map(|token| (token + 1) % 80).collect();
    let in_fork = logits(&mut stage, item(2, 20, &other));
    let in_first = logits(&mut stage, item(1, 20, rest));
    assert!(in_first == expected[20 * 80..]);
    assert!(in_fork != in_first);
    // 45 tokens are 3 blocks a layer; the whole first one of each layer is shared.
    assert_eq!(stage.cache_use().used, 3 * (3 + 2));
    assert_eq!(stage.release(RequestId(1)), 6, "what the fork shares stays");
    stage.truncate(RequestId(2), 20);
    assert!(logits(&mut stage, item(2, 20, rest)) == expected[20 * 80..], "truncated and gone on");
    // A fork of a part of a block, and one of itself.
    stage.fork(RequestId(2), RequestId(3), 5);
    stage.fork(RequestId(2), RequestId(2), 5);
    assert!(logits(&mut stage, item(3, 5, &tokens[5..])) == expected[5 * 80..]);
    for request in 0..4 {
        stage.release(RequestId(request));
    }
    assert_eq!(stage.cache_use().used, 0);
}

#[test]
fn what_cannot_be_computed_is_refused_and_changes_nothing() {
    let tokens = golden("llama-2").tokens;
    let small = StageOptions { cache_blocks: 4, ..options(WeightFormat::Full) };
    let mut stage = Stage::<f32>::load(&folder("llama-2"), range(0..3), &small).unwrap();
    logits(&mut stage, item(1, 0, &tokens[..16]));
    let activations = vec![0.0; 32];
    let with =
        |layers, input| Item { request: RequestId(9), position: 0, layers, input, logits: LogitsOf::Last };
    let cases: Vec<(Vec<Item<'_, f32>>, &str)> = vec![
        (vec![item(1, 16, &tokens[..1])], "needs 3 blocks of the cache, 1 are free"),
        (vec![item(1, 15, &tokens[..1])], "position 15, layer 0 has cached 16"),
        (vec![item(1, 17, &tokens[..1])], "position 17"),
        (vec![item(9, 0, &[])], "at least one token"),
        (vec![item(9, 0, &[3, 80])], "token 80, the vocabulary has 80"),
        (vec![item(9, 0, &[3; 65])], "65 tokens, the model's context has 64"),
        (vec![item(9, usize::MAX, &[3])], "context"),
        (vec![with(range(0..4), Input::Tokens(&tokens))], "layers"),
        (vec![with(range(1..3), Input::Tokens(&tokens))], "activations are needed"),
        (vec![with(range(0..3), Input::Activations(&activations))], "tokens are needed"),
        (vec![with(range(1..3), Input::Activations(&activations[..31]))], "31 numbers"),
        (
            vec![
                with(range(1..2), Input::Activations(&activations)),
                with(range(1..3), Input::Activations(&activations)),
            ],
            "twice",
        ),
    ];
    for (items, part) in cases {
        let error: BatchError = stage.forward(&items).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(stage.cache_use().used, 3);
        assert_eq!(stage.cached_tokens(RequestId(1), 2), 16);
        assert_eq!(stage.cached_tokens(RequestId(9), 1), 0);
    }
    assert_eq!(stage.forward(&[]).unwrap(), Vec::new());
}
