//! A line on the control socket, from whoever may open it.

use callbox::control::protocol::{Answer, LONGEST_LINE, Request};
use callbox::control::server::serve_client;
use callbox::handle::detached;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::panel::runtime;
use super::terminal::config;

pub fn run(data: &[u8]) {
    let asked = serde_json::from_slice::<Request>(data).ok();
    // Whoever follows does so until it leaves.
    let follows = matches!(asked, Some(Request::Events { follow: true }));
    let said = runtime().block_on(async {
        let (handle, mut asks, _edges) = detached(&config(1));
        let (mut near, far) = UnixStream::pair().unwrap();
        let answers = async {
            while let Some(ask) = asks.recv().await {
                // Whoever asked may have left.
                let _ = ask.reply.send(Ok(()));
            }
        };
        let client = async {
            // The box may answer and leave before it has read all.
            let _ = near.write_all(data).await;
            let _ = near.shutdown().await;
            let mut said = Vec::new();
            near.read_to_end(&mut said).await.unwrap_or_default();
            said
        };
        tokio::select! {
            (served, said) = async { tokio::join!(serve_client(far, &handle), client) } => {
                served.unwrap_or_default();
                said
            }
            () = answers => unreachable!("the handle is here"),
        }
    });
    assert!(!said.is_empty() || follows || data.is_empty(), "no answer");
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.len() <= LONGEST_LINE, "a line of {} bytes", line.len());
        serde_json::from_slice::<Answer>(line).expect("an answer that no client reads");
    }
}
