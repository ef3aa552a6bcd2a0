//! The files of the repository.

use std::path::Path;

use anyhow::Context as _;

/// A file of the repository that holds text.
pub struct TextFile {
    /// Path from the root, with `/` between its parts.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl TextFile {
    /// Whether the name ends with a dot and this.
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
    }
}

/// Folders that hold no sources of ours.
const SKIPPED: [&str; 6] = [".git", "target", "corpus", "artifacts", "coverage", "out"];

/// Every text file below the root, in the order of their paths.
pub fn text_files(root: &Path) -> anyhow::Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                files.push(TextFile { path: relative(root, &path)?, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn relative(root: &Path, path: &Path) -> anyhow::Result<String> {
    Ok(path.strip_prefix(root)?.to_string_lossy().replace('\\', "/"))
}
