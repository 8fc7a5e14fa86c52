//! A talk outlives its stream at the voice core too: the box that comes back is
//! told of it on `Pipe`, and finds it as it was on `MultiPipe`. The tests of
//! the box after an outage rest on this.
#![allow(clippy::unwrap_used, clippy::panic)]

mod sim_support;

use std::time::Duration;

use callbox::pipe::proto::web_terminal_message::Message;
use callbox::sim::{ActError, SimCore, SimEvent};
use sim_support::{CALL, Client, core, kind, wait_for};
use tonic::Status;

const ANSWERS: &str = "default-phone = { answer-sdp = 'far' }";

/// Breaks the stream in mid-call and comes back.
async fn cut(core: &SimCore) {
    let mut events = core.events();
    core.handle().close_streams(Status::unavailable("a cut")).await.unwrap();
    wait_for(&mut events, "the end", |e| (*e == SimEvent::Unregistered).then_some(())).await;
}

async fn talking(client: &mut Client) {
    client.offer(CALL, "+4722222222", "near").await;
    assert_eq!(kind(&client.next().await), "ringing");
    assert_eq!(kind(&client.next().await), "answer");
}

#[tokio::test]
async fn pipe_is_told_of_the_talk_and_may_take_it_back() {
    let core = core(ANSWERS).await;
    let mut client = Client::registered(&core).await;
    talking(&mut client).await;
    cut(&core).await;
    let mut client = Client::pipe(&core).await;
    let in_call = client.next().await;
    let Some(Message::InCall(body)) = &in_call.message else { panic!("{in_call:?}") };
    assert_eq!(
        (body.msisdn.as_ref().unwrap().e164.as_str(), in_call.call_id.as_str()),
        ("+4722222222", CALL)
    );
    client.offer(CALL, "", "near, on a new way").await;
    assert_eq!(kind(&client.next().await), "answer");
    core.handle().hang_up().await.unwrap();
    assert_eq!(kind(&client.next().await), "bye");
}

#[tokio::test]
async fn on_pipe_a_bye_that_comes_late_ends_the_talk() {
    let core = core(ANSWERS).await;
    let mut client = Client::registered(&core).await;
    talking(&mut client).await;
    cut(&core).await;
    let mut client = Client::pipe(&core).await;
    assert_eq!(kind(&client.next().await), "in-call");
    client.bye(CALL).await;
    assert_eq!(kind(&client.next().await), "idle");
    assert_eq!(core.handle().hang_up().await, Err(ActError::NoCall));
}

#[tokio::test]
async fn on_multi_pipe_nothing_is_said_and_the_talk_is_there() {
    let core = core(ANSWERS).await;
    let mut client = Client::multi_pipe(&core).await;
    talking(&mut client).await;
    cut(&core).await;
    let mut events = core.events();
    let mut client = Client::multi_pipe(&core).await;
    wait_for(&mut events, "again", |e| (*e == SimEvent::Registered { multi: true }).then_some(())).await;
    client.silence(Duration::from_millis(200)).await;
    client.bye(CALL).await;
    wait_for(&mut events, "Bye", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;
    client.silence(Duration::from_millis(200)).await;
    assert_eq!(core.handle().hang_up().await, Err(ActError::NoCall));
}

#[tokio::test]
async fn on_multi_pipe_a_box_that_came_back_before_its_old_stream_was_found_dead_has_its_talk() {
    let core = core(ANSWERS).await;
    let mut old = Client::multi_pipe(&core).await;
    talking(&mut old).await;
    let mut events = core.events();
    let mut client = Client::multi_pipe(&core).await;
    wait_for(&mut events, "again", |e| (*e == SimEvent::Registered { multi: true }).then_some(())).await;
    drop(old);
    wait_for(&mut events, "the old one's end", |e| (*e == SimEvent::Unregistered).then_some(())).await;
    client.silence(Duration::from_millis(100)).await;
    client.bye(CALL).await;
    wait_for(&mut events, "Bye", |e| matches!(e, SimEvent::ByeReceived { .. }).then_some(())).await;
    client.silence(Duration::from_millis(200)).await;
    assert_eq!(core.handle().hang_up().await, Err(ActError::NoCall));
}

#[tokio::test]
async fn a_call_that_only_rang_is_over_with_its_stream() {
    let core = core("default-phone = { answer-sdp = 'far', answer-after = '10s' }").await;
    let mut client = Client::registered(&core).await;
    client.offer(CALL, "+4722222222", "near").await;
    assert_eq!(kind(&client.next().await), "ringing");
    cut(&core).await;
    assert_eq!(kind(&Client::pipe(&core).await.next().await), "idle");
}
