//! What descriptions do to a peer's lines: answers, offers, and those that cross.

use super::{Peer, Stage, out_of_order};
use crate::appliance::event::{MediaError, MediaEvent};
use crate::media::Codec;
use crate::media::connection::Connection;
use crate::media::line::{Line, Lines};
use crate::media::sdp::{Choice, Remote};

impl Peer {
    pub(super) async fn answer(&mut self) -> Result<(), MediaError> {
        let Stage::Checked(remote) = std::mem::replace(&mut self.stage, Stage::New) else {
            return Err(out_of_order("Answer"));
        };
        let (line, sdp) = self.answer_on_a_new_line(&remote).await?;
        self.up(line, None).await?;
        self.tell(MediaEvent::Answer { sdp }).await;
        Ok(())
    }

    pub(super) async fn start(&mut self, sdp: &str) -> Result<(), MediaError> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Offered(mut connection) => {
                let accepted = accept(&mut connection, sdp, &self.settings.codecs).await;
                let line = match accepted {
                    Ok(remote) => Line::new(connection, &remote),
                    Err(error) => {
                        self.stage = Stage::Offered(connection);
                        return Err(error);
                    }
                };
                self.up(line, None).await
            }
            // An offer of the far end overtook this answer to ours (glare,
            // early media), and now the call moves to where the answer says.
            Stage::Up(mut lines) => {
                if let Some(mut connection) = lines.offered.take() {
                    match accept(&mut connection, sdp, &self.settings.codecs).await {
                        Ok(remote) => lines.set_next(Some(Line::new(connection, &remote))),
                        Err(error) => {
                            self.disregard("a late answer", &error);
                            connection.close_later();
                        }
                    }
                }
                self.stage = Stage::Up(lines);
                Ok(())
            }
            stage @ (Stage::New | Stage::Checked(_)) => {
                self.stage = stage;
                Err(out_of_order("Start"))
            }
        }
    }

    /// An offer that cannot be read or answered changes nothing: the call goes on as it was.
    pub(super) async fn renegotiate(&mut self, sdp: &str) -> Result<(), MediaError> {
        if let Stage::New | Stage::Checked(_) = &self.stage {
            return Err(out_of_order("Renegotiate"));
        }
        let answered = match Remote::read(sdp, Choice::Ours(&self.settings.codecs)) {
            Ok(remote) => self.answer_again(&remote).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(sdp) => {
                self.apply()?;
                self.tell(MediaEvent::Answer { sdp }).await;
                self.listen().await;
            }
            Err(error) => self.disregard("an offer in mid-call", &error),
        }
        Ok(())
    }

    async fn answer_again(&mut self, remote: &Remote) -> Result<String, MediaError> {
        if let Stage::Up(lines) = &mut self.stage {
            let same = |line: &&mut Line| line.fingerprint == remote.fingerprint;
            if let Some(next) = lines.next.as_mut().filter(same) {
                return next.answer(remote).await;
            }
            if lines.current.fingerprint == remote.fingerprint {
                lines.set_next(None);
                return lines.current.answer(remote).await;
            }
        }
        // Our own offer was not answered yet, or the far end has moved to
        // another server, with which DTLS must begin anew.
        let (line, sdp) = self.answer_on_a_new_line(remote).await?;
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Up(mut lines) if lines.current.connected => {
                lines.set_next(Some(line));
                self.stage = Stage::Up(lines);
            }
            Stage::Up(lines) => {
                let Lines { current, next, offered } = *lines;
                for line in [Some(current), next].into_iter().flatten() {
                    line.connection.close_later();
                }
                self.up(line, offered).await?;
            }
            Stage::Offered(connection) => self.up(line, Some(connection)).await?,
            Stage::New | Stage::Checked(_) => self.up(line, None).await?,
        }
        Ok(sdp)
    }

    async fn answer_on_a_new_line(&mut self, remote: &Remote) -> Result<(Line, String), MediaError> {
        let connection = self.connect(remote.codec).await?;
        let mut line = Line::new(connection, remote);
        match line.answer(remote).await {
            Ok(sdp) => Ok((line, sdp)),
            Err(error) => {
                line.connection.close_later();
                Err(error)
            }
        }
    }

    /// The call has its first line, or the first that may become one.
    async fn up(&mut self, mut line: Line, offered: Option<Box<Connection>>) -> Result<(), MediaError> {
        line.connection.go_live();
        self.stage = Stage::Up(Box::new(Lines::new(line, offered)));
        self.apply()?;
        self.hand_out_leg().await;
        Ok(())
    }

    pub(super) fn disregard(&self, what: &str, error: &MediaError) {
        tracing::warn!(peer = self.id.0, detail = %error.detail, "{what} is disregarded");
    }
}

/// Applies an answer of the far end to our offer.
async fn accept(connection: &mut Connection, sdp: &str, codecs: &[Codec]) -> Result<Remote, MediaError> {
    let remote = Remote::read(sdp, Choice::Theirs(codecs))?;
    connection.accept(&remote).await?;
    Ok(remote)
}
