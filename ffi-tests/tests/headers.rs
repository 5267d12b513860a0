//! Every header compiles alone, and twice, without a warning, in each language that callers use.

#![allow(clippy::unwrap_used)] // the helpers of a test may fail it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn headers(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/flightring");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == extension));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn compiles(header: &Path, language: &str, standard: &str) {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include");
    let name = format!("flightring/{}", header.file_name().unwrap().to_str().unwrap());
    let source = std::env::temp_dir().join(format!(
        "flr-header-{}-{standard}-{}.txt",
        std::process::id(),
        name.replace('/', "-")
    ));
    fs::write(&source, format!("#include <{name}>\n#include <{name}>\n")).unwrap();
    let output = Command::new(if language == "c" { "cc" } else { "c++" })
        .args(["-x", language, &format!("-std={standard}")])
        .args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wconversion",
            "-Wshadow",
            "-Werror",
            "-fsyntax-only",
        ])
        .arg("-I")
        .arg(&include)
        .arg(&source)
        .output()
        .unwrap();
    fs::remove_file(&source).unwrap();
    assert!(
        output.status.success(),
        "{name} as {standard}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn c_headers_compile_alone() {
    for header in headers("h") {
        for standard in ["c99", "c11"] {
            compiles(&header, "c", standard);
        }
        for standard in ["c++11", "c++17", "c++20"] {
            compiles(&header, "c++", standard);
        }
    }
}

#[test]
fn cpp_headers_compile_alone() {
    for header in headers("hpp") {
        for standard in ["c++17", "c++20"] {
            compiles(&header, "c++", standard);
        }
    }
}
