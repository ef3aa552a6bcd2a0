//! `helix simulate` asks for large pages where Linux grants them, as the same process with the same arguments.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod interrupt;

use std::path::Path;
use std::process::{Child, Command, Stdio};

const TUNABLES: &str = "GLIBC_TUNABLES";
const ASKED: &str = "HELIX_LARGE_PAGES_ASKED";

/// A run without end on one machine, with a variable more than here.
fn start(variable: Option<(&str, &str)>) -> Child {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = |name: &str| folder.join(format!("large pages {name}")).to_str().expect("UTF-8").to_owned();
    let (cluster, placement) = (path("cluster.toml"), path("placement.toml"));
    let text = "version = 1\nname = \"one\"\ncoordinator = { region = \"here\" }\n\
                regions = [{ name = \"here\", bandwidth = \"10 Gbit/s\", latency = \"1 ms\" }]\n\
                machines = [{ name = \"m\", device = \"A100-80GB\" }]\n";
    std::fs::write(&cluster, text).expect("a file");
    let text = "version = 1\nmodel = \"qwen3-8b\"\nmodel_layers = 36\n\
                machines = [{ machine = \"m\", start = 0, end = 36 }]\n";
    std::fs::write(&placement, text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_helix"));
    command.args(["simulate", "--cluster", &cluster, "--placement", &placement, "--model", "qwen3-8b"]);
    command.args(["--duration", "2000 h"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_remove(TUNABLES).env_remove(ASKED).envs(variable);
    command.spawn().expect("the helix command starts")
}

#[test]
fn it_asks_once_unless_it_is_told_otherwise() {
    let modes = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let asked = modes.contains("[madvise]").then_some("glibc.malloc.hugetlb=1");
    let other = Some("glibc.pthread.rseq=1");
    // The last is what is left where the loader takes the tunables away: it must not begin anew for ever.
    let cases = [
        (None, asked),
        (Some((TUNABLES, "")), Some("")),
        (other.map(|value| (TUNABLES, value)), other),
        (Some((ASKED, "1")), None),
    ];
    for (variable, expected) in cases {
        let mut child = start(variable);
        // By then it has begun to simulate.
        let signal = interrupt::until_it_handles(&mut child, 2);
        let read =
            |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).expect("it runs");
        let (environment, command) = (read("environ"), read("cmdline"));
        interrupt::signalled(child, signal);
        let prefix = format!("{TUNABLES}=");
        let found = environment.split('\0').find_map(|entry| entry.strip_prefix(&prefix));
        assert_eq!(found, expected, "with {variable:?}");
        assert!(command.contains("\0simulate\0--cluster\0"), "{command}");
    }
}
