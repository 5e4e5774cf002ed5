//! The native protocol: a command comes in, its answer goes out through the transport.

use std::sync::Arc;

use super::{NewBody, Responder, Session};
use crate::{
    command::{Command, Request},
    error::Error,
    event::{Answer, Reply},
    frame::Frame,
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
        let result = match command {
            Command::Send {
                room,
                text,
                client_id,
            } => {
                return self
                    .pass_on(id, room, NewBody::Message(text), client_id)
                    .await;
            }
            Command::Edit {
                room,
                target,
                text,
                client_id,
            } => {
                return self
                    .pass_on(id, room, NewBody::Edit { target, text }, client_id)
                    .await;
            }
            Command::Delete {
                room,
                target,
                client_id,
            } => {
                return self
                    .pass_on(id, room, NewBody::Delete { target }, client_id)
                    .await;
            }
            command => self.ask(command).await,
        };
        self.send(Answer::from((id, result)).into());
    }

    async fn ask(&self, command: Command) -> Result<Reply, Error> {
        Ok(match command {
            Command::Open { user } => Reply::Room(self.open(&user).await?),
            Command::Rooms { after, limit } => {
                let (rooms, more) = self.rooms(after.as_ref(), limit).await?;
                Reply::Rooms { rooms, more }
            }
            Command::History { room, page, limit } => {
                Reply::History(self.history(&room, page, limit).await?)
            }
            Command::Resume(cursor) => Reply::Resumed {
                cursor: self.resume(cursor).await?,
            },
            Command::Receipt { room, mark, seq } => {
                Reply::Receipt(self.receipt(&room, mark, seq).await?)
            }
            Command::Typing { room } => {
                self.typing(&room).await?;
                Reply::Ok
            }
            Command::Presence { users } => Reply::Presence {
                users: self.presence(&users).await?,
            },
            Command::Online => Reply::Online {
                users: self.engine.online().await?,
            },
            Command::Ping => Reply::Pong,
            Command::Hello { .. } => {
                return Err(Error::BadRequest("hello has been said".to_owned()));
            }
            Command::Send { .. } | Command::Edit { .. } | Command::Delete { .. } => Reply::Ok,
        })
    }

    async fn pass_on(
        &self,
        id: u64,
        room: RoomId,
        body: NewBody,
        client_id: Option<ClientMessageId>,
    ) {
        let link = Arc::clone(&self.link);
        let done = Responder::new(move |result| {
            link.send(Frame::from(Answer::from((id, result.map(Reply::Sent)))));
        });
        self.submit(&room, body, client_id, done).await;
    }
}
