//! The native protocol: a command comes in, its answer goes out through the transport.

use std::sync::Arc;

use tracing::Instrument;

use super::{NewBody, Responder, Session};
use crate::{
    command::{Command, Request},
    error::Error,
    event::{Answer, Reply},
    ids::{ClientMessageId, RoomId},
};

impl Session {
    /// Carries out a command. Its answer, and the events it causes, go out through the transport.
    ///
    /// Commands handed over one after the other take effect in that order; for a message this
    /// returns before it is stored, so that many can be on their way.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have had its effect without an answer.
    pub async fn handle(&self, request: Request) {
        let Request { id, command } = request;
        let (user, session) = (self.user(), self.id());
        let name = command.name();
        let span = tracing::debug_span!("command", %user, %session, id, name);
        if let Some(result) = self.carry_out(id, command).instrument(span).await {
            self.send(Answer::new(id, result).into());
        }
    }

    /// What came of a command; `None` when that is told once the store has answered.
    async fn carry_out(&self, id: u64, command: Command) -> Option<Result<Reply, Error>> {
        Some(match command {
            Command::Hello { .. } => Err(Error::BadRequest("hello has been said".to_owned())),
            Command::Open { user } => self.open(&user).await.map(Reply::Room),
            Command::Rooms { after, limit } => self
                .rooms(after.as_ref(), limit)
                .await
                .map(|(rooms, more)| Reply::Rooms { rooms, more }),
            Command::Send {
                room,
                text,
                client_id,
            } => {
                let body = NewBody::Message(text);
                return self.pass_on(id, room, body, client_id).await;
            }
            Command::Edit {
                room,
                target,
                text,
                client_id,
            } => {
                let body = NewBody::Edit { target, text };
                return self.pass_on(id, room, body, client_id).await;
            }
            Command::Delete {
                room,
                target,
                client_id,
            } => {
                let body = NewBody::Delete { target };
                return self.pass_on(id, room, body, client_id).await;
            }
            Command::History { room, page, limit } => {
                self.history(&room, page, limit).await.map(Reply::History)
            }
            Command::Resume(cursor) => self
                .resume(cursor)
                .await
                .map(|cursor| Reply::Resumed { cursor }),
            Command::Receipt { room, mark, seq } => {
                self.receipt(&room, mark, seq).await.map(Reply::Receipt)
            }
            Command::Typing { room } => self.typing(&room).await.map(|()| Reply::Ok),
            Command::Presence { users } => self
                .presence(&users)
                .await
                .map(|users| Reply::Presence { users }),
            Command::Online => self
                .engine
                .online()
                .await
                .map(|users| Reply::Online { users }),
            Command::Ping => Ok(Reply::Pong),
        })
    }

    async fn pass_on(
        &self,
        id: u64,
        room: RoomId,
        body: NewBody,
        client_id: Option<ClientMessageId>,
    ) -> Option<Result<Reply, Error>> {
        let link = Arc::clone(&self.link);
        let done = Responder::new(move |result| {
            link.send(Answer::new(id, result.map(Reply::Sent)).into());
        });
        self.submit(&room, body, client_id, done).await;
        None
    }
}
