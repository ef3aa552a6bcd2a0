//! Where the model may be written to, best place first.

use std::ffi::OsString;
use std::path::PathBuf;

/// What decides about the places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `HELIX_CACHE_DIR`: when set, the only place.
    pub helix_cache: Option<OsString>,
    /// `XDG_CACHE_HOME`, or `LOCALAPPDATA` on Windows.
    pub cache_home: Option<OsString>,
    /// `HOME`, or `USERPROFILE` on Windows.
    pub home: Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let (cache, home) =
            if cfg!(windows) { ("LOCALAPPDATA", "USERPROFILE") } else { ("XDG_CACHE_HOME", "HOME") };
        Self {
            helix_cache: std::env::var_os("HELIX_CACHE_DIR"),
            cache_home: std::env::var_os(cache),
            home: std::env::var_os(home),
        }
    }
}

/// The caches to try, in this order. An empty or relative path is no place, as the XDG specification asks; without any,
/// the caller needs a folder of its own.
///
/// ```
/// use helix_builtin::{Surroundings, places};
/// let here = Surroundings { home: Some("/home/anna".into()), ..Surroundings::default() };
/// assert_eq!(places(&here), [std::path::Path::new("/home/anna/.cache/helix")]);
/// ```
#[must_use]
pub fn places(surroundings: &Surroundings) -> Vec<PathBuf> {
    let absolute = |path: &Option<OsString>| {
        path.as_ref().map(PathBuf::from).filter(|path| path.is_absolute() || cfg!(windows) && path.has_root())
    };
    if let Some(only) = &surroundings.helix_cache
        && !only.is_empty()
    {
        return vec![PathBuf::from(only)];
    }
    let cache = absolute(&surroundings.cache_home).map(|path| path.join("helix"));
    let home = absolute(&surroundings.home).map(|path| path.join(".cache").join("helix"));
    let mut places: Vec<PathBuf> = cache.into_iter().chain(home).collect();
    places.dedup();
    places
}
