//! Prefill and decode of a random model of 0.43 billion parameters in 8 bits, beside candle's `QMatMul`.
//!
//! The peer does only the linear layers of the same model, so it has a start: no attention, norms or cache. Both get
//! `HELIX_BENCH_THREADS` threads (2 unless said). The model is written once, below the target folder.

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Device, Module as _, Tensor};
use helix_engine::{Input, Item, LogitsOf, RequestId, Stage, StageOptions, WeightFormat};
use helix_spec::LayerRange;

const LAYERS: usize = 24;
const HIDDEN: usize = 1024;
const QUERY_HEADS: usize = 16;
const KV_HEADS: usize = 8;
const HEAD_DIM: usize = 64;
const WIDTH: usize = 3968;
const VOCAB: usize = 32_000;

/// Each figure is the best of so many runs.
const RUNS: usize = 3;

fn main() {
    let threads =
        std::env::var("HELIX_BENCH_THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_usize);
    // candle takes its thread count from here; nothing of it has run yet.
    let rayon = std::env::var("RAYON_NUM_THREADS").unwrap_or_else(|_| String::from("all cores"));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("threads {threads} (candle: {rayon}), load {}", load.trim());
    let folder = model_folder();
    let started = Instant::now();
    let layers = LayerRange::new(0, 24).expect("layers");
    let options = StageOptions { weights: WeightFormat::Q8_0, threads, cache_blocks: 24 * 8 * 64, isa: None };
    let mut stage = Stage::<f32>::load(&folder, layers, &options).expect("the bench's own model");
    println!(
        "loaded in {:.2} s, {:.0} MB of weights",
        started.elapsed().as_secs_f64(),
        stage.weight_bytes() as f64 / 1e6
    );
    let peer = Peer::new();
    println!("{:14} {:>12} {:>12}   [tokens/s]", "", "helix", "candle");
    for tokens in [128, 512] {
        let ours = best(tokens, || prefill(&mut stage, tokens));
        let theirs = best(tokens, || peer.step(tokens));
        println!("prefill {tokens:6} {ours:12.1} {theirs:12.1}");
    }
    for batch in [1, 8] {
        let steps = 16;
        let ours = best(batch * steps, || decode(&mut stage, batch, steps));
        let theirs = best(batch * steps, || (0..steps).for_each(|_| peer.step(batch)));
        println!("decode  x{batch:<5} {ours:12.1} {theirs:12.1}");
    }
}

/// Tokens a second of the fastest run.
fn best(tokens: usize, mut run: impl FnMut()) -> f64 {
    run();
    let fastest = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .min()
        .expect("at least one run");
    tokens as f64 / fastest.as_secs_f64()
}

fn prefill(stage: &mut Stage<f32>, count: usize) {
    let tokens: Vec<u32> = (0..32_000).step_by(61).take(count).collect();
    let request = RequestId(0);
    let layers = stage.layers();
    let item = Item { request, position: 0, layers, input: Input::Tokens(&tokens), logits: LogitsOf::Last };
    stage.forward(&[item]).expect("room in the cache");
    stage.release(request);
}

/// Several requests, each with a context of 128 tokens.
fn decode(stage: &mut Stage<f32>, batch: usize, steps: usize) {
    let prompt: Vec<u32> = (0..128).collect();
    let layers = stage.layers();
    let requests = || (1_u64..).take(batch).map(RequestId);
    for request in requests() {
        if stage.cached_tokens(request, 0) == 0 {
            let item =
                Item { request, position: 0, layers, input: Input::Tokens(&prompt), logits: LogitsOf::None };
            stage.forward(&[item]).expect("room in the cache");
        }
        stage.truncate(request, prompt.len());
    }
    for step in 0..steps {
        let items: Vec<_> = requests()
            .map(|request| Item {
                request,
                position: prompt.len() + step,
                layers,
                input: Input::Tokens(&prompt[step..=step]),
                logits: LogitsOf::Last,
            })
            .collect();
        stage.forward(&items).expect("room in the cache");
    }
}

/// The linear layers of the model in candle.
struct Peer {
    layers: Vec<Vec<QMatMul>>,
    head: QMatMul,
}

impl Peer {
    fn new() -> Self {
        let matrix = |rows: usize, columns: usize| {
            let weights = Tensor::randn(0_f32, 0.02, (rows, columns), &Device::Cpu).expect("memory");
            let packed = QTensor::quantize(&weights, GgmlDType::Q8_0).expect("columns in blocks of 32");
            QMatMul::from_qtensor(packed).expect("8 bits are known")
        };
        let kv = KV_HEADS * HEAD_DIM;
        let queries = QUERY_HEADS * HEAD_DIM;
        let layer = || {
            [
                (queries, HIDDEN),
                (kv, HIDDEN),
                (kv, HIDDEN),
                (HIDDEN, queries),
                (WIDTH, HIDDEN),
                (WIDTH, HIDDEN),
                (HIDDEN, WIDTH),
            ]
            .map(|(rows, columns)| matrix(rows, columns))
            .into()
        };
        Self { layers: (0..LAYERS).map(|_| layer()).collect(), head: matrix(VOCAB, HIDDEN) }
    }

    /// All layers for a batch of so many tokens, the head for as many sequences as decode has.
    fn step(&self, tokens: usize) {
        let input = |rows, columns| {
            Tensor::ones((rows, columns), candle_core::DType::F32, &Device::Cpu).expect("memory")
        };
        let (narrow, wide) = (input(tokens, HIDDEN), input(tokens, WIDTH));
        for layer in &self.layers {
            for (index, matrix) in layer.iter().enumerate() {
                let input = if index == 6 { &wide } else { &narrow };
                std::hint::black_box(matrix.forward(input).expect("shapes agree"));
            }
        }
        let sequences = if tokens > 16 { 1 } else { tokens };
        std::hint::black_box(self.head.forward(&input(sequences, HIDDEN)).expect("shapes agree"));
    }
}

/// Writes the model unless it is there.
fn model_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine-bench-0.43b");
    let folder = std::env::var_os("HELIX_BENCH_MODEL").map_or(folder, PathBuf::from);
    if folder.join("config.json").exists() {
        return folder;
    }
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    let mut tensors: Vec<(String, Vec<usize>)> = vec![
        (String::from("model.embed_tokens.weight"), vec![VOCAB, HIDDEN]),
        (String::from("lm_head.weight"), vec![VOCAB, HIDDEN]),
        (String::from("model.norm.weight"), vec![HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let (queries, kv) = (QUERY_HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM);
        for (name, shape) in [
            ("input_layernorm", vec![HIDDEN]),
            ("post_attention_layernorm", vec![HIDDEN]),
            ("self_attn.q_proj", vec![queries, HIDDEN]),
            ("self_attn.k_proj", vec![kv, HIDDEN]),
            ("self_attn.v_proj", vec![kv, HIDDEN]),
            ("self_attn.o_proj", vec![HIDDEN, queries]),
            ("mlp.gate_proj", vec![WIDTH, HIDDEN]),
            ("mlp.up_proj", vec![WIDTH, HIDDEN]),
            ("mlp.down_proj", vec![HIDDEN, WIDTH]),
        ] {
            tensors.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    write_model(&folder, &tensors);
    let config = format!(
        "{{\"architectures\": [\"LlamaForCausalLM\"], \"dtype\": \"bfloat16\", \"num_hidden_layers\": {LAYERS}, \
         \"hidden_size\": {HIDDEN}, \"num_attention_heads\": {QUERY_HEADS}, \"num_key_value_heads\": {KV_HEADS}, \
         \"head_dim\": {HEAD_DIM}, \"intermediate_size\": {WIDTH}, \"vocab_size\": {VOCAB}, \"rms_norm_eps\": 1e-5, \
         \"max_position_embeddings\": 4096}}"
    );
    std::fs::write(folder.join("config.json"), config).expect("the target folder is writable");
    folder
}

fn write_model(folder: &Path, tensors: &[(String, Vec<usize>)]) {
    use std::io::Write as _;
    let mut at = 0;
    let entries: Vec<String> = tensors
        .iter()
        .map(|(name, shape)| {
            let start = at;
            at += 2 * shape.iter().product::<usize>();
            format!(
                "\"{name}\": {{\"dtype\": \"BF16\", \"shape\": {shape:?}, \"data_offsets\": [{start}, {at}]}}"
            )
        })
        .collect();
    let header = format!("{{{}}}", entries.join(", "));
    let file =
        std::fs::File::create(folder.join("model.safetensors")).expect("the target folder is writable");
    let mut file = std::io::BufWriter::new(file);
    let mut write = |bytes: &[u8]| file.write_all(bytes).expect("room on the disk");
    write(&(header.len() as u64).to_le_bytes());
    write(header.as_bytes());
    let mut state = 1_u64;
    for (_, shape) in tensors {
        let vector = shape.len() == 1;
        let bytes: Vec<u8> = (0..shape.iter().product::<usize>())
            .flat_map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let number = ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.07;
                half::bf16::from_f32(if vector { 1.0 } else { number }).to_le_bytes()
            })
            .collect();
        write(&bytes);
    }
}
