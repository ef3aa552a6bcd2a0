//! What the commands of this group read from flags: models, hardware, formats, contexts.

use std::num::NonZeroUsize;
use std::path::Path;

use helix_cost::layout::Hardware;
use helix_spec::{MAX_DESCRIPTION_BYTES, ModelShape, NumberFormat, Source, read_text};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;

use crate::exit_codes::Failure;

/// The default hardware, or that of a file.
pub fn hardware(file: Option<&Path>) -> Result<Hardware, Failure> {
    let Some(path) = file else { return Ok(Hardware::gb200_nvl72()) };
    let text = read_text(path, MAX_DESCRIPTION_BYTES)?;
    Ok(Hardware::parse(&Source { origin: &path.display().to_string(), text: &text })?)
}

/// A preset or a folder.
pub fn model(name: &str) -> Result<ModelShape, Failure> {
    Ok(ModelShape::named_or_folder(name)?)
}

/// Threads to work on: as many as the machine has, unless told.
pub fn threads(told: Option<NonZeroUsize>) -> NonZeroUsize {
    told.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// A number format by its name in files.
pub fn format(text: &str) -> Result<NumberFormat, String> {
    let parsed: Result<NumberFormat, serde::de::value::Error> =
        NumberFormat::deserialize(text.into_deserializer());
    parsed.map_err(|_| format!("`{text}` is not one of f32, bf16, f16, fp8, q8_0, fp4"))
}

/// The longest context that a flag may ask for \[tokens\].
const LONGEST_CONTEXT: u64 = 1 << 40;

/// A number of tokens: `65536`, `1_000_000`, `64Ki` (times 1024), `1M` (times a million).
pub fn tokens(text: &str) -> Result<u64, String> {
    let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("k", 1_000), ("K", 1_000), ("M", 1_000_000)];
    let (digits, unit) = units
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .unwrap_or((text, 1));
    let number: u64 = digits
        .replace('_', "")
        .parse()
        .map_err(|_| format!("`{text}` is not a number of tokens; write for example 65536, 64Ki or 1M"))?;
    match number.checked_mul(unit) {
        Some(0) => Err("a context has at least 1 token".to_owned()),
        Some(tokens) if tokens <= LONGEST_CONTEXT => Ok(tokens),
        _ => Err(format!("`{text}` is more than {LONGEST_CONTEXT} tokens, the longest context allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_may_carry_a_prefix() {
        for (text, value) in
            [("1", 1), ("64Ki", 65_536), ("1M", 1_000_000), ("1_000", 1_000), ("2Mi", 2 << 20)]
        {
            assert_eq!(tokens(text), Ok(value), "{text}");
        }
        for text in ["", "0", "-1", "1e6", "M", "99999999999M", "18446744073709551616", "NaN"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn formats_are_those_of_files() {
        assert_eq!(format("q8_0"), Ok(NumberFormat::Q8_0));
        assert!(format("int4").unwrap_err().contains("fp4"));
    }
}
