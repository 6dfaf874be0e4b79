//! One run of the program that speaks: words in on its standard input, a WAV out, never through a shell.
//!
//! Owns the bounds of a run: how long it may take, how much it may write. The program runs in a process group of its
//! own, and the whole group is killed when its time is up or when nobody waits for it any more.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::config::Manner;

/// More than any sound of the longest text: five minutes at 48 kHz.
const MOST: u64 = 32 << 20;
/// What is kept of the program's complaints.
const COMPLAINT: u64 = 400;

/// Why there is no sound.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("{0} is not installed")]
    Missing(String),
    #[error("{0}")]
    Failed(String),
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
}

/// Runs the program once and gives the WAV file that it made.
pub async fn run(command: &[String], manner: &Manner, words: &str, limit: Duration) -> Result<Vec<u8>, Broken> {
    match tokio::time::timeout(limit, unbounded(command, manner, words)).await {
        Ok(result) => result,
        Err(_) => Err(Broken::TimedOut(limit)),
    }
}

async fn unbounded(command: &[String], manner: &Manner, words: &str) -> Result<Vec<u8>, Broken> {
    let failed = |what: &str, error: io::Error| Broken::Failed(format!("{what}: {error}"));
    let wants_file = command.iter().any(|part| part.contains("{wav}"));
    let file = if wants_file { Some(OwnFile::new().map_err(|e| failed("no room for its file", e))?) } else { None };
    let wav = file.as_ref().map(|file| file.0.display().to_string()).unwrap_or_default();
    let fill = |part: &String| {
        part.replace("{voice}", &manner.voice)
            .replace("{speed}", &manner.speed.to_string())
            .replace("{pitch}", &manner.pitch.to_string())
            .replace("{wav}", &wav)
    };
    let (program, arguments) = command.split_first().ok_or_else(|| Broken::Missing("no program".to_owned()))?;
    let child = Command::new(program)
        .args(arguments.iter().map(fill))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Broken::Missing(program.clone()),
            _ => failed(&format!("{program} does not start"), error),
        })?;
    let mut group = Group(child);
    let child = &mut group.0;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that has heard enough may close its input: its exit code tells whether that was right.
            let _ = stdin.write_all(words.as_bytes()).await;
        }
    };
    let (sound, complaint, ()) = tokio::join!(drain(stdout, MOST), drain(stderr, COMPLAINT), feed);
    let sound = sound.map_err(|error| failed("its output cannot be read", error))?;
    let status = child.wait().await.map_err(|error| failed("it cannot be waited for", error))?;
    if !status.success() {
        let complaint = complaint.unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint);
        let first = complaint.lines().next().unwrap_or_default();
        return Err(Broken::Failed(format!("it ended with {status}: {first}")));
    }
    let sound = match &file {
        None => sound,
        Some(file) => read_file(&file.0).await.map_err(|error| failed("it left no file", error))?,
    };
    if sound.len() as u64 > MOST {
        return Err(Broken::Failed(format!("its sound is larger than {MOST} bytes")));
    }
    Ok(sound)
}

/// Everything the pipe gives: `keep` bytes and one more are kept, the rest is read and dropped, so that the program
/// does not hang on a full pipe (its time is bounded).
async fn drain(pipe: Option<impl AsyncRead + Unpin>, keep: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(keep + 1).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

async fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = tokio::fs::File::open(path).await?;
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// A program and all that it started; killed when this is dropped before it has ended.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is none once it has been waited for: then the number may already be another's.
        let id = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(id) = id
            && let Err(error) = rustix::process::kill_process_group(id, rustix::process::Signal::KILL)
        {
            tracing::debug!(%error, "a speaking program was gone before it was killed");
        }
    }
}

/// A file name for the program to write to; whatever is there is deleted at the end.
struct OwnFile(std::path::PathBuf);

impl OwnFile {
    fn new() -> io::Result<OwnFile> {
        use std::os::unix::fs::DirBuilderExt as _;
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // The nanoseconds keep a name free that an earlier process of the same number may have left behind.
        let age =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |age| age.subsec_nanos());
        let name = format!("jiesu-voice-{}-{}-{age}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        // A folder of our own, so that nobody else can put a link where the program writes; a taken name is an error.
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(OwnFile(folder.join("voice.wav")))
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if let Some(folder) = self.0.parent()
            && let Err(error) = std::fs::remove_dir_all(folder)
        {
            tracing::warn!(folder = %folder.display(), %error, "a temporary folder could not be deleted");
        }
    }
}
