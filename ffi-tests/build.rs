//! Compiles the C and C++ tests, and finds out what there is to run:
//!
//! * each `TEST(name)` in `c/` becomes a Rust test that calls it;
//! * each public `repr(C)` struct of `crates/capi` becomes a pair of tables, one written by the C compiler and one by
//!   rustc, with the size of the struct and the offset and size of each member.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use syn::{Fields, Item, ItemStruct, Visibility};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let top = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in
        ["ffi-tests/c", "ffi-tests/benches", "include", "crates/capi/src", "ffi-tests/build.rs"]
    {
        println!("cargo::rerun-if-changed={}", top.join(watched).display());
    }

    let mut tests = String::new();
    let (mut c, mut cpp) = (Vec::new(), Vec::new());
    for path in files(&top.join("ffi-tests/c"))? {
        match path.extension().and_then(|e| e.to_str()) {
            Some("c") => c.push(path.clone()),
            Some("cpp") => cpp.push(path.clone()),
            _ => continue,
        }
        for name in fs::read_to_string(&path)?.lines().filter_map(test_name) {
            writeln!(
                tests,
                "#[test]\nfn {name}() {{\n    unsafe extern \"C\" {{ fn flrtest_{name}(); }}\n    \
                 // SAFETY: the C function takes nothing, returns nothing, and ends the process if a check fails.\n    \
                 unsafe {{ flrtest_{name}() }}\n}}"
            )?;
        }
    }
    fs::write(out.join("tests.rs"), tests)?;

    let (layout_c, layout_rs) = layouts(&top.join("crates/capi/src"))?;
    fs::write(out.join("layout.c"), layout_c)?;
    fs::write(out.join("layout.rs"), layout_rs)?;
    c.push(out.join("layout.c"));

    compile(&top, &c, false, "flrtests_c");
    compile(&top, &cpp, true, "flrtests_cpp");
    compile(&top, &[top.join("ffi-tests/benches/recorder.c")], false, "flrbench_c");
    println!("cargo::rustc-link-lib=dl");
    println!("cargo::rustc-link-lib=pthread");
    Ok(())
}

fn compile(top: &Path, files: &[PathBuf], cpp: bool, name: &str) {
    if files.is_empty() {
        return;
    }
    let mut build = cc::Build::new();
    build
        .cpp(cpp)
        .std(if cpp { "c++17" } else { "c11" })
        .include(top.join("include"))
        .include(top.join("ffi-tests/c"))
        .define("_GNU_SOURCE", None)
        .warnings_into_errors(true)
        .extra_warnings(true)
        .warnings(true);
    for flag in ["-Wpedantic", "-Wconversion", "-Wshadow", "-pthread", "-UNDEBUG"] {
        build.flag(flag);
    }
    build.files(files).compile(name);
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn test_name(line: &str) -> Option<&str> {
    line.strip_prefix("TEST(")?.split(')').next()
}

/// The layout tables, as C and as Rust source.
fn layouts(folder: &Path) -> Result<(String, String)> {
    let mut c = String::from(
        "#include <flightring/flightring.h>\n#include <stddef.h>\n\n\
         struct row { const char *name; size_t offset; size_t size; };\n\
         extern const struct row flrtest_layout[];\nconst struct row flrtest_layout[] = {\n",
    );
    let mut rust = String::from("const LAYOUT: &[(&str, usize, usize)] = &[\n");
    for path in files(folder)?.iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let module = path.file_stem().and_then(|s| s.to_str()).ok_or("odd file name")?;
        for item in syn::parse_file(&fs::read_to_string(path)?)?.items {
            let Item::Struct(item) = item else { continue };
            if !(matches!(item.vis, Visibility::Public(_)) && is_repr_c(&item)) {
                continue;
            }
            let name = &item.ident;
            writeln!(c, "    {{\"{name}\", 0, sizeof({name})}},")?;
            writeln!(rust, "    (\"{name}\", 0, size_of::<capi::{module}::{name}>()),")?;
            let Fields::Named(fields) = &item.fields else { continue };
            for field in fields.named.iter().filter_map(|field| field.ident.as_ref()) {
                writeln!(
                    c,
                    "    {{\"{name}.{field}\", offsetof({name}, {field}), sizeof((({name} *)0)->{field})}},"
                )?;
                writeln!(
                    rust,
                    "    (\"{name}.{field}\", offset_of!(capi::{module}::{name}, {field}), \
                     field_size(|s: &capi::{module}::{name}| &raw const s.{field})),"
                )?;
            }
        }
    }
    c.push_str("    {NULL, 0, 0}\n};\n");
    rust.push_str("];\n");
    Ok((c, rust))
}

fn is_repr_c(item: &ItemStruct) -> bool {
    item.attrs.iter().any(|attribute| {
        attribute.path().is_ident("repr")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "C")
    })
}
