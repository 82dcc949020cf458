//! Parts that are measured in a process of their own, which holds nothing else.

use std::process::Command;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::support::{Managed, workdir};
use crate::usage;

/// When waiting for the other process makes no sense any more.
const PATIENCE: Duration = Duration::from_mins(5);

/// Runs this program again with an argument for it, and reads what it prints.
pub async fn run<T: DeserializeOwned>(name: &str, argument: [&str; 2]) -> T {
    let folder = workdir::folder(name);
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(argument);
    let process = Managed::spawn(name, &command, &folder.join("measured.json")).expect("this program again");
    let ended = process.wait_exit(PATIENCE).await;
    let said = process.log();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// Resident memory of this process, in bytes.
pub fn resident() -> u64 {
    usage::memory("self", "VmRSS")
}

/// The same once the allocator has had time to give back what is free.
pub fn rested() -> u64 {
    std::thread::sleep(Duration::from_secs(1));
    resident()
}
