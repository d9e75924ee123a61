//! Which version of each dependency is pinned, and who holds it to its release line?
//! The page is made from Cargo.lock and the manifests alone, so that it can be checked offline.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::{Context, Result};

use crate::{metadata::Metadata, repository};

const PAGE: &str = "docs/reference/dependencies.md";

/// Write the page, or say that it is out of date.
pub(crate) fn run(check: bool) -> Result<Vec<String>> {
    let root = repository::root()?;
    let page = page(&Metadata::load(&root)?);
    let path = root.join(PAGE);
    if check {
        let current = std::fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
        return Ok(if current == page {
            Vec::new()
        } else {
            vec![format!("{PAGE} is out of date: run `cargo xtask deps`")]
        });
    }
    std::fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))?;
    Ok(Vec::new())
}

/// One dependency of the workspace.
#[derive(Default)]
struct Row {
    pinned: BTreeSet<String>,
    required: BTreeSet<String>,
    used_by: BTreeSet<String>,
    /// Who else needs it, and as which version.
    held_by: BTreeMap<String, BTreeSet<String>>,
}

fn page(metadata: &Metadata) -> String {
    let mut text = String::from(
        "# Dependencies\n\n\
         Made by `cargo xtask deps` from Cargo.lock; do not edit. How to move them: \
         [Upgrading dependencies](../guides/upgrading.md).\n\n\
         *Held by* names the other direct dependencies that need the same crate, with the version that \
         each asks for: the crate can leave that range only after they have. Packages that come along \
         with them are only counted.\n\n\
         | crate | pinned | required | used by | held by |\n| --- | --- | --- | --- | --- |\n",
    );
    for (name, row) in rows(metadata) {
        let direct: Vec<String> = row
            .held_by
            .iter()
            .filter(|(holder, _)| *holder != INDIRECT)
            .map(|(holder, requirements)| format!("{holder} ({})", join(requirements)))
            .collect();
        let indirect = row.held_by.get(INDIRECT).map_or(0, BTreeSet::len);
        let mut held = direct.join(", ");
        if indirect > 0 {
            let separator = if held.is_empty() { "" } else { ", " };
            let plural = if indirect == 1 { "" } else { "s" };
            let _infallible = write!(held, "{separator}{indirect} other package{plural}");
        }
        let _infallible = writeln!(
            text,
            "| {name} | {} | {} | {} | {held} |",
            join(&row.pinned),
            join(&row.required),
            join(&row.used_by),
        );
    }
    text
}

/// Stands for holders that the workspace does not name itself.
const INDIRECT: &str = "";

fn rows(metadata: &Metadata) -> BTreeMap<String, Row> {
    let members: BTreeSet<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for member in metadata.members() {
        for dependency in &member.dependencies {
            if !members.contains(dependency.name.as_str()) {
                let row = rows.entry(dependency.name.clone()).or_default();
                row.required.insert(dependency.req.clone());
                row.used_by.insert(member.name.clone());
            }
        }
    }
    let by_id: BTreeMap<&str, _> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let direct: BTreeSet<String> = rows.keys().cloned().collect();
    let mut needs = Vec::new();
    for node in &metadata.resolve.nodes {
        let Some(package) = by_id.get(node.id.as_str()) else { continue };
        for needed in node.dependencies.iter().filter_map(|id| by_id.get(id.as_str())) {
            let Some(row) = rows.get_mut(&needed.name) else { continue };
            if members.contains(package.name.as_str()) {
                row.pinned.insert(needed.version.clone());
            } else {
                needs.push((package, needed));
            }
        }
    }
    for (package, needed) in needs {
        // Another version of the same crate is not what we use.
        if let Some(row) = rows.get_mut(&needed.name).filter(|row| row.pinned.contains(&needed.version)) {
            for dependency in package
                .dependencies
                .iter()
                .filter(|d| d.name == needed.name && d.kind.as_deref() != Some("dev"))
            {
                // A family moves as one: datafusion-common and its siblings are datafusion.
                let family = package.name.split('-').next().unwrap_or(&package.name);
                if direct.contains(&package.name) || direct.contains(family) {
                    let holder = if direct.contains(&package.name) { &package.name } else { family };
                    if holder != needed.name {
                        row.held_by.entry(holder.to_owned()).or_default().insert(dependency.req.clone());
                    }
                } else {
                    row.held_by.entry(INDIRECT.to_owned()).or_default().insert(package.name.clone());
                }
            }
        }
    }
    rows
}

fn join(items: &BTreeSet<String>) -> String {
    items.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::page;
    use crate::metadata::Metadata;

    #[test]
    fn a_holder_is_named_with_what_it_asks_for() {
        let metadata: Metadata = serde_json::from_value(serde_json::json!({
            "workspace_members": ["ours"],
            "packages": [
                {"id": "ours", "name": "ours", "version": "0.1.0", "dependencies": [
                    {"name": "arrow", "req": "^59.3", "kind": null},
                    {"name": "datafusion", "req": "^55.2", "kind": null},
                ]},
                {"id": "arrow", "name": "arrow", "version": "59.3.1", "dependencies": []},
                {"id": "datafusion", "name": "datafusion", "version": "55.2.0", "dependencies": [
                    {"name": "datafusion-common", "req": "^55.2", "kind": null},
                ]},
                {"id": "common", "name": "datafusion-common", "version": "55.2.0", "dependencies": [
                    {"name": "arrow", "req": "^59.2", "kind": null},
                ]},
                {"id": "stray", "name": "stray", "version": "1.0.0", "dependencies": [
                    {"name": "arrow", "req": ">=58", "kind": null},
                ]},
                {"id": "old", "name": "arrow", "version": "50.0.0", "dependencies": []},
                {"id": "old user", "name": "old-user", "version": "1.0.0", "dependencies": [
                    {"name": "arrow", "req": "^50", "kind": null},
                ]},
            ],
            "resolve": {"nodes": [
                {"id": "ours", "dependencies": ["arrow", "datafusion"]},
                {"id": "datafusion", "dependencies": ["common"]},
                {"id": "common", "dependencies": ["arrow"]},
                {"id": "stray", "dependencies": ["arrow"]},
                {"id": "old user", "dependencies": ["old"]},
            ]},
        }))
        .expect("the shape of cargo metadata");
        let table: Vec<String> =
            page(&metadata).lines().filter(|line| line.starts_with('|')).skip(2).map(str::to_owned).collect();
        expect![[r"
            | arrow | 59.3.1 | ^59.3 | ours | datafusion (^59.2), 1 other package |
            | datafusion | 55.2.0 | ^55.2 | ours |  |"]]
        .assert_eq(&table.join("\n"));
    }
}
