//! Any text as a model's `config.json`: an error, or a shape whose sums do not overflow.
#![no_main]

use helix_spec::ModelShape;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ModelShape::from_config_json(text, "config.json") {
        Ok(shape) => {
            assert!(shape.active_parameters() <= shape.parameters());
            assert!(shape.weight_bytes(0..shape.layers) >= shape.heaviest_layer_bytes());
            assert!(shape.kv_bytes_per_token().0 > 0 && shape.activation_bytes().0 > 0);
        }
        Err(error) => assert!(error.to_string().len() < 2000, "{error}"),
    }
});
