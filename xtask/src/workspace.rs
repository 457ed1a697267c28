//! The workspace as `cargo metadata` describes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::Error;
use crate::process;

/// The platform whose dependencies are counted; others may pull in other packages.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// One package of the resolved dependency graph.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SPDX licence expression, empty if it names none.
    pub licence: String,
    /// Whether it runs in the compiler.
    pub is_proc_macro: bool,
    /// Names of its integration test targets.
    pub tests: Vec<String>,
    /// Ids of packages that it needs to be built and linked, development left out.
    pub needs: Vec<String>,
}

/// The workspace and everything that it may build.
#[derive(Debug)]
pub struct Workspace {
    /// The workspace's root directory.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// Every package by its id.
    pub packages: HashMap<String, Package>,
    /// The ids of the workspace's own packages.
    pub members: Vec<String>,
}

impl Workspace {
    /// Asks cargo. Fails when the lock file is not up to date.
    pub fn load() -> Result<Self, Error> {
        let mut command = cargo();
        command.args(["metadata", "--format-version", "1", "--locked"]);
        command.args(["--filter-platform", PLATFORM]).current_dir(root());
        let text = process::output(&mut command)?;
        let value = serde_json::from_str(&text).map_err(|_| Error::Metadata("a JSON document"))?;
        Self::from_metadata(&value)
    }

    fn from_metadata(metadata: &Value) -> Result<Self, Error> {
        let mut packages = HashMap::new();
        for value in array(metadata, "packages") {
            packages.insert(text(value, "id").to_owned(), package(value));
        }
        for node in array(&metadata["resolve"], "nodes") {
            if let Some(package) = packages.get_mut(text(node, "id")) {
                package.needs = needs(node);
            }
        }
        let members = array(metadata, "workspace_members");
        if packages.is_empty() || members.is_empty() {
            return Err(Error::Metadata("the list of packages"));
        }
        Ok(Self {
            root: PathBuf::from(text(metadata, "workspace_root")),
            target: PathBuf::from(text(metadata, "target_directory")),
            packages,
            members: members.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// Integration tests of the workspace whose name satisfies `wanted`, as (package, test).
    pub fn tests(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        for package in self.members.iter().filter_map(|id| self.packages.get(id)) {
            let names = package.tests.iter().filter(|name| wanted(name));
            found.extend(names.map(|name| (package.name.as_str(), name.as_str())));
        }
        found.sort_unstable();
        found
    }
}

/// A cargo command line that prints without colour.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.env("CARGO_TERM_COLOR", "never");
    command
}

/// The workspace's root, known without asking cargo.
pub fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or(own.clone(), Path::to_path_buf)
}

fn package(value: &Value) -> Package {
    let targets = array(value, "targets");
    let of_kind = |kind: &'static str| {
        targets.iter().filter(move |target| {
            array(target, "kind").iter().any(|value| value.as_str() == Some(kind))
        })
    };
    Package {
        name: text(value, "name").to_owned(),
        version: text(value, "version").to_owned(),
        licence: text(value, "license").to_owned(),
        is_proc_macro: of_kind("proc-macro").next().is_some(),
        tests: of_kind("test").map(|target| text(target, "name").to_owned()).collect(),
        needs: Vec::new(),
    }
}

/// The ids that a node of the graph needs in an ordinary build: neither for its tests nor only
/// under a model checker.
fn needs(node: &Value) -> Vec<String> {
    let ordinary = |kind: &Value| {
        kind["kind"].as_str() != Some("dev")
            && !kind["target"].as_str().is_some_and(|target| target.contains("loom"))
    };
    array(node, "deps")
        .iter()
        .filter(|dependency| array(dependency, "dep_kinds").iter().any(ordinary))
        .map(|dependency| text(dependency, "pkg").to_owned())
        .collect()
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{
        "packages": [
            {"id": "a 1", "name": "a", "version": "1.0.0", "license": "MIT", "targets": [
                {"name": "a", "kind": ["lib"]}, {"name": "a_stress", "kind": ["test"]}]},
            {"id": "b 1", "name": "b", "version": "1.0.0", "license": null, "targets": [
                {"name": "b", "kind": ["proc-macro"]}]}],
        "resolve": {"nodes": [{"id": "a 1", "deps": [
            {"pkg": "b 1", "dep_kinds": [{"kind": null, "target": null}]},
            {"pkg": "c 1", "dep_kinds": [{"kind": "dev", "target": null}]},
            {"pkg": "d 1", "dep_kinds": [{"kind": null, "target": "cfg(loom)"}]}]}]},
        "workspace_members": ["a 1"],
        "workspace_root": "/w", "target_directory": "/w/target"}"#;

    fn sample() -> Workspace {
        let value = serde_json::from_str(SAMPLE).expect("the sample is JSON");
        Workspace::from_metadata(&value).expect("the sample is complete")
    }

    #[test]
    fn needs_leave_out_tests_and_the_model_checker() {
        assert_eq!(sample().packages["a 1"].needs, ["b 1"]);
    }

    #[test]
    fn tests_are_found_by_name() {
        let workspace = sample();
        assert_eq!(workspace.tests(|name| name.contains("stress")), [("a", "a_stress")]);
        assert!(workspace.tests(|name| name.contains("interop")).is_empty());
    }

    #[test]
    fn a_missing_licence_is_empty_and_a_macro_is_known() {
        let workspace = sample();
        assert_eq!(workspace.packages["b 1"].licence, "");
        assert!(workspace.packages["b 1"].is_proc_macro);
    }

    #[test]
    fn an_empty_document_is_refused() {
        assert!(Workspace::from_metadata(&Value::Null).is_err());
    }
}
