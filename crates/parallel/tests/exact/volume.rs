//! Bytes that ranks really exchange against the formulas.

use helix_parallel::{Expansion, Options, Scheduling, Volume, Wire, run_case, shapes};

use crate::support::{case, grouped, latent, layout, prompts, with_experts};

/// The figures of the reference: R1 in bf16 and Llama-405B with TPA = KVP = 8, one token.
#[test]
fn published_shapes_send_what_was_published() {
    let r1 = shapes::deepseek_v3();
    let options = Options::new(Wire::Bf16);
    for (kv, partials, statistics) in [(8, 114_688, 896), (64, 129_024, 1_008)] {
        let volume = Volume::of_layer(&r1, layout(1, (1, kv), (1, kv)), &options, 1).unwrap();
        assert_eq!((volume.partials, volume.statistics), (partials, statistics));
        assert_eq!(volume.output_reduction, 7168 * 2);
    }
    let expanded = Options { expansion: Expansion::BeforeExchange, ..options };
    let volume = Volume::of_layer(&r1, layout(1, (1, 8), (1, 8)), &expanded, 1).unwrap();
    assert_eq!(volume.partials, 114_688 / 4);
    let llama = Volume::of_layer(&shapes::llama_405b(), layout(1, (8, 8), (64, 1)), &options, 1).unwrap();
    assert_eq!(llama.partials, 3_584);
}

/// Counted bytes equal the formulas to the byte, for any wire, and do not grow with the context.
#[test]
fn counted_bytes_equal_the_formulas_and_do_not_grow_with_the_context() {
    for shape in [grouped(12, 2, 24), with_experts(&latent(12, 24), 12, 12)] {
        for layout in [layout(1, (2, 3), (6, 1)), layout(1, (1, 4), (1, 4)), layout(1, (2, 1), (1, 2))] {
            if shape.fits(layout).is_err() {
                continue;
            }
            for context in [1, 40, 900] {
                let case = case(vec![shape.clone()], prompts(&[context, 2 * context, 3]), 2, 1);
                let layers = case.weights::<f32>().unwrap();
                for wire in [Wire::F32, Wire::Bf16] {
                    for expansion in [Expansion::AfterExchange, Expansion::BeforeExchange] {
                        let options = Options { expansion, chunks: 2, ..Options::new(wire) };
                        let run =
                            run_case(&case, &layers, layout, &options, Scheduling::OneAfterTheOther).unwrap();
                        let volume = Volume::of_layer(&shape, layout, &options, 6).unwrap();
                        for traffic in &run.traffic {
                            assert_eq!(traffic.of("all-to-all").sent_bytes, volume.all_to_all());
                            let reduced = volume.output_reduction + volume.ffn_reduction;
                            assert_eq!(traffic.of("all-reduce").payload_bytes, reduced);
                            assert_eq!(traffic.iter().count(), 2, "nothing else is exchanged");
                            // Outputs and statistics, twice for two chunks.
                            assert_eq!(traffic.of("all-to-all").operations, 4);
                        }
                    }
                }
            }
        }
    }
}

/// Every token is cached once, whatever the layout: the memory that Helix saves.
#[test]
fn every_token_is_cached_once_while_tpa_is_at_most_the_kv_heads() {
    let case = case(vec![grouped(12, 2, 12)], prompts(&[100, 7]), 1, 5);
    let layers = case.weights::<f32>().unwrap();
    let cached = |tensor, kv| {
        let layout = layout(1, (tensor, kv), (tensor * kv, 1));
        let run =
            run_case(&case, &layers, layout, &Options::new(Wire::F32), Scheduling::OneAfterTheOther).unwrap();
        run.cached.iter().sum::<u64>()
    };
    let once = (107 + 2 * 5) * layers[0].shape.cached_per_token();
    assert_eq!(
        [cached(1, 1), cached(1, 6), cached(2, 3), cached(2, 1), cached(4, 3)],
        [once, once, once, once, 2 * once]
    );
}
