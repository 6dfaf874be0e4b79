//! Passwords, which stand in files of their own or in the environment.

use std::path::Path;

use crate::sip::trunk::PasswordFrom;

/// The password; a file's first line.
///
/// # Errors
/// What is wrong, without a word of what was read.
pub fn password(folder: &Path, from: &PasswordFrom) -> Result<String, String> {
    let (text, name) = match from {
        PasswordFrom::File(file) => {
            let path = super::folder::within(folder, file);
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            (text, path.display().to_string())
        }
        PasswordFrom::Environment(name) => {
            (std::env::var(name).map_err(|_| format!("{name} is not in the environment"))?, name.clone())
        }
    };
    match text.lines().next().map(str::trim_end) {
        None | Some("") => Err(format!("{name} is empty")),
        Some(line) => Ok(line.to_owned()),
    }
}
