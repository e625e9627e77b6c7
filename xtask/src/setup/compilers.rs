//! What RocksDB is built with: a C++ compiler, and libclang, which reads its headers.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use walkdir::WalkDir;

/// Where distributions, Homebrew and Xcode put libraries; looked into a few folders deep.
const FOLDERS: [&str; 8] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/local/opt/llvm",
    "/opt/homebrew/opt/llvm",
    "/Library/Developer/CommandLineTools/usr/lib",
    "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
];
const DEPTH: usize = 3;

/// Whether there is a C++ compiler: the one of `CXX`, or `c++`.
pub(super) fn has_cxx() -> bool {
    let program = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let mut command = Command::new(program);
    command.arg("--version");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether there is libclang, where those look for it who need it.
pub(super) fn has_libclang() -> bool {
    if let Some(path) = env::var_os("LIBCLANG_PATH") {
        let path = PathBuf::from(path);
        return is_libclang(&path) || holds_libclang(&path, 1);
    }
    let asked = of_llvm_config();
    let usual = FOLDERS.iter().map(PathBuf::from);
    asked
        .into_iter()
        .chain(usual)
        .any(|folder| holds_libclang(&folder, DEPTH))
}

/// What an LLVM outside of the usual folders says of itself.
fn of_llvm_config() -> Option<PathBuf> {
    let program = env::var_os("LLVM_CONFIG_PATH").unwrap_or_else(|| "llvm-config".into());
    let output = Command::new(program)
        .arg("--libdir")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(PathBuf::from(text.trim()))
}

fn holds_libclang(folder: &Path, depth: usize) -> bool {
    let tree = WalkDir::new(folder).max_depth(depth);
    tree.into_iter()
        .filter_map(Result::ok)
        .any(|entry| is_libclang(entry.path()))
}

/// `libclang.so`, `libclang.so.1`, `libclang-14.so.1`, `libclang.dylib`; not `libclang-cpp.so.14`.
fn is_libclang(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(rest) = name.strip_prefix("libclang") else {
        return false;
    };
    let rest = rest.strip_prefix('-').map_or(rest, |version| {
        version.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
    });
    // A version takes the dot before the ending with it.
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    rest == "dylib" || rest == "so" || rest.starts_with("so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_known_by_its_names() {
        for name in [
            "libclang.so",
            "libclang.so.1",
            "libclang-14.so",
            "libclang-14.so.1",
            "libclang-14.0.6.so",
            "libclang.dylib",
        ] {
            assert!(is_libclang(Path::new(name)), "{name}");
        }
        for name in [
            "libclang-cpp.so.14",
            "libclangAST.a",
            "libclang",
            "clang.so",
        ] {
            assert!(!is_libclang(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn it_is_found_below_a_folder_and_not_where_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!holds_libclang(folder.path(), DEPTH));
        let below = folder.path().join("llvm-14/lib");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join("libclang-14.so.1"), "").unwrap();
        assert!(holds_libclang(folder.path(), DEPTH));
    }
}
