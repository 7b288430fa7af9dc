//! Which questions to the DNS are under way, and which wait.

use std::rc::Rc;

use glommio::sync::Semaphore;
use ringgate_proto::gate::Purpose;

use super::Resolve;
use crate::shard::Control;

/// Lookups that one shard has under way; further questions wait.
const LOOKUPS: usize = 512;
/// Of these for verifications at the most. Strangers choose their names, and a name whose servers are silent holds a
/// place for as long as the resolver tries.
const VERIFICATION_LOOKUPS: usize = LOOKUPS / 2;

/// The tasks that give each question to the resolver, one for each purpose.
pub(super) fn serve(control: Rc<Control>, resolver: Rc<dyn Resolve>) -> [impl Future<Output = ()> + 'static; 2] {
    let all = Rc::new(Semaphore::new(LOOKUPS as u64));
    [(Purpose::Delivery, LOOKUPS), (Purpose::Verification, VERIFICATION_LOOKUPS)].map(|(purpose, own)| {
        let line = Line { purpose, own: Rc::new(Semaphore::new(own as u64)), all: Rc::clone(&all) };
        line.serve(Rc::clone(&control), Rc::clone(&resolver))
    })
}

/// Questions of one purpose.
struct Line {
    purpose: Purpose,
    /// What this purpose may have of `all`.
    own: Rc<Semaphore>,
    all: Rc<Semaphore>,
}

impl Line {
    async fn serve(self, control: Rc<Control>, resolver: Rc<dyn Resolve>) {
        loop {
            let Ok(own) = self.own.acquire_static_permit(1).await else { return };
            let question = control.question(self.purpose).await;
            let Ok(place) = self.all.acquire_static_permit(1).await else { return };
            let (control, resolver) = (Rc::clone(&control), Rc::clone(&resolver));
            glommio::spawn_local(async move {
                let answer = resolver.lookup(&question).await;
                control.answer(question, answer);
                drop((own, place));
            })
            .detach();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::{Poll, Waker};

    use glommio::{LocalExecutorBuilder, Placement};
    use ringgate_proto::discover::{Answer, Question, RecordKind};
    use ringgate_proto::gate::ShardId;

    use super::*;
    use crate::shard::mailbox::Mailboxes;

    /// Knows `there.example`; is asking about everything else for ever.
    #[derive(Default)]
    struct Silent {
        /// One of each lookup under way: without it, the executor would take the task away.
        wakers: RefCell<Vec<Waker>>,
    }

    impl Resolve for Silent {
        fn lookup<'a>(&'a self, question: &'a Question) -> Pin<Box<dyn Future<Output = Answer> + 'a>> {
            Box::pin(async {
                if question.name == "there.example" {
                    return Answer::NoSuchName;
                }
                poll_fn(|context| {
                    self.wakers.borrow_mut().push(context.waker().clone());
                    Poll::Pending
                })
                .await
            })
        }
    }

    fn question(name: impl Into<String>) -> Question {
        Question { name: name.into(), kind: RecordKind::A }
    }

    /// DBK-22: names whose servers are silent fill all that verifications may have.
    #[test]
    fn verifications_of_silent_names_keep_no_delivery_waiting() {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(64 << 10).make().expect("executor");
        executor.run(async {
            let control = Rc::new(Control::new(Mailboxes::new(1).expect("mailboxes"), ShardId(0)));
            let resolver = Rc::new(Silent::default());
            for number in 0..2 * LOOKUPS {
                control.ask(question(format!("n{number}.invalid")), Purpose::Verification);
            }
            let tasks = serve(Rc::clone(&control), resolver.clone()).map(glommio::spawn_local);
            let settle = async || {
                for _ in 0..4 * LOOKUPS {
                    glommio::yield_if_needed().await;
                    futures_lite::future::yield_now().await;
                }
            };
            settle().await;
            assert_eq!(resolver.wakers.borrow().len(), VERIFICATION_LOOKUPS);
            assert_eq!(control.next_answer(), None);

            control.ask(question("there.example"), Purpose::Delivery);
            settle().await;
            assert_eq!(control.next_answer(), Some((question("there.example"), Answer::NoSuchName)));
            for number in 0..2 * LOOKUPS {
                control.ask(question(format!("d{number}.invalid")), Purpose::Delivery);
            }
            settle().await;
            assert_eq!(resolver.wakers.borrow().len(), LOOKUPS, "deliveries may have all that is left");
            for task in tasks {
                task.cancel().await;
            }
        });
    }
}
