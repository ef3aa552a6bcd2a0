//! `helix-training`: trains the built-in model, measures it, asks it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use helix_training::export::{self, Precision};
use helix_training::{checkpoint, model, optimizer, say, train, vocabulary};

/// Makes the built-in model of Helix.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train, or go on training, and write the model's folder after the last step.
    Train {
        /// Folder of the model.
        #[arg(long, default_value = "../models/tiny")]
        output: PathBuf,
        /// Folder of the checkpoint.
        #[arg(long, default_value = "target/run")]
        checkpoint: PathBuf,
        /// Seed of the text and of the first weights.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Steps of 2,048 tokens.
        #[arg(long, default_value_t = 1700)]
        steps: usize,
        /// Highest learning rate.
        #[arg(long, default_value_t = 4e-3)]
        rate: f32,
        /// Steps over which the learning rate falls slowly; at least as many as steps.
        #[arg(long, default_value_t = 2000)]
        horizon: usize,
        /// Stop after so many minutes, with a checkpoint; the same command goes on from there.
        #[arg(long, default_value_t = 1e6)]
        minutes: f64,
    },
    /// Write the model's folder from a checkpoint, finished or not.
    Export {
        /// Folder of the model.
        #[arg(long, default_value = "../models/tiny")]
        output: PathBuf,
        /// Folder of the checkpoint.
        #[arg(long, default_value = "target/run")]
        checkpoint: PathBuf,
        /// Seed that the run was started with.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Ask all held-out sums and many other questions, and count the answers that are right word by word.
    Evaluate {
        /// Folder of the model.
        #[arg(long, default_value = "../models/tiny")]
        model: PathBuf,
        /// Round the matrices to 8 bits first.
        #[arg(long)]
        q8: bool,
    },
    /// Write the logits after a few questions, as JSON, for `compare_with_transformers.py`.
    Logits {
        /// Folder of the model.
        #[arg(long, default_value = "../models/tiny")]
        model: PathBuf,
    },
    /// Hold a conversation: one argument a message.
    Say {
        /// Folder of the model.
        #[arg(long, default_value = "../models/tiny")]
        model: PathBuf,
        /// What the user says, message by message.
        messages: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Train { output, checkpoint, seed, steps, rate, horizon, minutes } => {
            let tokenizer = vocabulary::train(seed)?;
            let plan = train::Plan { seed, steps, rate, horizon };
            if train::run(plan, &tokenizer, &checkpoint, minutes)? {
                export_checkpoint(&checkpoint, &output, seed)?;
            } else {
                println!("stopped before the last step; the same command goes on from here");
            }
        }
        Command::Export { output, checkpoint, seed } => export_checkpoint(&checkpoint, &output, seed)?,
        Command::Evaluate { model, q8 } => {
            let precision = if q8 { Precision::Q8 } else { Precision::Exact };
            let (model, tokenizer) = export::read(&model, precision)?;
            train::report(&model, &tokenizer, 1)?;
        }
        Command::Logits { model } => {
            let (model, tokenizer) = export::read(&model, Precision::Exact)?;
            println!("{}", say::logits(&model, &tokenizer)?);
        }
        Command::Say { model, messages } => {
            let (model, tokenizer) = export::read(&model, Precision::Exact)?;
            let answers = say::conversation(&model, &tokenizer, &messages)?;
            for (message, answer) in messages.iter().zip(answers) {
                println!("> {message}\n{answer}\n");
            }
        }
    }
    Ok(())
}

fn export_checkpoint(folder: &std::path::Path, output: &std::path::Path, seed: u64) -> anyhow::Result<()> {
    let model = model::Model::new(model::Config::TINY, seed)?;
    let optimizer::AdamW { step, .. } = checkpoint::load(&folder.join(checkpoint::FILE), &model)?;
    export::write(output, &model, &vocabulary::train(seed)?)?;
    println!("{}: the model after {step} steps", output.display());
    Ok(())
}
