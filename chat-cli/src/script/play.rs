//! Carries out the steps of a script: each user is a conversation of line mode, whose lines are kept.

use std::{fmt::Write as _, io, sync::Arc, time::Duration};

use chat_core::{RoomId, UserId};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use super::step::Step;
use crate::program::{
    conversation::Conversation,
    happened::{Outcome, Reader, Spot, Topic},
    input::{Input, Syntax, read},
    output::{Output, Transcript},
    target::Target,
};

/// The time that an expectation waits unless the script says otherwise.
const LIMIT: Duration = Duration::from_secs(5);

/// Typed lines that may wait for a conversation.
const INPUTS: usize = 64;

/// Past entries that a conversation begins with.
const LAST: usize = 20;

/// A script that is being played.
#[derive(Debug)]
pub(super) struct Play<'a> {
    target: &'a Target,
    users: Vec<User>,
    /// The user who acts.
    current: usize,
    limit: Duration,
}

/// A user in a script.
#[derive(Debug)]
struct User {
    name: UserId,
    inputs: mpsc::Sender<Input>,
    seen: Arc<Transcript>,
    /// The lines up to the last expected one.
    upto: usize,
    conversation: JoinHandle<io::Result<Outcome>>,
}

impl<'a> Play<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self {
            target,
            users: Vec::new(),
            current: 0,
            limit: LIMIT,
        }
    }

    /// Carries out one step.
    ///
    /// # Errors
    ///
    /// A sentence about the thing that was not as expected.
    pub(super) async fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Within(limit, None) => self.limit = limit,
            Step::Within(limit, Some(step)) => {
                let before = std::mem::replace(&mut self.limit, limit);
                let done = Box::pin(self.step(*step)).await;
                self.limit = before;
                return done;
            }
            Step::Wait(time) => sleep(time).await,
            Step::As(name, peer) => return self.act_as(name, peer).await,
            Step::Type(text) => {
                let limit = self.limit;
                return self.user()?.types(&text, limit).await;
            }
            Step::Expect(text) => {
                let limit = self.limit;
                return self.user()?.expects(&text, limit).await;
            }
            Step::Never(text) => return self.user()?.never(&text),
            Step::Leave => {
                self.user()?;
                let user = self.users.remove(self.current);
                self.current = usize::MAX;
                return user.leaves(self.limit).await;
            }
        }
        Ok(())
    }

    /// Lets all users leave.
    pub(super) async fn end(self) -> Result<(), String> {
        for user in self.users {
            user.leaves(self.limit).await?;
        }
        Ok(())
    }

    fn user(&mut self) -> Result<&mut User, String> {
        let user = self.users.get_mut(self.current);
        user.ok_or_else(|| "nobody is there; .as NAME says who acts".to_owned())
    }

    /// Goes on as a user, who comes if need be.
    async fn act_as(&mut self, name: UserId, peer: Option<UserId>) -> Result<(), String> {
        let known = self.users.iter().position(|user| user.name == name);
        if let Some(at) = known {
            self.current = at;
            return match peer {
                None => Ok(()),
                Some(peer) => {
                    self.users[at]
                        .types(&format!("/open {peer}"), self.limit)
                        .await
                }
            };
        }
        let user = User::comes(self.target, name, peer)?;
        self.users.push(user);
        self.current = self.users.len() - 1;
        let limit = self.limit;
        let user = self.user()?;
        let connected = user
            .sees(limit, |line| !line.contains("not connected"))
            .await;
        if connected.is_none() {
            let name = &user.name;
            return Err(user.report(&format!("{name} was not connected within {limit:?}")));
        }
        Ok(())
    }
}

impl User {
    fn comes(target: &Target, name: UserId, peer: Option<UserId>) -> Result<Self, String> {
        let client = target
            .connect(name.as_str())
            .map_err(|error| error.to_string())?;
        let start = peer.map(|peer| RoomId::direct(&name, &peer)).transpose();
        let start = start.map_err(|error| error.to_string())?;
        let topic = Topic {
            me: name.clone(),
            start: start.map(|room| Spot::of(room, &name)),
            reader: Reader::Person,
            last: LAST,
            patience: None,
            follow: false,
        };
        let (inputs, input) = mpsc::channel(INPUTS);
        let seen = Arc::new(Transcript::default());
        let output = Output::Kept(Arc::clone(&seen));
        let conversation = Conversation::new(topic, client, input, output);
        Ok(Self {
            name,
            inputs,
            seen,
            upto: 0,
            conversation: tokio::spawn(conversation.run()),
        })
    }

    async fn types(&mut self, text: &str, limit: Duration) -> Result<(), String> {
        let Some(input) = read(text, Syntax::Slash) else {
            return Ok(());
        };
        let end = Instant::now() + limit;
        match timeout_at(end, self.inputs.send(input)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.report(&format!("{} can't type any more", self.name))),
        }
    }

    async fn expects(&mut self, text: &str, limit: Duration) -> Result<(), String> {
        match self.sees(limit, |line| line.contains(text)).await {
            Some(at) => {
                self.upto = at + 1;
                Ok(())
            }
            None => Err(self.report(&format!(
                "{} did not see {text:?} within {limit:?}",
                self.name
            ))),
        }
    }

    /// Waits for a line after the last expected one.
    async fn sees(&mut self, limit: Duration, fits: impl Fn(&str) -> bool) -> Option<usize> {
        let end = Instant::now() + limit;
        let mut from = self.upto;
        loop {
            {
                let lines = self.seen.lines();
                if let Some(at) = lines.iter().skip(from).position(|line| fits(line)) {
                    return Some(from + at);
                }
                from = lines.len().max(from);
            }
            let is_over = self.conversation.is_finished();
            let news = timeout_at(end, self.seen.grown());
            // One who has left sees nothing more, but for what is there already.
            if is_over || news.await.is_err() {
                let lines = self.seen.lines();
                let at = lines.iter().skip(from).position(|line| fits(line));
                return at.map(|at| from + at);
            }
        }
    }

    fn never(&self, text: &str) -> Result<(), String> {
        let line = self
            .seen
            .lines()
            .iter()
            .find(|line| line.contains(text))
            .cloned();
        match line {
            None => Ok(()),
            Some(line) => Err(format!("{} saw {text:?}:\n  | {line}", self.name)),
        }
    }

    /// Ends the input, and waits until all of it is answered.
    async fn leaves(mut self, limit: Duration) -> Result<(), String> {
        let (inputs, _) = mpsc::channel(1);
        // Without its sender, the conversation sees the end of its input.
        drop(std::mem::replace(&mut self.inputs, inputs));
        let end = Instant::now() + limit;
        let name = &self.name;
        let why = match timeout_at(end, &mut self.conversation).await {
            Err(_) => {
                self.conversation.abort();
                format!("{name} could not leave within {limit:?}: something has no answer")
            }
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Ok(Ok(Outcome::Left))) => return Ok(()),
            Ok(Ok(Ok(Outcome::Unsent(count)))) => {
                format!("{count} messages of {name} were not sent")
            }
            Ok(Ok(Ok(Outcome::Lost(why)))) => format!("the server was lost to {name}: {why}"),
        };
        Err(self.report(&why))
    }

    /// A failure, with the lines after the last expected one.
    fn report(&self, why: &str) -> String {
        let lines = self.seen.lines();
        let mut report = why.to_owned();
        match &lines[self.upto.min(lines.len())..] {
            [] => report.push_str("; no line came after the last expected one"),
            lines => {
                report.push_str("; after the last expected line came:");
                for line in lines {
                    let _ = write!(report, "\n  | {line}");
                }
            }
        }
        report
    }
}
