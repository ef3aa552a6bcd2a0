//! What a run needs to be taken up again: weights, running means and the step, in one safetensors file.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use candle_core::{Device, Tensor};

use crate::model::Model;
use crate::optimizer::AdamW;

/// Name of the file in its folder.
pub const FILE: &str = "checkpoint.safetensors";

/// Writes the state; a crash leaves the older file or the newer one, never half of one.
pub fn save(path: &Path, model: &Model, optimizer: &AdamW) -> anyhow::Result<()> {
    let mut tensors = HashMap::new();
    for (name, weight) in &model.weights {
        tensors.insert(format!("weight/{name}"), weight.as_tensor().clone());
    }
    for (name, (mean, squares)) in &optimizer.moments {
        tensors.insert(format!("mean/{name}"), Tensor::new(mean.as_slice(), &Device::Cpu)?);
        tensors.insert(format!("squares/{name}"), Tensor::new(squares.as_slice(), &Device::Cpu)?);
    }
    tensors.insert("step".to_owned(), Tensor::new(&[i64::try_from(optimizer.step)?], &Device::Cpu)?);
    let unfinished = path.with_extension("unfinished");
    candle_core::safetensors::save(&tensors, &unfinished)
        .with_context(|| unfinished.display().to_string())?;
    std::fs::rename(&unfinished, path).with_context(|| path.display().to_string())
}

/// Reads the state into a model of the same sizes.
pub fn load(path: &Path, model: &Model) -> anyhow::Result<AdamW> {
    let tensors =
        candle_core::safetensors::load(path, &Device::Cpu).with_context(|| path.display().to_string())?;
    let tensor = |name: String| {
        tensors.get(&name).with_context(|| format!("{}: the tensor `{name}` is missing", path.display()))
    };
    let mut optimizer = AdamW::default();
    for (name, weight) in &model.weights {
        let saved = tensor(format!("weight/{name}"))?;
        ensure!(
            saved.shape() == weight.shape(),
            "{}: `{name}` has the shape {:?}, the model {:?}: the checkpoint is of another model",
            path.display(),
            saved.shape(),
            weight.shape()
        );
        weight.set(saved)?;
        let mean = tensor(format!("mean/{name}"))?.to_vec1()?;
        let squares = tensor(format!("squares/{name}"))?.to_vec1()?;
        ensure!(
            mean.len() == weight.elem_count() && squares.len() == mean.len(),
            "{}: the running means of `{name}` have another length than the weight",
            path.display()
        );
        optimizer.moments.insert(name.clone(), (mean, squares));
    }
    let step = tensor("step".to_owned())?.to_vec1::<i64>()?;
    optimizer.step = usize::try_from(step[0]).context("a negative step")?;
    Ok(optimizer)
}
