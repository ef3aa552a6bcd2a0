//! The run: step by step, with a checkpoint now and then, so that it can be stopped and taken up again.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use tokenizers::Tokenizer;

use crate::corpus::{about, facts, talk};
use crate::model::{Config, Model};
use crate::optimizer::AdamW;
use crate::{batch, checkpoint, evaluate};

/// What decides about the weights. The same plan gives the same model on the same kind of processor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Seed of the corpus and of the first weights.
    pub seed: u64,
    /// Steps of the run.
    pub steps: usize,
    /// Learning rate after the warm-up.
    pub rate: f32,
    /// Steps after which the rate would come to rest by itself, at a fiftieth of the highest.
    pub horizon: usize,
}

/// Steps until the learning rate is reached.
const WARM_UP: usize = 60;
/// Last steps of a run, over which the learning rate falls to nothing in a line.
const COOL_DOWN: f32 = 400.0;
/// Tokens of a step.
const STEP_TOKENS: usize = 2048;
/// Step from which on some rows are as long as the context.
const LONGEST_FROM: usize = 700;
/// Steps between two checkpoints.
const CHECKPOINT: usize = 100;

impl Plan {
    /// The learning rate of a step: up in a line, down slowly as half a cosine, then in a line to nothing. However many
    /// steps a run has, it differs from a longer one only at its end.
    fn rate(&self, step: usize) -> f32 {
        let warm = ((step + 1) as f32 / WARM_UP as f32).min(1.0);
        let done = (step as f32 / self.horizon as f32).min(1.0);
        let cosine = 0.02 + 0.98 * 0.5 * (1.0 + (std::f32::consts::PI * done).cos());
        let cool = ((self.steps - step) as f32 / COOL_DOWN).min(1.0);
        self.rate * warm * cosine * cool
    }
}

/// Rows and tokens of a row. Most steps see short conversations, every fifth longer ones, and later every tenth the longest,
/// so that the model learns to look far back.
fn shape(step: usize) -> (usize, usize) {
    let length = match step % 10 {
        9 if step > LONGEST_FROM => 1024,
        4 | 9 => 512,
        _ => 192,
    };
    (STEP_TOKENS / length, length)
}

/// Trains until the last step or until `minutes` are over; returns whether it is the last.
pub fn run(plan: Plan, tokenizer: &Tokenizer, folder: &Path, minutes: f64) -> anyhow::Result<bool> {
    let start = Instant::now();
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(checkpoint::FILE);
    let model = Model::new(Config::TINY, plan.seed)?;
    let mut optimizer = if path.exists() { checkpoint::load(&path, &model)? } else { AdamW::default() };
    let mut mean = None;
    while optimizer.step < plan.steps {
        let step = optimizer.step;
        let batch = batch::draw(tokenizer, plan.seed, step, shape(step))?;
        let loss = model.loss(&batch)?;
        let gradients = loss.backward()?;
        let norm = optimizer.update(&model.weights, &gradients, plan.rate(step))?;
        let loss = loss.to_scalar::<f32>()?;
        mean = Some(mean.map_or(loss, |mean: f32| 0.95 * mean + 0.05 * loss));
        let over = start.elapsed().as_secs_f64() > 60.0 * minutes;
        if (step + 1).is_multiple_of(20) {
            let spent = start.elapsed().as_secs_f64();
            println!(
                "step {:5}  loss {:.4}  gradient {norm:.2}  {spent:.0} s",
                step + 1,
                mean.unwrap_or(loss)
            );
        }
        if (step + 1).is_multiple_of(CHECKPOINT) || over || step + 1 == plan.steps {
            checkpoint::save(&path, &model, &optimizer)?;
            report(&model, tokenizer, 8)?;
        }
        if over {
            break;
        }
    }
    Ok(optimizer.step >= plan.steps)
}

/// Prints how many questions of each kind are answered word by word.
pub fn report(model: &Model, tokenizer: &Tokenizer, every: usize) -> anyhow::Result<()> {
    let count = 1600 / every;
    println!(
        "  exact: held-out sums {}, facts {}, about Helix {}, talk {}, unknown {}",
        evaluate::held_out_sums(model, tokenizer, every)?,
        evaluate::drawn(model, tokenizer, count, facts::draw)?,
        evaluate::drawn(model, tokenizer, count, about::draw)?,
        evaluate::drawn(model, tokenizer, count, talk::draw)?,
        evaluate::drawn(model, tokenizer, count, talk::unknown)?
    );
    Ok(())
}
