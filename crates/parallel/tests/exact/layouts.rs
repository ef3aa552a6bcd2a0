//! Every layout against the oracle, in f64, f32 and with bf16 on the wire.

use crate::support::{case, case_of, grouped, latent, layout, prompts, with_experts, with_softmax_experts};
use helix_parallel::{
    Case, Combine, Expansion, FfnReduction, Layout, Options, Real, Request, Scheduling, TokenSplit, Wire,
    compare, run_case,
};

fn assert_exact<T: Real>(case: &Case, layout: Layout, options: &Options) {
    let layers = case.weights::<T>().unwrap();
    let run = run_case(case, &layers, layout, options, Scheduling::OneAfterTheOther).unwrap();
    let deviation = compare(case, &run, layout, options);
    assert!(deviation.passes(), "{layout:?} {options:?}: {deviation:?}");
}

/// Mixed lengths: nothing cached, one token, less than a block, several blocks, and an empty slot.
fn mixed() -> Vec<Request> {
    let mut requests = prompts(&[0, 1, 5, 37, 130]);
    requests.push(Request::PADDING);
    requests
}

fn options<T: Real>() -> Options {
    Options { block: 8, ..Options::new(T::WIRE) }
}

/// Every layout of up to 16 ranks, with as many heads as they need: TPA × KVP in both kinds of attention, TPF × EP with
/// experts.
#[test]
fn every_layout_of_up_to_16_ranks_is_exact() {
    for ranks in 1..=16 {
        for layout in Layout::all(ranks) {
            let widths = layout.widths();
            let experts = |shape| with_experts(&shape, 8 * widths.expert, 2 * widths.ffn_tensor);
            let attention = if widths.kv % 2 == 0 {
                grouped(2 * ranks, widths.attention_tensor, 2 * ranks)
            } else {
                latent(2 * ranks, 2 * ranks)
            };
            let case = case(vec![experts(attention)], prompts(&[0, 3, 41]), 1, 3);
            assert_exact::<f64>(&case, layout, &options::<f64>());
        }
    }
}

/// One model, all of its layouts, all three precisions.
#[test]
fn fixed_models_are_exact_in_every_precision() {
    let qwen = case(vec![grouped(14, 2, 28)], mixed(), 1, 4);
    let mixtral = case(vec![with_softmax_experts(&grouped(12, 6, 12), 12, 24)], mixed(), 1, 4);
    let deepseek = case(vec![with_experts(&latent(12, 24), 24, 24)], mixed(), 1, 4);
    for (case, ranks) in
        [(&qwen, vec![1, 2, 7, 14]), (&mixtral, vec![1, 2, 3, 6, 12]), (&deepseek, vec![1, 3, 4, 6, 12])]
    {
        for layout in ranks.into_iter().flat_map(Layout::all) {
            if case.spec().layers[0].fits(layout).is_err() {
                continue;
            }
            assert_exact::<f64>(case, layout, &options::<f64>());
            assert_exact::<f32>(case, layout, &options::<f32>());
            assert_exact::<f32>(case, layout, &Options { wire: Wire::Bf16, ..options::<f32>() });
        }
    }
}

/// 200 steps with blocks of 8: every rank opens and closes several blocks.
#[test]
fn two_hundred_decode_steps_stay_exact() {
    for (shape, layouts) in [
        (grouped(12, 2, 24), [layout(1, (2, 3), (6, 1)), layout(1, (1, 6), (6, 1))]),
        (with_experts(&latent(6, 24), 12, 12), [layout(1, (1, 3), (1, 3)), layout(1, (1, 6), (2, 3))]),
    ] {
        let case = case(vec![shape], prompts(&[0, 9, 60]), 1, 200);
        for layout in layouts {
            assert_exact::<f64>(&case, layout, &options::<f64>());
            assert_exact::<f32>(&case, layout, &options::<f32>());
            assert_exact::<f32>(&case, layout, &Options { wire: Wire::Bf16, ..options::<f32>() });
        }
    }
}

/// Tolerances hold for any numbers, not for those of one seed: several seeds, every way to execute, rows of several tokens,
/// stages.
#[test]
fn every_precision_holds_for_any_seed() {
    let ways: [fn(&mut Options); 4] = [
        |_| (),
        |options| {
            options.combine = Combine::GatherScatter;
            options.reduction = FfnReduction::ByExpertGroup;
            options.expansion = Expansion::BeforeExchange;
        },
        |options| options.combine = Combine::Tree,
        |options| options.tokens = TokenSplit::DataParallel,
    ];
    let mut worst = 0.0_f64;
    for seed in 1..=5 {
        for (shape, layouts) in [
            (
                grouped(8, 2, 12),
                [layout(1, (1, 1), (1, 1)), layout(1, (2, 2), (4, 1)), layout(2, (1, 2), (2, 1))],
            ),
            (
                latent(8, 12),
                [layout(1, (1, 2), (2, 1)), layout(1, (1, 4), (4, 1)), layout(2, (2, 1), (2, 1))],
            ),
            (
                with_softmax_experts(&grouped(8, 2, 12), 16, 8),
                [layout(1, (2, 1), (1, 2)), layout(1, (2, 4), (2, 4)), layout(2, (2, 2), (1, 4))],
            ),
            (
                with_experts(&latent(8, 12), 32, 8),
                [layout(1, (1, 2), (2, 1)), layout(1, (2, 4), (1, 8)), layout(2, (1, 4), (2, 2))],
            ),
        ] {
            for layout in layouts {
                let layers = vec![shape.clone(); layout.widths().pipeline as usize];
                let rows = 1 + usize::try_from(seed % 2).unwrap();
                let case = case_of(seed, layers, mixed(), (rows, 3));
                for way in ways {
                    let mut options = options::<f32>();
                    way(&mut options);
                    if seed <= 2 {
                        assert_exact::<f64>(&case, layout, &Options { wire: Wire::F64, ..options });
                        assert_exact::<f32>(&case, layout, &options);
                    }
                    let options = Options { wire: Wire::Bf16, ..options };
                    let weights = case.weights::<f32>().unwrap();
                    let run =
                        run_case(&case, &weights, layout, &options, Scheduling::OneAfterTheOther).unwrap();
                    let deviation = compare(&case, &run, layout, &options);
                    worst = worst.max(deviation.worst / f64::from(layout.widths().pipeline));
                }
            }
        }
    }
    assert!(worst < 6e-3, "{worst:e}");
}
