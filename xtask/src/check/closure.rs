//! What linking the libraries brings along: licences, number of packages, procedural macros.

use std::collections::BTreeSet;
use std::fs;

use super::licence;
use crate::error::Error;
use crate::workspace::{Package, Workspace};

/// The crates that others link.
const LIBRARIES: [&str; 7] =
    ["eal", "virtio", "net", "pmd-core", "pmd-virtio", "pmd-vhost", "pmd-soft"];

/// Packages, of all that any command may build, whose licence is not accepted.
pub fn licences(workspace: &Workspace) -> Vec<String> {
    let refused = |package: &&Package| !licence::is_accepted(&package.licence);
    let mut found: Vec<String> = workspace
        .packages
        .values()
        .filter(refused)
        .map(|package| format!("{} {}: \"{}\"", package.name, package.version, package.licence))
        .collect();
    found.sort_unstable();
    found
}

/// Complaints about the closure of the library crates, held against `.ci/closure-size`.
pub fn closure(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let path = workspace.root.join(".ci/closure-size");
    let text = fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
    let numbers = text.lines().filter(|line| !line.starts_with('#'));
    let limit = numbers.filter_map(|line| line.trim().parse().ok()).next().unwrap_or(0);
    Ok(complaints(workspace, limit))
}

fn complaints(workspace: &Workspace, limit: usize) -> Vec<String> {
    let foreign: Vec<&Package> = reached(workspace)
        .into_iter()
        .filter(|id| !workspace.members.iter().any(|member| member == id))
        .filter_map(|id| workspace.packages.get(id))
        .collect();
    let mut found = Vec::new();
    if foreign.len() > limit {
        let mut names: Vec<&str> = foreign.iter().map(|package| package.name.as_str()).collect();
        names.sort_unstable();
        found.push(format!(
            "the libraries bring {} packages, .ci/closure-size allows {limit}: {}",
            names.len(),
            names.join(" ")
        ));
    }
    for package in foreign.iter().filter(|package| package.is_proc_macro) {
        found.push(format!("{} is a procedural macro in every embedder's build", package.name));
    }
    found
}

/// The ids of everything that the libraries need, themselves included.
fn reached(workspace: &Workspace) -> BTreeSet<&str> {
    let is_library = |id: &&str| {
        workspace
            .packages
            .get(*id)
            .is_some_and(|package| LIBRARIES.contains(&package.name.as_str()))
    };
    let mut open: Vec<&str> =
        workspace.members.iter().map(String::as_str).filter(is_library).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id)
            && let Some(package) = workspace.packages.get(id)
        {
            open.extend(package.needs.iter().map(String::as_str));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[&str], is_proc_macro: bool) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: if name == "odd" { "EUPL-1.2" } else { "MIT" }.to_owned(),
            is_proc_macro,
            tests: Vec::new(),
            needs: needs.iter().map(|&need| need.to_owned()).collect(),
        }
    }

    fn workspace() -> Workspace {
        let packages = [
            package("eal", &["libc", "odd"], false),
            package("libc", &[], false),
            package("odd", &["libc"], true),
            package("xtask", &["json"], false),
            package("json", &[], false),
        ];
        Workspace {
            root: "/nowhere".into(),
            target: "/nowhere/target".into(),
            packages: packages.into_iter().map(|package| (package.name.clone(), package)).collect(),
            members: vec!["eal".to_owned(), "xtask".to_owned()],
        }
    }

    #[test]
    fn only_what_the_libraries_need_is_counted() {
        let found = complaints(&workspace(), 1);
        assert!(
            found[0].contains("bring 2 packages") && found[0].ends_with("libc odd"),
            "{found:?}"
        );
    }

    #[test]
    fn a_procedural_macro_is_named() {
        let found = complaints(&workspace(), 2);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("odd is a procedural macro"), "{found:?}");
    }

    #[test]
    fn a_licence_that_is_not_accepted_is_named() {
        assert_eq!(licences(&workspace()), ["odd 1.0.0: \"EUPL-1.2\""]);
    }
}
