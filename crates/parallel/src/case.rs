//! Cases to check against the oracle: weights, contexts with planted keys, inputs, and what must come out.
//!
//! With random keys alone softmax is near-uniform over a long context, outputs vanish, and a lost shard hides in the
//! tolerance. So logits spread (the gain on queries), and keys along the first queries are planted all over every context,
//! as strong as all other tokens together.

use crate::layer::{History, LayerShape, LayerWeights, Packing, Pairing, Request, ShapeError, uniform};
use crate::oracle::{self, Form, Tokens};
use crate::{Real, Wire};

/// What to build.
#[derive(Debug, Clone)]
pub struct CaseSpec {
    /// One shape a layer.
    pub layers: Vec<LayerShape>,
    /// Requests of the batch.
    pub requests: Vec<Request>,
    /// New tokens of each request in a step: 1, or more in a verify group.
    pub rows: usize,
    /// Decode steps.
    pub steps: usize,
    /// Where randomness starts.
    pub seed: u64,
    /// How the oracle computes latent attention.
    pub form: Form,
    /// How weights lie in memory; the oracle computes with what packing makes of them.
    pub packing: Packing,
    /// Routed experts whose weights are held; the others share theirs.
    pub held_experts: u32,
}

/// A case with its answers.
pub struct Case {
    spec: CaseSpec,
    /// Planted keys of each layer.
    plants: Vec<Plants>,
    /// Hidden states of each step, `[requests, rows, hidden]`.
    inputs: Vec<Vec<f64>>,
    /// What the last layer must give.
    expected: Vec<Vec<f64>>,
}

/// Queries of one layer along which keys are planted.
struct Plants {
    shape: LayerShape,
    seed: u64,
    /// By request: queries of all heads at its context.
    queries: Vec<Vec<f64>>,
    /// By request: distance of planted keys and the logit that they get.
    strength: Vec<(u64, f64)>,
    /// By request, its keys and values one after the other, where they are few enough to be kept.
    kept: Vec<Vec<f64>>,
}

/// Numbers of a context that are kept rather than drawn again.
const MOST_KEPT: u64 = 1 << 22;

/// Streams of random numbers beside those of the weights.
const KEYS: u64 = 1 << 32;
const VALUES: u64 = 2 << 32;
const INPUTS: u64 = 3 << 32;

/// A uniform number with variance 1 that f32 holds exactly.
fn unit(seed: u64, stream: u64, index: u64) -> f64 {
    Wire::F32.round(uniform(seed, stream, index) * 3.0_f64.sqrt())
}

/// The nearest expert that was not chosen must lose by this much, or rounding on the wire may choose another.
const LEAST_ROUTING_MARGIN: f64 = 0.03;

impl Plants {
    fn new(shape: &LayerShape, seed: u64, requests: &[Request], queries: Vec<Vec<f64>>) -> Self {
        let strength = requests.iter().map(|request| {
            // Some 256 of them at the most; prime to block lengths, so that every shard gets some.
            let distance = (request.context / 256).max(5) | 1;
            // Logits spread by about 2.5: all others together weigh about e^(ln S + 3).
            let logit = ((request.context.max(1)) as f64).ln() + 2.0;
            (distance, logit)
        });
        let strength = strength.collect();
        let mut plants = Self { shape: shape.clone(), seed, strength, queries, kept: Vec::new() };
        let (keys, values) = oracle::token_numbers(shape);
        let all: u64 = requests.iter().fold(0, |sum, request| sum.saturating_add(request.context));
        if all.saturating_mul((keys + values) as u64) <= MOST_KEPT {
            let kept = requests.iter().enumerate().map(|(index, request)| {
                let mut numbers = Vec::new();
                for position in 0..request.context {
                    let (mut key, mut value) = (vec![0.0; keys], vec![0.0; values]);
                    plants.draw(index, position, &mut key, &mut value);
                    numbers.extend(key);
                    numbers.extend(value);
                }
                numbers
            });
            plants.kept = kept.collect();
        }
        plants
    }

    /// The unrotated keys and values of a token; see [`History`].
    fn token(&self, request: usize, position: u64, key: &mut [f64], value: &mut [f64]) {
        let Some(kept) = self.kept.get(request) else { return self.draw(request, position, key, value) };
        let at = usize::try_from(position).expect("kept in memory") * (key.len() + value.len());
        let (keys, values) = kept[at..][..key.len() + value.len()].split_at(key.len());
        key.copy_from_slice(keys);
        value.copy_from_slice(values);
    }

    fn draw(&self, request: usize, position: u64, key: &mut [f64], value: &mut [f64]) {
        let (keys, values) = (key.len() as u64, value.len() as u64);
        for (index, number) in key.iter_mut().enumerate() {
            *number = unit(self.seed, KEYS + request as u64, position * keys + index as u64);
        }
        for (index, number) in value.iter_mut().enumerate() {
            *number = unit(self.seed, VALUES + request as u64, position * values + index as u64);
        }
        let (distance, logit) = self.strength[request];
        if position % distance == distance / 2 {
            self.plant(request, (position, position / distance), logit, key);
        }
    }

    /// A key along the query of one head, turned back to what rotation will make of it.
    fn plant(&self, request: usize, (position, number): (u64, u64), logit: f64, key: &mut [f64]) {
        let shape = &self.shape;
        let heads = u64::from(shape.query_heads());
        let head = usize::try_from(number % heads).expect("a head is below a u32");
        let width = shape.key_width() as usize;
        let query = &self.queries[request][head * width..][..width];
        let square: f64 = query.iter().map(|x| x * x).sum();
        let factor = logit / (square * shape.softmax_scale());
        let kv = head / (shape.query_heads() / shape.kv_heads()) as usize;
        let key = &mut key[kv * width..][..width];
        for (key, query) in key.iter_mut().zip(query) {
            *key = factor * query;
        }
        let rope = shape.rope_width() as usize;
        turn_back(shape, position, &mut key[width - rope..]);
        for number in key {
            *number = Wire::F32.round(*number);
        }
    }
}

fn turn_back(shape: &LayerShape, position: u64, vector: &mut [f64]) {
    let (width, half) = (vector.len(), vector.len() / 2);
    for pair in 0..half {
        let (a, b) = match shape.rope.pairing {
            Pairing::Halves => (pair, pair + half),
            Pairing::Neighbours => (2 * pair, 2 * pair + 1),
        };
        let angle = -(position as f64) * shape.rope.theta.powf(-2.0 * pair as f64 / width as f64);
        let (x, y) = (vector[a], vector[b]);
        vector[a] = x * angle.cos() - y * angle.sin();
        vector[b] = x * angle.sin() + y * angle.cos();
    }
}

impl Case {
    /// Builds weights, plants keys and asks the oracle. `progress` is called after every step.
    pub fn build(spec: CaseSpec, mut progress: impl FnMut(usize)) -> Result<Self, ShapeError> {
        let mut case = Self { spec, plants: Vec::new(), inputs: Vec::new(), expected: Vec::new() };
        let layers = case.weights::<f64>()?;
        let mut replay = Replay::new(&layers, &case.spec);
        for step in 0..case.spec.steps {
            let (inputs, expected) = replay.step(&mut case.plants, step);
            case.inputs.push(inputs);
            case.expected.push(expected);
            progress(step + 1);
        }
        Ok(case)
    }

    /// The weights in f32 or f64: the same numbers.
    pub fn weights<T: Real>(&self) -> Result<Vec<LayerWeights<T>>, ShapeError> {
        let layers = self.spec.layers.iter().zip(self.spec.seed..);
        let Self { spec: CaseSpec { packing, held_experts, .. }, .. } = *self;
        layers.map(|(shape, seed)| LayerWeights::random_packed(shape, seed, packing, held_experts)).collect()
    }

    /// What was asked for.
    #[must_use]
    pub fn spec(&self) -> &CaseSpec {
        &self.spec
    }

    /// What a layer's caches hold before the first step.
    #[must_use]
    pub fn history(&self, layer: usize) -> Box<History<'_>> {
        let plants = &self.plants[layer];
        Box::new(move |request, position, key, value| plants.token(request, position, key, value))
    }

    /// Hidden states that enter at a step, `[requests, rows, hidden]`.
    #[must_use]
    pub fn inputs<T: Real>(&self, step: usize) -> Vec<T> {
        self.inputs[step].iter().map(|&value| T::of(value)).collect()
    }

    /// What must come out.
    #[must_use]
    pub fn expected(&self, step: usize) -> &[f64] {
        &self.expected[step]
    }
}

/// Unrotated keys and values of tokens.
type Entries = Vec<(Vec<f64>, Vec<f64>)>;

/// The oracle on its way through the steps.
struct Replay<'a> {
    layers: &'a [LayerWeights<f64>],
    spec: &'a CaseSpec,
    /// By layer, then by request: entries after the context.
    appended: Vec<Vec<Entries>>,
}

impl<'a> Replay<'a> {
    fn new(layers: &'a [LayerWeights<f64>], spec: &'a CaseSpec) -> Self {
        Self { layers, spec, appended: vec![vec![Vec::new(); spec.requests.len()]; layers.len()] }
    }

    /// Draws the inputs of a step and computes its outputs.
    fn step(&mut self, plants: &mut Vec<Plants>, step: usize) -> (Vec<f64>, Vec<f64>) {
        if plants.is_empty() {
            self.plant(plants);
        }
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for request in 0..self.spec.requests.len() {
            for row in 0..self.spec.rows {
                let (input, output) = (0..64_u64)
                    .find_map(|attempt| {
                        let input = self.draw(request, (step * self.spec.rows + row) as u64, attempt);
                        let (output, margin) = self.token(plants, request, &input);
                        if margin >= LEAST_ROUTING_MARGIN || attempt == 63 {
                            return Some((input, output));
                        }
                        self.forget(request);
                        None
                    })
                    .expect("the last attempt is taken as it is");
                inputs.extend(input);
                outputs.extend(output);
            }
        }
        (inputs, outputs)
    }

    fn draw(&self, request: usize, token: u64, attempt: u64) -> Vec<f64> {
        let hidden = u64::from(self.spec.layers[0].hidden);
        let stream = INPUTS + request as u64 + (attempt << 20);
        (0..hidden).map(|index| unit(self.spec.seed, stream, token * hidden + index)).collect()
    }

    fn forget(&mut self, request: usize) {
        for layer in &mut self.appended {
            layer[request].pop();
        }
    }

    /// One token through all layers: its output and the smallest routing margin.
    fn token(&mut self, plants: &[Plants], request: usize, input: &[f64]) -> (Vec<f64>, f64) {
        let (mut hidden, mut margin) = (input.to_vec(), f64::INFINITY);
        for (index, plants) in plants.iter().enumerate() {
            let output = self.layer(index, plants, request, &hidden);
            hidden = output.hidden;
            margin = margin.min(output.routing_margin);
        }
        (hidden, margin)
    }

    fn layer(&mut self, index: usize, plants: &Plants, request: usize, input: &[f64]) -> oracle::Output {
        let layer = &self.layers[index];
        let appended = &mut self.appended[index][request];
        appended.push(oracle::cache_entry(layer, input));
        if self.spec.requests[request].padding {
            return oracle::decode_padding(layer, input);
        }
        let history: &History<'_> =
            &|request, position, key, value| plants.token(request, position, key, value);
        let context = self.spec.requests[request].context;
        oracle::decode(layer, self.spec.form, &Tokens { history, request, context, appended }, input)
    }

    /// Plants keys along the queries of the first step's first row, layer after layer.
    fn plant(&mut self, plants: &mut Vec<Plants>) {
        let requests = &self.spec.requests;
        let mut hidden: Vec<Vec<f64>> = (0..requests.len()).map(|request| self.draw(request, 0, 0)).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            let queries = hidden
                .iter()
                .zip(requests)
                .map(|(input, request)| oracle::queries(layer, input, request.context))
                .collect();
            let seed = self.spec.seed.wrapping_add((index as u64 + 1) << 40);
            let planted = Plants::new(&layer.shape, seed, requests, queries);
            if index + 1 < self.layers.len() {
                hidden = (0..requests.len())
                    .map(|request| {
                        let output = self.layer(index, &planted, request, &hidden[request]).hidden;
                        self.appended[index][request].pop();
                        output
                    })
                    .collect();
            }
            plants.push(planted);
        }
    }
}
