//! The files of the house.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use walkdir::WalkDir;

use crate::source::Source;

/// What is read as text; anything else is somebody's data.
const TEXT: [&str; 12] = [
    "rs", "md", "toml", "yml", "yaml", "json", "sql", "lua", "sh", "py", "txt", "html",
];

/// A file with its path from the root, with `/` between the parts.
pub(crate) struct File {
    /// `crates/worker/src/lib.rs`
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

/// The folder of the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ is in the root").to_owned()
}

/// Every text file, sorted by path.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let tree = WalkDir::new(&root).sort_by_file_name().into_iter();
    tree.filter_entry(|entry| entry.depth() == 0 || !is_skipped(entry.path()))
        .map(|entry| entry.expect("the tree can be walked"))
        .filter(|entry| entry.file_type().is_file() && is_text(entry.path()))
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(&root).expect("it is below");
            Some(File {
                path: path.to_string_lossy().replace('\\', "/"),
                text: fs::read_to_string(entry.path()).ok()?,
            })
        })
        .collect()
}

/// Every file with this extension.
pub(crate) fn with_extension(extension: &str) -> Vec<File> {
    let mut files = files();
    files.retain(|file| file.path.ends_with(&format!(".{extension}")));
    files
}

/// Every Rust file, taken apart once for all rules.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let files = with_extension("rs");
        files
            .iter()
            .map(|file| Source::new(&file.path, &file.text))
            .collect()
    });
    &SOURCES
}

/// One file that has to be there.
pub(crate) fn file(path: &str) -> File {
    let text = fs::read_to_string(root().join(path));
    File {
        path: path.to_owned(),
        text: text.unwrap_or_else(|error| panic!("{path}: {error}")),
    }
}

fn is_skipped(path: &Path) -> bool {
    path.is_dir()
        && path
            .file_name()
            .is_some_and(|name| name == "target" || name == ".git" || name == "node_modules")
}

fn is_text(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| TEXT.contains(&extension)) || path.ends_with(".ci/run")
}

#[test]
fn the_tree_is_walked_from_the_root() {
    let paths: Vec<_> = files().into_iter().map(|file| file.path).collect();
    assert!(paths.iter().any(|path| path == "Cargo.toml"));
    assert!(paths.iter().any(|path| path == "tests/tests/tidy/tree.rs"));
    assert!(!paths.iter().any(|path| path.starts_with("target/")));
}
