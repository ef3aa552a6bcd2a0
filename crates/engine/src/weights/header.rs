//! The header of a safetensors file, and the index of several: checked before anything is read by it.
//!
//! ```text
//! 8 bytes: length of the header, little-endian │ header: JSON, name → dtype, shape, data_offsets │ data
//! ```

use std::collections::BTreeMap;
use std::fmt;

use helix_spec::FileError;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Longer headers are refused, as the format's own library does.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A header with more tensors is refused.
const MAX_TENSORS: usize = 1_000_000;

/// More dimensions are refused.
const MAX_DIMENSIONS: usize = 8;

/// Number formats of weights that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// 16-bit, 5 bits of exponent.
    F16,
    /// 16-bit, 8 bits of exponent.
    Bf16,
}

/// Where a tensor stands and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its number format, if it is one that is read.
    pub dtype: Option<Dtype>,
    /// What the file calls the format.
    pub dtype_name: String,
    /// Dimensions, the last one contiguous.
    pub shape: Vec<usize>,
    /// First byte in the file.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// The tensors of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// By name.
    pub tensors: BTreeMap<String, TensorInfo>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// Names with their values, each once.
struct Pairs<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the names of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<serde::de::IgnoredAny>()?;
                        continue;
                    }
                    if pairs.len() == MAX_TENSORS {
                        return Err(serde::de::Error::custom(format!("more than {MAX_TENSORS} tensors")));
                    }
                    pairs.push((name, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object(std::marker::PhantomData))
    }
}

impl Dtype {
    /// Bytes of one number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Reads little-endian numbers, exactly.
    pub fn read(self, bytes: &[u8], into: &mut [f32]) {
        match self {
            Self::F32 => {
                for (number, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                    *number = f32::from_le_bytes(*bytes);
                }
            }
            Self::F16 => {
                for (number, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                    *number = half::f16::from_le_bytes(*bytes).to_f32();
                }
            }
            Self::Bf16 => {
                for (number, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                    *number = half::bf16::from_le_bytes(*bytes).to_f32();
                }
            }
        }
    }
}

/// Bits of a format that safetensors knows, to check sizes also of tensors that are not read.
fn bits(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

impl Header {
    /// Checks the header of a whole file's bytes; `origin` names it in errors.
    ///
    /// # Errors
    /// [`FileError`] when the file is shorter than it says, the header is not one, or a tensor lies outside the file,
    /// over another one, or has another size than its shape and type make.
    pub fn parse(file: &[u8], origin: &str) -> Result<Self, FileError> {
        let fail =
            |problem: String| FileError::new(origin, problem).help("was the file downloaded completely?");
        let Some((length, rest)) = file.split_first_chunk::<8>() else {
            return Err(fail(format!("has {} bytes, a safetensors file has at least 8", file.len())));
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER_BYTES {
            return Err(fail(format!(
                "says that its header has {length} bytes, {MAX_HEADER_BYTES} are allowed; it is no safetensors file"
            )));
        }
        let header = usize::try_from(length).ok().and_then(|length| rest.get(..length)).ok_or_else(|| {
            fail(format!("ends inside its header: {} of {length} bytes are there", rest.len()))
        })?;
        let data_start = 8 + header.len();
        let Pairs(pairs) = serde_json::from_slice::<Pairs<Entry>>(header)
            .map_err(|error| fail(format!("has a header that is none: {}", crate::config::shown(&error))))?;
        let mut tensors = BTreeMap::new();
        for (name, entry) in pairs {
            let info = entry
                .check(data_start, file.len())
                .map_err(|problem| fail(format!("tensor `{}` {problem}", crate::config::excerpt(&name))))?;
            if tensors.insert(name.clone(), info).is_some() {
                return Err(fail(format!("tensor `{}` appears twice", crate::config::excerpt(&name))));
            }
        }
        let mut order: Vec<(&String, &TensorInfo)> = tensors.iter().collect();
        order.sort_by_key(|(_, info)| (info.start, info.end));
        if let Some(pair) = order.windows(2).find(|pair| pair[1].1.start < pair[0].1.end) {
            return Err(fail(format!(
                "tensors `{}` and `{}` overlap",
                crate::config::excerpt(pair[0].0),
                crate::config::excerpt(pair[1].0)
            )));
        }
        Ok(Self { tensors })
    }
}

impl Entry {
    fn check(self, data_start: usize, file_length: usize) -> Result<TensorInfo, String> {
        let (from, to) = self.data_offsets;
        let range = data_start.checked_add(from).zip(data_start.checked_add(to));
        let Some((start, end)) = range.filter(|(start, end)| start <= end) else {
            return Err(format!("has the byte range {from} to {to}"));
        };
        if end > file_length {
            return Err(format!("ends at byte {end}, the file has {file_length}"));
        }
        if self.shape.len() > MAX_DIMENSIONS {
            return Err(format!("has {} dimensions, {MAX_DIMENSIONS} are allowed", self.shape.len()));
        }
        if let Some(bits) = bits(&self.dtype) {
            let size = self.shape.iter().try_fold(bits, |size, &dimension| size.checked_mul(dimension));
            if size.map(|bits| bits.div_ceil(8)) != Some(end - start) {
                return Err(format!(
                    "has {} bytes, which its shape {:?} and type {} do not make",
                    end - start,
                    self.shape,
                    self.dtype
                ));
            }
        }
        let dtype = match self.dtype.as_str() {
            "F32" => Some(Dtype::F32),
            "F16" => Some(Dtype::F16),
            "BF16" => Some(Dtype::Bf16),
            _ => None,
        };
        let dtype_name = crate::config::excerpt(&self.dtype);
        Ok(TensorInfo { dtype, dtype_name, shape: self.shape, start, end })
    }
}

/// Reads the index of a model in several files: tensor → file, by plain names in the same folder.
///
/// # Errors
/// [`FileError`] when it is no index, or a file's name is none.
pub fn parse_index(text: &str, origin: &str) -> Result<BTreeMap<String, String>, FileError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: Pairs<String>,
    }
    let index: Index = serde_json::from_str(text).map_err(|error| {
        let problem = format!("is not the index of a model: {}", crate::config::shown(&error));
        FileError::new(origin, problem).at_line(error.line().max(1))
    })?;
    let mut files = BTreeMap::new();
    for (name, file) in index.weight_map.0 {
        let plain = !file.is_empty() && !file.contains(['/', '\\', '\0', ':']) && file != "..";
        if !plain {
            let problem = format!("names the file `{}`", crate::config::excerpt(&file));
            return Err(
                FileError::new(origin, problem).help("files stand in the same folder, by plain names")
            );
        }
        files.insert(name, file);
    }
    Ok(files)
}
