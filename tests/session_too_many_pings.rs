//! gRPC's own servers end a connection that pings too often, and say so only
//! in passing. A box that does not learn from it is thrown out for ever; here
//! the server is one by other hands (Python's `grpcio`), and the appliance decides.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;
mod session_support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use appliance_support::{Rng, settings};
use callbox::appliance::Appliance;
use callbox::appliance::command::{Command as Told, SessionCommand};
use callbox::appliance::event::{CloseReason, Event, SessionEvent};
use callbox::appliance::settings::{KeepAlive, SessionSettings, Settings};
use session_support::{Session, plain};
use tokio::time::{sleep_until, timeout_at};

/// Takes one ping in three seconds; the third that comes sooner ends the connection.
const SERVER: &str = r#"
import grpc, time
from concurrent import futures
def pipe(messages, context):
    context.send_initial_metadata(())
    for message in messages:
        yield b""
options = [("grpc.http2.min_ping_interval_without_data_ms", 3000),
           ("grpc.http2.min_recv_ping_interval_without_data_ms", 3000),
           ("grpc.http2.max_ping_strikes", 2)]
server = grpc.server(futures.ThreadPoolExecutor(20), options=options)
handler = grpc.stream_stream_rpc_method_handler(pipe)
name = "wgtwo.webterminal.v0.WebTerminalService"
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Pipe": handler}),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
time.sleep(600)
"#;

struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn grpcio() -> Server {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/venv/bin/python");
    let mut command = Command::new(python);
    let mut child =
        command.args(["-c", SERVER]).stdout(Stdio::piped()).spawn().expect("no Python: run `make setup`");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Server(child, line.trim().parse().expect("grpcio does not start: run `make setup`"))
}

#[tokio::test]
async fn a_core_that_finds_pings_too_many_gets_half_as_many_until_it_bears_them() {
    let server = grpcio();
    let idle = KeepAlive { every: Duration::from_secs(1), timeout: Duration::from_secs(10) };
    let mut pipe = plain(format!("http://127.0.0.1:{}", server.1));
    pipe.keep_alive = idle;
    let Session { commands, mut events, .. } = Session::start(pipe);
    let session = SessionSettings { idle, ..SessionSettings::default() };
    let mut random = Rng(3);
    let mut appliance =
        Appliance::new(Settings { session, ..settings() }, Box::new(move || random.next()), Instant::now());
    let mut paces = Vec::new();
    let mut thrown_out = 0;
    let mut end = None;
    // Until it is borne for twenty seconds.
    loop {
        while let Some(command) = appliance.poll_command() {
            let Told::Session(command) = command else { continue };
            if let SessionCommand::KeepAlive(pace) = &command {
                paces.push(pace.every.as_secs());
            }
            commands.send(command).await.unwrap();
        }
        let due = tokio::time::Instant::from_std(appliance.poll_timeout().unwrap().0);
        let event = tokio::select! {
            event = timeout_at(end.unwrap_or(due + Duration::from_secs(3600)), events.recv()) => match event {
                Ok(event) => event.unwrap(),
                Err(_) => break,
            },
            () = sleep_until(due) => {
                appliance.handle_timeout(Instant::now());
                continue;
            }
        };
        match &event {
            SessionEvent::Opened => end = Some(tokio::time::Instant::now() + Duration::from_secs(20)),
            SessionEvent::Closed(closed) => {
                assert_eq!(closed.reason, CloseReason::TooManyPings, "{closed:?}");
                thrown_out += 1;
                assert!(thrown_out < 5, "it does not learn: {paces:?}");
                end = None;
            }
            SessionEvent::Sent | SessionEvent::Message(_) | SessionEvent::Unknown => {}
        }
        appliance.handle_event(Event::Session(event), Instant::now());
    }
    println!("thrown out {thrown_out} times, paces {paces:?}");
    assert_eq!(paces, [2, 4]);
}
