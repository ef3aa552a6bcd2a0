//! What the commands of this group read from flags: models, hardware, formats, contexts.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

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
pub fn threads(told: Option<NonZeroU32>) -> NonZeroUsize {
    let told = told.and_then(|told| NonZeroUsize::try_from(told).ok());
    told.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// A number format by its name in files.
pub fn format(text: &str) -> Result<NumberFormat, String> {
    let parsed: Result<NumberFormat, serde::de::value::Error> =
        NumberFormat::deserialize(text.into_deserializer());
    parsed.map_err(|_| format!("`{text}` is not one of f32, bf16, f16, fp8, q8_0, fp4"))
}

/// Its name in files and flags.
pub fn format_name(format: NumberFormat) -> &'static str {
    match format {
        NumberFormat::F32 => "f32",
        NumberFormat::Bf16 => "bf16",
        NumberFormat::F16 => "f16",
        NumberFormat::Fp8 => "fp8",
        NumberFormat::Q8_0 => "q8_0",
        NumberFormat::Fp4 => "fp4",
    }
}

/// A whole number of at least 1.
pub fn at_least_one(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number from 1 to {}", u32::MAX))
}

/// Refuses flags that were given and change nothing.
pub fn without_effect(given: &[(&str, bool)], why: &str) -> Result<(), Failure> {
    let flags: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(flag, _)| *flag).collect();
    if flags.is_empty() {
        return Ok(());
    }
    let have = if flags.len() == 1 { "has" } else { "have" };
    Err(Failure::usage(format!("{} {have} no effect {why}", flags.join(" and "))))
}

/// Refuses to write two things into one file, or one over a file that is read.
pub fn distinct_files(files: &[(&str, Option<&PathBuf>)]) -> Result<(), Failure> {
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in files.iter().filter_map(|(flag, path)| Some((*flag, (*path)?))) {
        // Links are not followed: a file that is not there yet has none.
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == whole) {
            let path = path.display();
            return Err(Failure::usage(format!(
                "{other} and {flag} both name {path}; give each a file of its own"
            )));
        }
        seen.push((flag, whole));
    }
    Ok(())
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
        for name in ["f32", "bf16", "f16", "fp8", "q8_0", "fp4"] {
            assert_eq!(format(name).map(format_name), Ok(name));
        }
    }

    #[test]
    fn one_file_is_not_written_twice() {
        let path = |text: &str| Some(PathBuf::from(text));
        let refused = |a: &str, b: &str| {
            let (a, b) = (path(a), path(b));
            distinct_files(&[("--csv", a.as_ref()), ("--html", None), ("--svg", b.as_ref())]).is_err()
        };
        assert!(refused("x", "x") && refused("x", "./x") && refused("/a/./b", "/a/b"));
        assert!(!refused("x", "y") && !refused("a/x", "x"));
    }
}
