//! Between a shard and the tasks on its thread: questions for the resolver, and its answers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use ringgate_proto::discover::{Answer, Question};
use ringgate_proto::gate::{Purpose, ShardId};

use super::mailbox::Mailboxes;

/// Questions of one purpose that wait for the resolver; further ones are answered with [`Answer::Failed`] at once.
pub const QUESTIONS_WAITING: usize = 4_096;

/// Where questions of one purpose wait.
#[derive(Default)]
struct Desk {
    questions: RefCell<VecDeque<Question>>,
    resolver: RefCell<Option<Waker>>,
}

/// The desks where a shard leaves questions; lives on the shard's thread.
pub struct Control {
    deliveries: Desk,
    verifications: Desk,
    answers: RefCell<VecDeque<(Question, Answer)>>,
    /// A task was woken since the driver last looked: it should let it run.
    woken: Cell<bool>,
    mailboxes: Arc<Mailboxes>,
    shard: ShardId,
}

impl Control {
    pub(super) fn new(mailboxes: Arc<Mailboxes>, shard: ShardId) -> Self {
        Self {
            deliveries: Desk::default(),
            verifications: Desk::default(),
            answers: RefCell::default(),
            woken: Cell::new(false),
            mailboxes,
            shard,
        }
    }

    /// The next question of this purpose, as soon as there is one. One task waits here for each.
    pub async fn question(&self, purpose: Purpose) -> Question {
        let desk = self.desk(purpose);
        poll_fn(|context| match desk.questions.borrow_mut().pop_front() {
            Some(question) => Poll::Ready(question),
            None => {
                desk.resolver.replace(Some(context.waker().clone()));
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

    fn desk(&self, purpose: Purpose) -> &Desk {
        match purpose {
            Purpose::Delivery => &self.deliveries,
            Purpose::Verification => &self.verifications,
        }
    }

    pub(super) fn ask(&self, question: Question, purpose: Purpose) {
        let desk = self.desk(purpose);
        let mut questions = desk.questions.borrow_mut();
        if questions.len() >= QUESTIONS_WAITING {
            drop(questions);
            return self.answers.borrow_mut().push_back((question, Answer::Failed));
        }
        questions.push_back(question);
        drop(questions);
        if let Some(waker) = desk.resolver.take() {
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
    fn questions_beyond_the_bound_fail_at_once_and_those_of_the_other_purpose_do_not() {
        let control = control();
        (0..=QUESTIONS_WAITING).for_each(|number| control.ask(question(number), Purpose::Verification));
        assert_eq!(control.next_answer(), Some((question(QUESTIONS_WAITING), Answer::Failed)));
        control.ask(question(0), Purpose::Delivery);
        assert_eq!(control.next_answer(), None);
        assert_eq!(control.verifications.questions.borrow().len(), QUESTIONS_WAITING);
    }

    #[test]
    fn waiting_resolver_is_woken_by_a_question() {
        let control = control();
        let mut waiting = std::pin::pin!(control.question(Purpose::Delivery));
        let mut context = std::task::Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        control.ask(question(1), Purpose::Delivery);
        assert!(control.take_woken());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(question(1)));
    }
}
