//! What `quantization_config` of a `config.json` says of the weights.

use super::NumberFormat;
use super::keys::Keys;
use crate::file::FileError;

/// How the weights are stored: as the rest, unless the checkpoint is quantised in a way that Helix knows.
pub(super) fn weight_format(keys: &Keys<'_>, unquantised: NumberFormat) -> Result<NumberFormat, FileError> {
    let Some(found) = keys.find(&["quantization_config"])? else { return Ok(unquantised) };
    let config = keys.object(&found)?;
    let method_key = config.need(&["quant_method"])?;
    let rule = "it must be `fp8`, `fbgemm_fp8`, `mxfp4`, or `modelopt` or `compressed-tensors` with 8- or 4-bit \
                floating point";
    let method: String = config.value(&method_key, rule)?;
    let refused = || {
        config
            .refuse(&method_key, rule)
            .help("plan with the checkpoint that is not quantised, or with one in FP8")
    };
    match method.as_str() {
        "fp8" | "fbgemm_fp8" => Ok(NumberFormat::Fp8),
        "mxfp4" => Ok(NumberFormat::Fp4),
        "modelopt" | "modelopt_fp4" => {
            let algorithm_key = config.need(&["quant_algo"])?;
            let rule = "it must be `FP8` or `NVFP4`";
            match config.value::<String>(&algorithm_key, rule)?.as_str() {
                "FP8" => Ok(NumberFormat::Fp8),
                "NVFP4" => Ok(NumberFormat::Fp4),
                _ => Err(config.refuse(&algorithm_key, rule)),
            }
        }
        "compressed-tensors" => compressed_tensors(&config)?.ok_or_else(refused),
        _ => Err(refused()),
    }
}

/// The format of the first group of `config_groups`; `None` when it is not one that Helix knows.
fn compressed_tensors(config: &Keys<'_>) -> Result<Option<NumberFormat>, FileError> {
    #[derive(serde::Deserialize)]
    struct Group {
        weights: Option<Weights>,
    }
    #[derive(serde::Deserialize)]
    struct Weights {
        num_bits: u32,
        r#type: String,
    }
    let found = config.need(&["config_groups"])?;
    let rule = "it must hold groups with `weights`, each with `num_bits` and `type`";
    let groups: std::collections::BTreeMap<String, Group> = config.value(&found, rule)?;
    let mut formats = groups.values().filter_map(|group| group.weights.as_ref()).map(|weights| {
        match (weights.r#type.as_str(), weights.num_bits) {
            ("float", 8) => Some(NumberFormat::Fp8),
            ("float", 4) => Some(NumberFormat::Fp4),
            _ => None,
        }
    });
    let first = formats.next().flatten();
    Ok(if formats.all(|format| format == first) { first } else { None })
}
