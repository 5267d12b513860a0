//! The CMake package, used as its users do: installed, moved, found, refused.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::sh;

/// What building and using the package takes besides Rust and gcc.
pub(crate) fn tools() -> Result<()> {
    sh::need(&[
        ("cmake", "cmake"),
        ("ninja", "ninja-build"),
        ("cc", "gcc"),
        ("c++", "g++"),
        ("pkg-config", "pkg-config"),
    ])
}

/// Builds and installs the package into `prefix`, which is emptied first.
pub(crate) fn install(prefix: &Path) -> Result<()> {
    let build = configure("package-build", "/usr/local")?;
    remove(prefix)?;
    sh::run(sh::command("cmake").arg("--build").arg(&build))?;
    sh::run(sh::command("cmake").arg("--install").arg(&build).arg("--prefix").arg(prefix))
}

/// The prefix decides where libraries go: below /usr, Debian has a folder for each architecture.
fn configure(name: &str, prefix: &str) -> Result<PathBuf> {
    let build = sh::target().join(name);
    sh::run(
        sh::command("cmake")
            .args(["-G", "Ninja", "-S", ".", "-B"])
            .arg(&build)
            .arg("-DFLIGHTRING_TOOLS=ON")
            .arg(format!("-DCMAKE_INSTALL_PREFIX={prefix}"))
            .arg(format!("-DFLIGHTRING_CARGO_TARGET_DIR={}", sh::target().display())),
    )?;
    Ok(build)
}

/// Builds the examples out of tree against the package in `prefix`, and returns their folder.
pub(crate) fn build_examples(prefix: &Path) -> Result<PathBuf> {
    let build = sh::target().join("examples-build");
    remove(&build)?;
    sh::run(
        sh::command("cmake")
            .args(["-G", "Ninja", "-S", "c-examples", "-B"])
            .arg(&build)
            .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())),
    )?;
    sh::run(sh::command("cmake").arg("--build").arg(&build))?;
    Ok(build)
}

/// Everything that a user of the package does, each way of use once.
pub(crate) fn test() -> Result<()> {
    tools()?;
    let first = sh::target().join("package-prefix");
    let moved = sh::target().join("package-moved");
    install(&first)?;
    remove(&moved)?;
    fs::rename(&first, &moved)?;

    let examples = build_examples(&moved)?;
    sh::run(sh::command("ctest").arg("--output-on-failure").arg("--test-dir").arg(&examples))?;
    soname(&examples.join("history"))?;
    static_libraries()?;
    pkg_config(&moved)?;
    refusals(&moved)?;
    subprojects()
}

/// Command lines of examples, as `test` built them, that are quick enough for valgrind.
pub(crate) fn examples() -> Result<Vec<Vec<PathBuf>>> {
    let built = sh::target().join("examples-build");
    let log = built.join("logs/valgrind.log");
    if log.exists() {
        fs::remove_file(&log)?;
    }
    Ok(vec![
        vec![built.join("history")],
        vec![built.join("log"), log.clone()],
        vec![built.join("host"), built.join("libplugin.so"), log],
    ])
}

/// The program remembers the library by its SONAME, not by a path of the machine that it was linked on.
fn soname(program: &Path) -> Result<()> {
    let dynamic = sh::output(sh::command("readelf").arg("-d").arg(program))?;
    if !dynamic.contains("[libflightring.so.0]") {
        bail!("{} does not need libflightring.so.0:\n{dynamic}", program.display());
    }
    Ok(())
}

/// The system libraries that the CMake package names for static linking are those that rustc asks for.
fn static_libraries() -> Result<()> {
    let printed =
        sh::everything(sh::cargo().args(["rustc", "--locked", "--package", "flightring"]).args([
            "--crate-type",
            "staticlib",
            "--",
            "--print",
            "native-static-libs",
        ]))?;
    let asked = printed
        .lines()
        .find_map(|line| line.split("native-static-libs:").nth(1))
        .map(|flags| flags.replace("-l", "").trim().to_owned())
        .unwrap_or_default();
    let cmake = fs::read_to_string(sh::root().join("CMakeLists.txt"))?;
    if asked.is_empty() || !cmake.contains(&format!("set(FLIGHTRING_STATIC_LIBS {asked})")) {
        bail!(
            "rustc asks for the libraries `{asked}`; say so in FLIGHTRING_STATIC_LIBS of CMakeLists.txt"
        );
    }
    Ok(())
}

fn pkg_config(prefix: &Path) -> Result<()> {
    let libdir = find_parent(prefix, "pkgconfig")?;
    for (name, linking) in [("shared", &[][..]), ("static", &["--static"][..])] {
        let flags = sh::output(
            sh::command("pkg-config")
                .args(["--cflags", "--libs"])
                .args(linking)
                .arg("flightring")
                .env("PKG_CONFIG_PATH", libdir.join("pkgconfig")),
        )?;
        let program = sh::target().join(format!("pkg-config-{name}"));
        let mut cc = sh::command("cc");
        cc.args(["-Wall", "-Werror", "c-examples/history.c", "-o"]).arg(&program);
        if name == "static" {
            // The archive by its name: with -static, glibc would be, too.
            cc.args(flags.replace("-lflightring", "-l:libflightring.a").split_whitespace());
        } else {
            cc.args(flags.split_whitespace());
        }
        sh::run(&mut cc)?;
        sh::run(sh::command(&program).env("LD_LIBRARY_PATH", &libdir))?;
    }
    Ok(())
}

/// The folder that contains a folder `name`, somewhere below `top`.
fn find_parent(top: &Path, name: &str) -> Result<PathBuf> {
    let mut left = vec![top.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|n| n == name) {
                return Ok(folder);
            }
            if path.is_dir() {
                left.push(path);
            }
        }
    }
    bail!("no folder `{name}` below {}", top.display());
}

/// Requests that the package must refuse, with the words that the user has to see.
fn refusals(prefix: &Path) -> Result<()> {
    let cases = [
        ("9.9", "", "0.1.0"),
        ("0.2", "", "0.1.0"),
        ("0.1", "COMPONENTS turbo", "has no component 'turbo'"),
    ];
    for (i, (version, extra, expected)) in cases.into_iter().enumerate() {
        let source = sh::target().join(format!("package-refused-{i}"));
        remove(&source)?;
        fs::create_dir_all(&source)?;
        fs::write(
            source.join("CMakeLists.txt"),
            format!(
                "cmake_minimum_required(VERSION 3.20)\nproject(refused LANGUAGES NONE)\n\
                 find_package(flightring {version} CONFIG REQUIRED {extra})\n"
            ),
        )?;
        let printed = sh::failing(
            sh::command("cmake")
                .arg("-S")
                .arg(&source)
                .arg("-B")
                .arg(source.join("build"))
                .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())),
        )?;
        // CMake wraps its messages.
        let printed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        if !printed.contains(expected) {
            bail!("find_package(flightring {version} {extra}) did not say {expected:?}: {printed}");
        }
    }
    Ok(())
}

/// flightring as a part of another project's build.
fn subprojects() -> Result<()> {
    let ways = [
        ("subdirectory", format!("add_subdirectory(\"{}\" flightring)", sh::root().display())),
        (
            "fetchcontent",
            format!(
                "include(FetchContent)\nFetchContent_Declare(flightring SOURCE_DIR \"{}\")\n\
                 FetchContent_MakeAvailable(flightring)",
                sh::root().display()
            ),
        ),
    ];
    for (name, include) in ways {
        let source = sh::target().join(format!("package-{name}"));
        remove(&source)?;
        fs::create_dir_all(&source)?;
        let example = sh::root().join("c-examples/history.c");
        fs::write(
            source.join("CMakeLists.txt"),
            format!(
                "cmake_minimum_required(VERSION 3.20)\nproject(user LANGUAGES C)\n\
                 set(FLIGHTRING_CARGO_TARGET_DIR \"{target}\" CACHE PATH \"\")\n{include}\n\
                 add_executable(shared \"{example}\")\n\
                 target_link_libraries(shared PRIVATE flightring::flightring)\n\
                 add_executable(static \"{example}\")\n\
                 target_link_libraries(static PRIVATE flightring::static)\n",
                target = sh::target().display(),
                example = example.display(),
            ),
        )?;
        let build = source.join("build");
        sh::run(
            sh::command("cmake").args(["-G", "Ninja", "-S"]).arg(&source).arg("-B").arg(&build),
        )?;
        sh::run(sh::command("cmake").arg("--build").arg(&build))?;
        for program in ["shared", "static"] {
            sh::run(&mut sh::command(build.join(program)))?;
        }
    }
    Ok(())
}

/// Builds the Debian packages and lists what they hold.
pub(crate) fn dist() -> Result<()> {
    tools()?;
    sh::need(&[("dpkg-deb", "dpkg"), ("dpkg-shlibdeps", "dpkg-dev")])?;
    let build = configure("dist-build", "/usr")?;
    sh::run(sh::command("cmake").arg("--build").arg(&build))?;
    let packages = sh::target().join("dist");
    remove(&packages)?;
    sh::run(sh::command("cpack").arg("-B").arg(&packages).current_dir(&build))?;
    let mut debs: Vec<_> = fs::read_dir(&packages)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "deb"))
        .collect();
    debs.sort();
    for deb in &debs {
        sh::run(sh::command("dpkg-deb").arg("--info").arg(deb))?;
        sh::run(sh::command("dpkg-deb").arg("--contents").arg(deb))?;
    }
    let names: Vec<_> = debs.iter().filter_map(|deb| deb.file_name()?.to_str()).collect();
    for package in ["libflightring0_", "libflightring-dev_", "flightring_"] {
        if !names.iter().any(|name| name.starts_with(package)) {
            bail!("no package {package}... among {names:?}");
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
