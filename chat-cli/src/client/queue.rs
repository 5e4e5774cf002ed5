//! Requests that wait: messages in the order of the calls, and questions. No input or output.

use std::{collections::VecDeque, time::Duration};

use chat_core::{Command, ErrorBody, ErrorCode, Reply};
use tokio::time::Instant;

use super::request::{Message, Question};
use crate::error::{ClientError, RequestError};

/// The wait before another try when the server names none.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The longest wait that is taken from a server.
const LONGEST: Duration = Duration::from_mins(1);

/// Tries of a message whose outcome is unknown, or for which the server is too busy.
const TRIES: u32 = 5;

/// All requests of the client that have no answer yet, but for the questions on their way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The first one may be on its way; it stays here until its answer.
    messages: VecDeque<Message>,
    questions: VecDeque<Question>,
}

impl Queue {
    pub(super) fn push_message(&mut self, message: Message) {
        self.messages.push_back(message);
    }

    pub(super) fn push_question(&mut self, question: Question) {
        self.questions.push_back(question);
    }

    /// The message to send before any other.
    pub(super) fn first_message(&self) -> Option<&Command> {
        self.messages.front().map(|message| &message.command)
    }

    /// Takes the answer to the first message. The message stays the first, to be sent again after
    /// the returned wait, when its outcome is unknown or the server can't take it now.
    pub(super) fn answer_message(&mut self, result: Result<Reply, ErrorBody>) -> Option<Duration> {
        let mut message = self.messages.pop_front()?;
        let answer = match result {
            Ok(Reply::Sent(sent)) => Ok(sent),
            Ok(_) => Err(RequestError::Mismatch),
            Err(error) => {
                message.tries += 1;
                let again = match ErrorCode::from_code(error.code) {
                    // An overloaded server stored nothing now, but may have on an earlier try.
                    Some(ErrorCode::OutcomeUnknown | ErrorCode::Overloaded) => {
                        message.tries < TRIES
                    }
                    Some(ErrorCode::ShuttingDown) => true,
                    _ => false,
                };
                if again {
                    self.messages.push_front(message);
                    let wait = error.retry_after_ms.map_or(RETRY, Duration::from_millis);
                    return Some(wait.min(LONGEST));
                }
                Err(RequestError::Refused(error))
            }
        };
        let _ = message.done.send(answer);
        None
    }

    pub(super) fn next_question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// Takes back questions that a lost connection did not answer, oldest first.
    pub(super) fn put_back(&mut self, unanswered: Vec<Question>) {
        for question in unanswered.into_iter().rev() {
            self.questions.push_front(question);
        }
    }

    /// The time at which the next question runs out of time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.questions
            .iter()
            .map(|question| question.deadline)
            .min()
    }

    /// Answers the questions whose time is up.
    pub(super) fn expire(&mut self, now: Instant) {
        let late = |question: &Question| question.deadline <= now;
        while let Some(at) = self.questions.iter().position(late) {
            if let Some(question) = self.questions.remove(at) {
                question.time_out();
            }
        }
    }

    /// Answers everything: the client has ended.
    pub(super) fn end(self, error: &ClientError) {
        let ended = || RequestError::Ended(error.clone());
        for message in self.messages {
            let _ = message.done.send(Err(ended()));
        }
        for question in self.questions {
            let _ = question.done.send(Err(ended()));
        }
    }
}
