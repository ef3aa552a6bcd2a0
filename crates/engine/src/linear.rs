//! Linear layers: several matrices of one input stacked, so that one pass over the batch serves them all.

use helix_spec::FileError;

use crate::backends::cpu::{Float, FullPanels, Isa, LANES, PanelOutput, Q8Panels, Threads};
use crate::weights::{Tensor, WeightFiles};

/// How weights of linear layers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// Rounded to 8 bits in blocks of 32; activations are rounded as well.
    Q8_0,
    /// In the type of the activations, exactly as they are in the files.
    Full,
}

/// Threads and instructions that compute.
#[derive(Debug)]
pub struct Cpu {
    /// Instructions.
    pub isa: Isa,
    /// Threads.
    pub threads: Threads,
}

/// Where weights come from and what becomes of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub files: &'a WeightFiles,
    pub threads: &'a Threads,
    pub format: WeightFormat,
}

/// Names and sizes of what is stacked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Name without `.weight` and `.bias`.
    pub name: &'a str,
    /// Output rows.
    pub rows: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

/// Stacked matrices with their biases.
#[derive(Debug)]
pub(crate) struct Linear<T> {
    matrix: Matrix<T>,
    /// For each part the first panel.
    first_panels: Vec<usize>,
    biases: Vec<Option<Vec<T>>>,
}

#[derive(Debug)]
enum Matrix<T> {
    Full(FullPanels<T>),
    Q8(Q8Panels),
}

impl<T: Float> Linear<T> {
    /// Loads parts that share an input of `columns` numbers.
    pub fn load(loader: &Loader<'_>, parts: &[Part<'_>], columns: usize) -> Result<Self, FileError> {
        let files = loader.files;
        let mut tensors = Vec::with_capacity(parts.len());
        let mut biases = Vec::with_capacity(parts.len());
        for part in parts {
            let tensor = files.tensor(&format!("{}.weight", part.name), &[part.rows, columns])?;
            tensors.push(tensor);
            let bias = part.bias.then(|| load_vector(files, &format!("{}.bias", part.name), part.rows));
            biases.push(bias.transpose()?);
        }
        Ok(Self::pack(loader.threads, &tensors, biases, loader.format))
    }

    /// Packs tensors that share an input.
    pub fn pack(
        threads: &Threads,
        tensors: &[Tensor],
        biases: Vec<Option<Vec<T>>>,
        format: WeightFormat,
    ) -> Self {
        let columns = tensors.first().map_or(1, Tensor::columns);
        let mut first_panels = Vec::with_capacity(tensors.len());
        let mut rows = 0;
        for tensor in tensors {
            first_panels.push(rows / LANES);
            rows += tensor.rows().div_ceil(LANES) * LANES;
        }
        // The tensor and row behind a stacked row; none in the filling of a panel.
        let locate = |row: usize| {
            let part = first_panels.partition_point(|&first| first * LANES <= row) - 1;
            let (tensor, row) = (&tensors[part], row - first_panels[part] * LANES);
            (row < tensor.rows()).then_some((tensor, row))
        };
        let read = |row: usize, into: &mut [f32]| match locate(row) {
            Some((tensor, row)) => tensor.read_row(row, into),
            None => into.fill(0.0),
        };
        let matrix = match format {
            WeightFormat::Q8_0 => Matrix::Q8(Q8Panels::pack(threads, rows, columns, read)),
            WeightFormat::Full => Matrix::Full(FullPanels::pack(threads, rows, columns, read)),
        };
        for tensor in tensors {
            tensor.forget_pages();
        }
        Self { matrix, first_panels, biases }
    }

    /// Products of every row of `inputs` with all parts.
    pub fn multiply(&self, cpu: &Cpu, inputs: &[T], output: &mut PanelOutput<T>) {
        match &self.matrix {
            Matrix::Full(panels) => panels.multiply((cpu.isa, &cpu.threads), inputs, output),
            Matrix::Q8(panels) => panels.multiply((cpu.isa, &cpu.threads), inputs, output),
        }
        for (&first, bias) in self.first_panels.iter().zip(&self.biases) {
            if let Some(bias) = bias {
                output.add_bias(first, bias);
            }
        }
    }

    /// The first panel of a part.
    pub fn first_panel(&self, part: usize) -> usize {
        self.first_panels[part]
    }

    /// Memory of the weights \[bytes\].
    pub fn bytes(&self) -> usize {
        match &self.matrix {
            Matrix::Full(panels) => panels.bytes(),
            Matrix::Q8(panels) => panels.bytes(),
        }
    }
}

/// A vector of weights, in full.
pub(crate) fn load_vector<T: Float>(
    files: &WeightFiles,
    name: &str,
    length: usize,
) -> Result<Vec<T>, FileError> {
    let tensor = files.tensor(name, &[length])?;
    let mut numbers = vec![0.0; length];
    tensor.read_row(0, &mut numbers);
    Ok(numbers.into_iter().map(T::of_f32).collect())
}
