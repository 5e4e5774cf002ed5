//! The answers to the questions of users and scripts.

use chat_cli::{Client, RequestError};
use chat_core::{UserId, command};

use super::{command::Question, shown::Shown};

impl Question {
    /// The answer.
    pub(crate) async fn ask(self, client: Client) -> Result<Shown, RequestError> {
        match self {
            Self::Online => {
                let online = client.online().await?;
                let names: Vec<_> = online.iter().map(UserId::as_str).collect();
                Ok(Shown::Note(format!("online: {}", names.join(", "))))
            }
            Self::Block(user) => {
                client.ask(command::Block { user: user.clone() }).await?;
                Ok(Shown::Block {
                    user,
                    blocked: true,
                })
            }
            Self::Unblock(user) => {
                client.ask(command::Unblock { user: user.clone() }).await?;
                Ok(Shown::Block {
                    user,
                    blocked: false,
                })
            }
            Self::Blocks => {
                let mut users: Vec<UserId> = Vec::new();
                loop {
                    let (after, limit) = (users.last().cloned(), None);
                    let page = client.ask(command::Blocks { after, limit }).await?;
                    users.extend(page.blocks.into_iter().map(|block| block.user));
                    if !page.more {
                        return Ok(Shown::Blocks { users });
                    }
                }
            }
        }
    }
}
