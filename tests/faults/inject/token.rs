//! A token server that is slow, wrong or gone: each is told by its name, the
//! box answers meanwhile, and it registers as soon as there is a token.

use std::time::{Duration, Instant};

use callbox::sim::token::TokenAnswer;

use crate::scene::{Scene, config, core};
use crate::support::appliance::{Appliance, has_fault};
use crate::{row, within};

/// What is wrong, and what it is called.
const WRONG: [(&str, TokenAnswer, &str); 4] = [
    ("refuses the secret", TokenAnswer::Refused, "credentials-refused"),
    ("answers 500", TokenAnswer::Broken, "token-unavailable"),
    ("answers nonsense", TokenAnswer::Garbage, "token-unavailable"),
    ("redirects elsewhere", TokenAnswer::Redirect, "token-unavailable"),
];

/// Full jitter below 1, 2, 4 s of pause; a minute after a refusal, which is not to be hammered.
const RETRIED: Duration = Duration::from_secs(8);
const FORGIVEN: Duration = Duration::from_secs(62);

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_answers_wrongly_is_told_by_its_fault() {
    for (what, answer, fault) in WRONG {
        let core = core("[default-phone]\n").await;
        let folder = tempfile::tempdir().unwrap();
        core.tokens().set_answer(answer);
        let mut appliance = Appliance::start_with_environment(&config(&core, &folder), &[]);
        let begin = Instant::now();
        let status = appliance.wait_status(30, fault, |status| has_fault(status, fault));
        println!("token server {what}: {} after {:?}", status["session_detail"], begin.elapsed());
        core.tokens().set_answer(TokenAnswer::Normal);
        let mended = Instant::now();
        appliance.wait_ready();
        let bound = if answer == TokenAnswer::Refused { FORGIVEN } else { RETRIED };
        within(&format!("token server {what}: registered once it is well"), bound, mended.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_is_slow_holds_nothing_up() {
    const SLOW: Duration = Duration::from_secs(6);
    let core = core("[default-phone]\n").await;
    let folder = tempfile::tempdir().unwrap();
    core.tokens().set_answer(TokenAnswer::Late(SLOW));
    let begin = Instant::now();
    let mut appliance = Appliance::start_with_environment(&config(&core, &folder), &[]);
    let mut longest = Duration::ZERO;
    appliance.wait_status(5, "connecting", |status| status["session"] == "connecting");
    while begin.elapsed() < SLOW - Duration::from_secs(1) {
        let asked = Instant::now();
        appliance.status().unwrap();
        longest = longest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    within("token server takes 6 s: the box answers meanwhile", Duration::from_secs(1), longest);
    appliance.wait_ready();
    within("token server takes 6 s: registered", SLOW + Duration::from_secs(3), begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_token_server_a_box_keeps_its_session_and_its_token() {
    let mut scene = Scene::start("[default-phone]\n", &[], |_| {}).await;
    scene.core.stop_token_server().await;
    scene.talk().await;
    scene.handle().close_streams(tonic::Status::unavailable("a restart")).await.unwrap();
    let lost = Instant::now();
    scene.look_away();
    scene.sees("registration", |event| matches!(event, callbox::sim::SimEvent::Registered { .. })).await;
    row(
        "token server gone: a stream that breaks in a call is opened again with the token there is",
        "8 s",
        format_args!("{:.2} s, the call goes on", lost.elapsed().as_secs_f64()),
    );
    assert!(lost.elapsed() < RETRIED);
    let status = scene.appliance.status().unwrap();
    assert_eq!(status["call"], "in-call", "{status}");
}
