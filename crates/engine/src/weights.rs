//! Weights of a Hugging Face folder: `model.safetensors`, or several files with an index.
//!
//! ```text
//! folder ─> index ─> file of each tensor ─> mapping, header (checked once) ─> tensor: shape as config.json says
//! ```
//!
//! Files are mapped when a tensor of theirs is asked for, and only the bytes of such tensors are read.

mod expected;
mod header;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use helix_spec::{FileError, MAX_DESCRIPTION_BYTES, nearest, read_text};

use crate::backends::cpu::Mapping;

pub use expected::check_weights;
pub use header::{Dtype, Header, TensorInfo, parse_index};

/// The weights of a model's folder.
#[derive(Debug)]
pub struct WeightFiles {
    folder: PathBuf,
    /// File of each tensor; `None` when there is but one file.
    index: Option<BTreeMap<String, String>>,
    open: RefCell<BTreeMap<String, Arc<Shard>>>,
    bytes_read: RefCell<u64>,
}

#[derive(Debug)]
struct Shard {
    origin: String,
    mapping: Mapping,
    header: Header,
}

/// A matrix or a vector in a mapped file.
#[derive(Debug, Clone)]
pub struct Tensor {
    shard: Arc<Shard>,
    dtype: Dtype,
    start: usize,
    columns: usize,
    rows: usize,
}

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

impl WeightFiles {
    /// Looks which files there are; none is opened yet.
    ///
    /// # Errors
    /// [`FileError`] when there are neither weights nor an index, or the index is not one.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        let index_path = folder.join(INDEX);
        let index = if index_path.exists() {
            let text = read_text(&index_path, MAX_DESCRIPTION_BYTES)?;
            Some(header::parse_index(&text, &index_path.display().to_string())?)
        } else if folder.join(SINGLE).exists() {
            None
        } else {
            let problem = format!("has neither {SINGLE} nor {INDEX}");
            return Err(FileError::new(&folder.display().to_string(), problem)
                .help("a model's folder holds its weights in the safetensors format"));
        };
        Ok(Self { folder: folder.to_owned(), index, open: RefCell::default(), bytes_read: RefCell::new(0) })
    }

    /// Bytes of the tensors that were asked for so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        *self.bytes_read.borrow()
    }

    /// Whether there is such a tensor.
    ///
    /// # Errors
    /// [`FileError`] when the only file cannot be opened.
    pub fn has(&self, name: &str) -> Result<bool, FileError> {
        match &self.index {
            Some(index) => Ok(index.contains_key(name)),
            None => Ok(self.shard(SINGLE)?.header.tensors.contains_key(name)),
        }
    }

    /// The tensor of this name, which must have this shape: `[rows, columns]`, or `[columns]` for a vector.
    ///
    /// # Errors
    /// [`FileError`] when its file or it is missing, the file is damaged, or the shape or type is another.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, FileError> {
        let file = match &self.index {
            None => SINGLE,
            Some(index) => index
                .get(name)
                .ok_or_else(|| missing(&self.folder.join(INDEX).display().to_string(), name, index.keys()))?,
        };
        let shard = self.shard(file)?;
        let info = shard
            .header
            .tensors
            .get(name)
            .ok_or_else(|| missing(&shard.origin, name, shard.header.tensors.keys()))?;
        if info.shape != shape {
            let problem =
                format!("tensor `{name}` has the shape {:?}, config.json makes it {shape:?}", info.shape);
            return Err(FileError::new(&shard.origin, problem)
                .help("are config.json and the weights of the same model?"));
        }
        let Some(dtype) = info.dtype else {
            let problem = format!("tensor `{name}` is of type {}", info.dtype_name);
            return Err(FileError::new(&shard.origin, problem).help("F32, F16 and BF16 are read"));
        };
        *self.bytes_read.borrow_mut() += (info.end - info.start) as u64;
        let (start, columns) = (info.start, shape.last().copied().unwrap_or(1));
        let rows = if shape.len() > 1 { shape[0] } else { 1 };
        Ok(Tensor { shard: Arc::clone(&shard), dtype, start, columns, rows })
    }

    fn shard(&self, file: &str) -> Result<Arc<Shard>, FileError> {
        if let Some(shard) = self.open.borrow().get(file) {
            return Ok(Arc::clone(shard));
        }
        let path = self.folder.join(file);
        let origin = path.display().to_string();
        let mapping = Mapping::open(&path)?;
        let header = Header::parse(&mapping, &origin)?;
        let shard = Arc::new(Shard { origin, mapping, header });
        self.open.borrow_mut().insert(file.to_owned(), Arc::clone(&shard));
        Ok(shard)
    }
}

fn missing<'a>(origin: &str, name: &str, known: impl Iterator<Item = &'a String>) -> FileError {
    let likest = nearest(name, known.map(String::as_str));
    let error = FileError::new(origin, format!("has no tensor `{name}`"));
    match likest {
        Some(likest) => error.help(format!("the nearest that it has is `{likest}`")),
        None => error.help("is it of another family than config.json says, or incomplete?"),
    }
}

impl Tensor {
    /// Rows; 1 for a vector.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers a row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Writes a row's numbers.
    pub fn read_row(&self, row: usize, into: &mut [f32]) {
        let size = self.dtype.bytes();
        let bytes = &self.shard.mapping[self.start + row * self.columns * size..][..self.columns * size];
        self.dtype.read(bytes, into);
    }

    /// Lets the system forget what was read of the file.
    pub fn forget_pages(&self) {
        self.shard.mapping.forget_pages();
    }
}
