//! What was overheard and left behind for intake: how its file is named.
//!
//! While a call goes on, what is overheard lies in the call's folder as `overheard-LISTEN.wav`. What has no text when the
//! call needs it is moved to the one folder `left/` under the recordings, `CALL-LISTEN.wav`: whatever lies there is
//! intake's, and a look at one folder finds it. Beside it, `CALL-LISTEN.txt` holds what the machine was saying meanwhile,
//! whose echo is no emergency. Pure.

use std::path::{Path, PathBuf};

use crate::id::CallId;

/// One overheard utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Left {
    pub call: CallId,
    pub listen: u32,
}

impl Left {
    /// Its recording, under the folder of all recordings.
    pub fn recording(self, recordings: &Path) -> PathBuf {
        folder(recordings).join(format!("{}-{}.wav", self.call, self.listen))
    }

    /// What the machine was saying meanwhile.
    pub fn spoken(self, recordings: &Path) -> PathBuf {
        self.recording(recordings).with_extension("txt")
    }

    /// From the name of its recording in `left/`.
    pub fn read(file: &Path) -> Option<Left> {
        let stem = stem(file, "wav")?;
        let (call, listen) = stem.rsplit_once('-')?;
        Some(Left { call: call.parse().ok()?, listen: listen.parse().ok()? })
    }
}

/// Where intake finds them, under the folder of all recordings.
pub fn folder(recordings: &Path) -> PathBuf {
    recordings.join("left")
}

/// An utterance's name in its call's folder. No name of a recording that recovery would make a ticket of.
pub fn overheard(listen: u32) -> String {
    format!("overheard-{listen}.wav")
}

/// The listen of a file with such a name.
pub fn listen_of(file: &Path) -> Option<u32> {
    stem(file, "wav")?.strip_prefix("overheard-")?.parse().ok()
}

fn stem<'a>(file: &'a Path, extension: &str) -> Option<&'a str> {
    file.extension().filter(|end| *end == extension)?;
    file.file_stem()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_read_as_they_are_written(millis in 0i64..1 << 47, random: u128, listen: u32) {
            let left = Left { call: CallId::new(millis, random), listen };
            let file = left.recording(Path::new("recordings"));
            prop_assert_eq!(Left::read(&file), Some(left));
            prop_assert_eq!(Left::read(&left.spoken(Path::new("recordings"))), None);
            prop_assert_eq!(listen_of(Path::new(&overheard(listen))), Some(listen));
            prop_assert_eq!(listen_of(&file), None);
        }

        #[test]
        fn any_name_is_one_or_none(name in "\\PC{0,40}") {
            let file = Path::new(&name);
            if let Some(left) = Left::read(file) {
                prop_assert!(name.ends_with(".wav"), "{:?}", left);
            }
            listen_of(file);
        }
    }
}
