//! Between a shard and the tasks on its thread: questions for the resolver, and its answers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use ringgate_proto::discover::{Answer, Question};
use ringgate_proto::gate::ShardId;

use super::mailbox::Mailboxes;

/// Questions that wait for the resolver; further ones are answered with [`Answer::Failed`] at once.
pub const QUESTIONS_WAITING: usize = 4_096;

/// The desk where a shard leaves questions; lives on the shard's thread.
pub struct Control {
    questions: RefCell<VecDeque<Question>>,
    answers: RefCell<VecDeque<(Question, Answer)>>,
    resolver: RefCell<Option<Waker>>,
    /// A task was woken since the driver last looked: it should let it run.
    woken: Cell<bool>,
    mailboxes: Arc<Mailboxes>,
    shard: ShardId,
}

impl Control {
    pub(super) fn new(mailboxes: Arc<Mailboxes>, shard: ShardId) -> Self {
        Self {
            questions: RefCell::default(),
            answers: RefCell::default(),
            resolver: RefCell::default(),
            woken: Cell::new(false),
            mailboxes,
            shard,
        }
    }

    /// The next question, as soon as there is one. One task waits here.
    pub async fn question(&self) -> Question {
        poll_fn(|context| match self.questions.borrow_mut().pop_front() {
            Some(question) => Poll::Ready(question),
            None => {
                self.resolver.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }

    /// Answers a question; the shard sees it in its next tick, and is woken for it.
    pub fn answer(&self, question: Question, answer: Answer) {
        self.answers.borrow_mut().push_back((question, answer));
        if let Some(mailbox) = self.mailboxes.get(self.shard) {
            mailbox.rouse();
        }
    }

    pub(super) fn ask(&self, question: Question) {
        let mut questions = self.questions.borrow_mut();
        if questions.len() >= QUESTIONS_WAITING {
            drop(questions);
            return self.answers.borrow_mut().push_back((question, Answer::Failed));
        }
        questions.push_back(question);
        drop(questions);
        if let Some(waker) = self.resolver.take() {
            self.woken.set(true);
            waker.wake();
        }
    }

    pub(super) fn next_answer(&self) -> Option<(Question, Answer)> {
        self.answers.borrow_mut().pop_front()
    }

    pub(super) fn has_answers(&self) -> bool {
        !self.answers.borrow().is_empty()
    }

    /// A task may have been woken.
    pub(super) fn note_woken(&self) {
        self.woken.set(true);
    }

    /// Whether a task was woken since the last call.
    pub(super) fn take_woken(&self) -> bool {
        self.woken.take()
    }
}

#[cfg(test)]
mod tests {
    use ringgate_proto::discover::RecordKind;

    use super::*;

    fn control() -> Control {
        Control::new(Mailboxes::new(1).expect("mailboxes"), ShardId(0))
    }

    fn question(number: usize) -> Question {
        Question { name: format!("host{number}.example"), kind: RecordKind::A }
    }

    #[test]
    fn questions_beyond_the_bound_fail_at_once() {
        let control = control();
        (0..=QUESTIONS_WAITING).for_each(|number| control.ask(question(number)));
        assert_eq!(control.next_answer(), Some((question(QUESTIONS_WAITING), Answer::Failed)));
        assert_eq!(control.next_answer(), None);
        assert_eq!(control.questions.borrow().len(), QUESTIONS_WAITING);
    }

    #[test]
    fn waiting_resolver_is_woken_by_a_question() {
        let control = control();
        let mut waiting = std::pin::pin!(control.question());
        let mut context = std::task::Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        control.ask(question(1));
        assert!(control.take_woken());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(question(1)));
    }
}
