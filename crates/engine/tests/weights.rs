//! Damaged, incomplete and contradicting model folders are refused with what is wrong; only held layers are read.

mod support;

use std::path::Path;

use helix_engine::{Header, LoadError, ModelConfig, Stage, WeightFiles, WeightFormat, check_weights};
use support::{MODELS, folder, options, range};

/// A copy of a golden model, to damage.
fn copy(model: &str) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder(model)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), target.path().join(entry.file_name())).unwrap();
    }
    target
}

fn load(folder: &Path) -> Result<Stage<f32>, LoadError> {
    Stage::load(folder, range(0..3), &options(WeightFormat::Full))
}

fn refusal(folder: &Path) -> String {
    match load(folder) {
        Ok(_) => panic!("{} was loaded", folder.display()),
        Err(error) => error.to_string(),
    }
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// A safetensors file of a header and so many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let model = copy("llama-3");
    let path = model.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 7, 8, 9, 500, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = refusal(model.path());
        let expected = ["empty", "at least 8", "inside its header", "the file has"];
        assert!(expected.iter().any(|part| error.contains(part)), "{length}: {error}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(load(model.path()).is_ok());
}

#[test]
fn missing_files_and_tensors_are_named() {
    let model = copy("qwen3");
    std::fs::remove_file(model.path().join("model-00002-of-00002.safetensors")).unwrap();
    assert!(refusal(model.path()).contains("model-00002-of-00002.safetensors"));
    // Layer 0 stands in the first file, so the second one is not missed.
    assert!(Stage::<f32>::load(model.path(), range(0..1), &options(WeightFormat::Full)).is_ok());

    let model = copy("qwen3");
    edit(model.path(), "model.safetensors.index.json", "layers.1.mlp.up_proj", "layers.1.mlp.up_prog");
    let error = refusal(model.path());
    assert!(
        error.contains("no tensor `model.layers.1.mlp.up_proj.weight`") && error.contains("nearest"),
        "{error}"
    );

    let model = copy("qwen3");
    edit(model.path(), "model.safetensors.index.json", "model-00002-of-00002", "../model-00002-of-00002");
    assert!(refusal(model.path()).contains("plain names"));

    let empty = tempfile::tempdir().unwrap();
    assert!(refusal(empty.path()).contains("config.json"));
    std::fs::copy(folder("llama-2").join("config.json"), empty.path().join("config.json")).unwrap();
    assert!(refusal(empty.path()).contains("model.safetensors"));
}

#[test]
fn shapes_that_contradict_the_configuration_are_refused() {
    for (from, to) in [
        ("\"hidden_size\": 32", "\"hidden_size\": 36"),
        ("\"vocab_size\": 80", "\"vocab_size\": 81"),
        ("\"vocab_size\": 80", "\"vocab_size\": 16777216"),
        ("\"intermediate_size\": 48", "\"intermediate_size\": 1048576"),
        ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 1"),
        ("\"head_dim\": 8", "\"head_dim\": 16"),
    ] {
        let model = copy("llama-3");
        edit(model.path(), "config.json", from, to);
        let error = refusal(model.path());
        assert!(error.contains("has the shape") && error.contains("config.json makes it"), "{to}: {error}");
    }
    let model = copy("llama-3");
    edit(model.path(), "config.json", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4");
    let layers = |range_| Stage::<f32>::load(model.path(), range_, &options(WeightFormat::Full));
    assert!(layers(range(3..4)).unwrap_err().to_string().contains("model.layers.3"));
    assert!(layers(range(2..5)).unwrap_err().to_string().contains("the model has 4 layers (0 to 3)"));
}

#[test]
fn absurd_configurations_are_refused() {
    let text = std::fs::read_to_string(folder("llama-3").join("config.json")).unwrap();
    for (from, to, part) in [
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "num_attention_heads"),
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": 3", "num_key_value_heads"),
        ("\"head_dim\": 8", "\"head_dim\": 7", "even"),
        ("\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": -1", "rms_norm_eps"),
        ("\"rope_theta\": 500.0", "\"rope_theta\": 0", "rope_theta"),
        ("\"factor\": 4.0", "\"factor\": 0.5", "factor"),
        ("\"high_freq_factor\": 4.0", "\"high_freq_factor\": 1.0", "high_freq_factor"),
        ("\"rope_type\": \"llama3\"", "\"rope_type\": \"dynamic\"", "dynamic"),
        ("\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "hidden_act"),
        ("\"eos_token_id\": 2", "\"eos_token_id\": 80", "eos_token_id"),
        ("\"mlp_bias\": false", "\"mlp_bias\": 3", "line"),
        ("\"mlp_bias\": false", "\"quantization_config\": {\"quant_method\": \"fp8\"}", "quantised"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = ModelConfig::from_json(&text.replace(from, to), "config.json").unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(part) || (part == "line" && error.line.is_some()), "{to}: {shown}");
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        format!("{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}")
    };
    let one = |text: String| format!("{{\"a\":{text}}}");
    for (header, data, part) in [
        (one(entry("F32", "[2]", "[0,8]")), 7, "the file has"),
        (one(entry("F32", "[2]", "[8,0]")), 8, "byte range"),
        (one(entry("F32", "[3]", "[0,8]")), 8, "do not make"),
        (one(entry("F32", "[4294967296,4294967296,4]", "[0,0]")), 8, "do not make"),
        (one(entry("F32", "[2]", "[18446744073709551615,18446744073709551615]")), 8, "byte range"),
        (one(entry("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]")), 8, "dimensions"),
        (one(entry("F32", "[-1]", "[0,8]")), 8, "a header that is none"),
        (format!("{{\"a\":{0},\"a\":{0}}}", entry("F32", "[2]", "[0,8]")), 8, "twice"),
        (
            format!("{{\"a\":{},\"b\":{}}}", entry("F32", "[2]", "[0,8]"), entry("U8", "[3]", "[6,9]")),
            9,
            "overlap",
        ),
        (String::from("[]"), 0, "a header that is none"),
        (String::from("{\"a\""), 0, "a header that is none"),
    ] {
        let error = Header::parse(&file(&header, data), "x").unwrap_err().to_string();
        assert!(error.contains(part), "{header}: {error}");
    }
    let huge = u64::MAX.to_le_bytes();
    assert!(Header::parse(&huge, "x").unwrap_err().to_string().contains("no safetensors file"));
    let good = format!("{{\"__metadata__\":{{\"format\":\"pt\"}},\"a\":{}}}", entry("F32", "[2]", "[0,8]"));
    assert_eq!(Header::parse(&file(&good, 8), "x").unwrap().tensors.len(), 1);
}

#[test]
fn a_type_that_is_not_read_is_named() {
    let model = copy("llama-3");
    let path = model.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"\"BF16\"").unwrap();
    let mut changed = bytes.clone();
    changed[at..at + 6].copy_from_slice(b"\"I16\" ");
    std::fs::write(&path, changed).unwrap();
    let error = refusal(model.path());
    assert!(error.contains("type I16") && error.contains("BF16"), "{error}");
}

/// Bytes that a stage takes from the files are those of its own tensors.
#[test]
fn only_held_layers_are_read() {
    let bytes = |layers| {
        Stage::<f32>::load(&folder("llama-3"), range(layers), &options(WeightFormat::Full))
            .unwrap()
            .read_bytes()
    };
    // bf16: 2 KV heads of 8, hidden 32, feed-forward 48, vocabulary 80.
    let layer = 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 48 + 2 * 32);
    let (embedding, norm) = (2 * 80 * 32, 2 * 32);
    assert_eq!(bytes(1..2), layer);
    assert_eq!(bytes(0..1), layer + embedding);
    assert_eq!(bytes(1..3), 2 * layer + embedding + norm);
    assert_eq!(bytes(0..3), 3 * layer + 2 * embedding + norm);
}

/// The check of a folder looks at exactly what loading takes, and finds what loading finds.
#[test]
fn a_folder_is_checked_without_reading_its_weights() {
    for model in MODELS {
        let stage = Stage::<f32>::load(&folder(model), range(0..3), &options(WeightFormat::Full)).unwrap();
        assert_eq!(check_weights(&folder(model)), Ok(stage.read_bytes()), "{model}");
    }
    let refused = |model: &Path| check_weights(model).unwrap_err().to_string();
    let model = copy("llama-3");
    edit(model.path(), "config.json", "\"intermediate_size\": 48", "\"intermediate_size\": 64");
    assert_eq!(refused(model.path()), refusal(model.path()));
    let model = copy("qwen3");
    edit(model.path(), "model.safetensors.index.json", "layers.1.mlp.up_proj", "layers.1.mlp.up_prog");
    assert_eq!(refused(model.path()), refusal(model.path()));
    let weights = model.path().join("model-00002-of-00002.safetensors");
    std::fs::write(&weights, &std::fs::read(&weights).unwrap()[..3000]).unwrap();
    assert!(refused(model.path()).contains("was the file downloaded completely?"));
}

/// Pages of a large file that were not asked for are not resident, and those that were are given back.
#[test]
#[cfg(target_os = "linux")]
fn a_mapped_file_is_not_resident() {
    const ROWS: usize = 4096;
    const COLUMNS: usize = 1024;
    let model = tempfile::tempdir().unwrap();
    let size = 4 * ROWS * COLUMNS;
    let header = format!(
        "{{\"a\":{{\"dtype\":\"F32\",\"shape\":[{ROWS},{COLUMNS}],\"data_offsets\":[0,{size}]}},\
         \"b\":{{\"dtype\":\"F32\",\"shape\":[{ROWS},{COLUMNS}],\"data_offsets\":[{size},{}]}}}}",
        2 * size
    );
    std::fs::write(model.path().join("model.safetensors"), file(&header, 2 * size)).unwrap();
    let files = WeightFiles::open(model.path()).unwrap();
    let tensor = files.tensor("b", &[ROWS, COLUMNS]).unwrap();
    assert_eq!(files.bytes_read(), size as u64);
    let mut row = vec![0.0; COLUMNS];
    let resident = || {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let name = model.path().display().to_string();
        let mapping = maps.split(&name).nth(1).expect("the file is mapped");
        let line = mapping.lines().find(|line| line.starts_with("Rss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    // The kernel may map neighbours of a page that it has.
    assert!(resident() < size / 4, "{}", resident());
    (0..ROWS).for_each(|index| tensor.read_row(index, &mut row));
    assert!((size..size + size / 4).contains(&resident()), "{}", resident());
    tensor.forget_pages();
    assert!(resident() < size / 4, "{}", resident());
}
