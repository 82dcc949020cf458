//! A model of everything around the operator, on which its real decisions, guards and steps are driven through random
//! lives: hires, moves, leaves, returns, faults, crashes, leaders that are behind, Holds, deleted and unreadable objects,
//! and time. After each step nobody may have lost, got or kept what they should not.

#![allow(clippy::similar_names, reason = "Apps, maps of them, and what is seen of them")]

mod fixture;
mod lessons;
mod observer;
mod ops;
mod ports;
mod process;
mod record;
mod sim;
mod story;
mod sweeps;
mod target;
mod waves;
mod world;

use std::fmt::Write;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::ops::{Mix, Story};

/// Sequences of each mix, unless `TENURE_MODEL_CASES` says otherwise.
const CASES: u32 = 2_500;
/// Of what is lived through where nothing else is said.
const SEED: u8 = 0x5e;

/// Lives through random sequences: the same ones each time, so that a change which breaks one is told from bad luck, unless
/// `TENURE_MODEL_SEED` is `random`, or the 64 hexadecimal digits that an earlier run showed.
fn live(mix: Mix) {
    let cases = std::env::var("TENURE_MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let seed = match std::env::var("TENURE_MODEL_SEED").as_deref() {
        Err(_) => [SEED; 32],
        Ok("random") => rand::random(),
        Ok(text) => read(text),
    };
    let shown = seed.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    println!("{mix:?}: {cases} sequences, TENURE_MODEL_SEED={shown}");
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&ops::story(mix), |story: Story| {
        let wrong = story.live();
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    });
    if let Err(problem) = outcome {
        panic!("TENURE_MODEL_SEED={shown}\n{problem}");
    }
}

fn read(text: &str) -> [u8; 32] {
    std::array::from_fn(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).unwrap())
}

#[test]
fn people_come_move_and_go() {
    live(Mix::People);
}

#[test]
fn rules_and_bindings_change() {
    live(Mix::Structure);
}

#[test]
fn targets_fail_and_processes_end() {
    live(Mix::Faults);
}

#[test]
fn everything_at_once() {
    live(Mix::All);
}
