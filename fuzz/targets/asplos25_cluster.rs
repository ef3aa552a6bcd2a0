//! Any text as the authors' cluster file: an error, or a cluster that is exported and imported again as the same.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use helix_spec::asplos25::{
    ImportedModel, Inputs, MachineProfiles, export, import, parse_cluster, parse_machine_profiles,
};
use helix_spec::{Cluster, DeviceCatalogue, FileError};
use libfuzzer_sys::fuzz_target;

static CATALOGUE: LazyLock<DeviceCatalogue> = LazyLock::new(DeviceCatalogue::builtin);
static PROFILES: LazyLock<MachineProfiles> = LazyLock::new(|| {
    let text = include_str!("../seeds/asplos25_machine_profiles/three.ini");
    parse_machine_profiles(text, "profiles.ini").expect("the seed is valid")
});

fn read(cluster: &str, machine_profiles: MachineProfiles) -> Result<Cluster, FileError> {
    let inputs = Inputs {
        name: "fuzzed",
        cluster: parse_cluster(cluster, "cluster.ini")?,
        machine_profiles,
        times: BTreeMap::new(),
        limits: None,
        model: ImportedModel { name: "llama-2-70b", layers: Some(80) },
        layout: None,
        catalogue: &CATALOGUE,
    };
    import(&inputs).map(|imported| imported.cluster)
}

fuzz_target!(|text: &str| {
    let Ok(cluster) = read(text, PROFILES.clone()) else { return };
    let Ok(exported) = export(&cluster, "llama-2-70b", None) else { return };
    let file = |path: &str| exported.files.iter().find(|file| file.path == path).expect("always written");
    let profiles = parse_machine_profiles(&file("machine_profiles.ini").text, "again.ini").expect("exported");
    assert_eq!(read(&file("cluster.ini").text, profiles), Ok(cluster));
});
