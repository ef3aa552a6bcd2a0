//! Any text as a device catalogue: an error, or devices that are found under their own names.
#![no_main]

use std::sync::LazyLock;

use helix_spec::DeviceCatalogue;
use libfuzzer_sys::fuzz_target;

static BUILTIN: LazyLock<DeviceCatalogue> = LazyLock::new(DeviceCatalogue::builtin);

fuzz_target!(|text: &str| {
    if text.len() < 64
        && let Err(error) = BUILTIN.lookup(text)
    {
        assert!(error.nearest.len() <= 3);
    }
    match DeviceCatalogue::from_toml(text, "devices.toml") {
        Ok(catalogue) => {
            for device in catalogue.iter() {
                assert_eq!(catalogue.lookup(&device.name.to_lowercase()), Ok(device));
                assert!(device.memory.0 > 0 && device.memory_bandwidth.0 > 0 && device.flops_16bit.0 > 0);
            }
        }
        Err(error) => assert!(error.to_string().starts_with("devices.toml")),
    }
});
