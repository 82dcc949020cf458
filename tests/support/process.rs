//! Child processes that cannot outlive the test.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// A child process with its output in a file. Dropping it kills it.
pub struct Managed {
    name: String,
    pid: Pid,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Managed {
    /// Starts a command; output is appended to `log`.
    ///
    /// The child dies with this process, however that ends. The kernel ties this to the *thread*
    /// that started the child, and a test's thread ends with its test; therefore one thread, which
    /// lives as long as the process, starts all children.
    pub fn spawn(name: &str, command: &Command, log: &Path) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let mut tied = Command::new("setpriv");
        tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => tied.env(key, value),
                None => tied.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            tied.current_dir(folder);
        }
        tied.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let (reply, result) = mpsc::channel();
        spawner().send((tied, reply)).expect("the spawning thread lives");
        let child = result.recv().expect("the spawning thread answers")?;
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        Ok(Self { name: name.to_owned(), pid, child: Mutex::new(child), log: log.to_owned() })
    }

    /// The name given at the start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Kills it at once and waits until it is gone.
    pub fn kill9(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Stops it where it is, as a machine that hangs would; returns when it has stopped.
    ///
    /// The signal alone promises nothing: on a busy machine threads ran on, and answered, after it.
    pub fn sigstop(&self) {
        self.signal(Signal::SIGSTOP);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.is_running() && !self.all_threads_stopped() {
            assert!(Instant::now() < deadline, "{} does not stop", self.name);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn all_threads_stopped(&self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return false;
        };
        threads.filter_map(Result::ok).all(|thread| {
            // A thread that ended between the two reads is no hindrance.
            let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            status.lines().find(|l| l.starts_with("State:")).is_none_or(|l| l.contains("T (stopped)"))
        })
    }

    /// Lets a stopped process go on.
    pub fn sigcont(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to end, as a kubelet does.
    pub fn sigterm(&self) {
        self.signal(Signal::SIGTERM);
    }

    fn signal(&self, signal: Signal) {
        // Without this check the pid of a process already waited for could by now be another's.
        if self.exit_status().is_none() {
            kill(self.pid, signal).unwrap_or_else(|e| panic!("{signal} to {}: {e}", self.name));
        }
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().expect("the state of a child")
    }

    /// Whether it still runs (or is stopped).
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Waits for its end; `None` when it still runs after that time.
    pub async fn wait_exit(&self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to end, and kills it if it does not.
    pub async fn stop(&self, within: Duration) {
        self.sigterm();
        if self.wait_exit(within).await.is_none() {
            self.kill9();
        }
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// The file its output goes to.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The resident memory in KiB, as the kernel counts it; `None` once it has ended.
    pub fn resident_kib(&self) -> Option<u64> {
        self.memory_kib("VmRSS")
    }

    /// Time on a processor so far, in seconds; `None` once it has ended.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // After the name, which may have blanks in it: the 12th and 13th field, in hundredths (proc_pid_stat(5)).
        let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
        Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
    }

    /// A field of `/proc/PID/status`, such as `VmHWM`, in KiB; `None` once it has ended.
    pub fn memory_kib(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line =
            status.lines().find(|l| l.strip_prefix(field).is_some_and(|rest| rest.starts_with(':')))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// The text of a log file; empty while there is none.
pub fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The end of a log, for the message of a failure.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// A command for `program` with these arguments.
pub fn command(program: &Path, args: impl IntoIterator<Item = impl Into<OsString>>) -> Command {
    let mut command = Command::new(program);
    command.args(args.into_iter().map(Into::into));
    command
}

fn spawner() -> &'static mpsc::Sender<Order> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (orders, queue) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                for (mut command, reply) in queue {
                    let _ = reply.send(command.spawn());
                }
            })
            .expect("the spawning thread");
        orders
    })
}
