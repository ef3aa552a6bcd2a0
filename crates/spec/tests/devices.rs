//! The device catalogue: published figures, names, and refusals.

use helix_spec::{DeviceCatalogue, DeviceKind};

/// `name, memory [GB], memory bandwidth [GB/s], dense 16-bit [TFLOP/s]` as vendors publish them.
const PUBLISHED: &[(&str, f64, f64, f64)] = &[
    ("T4", 16.0, 320.0, 65.0),
    ("L4", 24.0, 300.0, 121.0),
    ("A10", 24.0, 600.0, 125.0),
    ("V100", 16.0, 900.0, 125.0),
    ("V100-32GB", 32.0, 900.0, 125.0),
    ("A100", 40.0, 1555.0, 312.0),
    ("A100-80GB", 80.0, 2039.0, 312.0),
    ("L40S", 48.0, 864.0, 362.05),
    ("H100", 80.0, 3350.0, 989.5),
    ("H200", 141.0, 4800.0, 989.5),
    ("B200", 180.0, 8000.0, 2250.0),
    ("GB200", 186.0, 8000.0, 2500.0),
    ("RTX 3090", 24.0, 936.0, 71.0),
    ("rtx4090", 24.0, 1008.0, 165.2),
    ("5090", 32.0, 1792.0, 209.5),
    ("mi300x", 192.0, 5300.0, 1307.4),
    ("M2 Ultra", 192.0, 800.0, 27.2),
    ("M3-Max", 128.0, 400.0, 14.1),
    ("CPU", 384.0, 460.8, 14.7),
];

#[test]
fn the_catalogue_holds_the_published_figures() {
    let devices = DeviceCatalogue::builtin();
    for &(name, gigabytes, bandwidth, teraflops) in PUBLISHED {
        let device = devices.lookup(name).unwrap();
        assert_eq!(device.memory.gigabytes(), gigabytes, "{name}");
        assert_eq!(device.memory_bandwidth.0 as f64 / 1e9, bandwidth, "{name}");
        assert_eq!(device.flops_16bit.0 as f64 / 1e12, teraflops, "{name}");
    }
    assert_eq!(devices.iter().count(), PUBLISHED.len(), "a device without a line here");
}

/// Each halving of the width doubles the arithmetic, to a few per cent: a figure with sparsity would be double that.
#[test]
fn no_figure_is_one_with_sparsity() {
    for device in DeviceCatalogue::builtin().iter() {
        let name = &device.name;
        let half = device.flops_16bit.0 as f64;
        if let Some(eight) = device.flops_8bit {
            let ratio = eight.0 as f64 / half;
            assert!((1.9..2.1).contains(&ratio), "{name}: {ratio}");
        }
        if let Some(four) = device.flops_4bit {
            let ratio = four.0 as f64 / half;
            assert!((3.9..8.1).contains(&ratio), "{name}: {ratio}");
        }
        // Operations for each byte read: beyond this no real device lies.
        let balance = half / device.memory_bandwidth.0 as f64;
        assert!((20.0..450.0).contains(&balance), "{name}: {balance}");
        assert!(device.kind != DeviceKind::Consumer || device.memory.gigabytes() <= 32.0, "{name}");
    }
}

#[test]
fn an_unknown_device_offers_the_nearest_names() {
    let devices = DeviceCatalogue::builtin();
    let error = devices.lookup("A1000").unwrap_err();
    assert_eq!(error.nearest[0], "A100-40GB");
    let text = error.to_string();
    assert!(text.starts_with("device `A1000` is not in the catalogue; did you mean `A100-40GB`"), "{text}");
    assert!(text.contains("RTX-5090"), "{text}");
    assert_eq!(devices.lookup("RTX 3080").unwrap_err().nearest[0], "RTX-3090");
    assert!(
        devices
            .lookup("quantum computer")
            .unwrap_err()
            .to_string()
            .contains("catalogue; known are A10, A100")
    );
    assert!(devices.lookup("").is_err());
}

const ONE: &str = "version = 1\n\n[devices.X1]\nkind = \"consumer\"\nmemory = \"8 GB\"\nmemory_bandwidth = \"100 GB/s\"\n\
                   flops_16bit = \"10 TFLOP/s\"\ninterconnect = \"16 GB/s\"\nsource = \"measured\"\n";

fn refused(text: &str) -> String {
    DeviceCatalogue::from_toml(text, "devices.toml").unwrap_err().to_string()
}

#[test]
fn a_device_of_ones_own_is_read_and_its_mistakes_are_named() {
    let device = DeviceCatalogue::from_toml(ONE, "devices.toml").unwrap().lookup("x1").unwrap().clone();
    assert_eq!((device.name.as_str(), device.flops_8bit), ("X1", None));

    let cases = [
        (
            ONE.replace("memory_bandwidth", "memory_bandwith"),
            ":6: unknown key `memory_bandwith`; did you mean `memory_bandwidth`?",
        ),
        (ONE.replace("8 GB", "0 GB"), ":3: device `X1` has `memory` 0"),
        (ONE.replace("100 GB/s", "100 Gbit/s"), ":6: `100 Gbit/s` has the unit `Gbit/s`"),
        (ONE.replace("100 GB/s", "-1 GB/s"), ":6: `-1 GB/s` is out of range"),
        (ONE.replace("\"16 GB/s\"", "16"), "like \"900 GB/s\""),
        (ONE.replace("consumer", "gaming"), ":4: unknown name `gaming`; allowed: data-center"),
        (ONE.replace("measured", " "), ":3: device `X1` has an empty `source`"),
        (ONE.replace("interconnect = \"16 GB/s\"\n", ""), "the key `interconnect` is missing"),
        (ONE.replace("devices.X1", "devices.\"\\u0007\""), ":3: `\\u{7}` is not a device name"),
        (ONE.replace("devices.X1", "device.X1"), "unknown key `device`; did you mean `devices`?"),
        (ONE.replace("version = 1", "version = 2"), ":1: has version 2"),
        (
            format!("{ONE}aliases = [\"x1\"]\n"),
            ":3: alias `x1` of device `X1` already stands for device `X1`",
        ),
        (
            format!("{ONE}{}", ONE.replace("X1", "x1").replace("version = 1\n", "")),
            "differ in letter case only",
        ),
    ];
    for (text, expected) in cases {
        let error = refused(&text);
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
}
