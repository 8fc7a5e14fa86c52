//! A second opinion on the wire contract: a small model of a terminal, written
//! from the contract alone, runs beside the box, and after every step both must
//! have said the same and show the same. What only one of the two believes is
//! found here, as the shortest story that tells them apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "reference/model.rs"]
mod model;
#[path = "reference/pair.rs"]
mod pair;

use std::cell::RefCell;
use std::collections::BTreeMap;

use callbox::appliance::settings::Settings;
use model::{Pipes, Shown, Word};
use pair::{Pair, Step, Who, settings};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof};
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

const CASES: u32 = 3000;

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        3 => Just(Word::Offer { bad: false }),
        1 => Just(Word::Offer { bad: true }),
        4 => Just(Word::Answer { bad: false }),
        1 => Just(Word::Answer { bad: true }),
        4 => Just(Word::Ringing),
        3 => Just(Word::Bye),
        2 => Just(Word::Idle),
        3 => Just(Word::InCall),
        1 => Just(Word::ToPhone),
        2 => Just(Word::NotInCall),
        2 => Just(Word::TryAgain),
        1 => Just(Word::InvalidCallId),
        1 => Just(Word::RateLimitHit),
        1 => Just(Word::Unknown),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        6 => Just(Who::Ours),
        3 => Just(Who::Last),
        2 => Just(Who::Former),
        3 => (0..3u8).prop_map(Who::Foreign),
        1 => Just(Who::Nobody),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Press),
        3 => Just(Step::Hunt),
        3 => Just(Step::All),
        2 => Just(Step::Answer),
        2 => Just(Step::HangUp),
        2 => Just(Step::ToPhone),
        2 => Just(Step::TakeOver),
        16 => (who(), word()).prop_map(|(who, word)| Step::Core(who, word)),
        3 => Just(Step::Core(Who::Ours, Word::Answer { bad: false })),
        2 => Just(Step::Core(Who::Ours, Word::Ringing)),
        2 => Just(Step::Core(Who::Foreign(0), Word::Offer { bad: false })),
        4 => Just(Step::MediaUp),
        1 => Just(Step::MediaGone),
        1 => Just(Step::MediaFails),
        1 => Just(Step::SessionEnds),
        3 => Just(Step::SessionBack),
        4 => prop_oneof![Just(90), Just(1000), Just(3100), Just(11_000), Just(31_000), Just(46_000)]
            .prop_map(Step::Pass),
    ]
}

/// Runs many cases; the shortest failing one as a story.
fn compare(
    pipes: Pipes,
    settings: &Settings,
    chance: Option<TestRng>,
    seen: &RefCell<BTreeMap<Shown, u64>>,
) -> Result<(), String> {
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    // Enough that no step is left that the story does not need.
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..ProptestConfig::default()
    };
    let mut runner = match chance {
        Some(chance) => TestRunner::new_with_rng(config, chance),
        None => TestRunner::new(config),
    };
    let result = runner.run(&vec(step(), 1..60), |steps| {
        let mut pair = Pair::new(pipes, settings.clone());
        for step in &steps {
            pair.step(step).map_err(TestCaseError::fail)?;
            *seen.borrow_mut().entry(pair.model.shown()).or_default() += 1;
        }
        Ok(())
    });
    result.map_err(|error| match error {
        TestError::Fail(reason, steps) => format!("{} steps are enough: {steps:?}\n{reason}", steps.len()),
        TestError::Abort(reason) => format!("aborted: {reason}"),
    })
}

fn agree(pipes: Pipes) {
    let seen = RefCell::default();
    if let Err(story) = compare(pipes, &settings(pipes), None, &seen) {
        panic!("the box and the model disagree; {story}");
    }
    println!("{seen:?}");
    // Steps that lead nowhere prove nothing.
    let seen = seen.into_inner();
    let steps: u64 = seen.values().sum();
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(seen.values().all(|count| *count > steps / 50), "{seen:?}");
}

#[test]
fn the_box_does_as_the_contract_says_with_pipe() {
    agree(Pipes::One);
}

#[test]
fn the_box_does_as_the_contract_says_with_multi_pipe() {
    agree(Pipes::Many);
}

/// The comparison finds what differs, and tells it in few steps.
#[test]
fn a_box_that_differs_is_found_and_told_shortly() {
    let mut slow = settings(Pipes::One);
    slow.call.ring_timeout += std::time::Duration::from_millis(1);
    let mut hasty = settings(Pipes::Many);
    hasty.backoff.rate_limit /= 2;
    let mut trusting = settings(Pipes::One);
    trusting.mode = settings(Pipes::Many).mode;
    let mut lasting = settings(Pipes::Many);
    lasting.call.media_lost_after *= 2;
    let mut closed = settings(Pipes::One);
    closed.incoming.answer = callbox::appliance::settings::AnswerPolicy::Reject;
    for (name, pipes, settings) in [
        ("rings too long", Pipes::One, slow),
        ("calls again too soon", Pipes::Many, hasty),
        ("trusts ids", Pipes::One, trusting),
        ("waits too long for media", Pipes::Many, lasting),
        ("takes no calls", Pipes::One, closed),
    ] {
        // How short a story gets is a matter of luck: it is the same luck every time.
        let chance = Some(TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let story = compare(pipes, &settings, chance, &RefCell::default()).expect_err(name);
        println!("{name}: {story}\n");
        let steps: usize = story.split(' ').next().unwrap().parse().unwrap();
        assert!(steps <= 8, "{name}: {story}");
    }
}
