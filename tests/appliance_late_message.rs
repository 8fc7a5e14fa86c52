//! What the core says late of calls that are over. On `Pipe`, where an id cannot be
//! trusted to tell calls apart, it must not touch the next one.

mod appliance_support;

use appliance_support::{ANSWER, Bench, call_to, secs, settings};
use callbox::appliance::command::{MediaCommand, Refusal};
use callbox::appliance::event::{Body, ErrorCode};
use callbox::appliance::status::CallStatus;

#[test]
fn on_pipe_what_the_core_says_late_of_the_last_two_calls_does_not_touch_the_next() {
    let late = || {
        [
            Body::Bye,
            Body::Ringing,
            Body::Answer { sdp: ANSWER.to_owned() },
            Body::Error(ErrorCode::TryAgain),
            Body::Error(ErrorCode::NotInCall),
            Body::Error(ErrorCode::InvalidCallId),
        ]
    };
    let mut bench = Bench::ready(settings());
    bench.press("hunt");
    let first = bench.sent_offer().unwrap().0;
    bench.prepare_all();
    bench.take();
    // Nobody answers: Bye and the next Offer leave in one turn.
    bench.pass(secs(45));
    assert_eq!(bench.sent_byes(), [first.as_str()]);
    let second = bench.sent_offer().unwrap().0;
    bench.prepare_all();
    bench.take();
    let let_go = bench.now;
    for body in late() {
        bench.message(first.as_str(), body.clone());
        let now = (bench.call(), bench.box_.status().call_id);
        assert_eq!(now, (CallStatus::Outgoing, Some(second.clone())), "{body:?}");
        assert!(bench.now.saturating_duration_since(let_go) < secs(3));
    }
    // An Offer that is sent again would show that TRY_AGAIN was obeyed.
    bench.pass(secs(2));
    assert_eq!(bench.sent(), []);
    for counter in ["bye-unexpected", "ringing-unexpected", "answer-unexpected"] {
        assert_eq!(bench.counter(counter), 1, "{counter}");
    }
    // The core asks this box for fewer calls, whichever call made it say so;
    // but it takes the one that is up.
    bench.message(first.as_str(), Body::Error(ErrorCode::RateLimitHit));
    assert_eq!(bench.call(), CallStatus::Outgoing);
    bench.press("hangup");
    assert_eq!(bench.ask(call_to(&["family"])), Err(Refusal::RateLimited));
    bench.close_all();
    bench.pass(secs(31));

    bench.take();
    bench.ask(call_to(&["family"])).unwrap();
    let third = bench.sent_offer().unwrap().0;
    assert_ne!(third, second);
    // An Offer is for the one call that `Pipe` has, whatever its id.
    bench.take();
    bench.offer(second.as_str(), None);
    assert!(bench.peer_told(|command| matches!(command, MediaCommand::Renegotiate { .. })).is_some());
    assert_eq!(bench.sent_byes(), [""; 0]);
    // What names no call, one that never was, or one long over is of this
    // call: a core may use one id for all.
    bench.message(second.as_str(), Body::Ringing);
    assert_eq!(bench.call(), CallStatus::Ringing);
    bench.message("unknown", Body::Answer { sdp: ANSWER.to_owned() });
    assert_eq!(bench.call(), CallStatus::Connecting);
    bench.message("", Body::Bye);
    assert_eq!(bench.call(), CallStatus::Releasing);
    bench.close_all();

    // The same id again is the call that lives now.
    for _ in 0..2 {
        bench.ring("in-1");
        bench.message("in-1", Body::Bye);
        assert_ne!(bench.call(), CallStatus::Incoming);
        bench.close_all();
    }
    bench.pass(secs(3));
    bench.still_works();
}
