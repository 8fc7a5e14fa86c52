//! The simulated core as a bare gRPC client sees it. Every test of the box
//! trusts this core, so its side of the wire contract is checked on its own.

mod sim_support;

use std::time::Duration;

use callbox::pipe::proto::web_terminal_message::Message;
use callbox::pipe::proto::{Action, Answer, Ringing, ToPhone, action};
use callbox::sim::{ActError, SimEvent};
use sim_support::{CALL, Client, code, core, kind, sdp, wait_for};
use tonic::{Code, Status};

const NOT_INCALL: i32 = 1;
const TRY_AGAIN: i32 = 2;
const INVALID_CALL_ID: i32 = 3;

const ANSWERS: &str = "default-phone = { answer-sdp = 'far' }";

fn to_phone() -> Message {
    Message::Action(Action { message: Some(action::Message::ToPhone(ToPhone {})) })
}

/// A call that the far end has answered.
async fn established(client: &mut Client, call_id: &str) {
    client.offer(call_id, "+4722222222", "near").await;
    assert_eq!(kind(&client.next().await), "ringing");
    let answer = client.next().await;
    assert_eq!((kind(&answer), sdp(&answer), answer.call_id.as_str()), ("answer", "far", call_id));
}

#[tokio::test]
async fn pipe_is_told_idle_at_once_and_multi_pipe_nothing() {
    let core = core("").await;
    let mut events = core.events();
    let idle = Client::pipe(&core).await.next().await;
    assert_eq!((kind(&idle), idle.call_id.as_str()), ("idle", ""));
    wait_for(&mut events, "Pipe", |e| (*e == SimEvent::Registered { multi: false }).then_some(())).await;
    let mut multi = Client::multi_pipe(&core).await;
    wait_for(&mut events, "MultiPipe", |e| (*e == SimEvent::Registered { multi: true }).then_some(())).await;
    multi.silence(Duration::from_millis(300)).await;
    core.stop().await;
}

#[tokio::test]
async fn pipe_is_told_of_a_call_elsewhere_at_once() {
    let core = core("in-call = '+4733333333'\ndefault-phone = { answer-sdp = 'far' }").await;
    let mut client = Client::pipe(&core).await;
    let in_call = client.next().await;
    let Some(Message::InCall(body)) = &in_call.message else { panic!("{in_call:?}") };
    assert_eq!(body.msisdn.as_ref().unwrap().e164, "+4733333333");
    // Taking it over: an offer for nobody with that call's id.
    client.offer(&in_call.call_id, "", "near").await;
    assert_eq!(kind(&client.next().await), "answer");
    core.handle().hang_up().await.unwrap();
    assert_eq!(kind(&client.next().await), "bye");
}

#[tokio::test]
async fn a_call_rings_is_answered_and_ended_by_either_side() {
    let core = core(ANSWERS).await;
    let mut client = Client::registered(&core).await;
    let mut events = core.events();
    established(&mut client, CALL).await;
    client.bye(CALL).await;
    wait_for(&mut events, "Bye", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;
    assert_eq!(core.handle().hang_up().await, Err(ActError::NoCall));

    established(&mut client, CALL).await;
    core.handle().hang_up().await.unwrap();
    let bye = client.next().await;
    assert_eq!((kind(&bye), bye.call_id.as_str()), ("bye", CALL));
}

#[tokio::test]
async fn a_phone_may_reject_hang_up_by_itself_or_stay_silent() {
    let core = core(
        "[[phone]]\nnumber = '+4700000001'\nanswer-sdp = 'far'\nreject-after = '50ms'\n\
         [[phone]]\nnumber = '+4700000002'\nanswer-sdp = 'far'\nhang-up-after = '50ms'\n\
         [[phone]]\nnumber = '+4700000003'\nanswer-sdp = 'far'\nsilent = true\n",
    )
    .await;
    let mut client = Client::registered(&core).await;
    client.offer(CALL, "+4700000001", "near").await;
    assert_eq!(kind(&client.next().await), "ringing");
    assert_eq!(kind(&client.next().await), "bye");

    client.offer(CALL, "+4700000002", "near").await;
    assert_eq!(kind(&client.next().await), "ringing");
    assert_eq!(kind(&client.next().await), "answer");
    assert_eq!(kind(&client.next().await), "bye");

    let mut events = core.events();
    client.offer(CALL, "+4700000003", "near").await;
    assert_eq!(kind(&client.next().await), "ringing");
    client.silence(Duration::from_millis(500)).await;
    client.bye(CALL).await;
    wait_for(&mut events, "cancel", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;
    client.silence(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn a_cancelled_call_is_not_answered_later() {
    let core = core("default-phone = { answer-sdp = 'far', answer-after = '300ms' }").await;
    let mut client = Client::registered(&core).await;
    client.offer(CALL, "+4722222222", "near").await;
    assert_eq!(kind(&client.next().await), "ringing");
    client.bye(CALL).await;
    client.silence(Duration::from_millis(800)).await;
}

#[tokio::test]
async fn a_number_that_is_none_is_rejected() {
    let core = core(ANSWERS).await;
    let mut client = Client::registered(&core).await;
    client.offer(CALL, "22222222", "near").await;
    assert_eq!(kind(&client.next().await), "bye");
    client.offer(CALL, "", "near").await;
    assert_eq!(code(&client.next().await), NOT_INCALL);
}

#[tokio::test]
async fn pipe_ignores_call_ids() {
    let core = core(ANSWERS).await;
    let mut client = Client::registered(&core).await;
    established(&mut client, "").await;
    // An offer while a call is up is a renegotiation, whatever its id.
    client.offer("something else", "", "near again").await;
    assert_eq!(kind(&client.next().await), "answer");
    let mut events = core.events();
    client.bye("yet another").await;
    wait_for(&mut events, "Bye", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;
    assert_eq!(core.handle().hang_up().await, Err(ActError::NoCall));
}

#[tokio::test]
async fn multi_pipe_wants_a_uuid_that_it_knows() {
    let core = core(ANSWERS).await;
    let mut client = Client::multi_pipe(&core).await;
    for wrong in ["", "1", "0c9a1a9e-1a52-4c4e-9c0e-2f6d6b7a3d1x"] {
        client.offer(wrong, "+4722222222", "near").await;
        let error = client.next().await;
        assert_eq!((code(&error), error.call_id.as_str()), (INVALID_CALL_ID, wrong));
    }
    client.bye(CALL).await;
    assert_eq!(code(&client.next().await), INVALID_CALL_ID);
    client.send(CALL, Message::Answer(Answer { sdp: "near".into() })).await;
    assert_eq!(code(&client.next().await), INVALID_CALL_ID);
    client.send(CALL, to_phone()).await;
    assert_eq!(code(&client.next().await), NOT_INCALL);
}

#[tokio::test]
async fn multi_pipe_keeps_calls_apart() {
    let core = core(ANSWERS).await;
    let mut client = Client::multi_pipe(&core).await;
    let second = "a1b2c3d4-1a52-4c4e-9c0e-2f6d6b7a3d11";
    established(&mut client, CALL).await;
    established(&mut client, second).await;
    let third = core.handle().call_box("+4711111111").await.unwrap();
    let offer = client.next().await;
    assert_eq!((kind(&offer), &offer.call_id), ("offer", &third));
    let mut events = core.events();
    client.bye(CALL).await;
    wait_for(&mut events, "Bye", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;
    core.handle().hang_up().await.unwrap();
    assert_eq!(client.next().await.call_id, third);
    core.handle().hang_up().await.unwrap();
    assert_eq!(client.next().await.call_id, second);
    assert_eq!(core.handle().hang_up().await, Err(ActError::NoCall));
}

#[tokio::test]
async fn the_box_is_called_and_answers_rejects_or_lets_it_ring() {
    let core = core("default-phone = { answer-sdp = 'far', give-up-after = '300ms' }").await;
    let mut client = Client::registered(&core).await;
    let mut events = core.events();
    let handle = core.handle();

    let id = handle.call_box("+4711111111").await.unwrap();
    let offer = client.next().await;
    let Some(Message::Offer(body)) = &offer.message else { panic!("{offer:?}") };
    assert_eq!((&offer.call_id, body.sdp.as_str()), (&id, "far"));
    assert_eq!(body.msisdn.as_ref().unwrap().e164, "+4711111111");
    assert_eq!(handle.call_box("+4711111111").await, Err(ActError::Busy));
    client.send(&id, Message::Ringing(Ringing {})).await;
    client.send(&id, Message::Answer(Answer { sdp: "near".into() })).await;
    wait_for(&mut events, "Ringing", |e| matches!(e, SimEvent::RingingReceived { .. }).then_some(())).await;
    wait_for(&mut events, "Answer", |e| matches!(e, SimEvent::AnswerReceived { .. }).then_some(())).await;
    // Answered in time: the caller does not give up.
    client.silence(Duration::from_millis(600)).await;
    client.bye(&id).await;
    wait_for(&mut events, "Bye", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;

    let id = handle.call_box("+4711111111").await.unwrap();
    assert_eq!(kind(&client.next().await), "offer");
    let gave_up = client.next().await;
    assert_eq!((kind(&gave_up), &gave_up.call_id), ("bye", &id));
}

#[tokio::test]
async fn a_call_moves_to_the_phone_and_ends_there() {
    let core = core(&format!("on-phone-for = '200ms'\n{ANSWERS}")).await;
    let mut client = Client::registered(&core).await;
    client.send(CALL, to_phone()).await;
    assert_eq!(code(&client.next().await), NOT_INCALL);
    established(&mut client, CALL).await;
    client.send(CALL, to_phone()).await;
    let in_call = client.next().await;
    let Some(Message::InCall(body)) = &in_call.message else { panic!("{in_call:?}") };
    assert_eq!((in_call.call_id.as_str(), &*body.msisdn.as_ref().unwrap().e164), (CALL, "+4722222222"));
    let idle = client.next().await;
    assert_eq!((kind(&idle), idle.call_id.as_str()), ("idle", ""));
}

#[tokio::test]
async fn a_call_elsewhere_is_taken_over_by_its_id() {
    let core = core(ANSWERS).await;
    let mut events = core.events();
    let mut client = Client::multi_pipe(&core).await;
    wait_for(&mut events, "registered", |e| matches!(e, SimEvent::Registered { .. }).then_some(())).await;
    let id = core.handle().in_call_elsewhere("+4733333333").await.unwrap();
    assert_eq!(kind(&client.next().await), "in-call");
    client.offer(CALL, "", "near").await;
    assert_eq!(code(&client.next().await), NOT_INCALL);
    client.offer(&id, "", "near").await;
    let answer = client.next().await;
    assert_eq!((kind(&answer), &answer.call_id), ("answer", &id));
    assert_eq!(core.handle().idle_elsewhere().await, Err(ActError::NoCall));
}

#[tokio::test]
async fn the_core_renegotiates_and_refuses_a_second_offer_meanwhile() {
    let core = core(ANSWERS).await;
    let mut client = Client::registered(&core).await;
    established(&mut client, CALL).await;
    let handle = core.handle();
    handle.renegotiate(callbox::sim::Change::Same).await.unwrap();
    assert_eq!(kind(&client.next().await), "offer");
    assert_eq!(handle.renegotiate(callbox::sim::Change::Same).await, Err(ActError::Busy));
    client.offer(CALL, "", "near").await;
    assert_eq!(code(&client.next().await), TRY_AGAIN);
    let mut events = core.events();
    client.send(CALL, Message::Answer(Answer { sdp: "near".into() })).await;
    wait_for(&mut events, "Answer", |e| matches!(e, SimEvent::AnswerReceived { .. }).then_some(())).await;
    // Now that this offer is answered, the box's turn comes.
    let mut tries = 0;
    loop {
        client.offer(CALL, "", "near").await;
        let next = client.next().await;
        if kind(&next) == "answer" {
            break;
        }
        tries += 1;
        assert!(code(&next) == TRY_AGAIN && tries < 50, "{next:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn manual_phones_wait_for_the_handle() {
    let core = core("default-phone = { answer-sdp = 'far', manual = true, no-ringing = true }").await;
    let mut client = Client::registered(&core).await;
    let mut events = core.events();
    assert_eq!(core.handle().answer().await, Err(ActError::NoCall));
    client.offer(CALL, "+4722222222", "near").await;
    wait_for(&mut events, "Offer", |e| matches!(e, SimEvent::OfferReceived { .. }).then_some(())).await;
    client.silence(Duration::from_millis(200)).await;
    core.handle().answer().await.unwrap();
    assert_eq!(kind(&client.next().await), "answer");
    client.bye(CALL).await;
    client.offer(CALL, "+4722222222", "near").await;
    wait_for(&mut events, "Offer", |e| matches!(e, SimEvent::OfferReceived { .. }).then_some(())).await;
    core.handle().reject().await.unwrap();
    assert_eq!(kind(&client.next().await), "bye");
}

#[tokio::test]
async fn nonsense_from_the_box_is_seen_and_survived() {
    let core = core(ANSWERS).await;
    let mut client = Client::registered(&core).await;
    let mut events = core.events();
    client.send_nothing(CALL).await;
    wait_for(&mut events, "Ignored", |e| matches!(e, SimEvent::Ignored { .. }).then_some(())).await;
    client.bye(CALL).await;
    wait_for(&mut events, "Ignored", |e| matches!(e, SimEvent::Ignored { .. }).then_some(())).await;
    client.send(CALL, Message::Action(Action { message: None })).await;
    wait_for(&mut events, "Ignored", |e| matches!(e, SimEvent::Ignored { .. }).then_some(())).await;
    established(&mut client, CALL).await;
}

#[tokio::test]
async fn the_script_sends_what_no_core_should() {
    let core = core(
        "send = [{ empty = true }, { after = '50ms', error = 77 }, \
         { after = '100ms', offer-sdp = '', from = 'nobody', call-id = 'x' }]",
    )
    .await;
    let mut client = Client::registered(&core).await;
    assert_eq!(kind(&client.next().await), "nothing");
    assert_eq!(code(&client.next().await), 77);
    let offer = client.next().await;
    assert_eq!((sdp(&offer), offer.call_id.as_str()), ("", "x"));
}

#[tokio::test]
async fn streams_end_with_the_status_that_is_asked_for() {
    let core = core("").await;
    assert_eq!(core.handle().call_box("+4711111111").await, Err(ActError::NoTerminal));
    let mut client = Client::registered(&core).await;
    let mut events = core.events();
    core.handle().close_streams(Status::resource_exhausted("enough")).await.unwrap();
    assert_eq!(client.end().await.unwrap_err().code(), Code::ResourceExhausted);
    wait_for(&mut events, "gone", |e| (*e == SimEvent::Unregistered).then_some(())).await;
    core.stop().await;
}
