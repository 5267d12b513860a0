//! The C headers: made by cbindgen from the modules of `crates/capi`, committed, and checked for drift.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cbindgen::{
    Braces, Builder, Config, DocumentationLength, DocumentationStyle, Language, RenameRule,
    SortKey, Style,
};
use syn::{Expr, ExprLit, Fields, Item, Lit, Meta, Type, Visibility};

use crate::sh::root;

/// The modules that have a header, with the headers that theirs includes besides `base.h`.
const NOUNS: &[(&str, &[&str])] = &[
    ("ring", &[]),
    ("replay", &[]),
    ("logger_options", &[]),
    ("logger", &["logger_options"]),
    ("logger_stats", &["logger"]),
    ("logger_watch", &["logger_stats"]),
    ("logger_set", &["logger_stats"]),
    ("reader", &[]),
    ("monitor", &["logger", "replay"]),
    ("follow", &["monitor"]),
    ("hub", &["monitor"]),
    ("normaliser", &["monitor"]),
    ("recorder", &[]),
    ("recorder_add", &["recorder"]),
    ("recorder_stats", &["recorder"]),
    ("cursor", &["recorder_add"]),
    ("server", &["hub", "recorder"]),
];

/// Generates every header, or with `check` fails if one differs from what is committed.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (noun, includes) in NOUNS {
        let text = generate(noun, includes).with_context(|| format!("header of {noun}"))?;
        let path = root().join(format!("include/flightring/{noun}.h"));
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
        } else {
            fs::write(&path, text).with_context(|| path.display().to_string())?;
            eprintln!("wrote {}", path.display());
        }
    }
    check_umbrella()?;
    if !stale.is_empty() {
        bail!("not what crates/capi says: {}; run `cargo xtask headers`", stale.join(", "));
    }
    Ok(())
}

/// The C headers in the order in which they may stand one after the other.
pub(crate) fn c_headers() -> Vec<String> {
    std::iter::once("base")
        .chain(NOUNS.iter().map(|(noun, _)| *noun))
        .map(|name| format!("{name}.h"))
        .collect()
}

fn check_umbrella() -> Result<()> {
    let path = root().join("include/flightring/flightring.h");
    let umbrella = fs::read_to_string(&path)?;
    for (noun, _) in NOUNS {
        if !umbrella.contains(&format!("#include <flightring/{noun}.h>")) {
            bail!("{} does not include {noun}.h", path.display());
        }
    }
    Ok(())
}

fn generate(noun: &str, includes: &[&str]) -> Result<String> {
    let folder = root().join("crates/capi/src");
    let source_path = folder.join(format!("{noun}.rs"));
    let source =
        fs::read_to_string(&source_path).with_context(|| source_path.display().to_string())?;
    let parsed = syn::parse_file(&source)?;

    let guard = format!("FLIGHTRING_{}_H", noun.to_uppercase());
    let mut out = file_comment(noun, &parsed);
    writeln!(out, "#ifndef {guard}\n#define {guard}\n")?;
    for include in ["base"].iter().chain(includes) {
        writeln!(out, "#include <flightring/{include}.h>")?;
    }
    let body = bindings(&source_path)?;
    writeln!(out, "\n{}", body.trim())?;
    for init in init_macros(&parsed) {
        writeln!(out, "\n{init}")?;
    }
    let trailer = folder.join(format!("{noun}.trailer.h"));
    if trailer.exists() {
        writeln!(out, "\n{}", fs::read_to_string(trailer)?.trim())?;
    }
    writeln!(out, "\n#endif /* {guard} */")?;
    Ok(out)
}

/// The module's `//!` text as the file's comment.
fn file_comment(noun: &str, parsed: &syn::File) -> String {
    let mut out = format!(
        "/**\n * @file {noun}.h\n *\n * Generated from crates/capi/src/{noun}.rs by `cargo xtask headers`; edit that file.\n *\n"
    );
    for attribute in &parsed.attrs {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &pair.value
        {
            out.push_str(&format!(" *{}", line.value()).trim_end().replace("*/", "* /"));
            out.push('\n');
        }
    }
    out + " */\n"
}

fn bindings(source: &Path) -> Result<String> {
    let mut config = Config {
        language: Language::C,
        no_includes: true,
        cpp_compat: true,
        style: Style::Type,
        usize_is_size_t: true,
        braces: Braces::SameLine,
        line_length: 110,
        tab_width: 4,
        documentation: true,
        documentation_style: DocumentationStyle::Doxy,
        documentation_length: DocumentationLength::Full,
        ..Config::default()
    };
    config.function.prefix = Some("FLR_API".into());
    config.function.postfix = Some("FLR_NOEXCEPT".into());
    config.function.must_use = Some("FLR_MUST_USE".into());
    config.function.sort_by = Some(SortKey::None);
    config.enumeration.prefix_with_name = true;
    config.enumeration.rename_variants = RenameRule::ScreamingSnakeCase;
    config.export.include = types(source)?;
    let bindings = Builder::new().with_config(config).with_src(source).generate()?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    // cbindgen puts the postfix on a line of its own.
    Ok(String::from_utf8(bytes)?.replace("\nFLR_NOEXCEPT;", " FLR_NOEXCEPT;"))
}

/// Public enums and structs of a module: cbindgen leaves out those that no signature names.
fn types(source: &Path) -> Result<Vec<String>> {
    let parsed = syn::parse_file(&fs::read_to_string(source)?)?;
    Ok(parsed
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Enum(item) if matches!(item.vis, Visibility::Public(_)) => {
                Some(item.ident.to_string())
            }
            Item::Struct(item) if matches!(item.vis, Visibility::Public(_)) => {
                Some(item.ident.to_string())
            }
            _ => None,
        })
        .collect())
}

/// An initialiser for every struct that the caller fills in. All members are named, also those of structs inside, because
/// a short initialiser makes -Wmissing-field-initializers warn in the caller's code.
fn init_macros(parsed: &syn::File) -> Vec<String> {
    let mut macros = Vec::new();
    for item in &parsed.items {
        let Item::Struct(item) = item else { continue };
        let Fields::Named(fields) = &item.fields else { continue };
        let name = item.ident.to_string();
        if !name.starts_with("flr_") {
            continue;
        }
        let values = fields.named.iter().map(|field| match &field.ident {
            Some(ident) if ident == "struct_size" => format!("(uint32_t)sizeof({name})"),
            Some(ident) if ident == "_opaque" => String::new(),
            _ => zero(&field.ty),
        });
        let values: Vec<String> = values.collect();
        if values.iter().any(String::is_empty) {
            continue;
        }
        macros.push(format!(
            "/** A {name} with every member zero, which means its default. */\n#define {}_INIT \\\n    {{ {} }}",
            name.to_uppercase(),
            values.join(", ")
        ));
    }
    macros
}

/// The initialiser of a member of that type.
fn zero(ty: &Type) -> String {
    let named =
        |path: &syn::TypePath| path.path.get_ident().map(ToString::to_string).unwrap_or_default();
    match ty {
        Type::Array(_) => "{0}".to_owned(),
        Type::Ptr(_) => "NULL".to_owned(),
        Type::Path(path) if path.path.segments.iter().any(|s| s.ident == "Option") => {
            "NULL".to_owned()
        }
        Type::Path(path) if named(path).ends_with("_fn") => "NULL".to_owned(),
        Type::Path(path) if named(path).starts_with("flr_") => {
            format!("{}_INIT", named(path).to_uppercase())
        }
        _ => "0".to_owned(),
    }
}
