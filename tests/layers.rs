//! The layers of `docs/architecture.md`: an arrow may only point down the list.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down. A file may use what stands below its own layer, and its own.
const LAYERS: [&str; 7] = ["cli", "controllers", "runtime", "connectors", "converge", "access", "api"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The layers that a line names by `crate::layer`.
fn named(line: &str) -> impl Iterator<Item = usize> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::").filter_map(|(at, word)| {
        let rest = &code[at + word.len()..];
        LAYERS.iter().position(|layer| {
            rest.strip_prefix(layer)
                .is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    })
}

#[test]
fn arrows_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (place, layer) in LAYERS.iter().enumerate() {
        let mut found = Vec::new();
        files(&root.join(layer), &mut found);
        assert!(!found.is_empty(), "{layer}");
        for path in found {
            for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
                for other in named(line).filter(|other| *other < place) {
                    wrong.push(format!("{}:{}: {layer} uses {}", path.display(), number + 1, LAYERS[other]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The pure layers touch neither the cluster nor the network nor the clock.
#[test]
fn pure_layers_are_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for layer in ["access", "converge"] {
        let mut found = Vec::new();
        files(&root.join(layer), &mut found);
        for path in found.into_iter().filter(|p| !p.to_string_lossy().contains("tests")) {
            let text = fs::read_to_string(&path).unwrap();
            for word in
                ["kube::", "tokio::", "reqwest::", "Timestamp::now", "Instant::now", "std::fs", "std::net"]
            {
                if text.lines().any(|l| !l.trim_start().starts_with("//") && l.contains(word)) {
                    wrong.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
