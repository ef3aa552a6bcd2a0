//! The files that a plan is written to.

use std::path::{Path, PathBuf};

use helix_spec::{Cluster, ModelShape, Placement, cluster_presets};

use super::Arguments;
use crate::exit_codes::Failure;
use crate::files;
use crate::picture::{Scene, drawing, page};

impl Arguments {
    /// The flags that name a file to write, with the file.
    fn outputs(&self) -> [(&'static str, Option<&Path>); 3] {
        let [placement, html, svg] = [&self.output, &self.html, &self.svg].map(|path| path.as_deref());
        [("--output", placement), ("--html", html), ("--svg", svg)]
    }

    /// Refuses, before a long search, a folder where a file is to be, one file for two things, and to write over what is read.
    pub(super) fn check_outputs(&self) -> Result<(), Failure> {
        let file = |path: &Path| if path.is_dir() { path.join("config.json") } else { path.to_owned() };
        let is_shipped =
            |name: &str| cluster_presets().any(|preset| preset == name) || ModelShape::preset(name).is_some();
        let named = |name: &str| (!is_shipped(name)).then(|| file(Path::new(name)));
        let reads = [
            ("--cluster", named(&self.cluster)),
            ("--model", named(&self.model)),
            ("--workload", self.workload.clone()),
        ];
        let outputs = self.outputs().into_iter().chain(self.milp.outputs());
        let given: Vec<(&str, &Path)> = outputs.filter_map(|(flag, path)| Some((flag, path?))).collect();
        let real = |path: &Path| path.canonicalize().ok();
        for (flag, path) in &given {
            let written = real(path);
            let is_written = |read: &PathBuf| written.is_some() && real(read) == written;
            if let Some((input, _)) = reads.iter().find(|(_, read)| read.as_ref().is_some_and(is_written)) {
                return Err(Failure::usage(format!(
                    "{flag} {}: is what {input} reads, and would be lost; give another file",
                    path.display()
                )));
            }
        }
        for (index, (flag, path)) in given.iter().enumerate() {
            if path.is_dir() {
                return Err(Failure::usage(format!(
                    "{flag} {}: is a folder, the name of a file is needed",
                    path.display()
                )));
            }
            if let Some((other, _)) = given[..index].iter().find(|(_, earlier)| earlier == path) {
                return Err(Failure::usage(format!(
                    "{other} and {flag} both write {}; give each its own file",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// Writes what was asked for; the files that were written, and the first failure. One that fails keeps no other back.
    pub(super) fn write_outputs(
        &self,
        cluster: &Cluster,
        placement: &Placement,
        scene: &Scene<'_>,
    ) -> (Vec<&Path>, Result<(), Failure>) {
        let texts: [&dyn Fn() -> String; 3] =
            [&|| placement.to_toml(cluster), &|| page(scene), &|| drawing(scene)];
        let mut written = Vec::new();
        let mut result = Ok(());
        for ((_, path), text) in self.outputs().into_iter().zip(texts) {
            let Some(path) = path else { continue };
            match files::write(path, &text()) {
                Ok(()) => written.push(path),
                Err(failure) => result = result.and(Err(failure)),
            }
        }
        (written, result)
    }
}
