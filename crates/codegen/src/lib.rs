//! Dependency-free signers for one dialect, written in other languages from its compiled plan.
//!
//! ```text
//! Recipe -> support (can this language?) -> lower (to the small form of code.rs) -> print (in the language) + prelude (helpers that are used)
//! ```
//! Nothing here knows a dialect: a signer follows from the recipe alone. Every byte of a dialect file that reaches the output stands in a literal or a
//! comment, escaped so that no file can put code into the program.
//!
//! ```
//! use countersign_codegen::{Language, generate};
//!
//! let dialects = countersign_protocol::Dialects::builtin()?;
//! let source = generate(dialects.get("hmac-sha256").expect("built in"), Language::Python)?;
//! assert!(source.contains("def sign(request, credential, options=None):"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod code;
mod lower;
mod prelude;
mod print;
mod support;

use countersign_protocol::Dialect;

pub use print::{file_name, type_name};
pub use support::{Language, Support, Unsupported, support};

/// Writes the signer of a dialect: one source file.
///
/// # Errors
/// When the language cannot hold it, with the reason.
pub fn generate(dialect: &Dialect, language: Language) -> Result<String, Unsupported> {
    let recipe = dialect.recipe().ok_or(Unsupported::Native)?;
    let support = support::of_recipe(&recipe, language)?;
    Ok(print::print(&lower::lower(&recipe, &support), language))
}
