//! What must not change a bit, and what must not leave the tolerance.

use helix_parallel::{
    Case, Combine, Expansion, FfnReduction, Layout, Options, Ownership, Run, Scheduling, TokenSplit, Wire,
    compare, run_case,
};

use crate::support::{case, grouped, latent, layout, prompts, with_experts};

fn run(case: &Case, layout: Layout, options: &Options, scheduling: Scheduling) -> Run<f64> {
    run_case(case, &case.weights().unwrap(), layout, options, scheduling).unwrap()
}

fn assert_exact(case: &Case, layout: Layout, options: &Options) {
    let deviation = compare(case, &run(case, layout, options, Scheduling::OneAfterTheOther), layout, options);
    assert!(deviation.passes(), "{layout:?} {options:?}: {deviation:?}");
}

fn options() -> Options {
    Options { block: 8, ..Options::new(Wire::F64) }
}

fn cases() -> [(Case, Layout); 2] {
    [
        (case(vec![grouped(12, 2, 12)], prompts(&[0, 30, 5, 77, 12]), 1, 3), layout(1, (2, 3), (6, 1))),
        (
            case(vec![with_experts(&latent(12, 12), 12, 12)], prompts(&[0, 30, 5, 77, 12]), 1, 3),
            layout(1, (1, 4), (2, 2)),
        ),
    ]
}

#[test]
fn hopb_and_threads_do_not_change_a_bit() {
    for (case, layout) in cases() {
        for combine in Combine::ALL {
            let whole = Options { combine, ..options() };
            let expected = run(&case, layout, &whole, Scheduling::OneAfterTheOther).outputs;
            for chunks in [1, 2, 3, 5, 99] {
                for scheduling in [Scheduling::Concurrent, Scheduling::OneAfterTheOther] {
                    let options = Options { chunks, ..whole };
                    let outputs = run(&case, layout, &options, scheduling).outputs;
                    assert!(outputs == expected, "{combine:?}, {chunks} chunks, {scheduling:?}");
                }
            }
        }
    }
}

/// All ranks hold the same bits after a layer, or routing on the next would differ between them.
#[test]
fn ranks_agree_to_the_bit() {
    for (case, layout) in cases() {
        let outputs = run(&case, layout, &options(), Scheduling::Concurrent).outputs;
        assert!(outputs.iter().all(|output| *output == outputs[0]));
    }
}

#[test]
fn collectives_ownership_expansion_and_reduction_do_not_matter() {
    for (case, layout) in cases() {
        for combine in Combine::ALL {
            for expansion in [Expansion::AfterExchange, Expansion::BeforeExchange] {
                for reduction in [FfnReduction::Once, FfnReduction::ByExpertGroup] {
                    assert_exact(&case, layout, &Options { combine, expansion, reduction, ..options() });
                }
            }
        }
        for ownership in [Ownership::ByPosition, Ownership::DecodeFromZero, Ownership::ContiguousPrompt] {
            for block in [1, 3, 16, 32, 1000] {
                assert_exact(&case, layout, &Options { ownership, block, ..options() });
            }
        }
    }
}

/// Blocks of 6 columns: the shared expert of 12 is cut in 2, so four ranks hold each slice twice and count it half.
#[test]
fn a_shared_expert_that_few_ranks_can_cut_counts_once() {
    let (case, layout) = &cases()[1];
    for shared_block in [1, 3, 4, 6, 12] {
        assert_exact(case, *layout, &Options { shared_block, ..options() });
    }
}

/// Rows of a verify group stand one behind the other and straddle blocks of 4; the oracle takes them one by one.
#[test]
fn verify_groups_equal_single_tokens() {
    for (shape, layout) in
        [(grouped(12, 2, 12), layout(1, (2, 3), (6, 1))), (latent(12, 12), layout(1, (1, 4), (4, 1)))]
    {
        for rows in 1..=6 {
            let case = case(vec![shape.clone()], prompts(&[0, 3, 40]), rows, 4);
            for ownership in [Ownership::ByPosition, Ownership::DecodeFromZero, Ownership::ContiguousPrompt] {
                assert_exact(&case, layout, &Options { block: 4, ownership, chunks: 2, ..options() });
            }
        }
    }
}

/// Attention-DP with more, as many and fewer requests than TPA indices, and with tokens that do not divide by KVP.
#[test]
fn attention_data_parallelism_is_exact() {
    for shape in [
        grouped(12, 2, 24),
        latent(12, 24),
        with_experts(&grouped(12, 2, 24), 12, 12),
        with_experts(&latent(12, 24), 12, 12),
    ] {
        for lengths in [&[20_u64, 3, 0, 51, 8][..], &[9, 30][..], &[17][..]] {
            let layers = vec![shape.clone(), shape.clone()];
            let case = case(layers, prompts(lengths), 1, 2);
            for ((tensor, kv), (ffn, expert)) in
                [((2, 3), (6, 1)), ((1, 4), (4, 1)), ((3, 2), (3, 2)), ((4, 1), (1, 4)), ((2, 6), (4, 3))]
            {
                let layout = layout(1, (tensor, kv), (ffn, expert));
                if shape.fits(layout).is_ok() {
                    assert_exact(&case, layout, &Options { tokens: TokenSplit::DataParallel, ..options() });
                }
            }
        }
    }
}

/// Stages hand over the same bits that one stage would keep.
#[test]
fn pipeline_stages_do_not_change_a_bit() {
    let layers = vec![grouped(6, 2, 12), with_experts(&latent(6, 12), 12, 12), grouped(6, 2, 12)];
    let layers: Vec<_> = layers
        .into_iter()
        .map(|mut shape| {
            shape.norm_epsilon = 1e-5;
            shape
        })
        .collect();
    let case = case(layers, prompts(&[0, 30, 5]), 1, 3);
    for (tensor, kv) in [(1, 3), (2, 1), (1, 1)] {
        let one = layout(1, (tensor, kv), (tensor * kv, 1));
        let expected = run(&case, one, &options(), Scheduling::OneAfterTheOther);
        assert!(compare(&case, &expected, one, &options()).passes());
        for stages in [2, 3] {
            let layout = layout(stages, (tensor, kv), (tensor * kv, 1));
            let run = run(&case, layout, &options(), Scheduling::Concurrent);
            assert!(compare(&case, &run, layout, &options()).passes());
            let last = (layout.ranks() - layout.stage_ranks()) as usize;
            assert!(run.outputs[last..] == expected.outputs[..]);
        }
    }
}

/// A batch without requests and one with empty slots only.
#[test]
fn nothing_to_do_is_done() {
    use helix_parallel::Request;
    let layout = layout(1, (1, 3), (3, 1));
    for requests in [vec![], vec![Request::PADDING; 2]] {
        let case = case(vec![grouped(6, 2, 12)], requests, 1, 2);
        for combine in Combine::ALL {
            let options = Options { combine, chunks: 2, ..options() };
            let run = run(&case, layout, &options, Scheduling::Concurrent);
            assert_eq!(compare(&case, &run, layout, &options).misses, 0);
        }
    }
}
