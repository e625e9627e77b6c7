//! Every package inherits what the house has decided once.

use toml::Table;

use crate::{assert_none, tree};

const INHERITED: [&str; 4] = ["version", "edition", "license", "rust-version"];

fn own_decisions(path: &str, text: &str) -> Vec<String> {
    let Ok(manifest) = text.parse::<Table>() else {
        return vec![format!("{path}: not TOML")];
    };
    let inherits = |table: &str, key: Option<&str>| {
        let mut value = manifest.get(table);
        if let Some(key) = key {
            value = value.and_then(|value| value.get(key));
        }
        value.and_then(|value| value.get("workspace")) == Some(&toml::Value::Boolean(true))
    };
    let mut findings = Vec::new();
    for key in INHERITED {
        if !inherits("package", Some(key)) {
            findings.push(format!("{path}: no `{key}.workspace = true`"));
        }
    }
    if !inherits("lints", None) {
        findings.push(format!("{path}: no `[lints] workspace = true`"));
    }
    findings
}

#[test]
fn every_package_inherits_version_edition_licence_and_lints() {
    let mut findings = Vec::new();
    for package in crate::imports::metadata().workspace_packages() {
        let path = package.manifest_path.strip_prefix(tree::root());
        let path = path.expect("a member is below the root").to_string();
        findings.extend(own_decisions(&path, &tree::file(&path).text));
    }
    assert_none(&findings);
}

#[test]
fn every_package_inherits_version_edition_licence_and_lints_bites() {
    let good = "[package]\nversion.workspace = true\nedition.workspace = true\n\
                license.workspace = true\nrust-version.workspace = true\n\
                [lints]\nworkspace = true\n";
    assert_eq!(own_decisions("a", good), [""; 0]);
    assert_eq!(
        own_decisions("a", &good.replace("[lints]", "[other]")).len(),
        1
    );
    let bad = good.replace("edition.workspace = true", "edition = \"2021\"");
    assert_eq!(own_decisions("a", &bad).len(), 1);
}
