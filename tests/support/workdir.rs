//! Where the harness keeps its files, and who clears them away.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Set this to keep logs and data after the test.
pub const KEEP: &str = "TENURE_TEST_KEEP";

/// A new folder, named so that a person looking into it finds their way.
pub fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let path = root().join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

/// A new file with this content.
pub fn file(name: &str, content: &str) -> PathBuf {
    let path = folder("file").join(name);
    std::fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let path = tempfile::Builder::new().prefix("tenure-test-").tempdir().expect("a folder").keep();
        if std::env::var_os(KEEP).is_some() {
            eprintln!("harness: {KEEP} is set, files stay in {}", path.display());
        } else {
            clear_when_this_process_ends(&path);
        }
        path
    })
}

/// Leaves a janitor that removes the folder when our end of its standard input closes.
///
/// Shared control planes are statics, and statics are never dropped; a killed process drops nothing
/// at all. A closing pipe is the one thing that happens however a process ends. The janitor is in a
/// process group of its own, so that Ctrl-C does not take it too.
fn clear_when_this_process_ends(path: &Path) {
    let janitor = Command::new("sh")
        .args(["-c", "cat >/dev/null; sleep 1; rm -rf -- \"$1\"", "janitor"])
        .arg(path)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    // Forgotten, not dropped: dropping it would close the pipe now.
    std::mem::forget(janitor);
}
