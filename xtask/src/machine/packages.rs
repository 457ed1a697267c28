//! Debian packages that tests and benches use.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use super::privilege::Privilege;
use crate::process;

/// A Debian package, told to be there by a program that it brings.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// The package's name.
    pub name: &'static str,
    /// The program that must be in PATH.
    pub program: &'static str,
    /// Why it is wanted.
    pub purpose: &'static str,
}

/// DPDK's own testpmd. It brings every DPDK driver by dependency.
pub const DPDK: Package = Package {
    name: "dpdk-dev",
    program: "dpdk-testpmd",
    purpose: "DPDK's testpmd, the other end of the interop tests",
};

/// The interpreter of the throughput script.
pub const PYTHON: Package =
    Package { name: "python3", program: "python3", purpose: "runs benches/peers/loopback.py" };

/// Those of `wanted` whose program is nowhere in `path`, a list like PATH.
pub fn missing<'a>(wanted: &'a [Package], path: &std::ffi::OsStr) -> Vec<&'a Package> {
    let is_there = |package: &&Package| {
        std::env::split_paths(path).any(|folder| is_executable(&folder.join(package.program)))
    };
    wanted.iter().filter(|package| !is_there(package)).collect()
}

/// Installs `packages` with apt; says what went wrong, if something did.
pub fn install(packages: &[&Package], privilege: Privilege) -> Result<(), String> {
    apt(privilege, &["update", "-q"])?;
    let mut words = vec!["install", "-q", "-y", "--no-install-recommends"];
    words.extend(packages.iter().map(|package| package.name));
    apt(privilege, &words)
}

fn apt(privilege: Privilege, words: &[&str]) -> Result<(), String> {
    let Some(mut command) = privilege.command("env") else {
        return Err("apt-get needs root".to_owned());
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(words);
    command.stdout(Stdio::null());
    match process::succeeds(&mut command) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("`apt-get {}` failed", words.join(" "))),
        Err(error) => Err(error.to_string()),
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_the_path_makes_its_package_unneeded() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wanted = [DPDK, PYTHON];
        let program = folder.path().join("python3");
        std::fs::write(&program, "").expect("writable");
        assert_eq!(missing(&wanted, folder.path().as_os_str()), [&DPDK, &PYTHON]);
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("ours");
        assert_eq!(missing(&wanted, folder.path().as_os_str()), [&DPDK]);
    }
}
