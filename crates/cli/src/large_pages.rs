//! Pages of 2 MB for what simulates: a thousand machines take up to a third less time with them.
//!
//! Where Linux grants such pages to those who ask (`madvise` in [`GRANTED`]), the C library asks for all memory that a program
//! allocates, but only if it is told so before the program starts. So the program starts itself anew, as the same process,
//! before it has read anything. `GLIBC_TUNABLES=` in the environment keeps it from that, for `valgrind` and other tools that
//! lose a program that does so.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
const GRANTED: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// What tells the C library. Whoever sets it, even to nothing, is left alone.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Says that it has begun anew: loaders take [`TUNABLES`] away from programs with privileges.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ASKED: &str = "HELIX_LARGE_PAGES_ASKED";

/// Returns where there is nothing to gain or it does not work.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn ask_for() {
    use std::os::unix::process::CommandExt as _;

    let granted = || std::fs::read_to_string(GRANTED).is_ok_and(|modes| modes.contains("[madvise]"));
    if [TUNABLES, ASKED].iter().any(|name| std::env::var_os(name).is_some()) || !granted() {
        return;
    }
    let mut arguments = std::env::args_os();
    let (Some(name), Ok(program)) = (arguments.next(), std::env::current_exe()) else { return };
    // Else the program is the loader, and this one its argument.
    if std::path::Path::new(&name).file_name() == program.file_name() {
        let mut command = std::process::Command::new(program);
        command.arg0(name).args(arguments).env(TUNABLES, "glibc.malloc.hugetlb=1").env(ASKED, "1");
        // Comes back only with an error; then this process goes on as it is.
        let _ = command.exec();
    }
}

/// Other systems decide on their own.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn ask_for() {}
