//! Power that fails: after a program was killed, what it had not synced in one folder is taken back.
//!
//! A killed process keeps what it wrote, because the kernel has it, so a kill alone shows nothing about durability.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The source of the shim that is preloaded.
const SOURCE: &str = include_str!("power/unsynced.c");
/// Offset, length and size before, in front of the replaced bytes of each note.
const NUMBERS: usize = 24;

/// A folder whose unsynced writes can be taken back.
#[derive(Debug)]
pub struct Power {
    shim: TempDir,
    folder: PathBuf,
    notes: TempDir,
    lies: bool,
}

impl Power {
    /// Watches this folder. With `lies`, its disk says that it has synced and has not: what a test must find.
    ///
    /// # Panics
    /// When there is no C compiler, or the shim does not compile.
    #[must_use]
    pub fn over(folder: &Path, lies: bool) -> Self {
        let shim = tempfile::tempdir().expect("a folder");
        let source = shim.path().join("unsynced.c");
        fs::write(&source, SOURCE).expect("the source");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(shim.path().join("unsynced.so")).arg(&source).arg("-ldl");
        let output = compiler.output().unwrap_or_else(|error| panic!("cc: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let power = Self { shim, folder: folder.to_owned(), notes: tempfile::tempdir().expect("a folder"), lies };
        power.clear();
        power
    }

    /// What the program has to be started with.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", self.shim.path().join("unsynced.so")),
            ("UNSYNCED_FOLDER", self.folder.clone()),
            ("UNSYNCED_NOTES", self.notes.path().to_owned()),
            ("UNSYNCED_LIE", PathBuf::from(if self.lies { "1" } else { "0" })),
        ]
    }

    /// Takes back whatever was not synced, once the program is dead: how many writes, and how many names.
    ///
    /// # Panics
    /// When the folder cannot be brought back.
    pub fn fail(&self) -> (usize, usize) {
        let writes = self.names("undo").iter().map(|name| self.undo(name)).sum();
        let (created, removed) = (self.names("created"), self.names("removed"));
        for name in &created {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => panic!("{name}: {error}"),
                _ => {}
            }
        }
        for name in &removed {
            fs::rename(self.notes.path().join("removed").join(name), self.folder.join(name)).expect("a removed file");
        }
        self.clear();
        (writes, created.len() + removed.len())
    }

    fn undo(&self, name: &str) -> usize {
        let bytes = fs::read(self.notes.path().join("undo").join(name)).expect("the notes");
        let Ok(file) = fs::OpenOptions::new().write(true).open(self.folder.join(name)) else { return 0 };
        let notes = notes(&bytes);
        for (offset, replaced, size) in notes.iter().rev() {
            file.write_all_at(replaced, *offset).expect("what was replaced");
            file.set_len(*size).expect("the size before");
        }
        notes.len()
    }

    fn names(&self, kind: &str) -> Vec<String> {
        let entries = fs::read_dir(self.notes.path().join(kind)).expect("the notes");
        entries.map(|entry| entry.expect("a note").file_name().into_string().expect("a name")).collect()
    }

    fn clear(&self) {
        for kind in ["undo", "created", "removed"] {
            let folder = self.notes.path().join(kind);
            let _absent = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).expect("a folder for notes");
        }
    }
}

/// Each note: where, what was there, how long the file was. One that is cut short was made for a write that never came.
fn notes(mut bytes: &[u8]) -> Vec<(u64, &[u8], u64)> {
    let mut found = Vec::new();
    while let Some((numbers, rest)) = bytes.split_first_chunk::<NUMBERS>() {
        let number = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| numbers[at + i]));
        let length = usize::try_from(number(8)).expect("a length");
        let Some((replaced, rest)) = rest.split_at_checked(length) else { break };
        found.push((number(0), replaced, number(16)));
        bytes = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell script leaves in the folder when the power fails after it.
    fn left_by(script: &str, lies: bool) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old"), "old").unwrap();
        let power = Power::over(folder.path(), lies);
        let mut shell = Command::new("python3");
        shell.args([
            "-c",
            &format!("import os\nos.chdir(os.environ['UNSYNCED_FOLDER'])\nhere = os.environ['UNSYNCED_FOLDER'] + '/'\n{script}"),
        ]);
        let output = shell.envs(power.environment()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        power.fail();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        left.iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())).collect()
    }

    fn only(name: &str, text: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), text.to_owned())]
    }

    #[test]
    fn what_was_not_synced_is_taken_back() {
        let write = "f = os.open(here + 'old', os.O_RDWR)\nos.write(f, b'NEW and longer')\n";
        assert_eq!(left_by(write, false), only("old", "old"));
        assert_eq!(left_by(&format!("{write}os.fsync(f)\nos.write(f, b'!')\n"), false), only("old", "NEW and longer"));
        assert_eq!(left_by(&format!("{write}os.fsync(f)\n"), true), only("old", "old"));
    }

    #[test]
    fn a_shortened_file_has_its_end_again() {
        assert_eq!(
            left_by("f = os.open(here + 'old', os.O_RDWR)\nos.ftruncate(f, 1)\nos.pwrite(f, b'xyz', 1)\n", false),
            only("old", "old")
        );
    }

    #[test]
    fn names_last_when_the_folder_is_synced() {
        let create = "f = os.open(here + 'new', os.O_RDWR | os.O_CREAT)\nos.write(f, b'new')\nos.fsync(f)\n";
        let sync = "d = os.open(os.environ['UNSYNCED_FOLDER'], os.O_RDONLY)\nos.fsync(d)\n";
        assert_eq!(left_by(create, false), only("old", "old"));
        assert_eq!(left_by(&format!("{create}{sync}"), false).len(), 2);
        assert_eq!(left_by("os.unlink(here + 'old')", false), only("old", "old"));
        assert_eq!(left_by(&format!("os.unlink(here + 'old')\n{sync}"), false), []);
        assert_eq!(left_by(&format!("{create}os.rename(here + 'new', here + 'old')"), false), only("old", "old"));
        assert_eq!(left_by(&format!("{create}os.rename(here + 'new', here + 'old')\n{sync}"), false), only("old", "new"));
    }
}
