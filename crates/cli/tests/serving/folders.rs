//! Model folders that are no models, or not whole: one error, before any process is started.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::up::helix;

/// A copy of the built-in model in a folder of its own, to be spoiled. Spaces and letters of other alphabets in its path
/// are nobody's business.
fn copy(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spoilt ü").join(name);
    std::fs::create_dir_all(&target).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny");
    for entry in std::fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, target.join(path.file_name().unwrap())).unwrap();
        }
    }
    target
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// Puts other bytes of the same length in a weight file's header.
fn rename_tensor(folder: &Path, from: &str, to: &str) {
    let path = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    std::fs::write(path, bytes).unwrap();
}

fn cut(folder: &Path, bytes: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(folder.join("model.safetensors")).unwrap();
    file.set_len(bytes).unwrap();
}

/// How a folder is spoilt, and words of the error.
type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

#[test]
fn what_is_wrong_with_a_model_folder_is_told_once_and_before_anything_is_started() {
    let remove = |name: &'static str| move |folder: &Path| std::fs::remove_file(folder.join(name)).unwrap();
    let (no_config, no_weights, no_tokenizer) =
        (remove("config.json"), remove("model.safetensors"), remove("tokenizer.json"));
    let cases: [Case<'_>; 11] = [
        ("no configuration", &no_config, "has no config.json"),
        ("no weights", &no_weights, "has neither model.safetensors nor model.safetensors.index.json"),
        ("no tokenizer", &no_tokenizer, "tokenizer.json: cannot be read"),
        ("no bytes", &|f| cut(f, 0), "model.safetensors: is empty"),
        ("a few bytes", &|f| cut(f, 7), "has 7 bytes, a safetensors file has at least 8"),
        ("half a header", &|f| cut(f, 3000), "ends inside its header"),
        ("half the weights", &|f| cut(f, 1_000_000), "the file has 1000000; was the file downloaded"),
        (
            "no such tensor",
            &|f| rename_tensor(f, "layers.3.mlp.up_proj", "layers.3.mlp.up_prox"),
            "has no tensor `model.layers.3.mlp.up_proj.weight`; the nearest that it has is",
        ),
        (
            "another width",
            &|f| edit(f, "config.json", "\"intermediate_size\": 320", "\"intermediate_size\": 352"),
            "has the shape [320, 128], config.json makes it [352, 128]",
        ),
        (
            "more layers",
            &|f| edit(f, "config.json", "\"num_hidden_layers\": 8", "\"num_hidden_layers\": 9"),
            "has no tensor `model.layers.8.",
        ),
        (
            "a template that is none",
            &|f| edit(f, "tokenizer_config.json", "{{- bos_token }}", "{% for %}"),
            "has a chat template that is none",
        ),
    ];
    for (name, spoil, words) in cases {
        let folder = copy(name);
        spoil(&folder);
        let folder = folder.to_str().unwrap();
        let ended =
            helix().args(["up", "--port", "0", "--model", folder]).stdin(Stdio::null()).output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(3), "{name}: {errors}");
        assert!(errors.contains(words) && errors.contains(folder), "{name}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{name}: {errors}");
        assert!(ended.stdout.is_empty(), "{name}");
    }
}
