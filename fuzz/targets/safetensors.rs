//! Any bytes as a safetensors file, and as the index of several: an error, or tensors that lie in the file and apart.
#![no_main]

use helix_engine::{Header, parse_index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Header::parse(bytes, "model.safetensors") {
        Ok(header) => {
            let mut ranges: Vec<_> = header.tensors.values().map(|info| (info.start, info.end)).collect();
            ranges.sort_unstable();
            assert!(ranges.iter().all(|(start, end)| start <= end && *end <= bytes.len()));
            assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            for info in header.tensors.values() {
                if let Some(dtype) = info.dtype {
                    assert_eq!(info.shape.iter().product::<usize>() * dtype.bytes(), info.end - info.start);
                }
            }
        }
        Err(error) => assert!(error.to_string().len() < 2000, "{error}"),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        match parse_index(text, "model.safetensors.index.json") {
            Ok(files) => assert!(files.values().all(|file| !file.contains('/'))),
            Err(error) => assert!(error.to_string().len() < 2000, "{error}"),
        }
    }
});
