//! Embeds the pages of reasons: each of `reasons/en` with the one of the same name in `reasons/zh`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=reasons");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("reasons");
    let names = |language: &str| -> Result<Vec<String>, Box<dyn Error>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder.join(language))? {
            let name = entry?.file_name().into_string().map_err(|name| format!("{} is no UTF-8", name.display()))?;
            names.extend(name.strip_suffix(".md").map(str::to_owned));
        }
        names.sort();
        Ok(names)
    };
    let pages = names("en")?;
    if pages != names("zh")? {
        return Err("each page of reasons/en has one of the same name in reasons/zh, and the other way round".into());
    }
    let mut code = String::from("static PAGES: &[(&str, &str, &str)] = &[\n");
    for name in pages {
        let of = |language: &str| folder.join(language).join(format!("{name}.md"));
        writeln!(code, "    ({name:?}, include_str!({:?}), include_str!({:?})),", of("en"), of("zh"))?;
    }
    code.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("reasons.rs"), code)?;
    Ok(())
}
