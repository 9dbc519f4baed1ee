//! Wakes the task of a handler when its state is to be saved.

use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer, which is set anew only when what is due has changed: most events change nothing about it.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
    set: Option<Instant>,
}

/// What is known without a look at the clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When it is time; none: it will not be.
    pub(super) due: Option<Instant>,
    /// A moment that is over.
    pub(super) last: Option<Instant>,
}

impl Alarm {
    /// Whether it is time. `visited`: the task is not who asks; it is woken when it is time.
    pub(super) fn is_over(&mut self, times: Times, visited: bool, cx: &mut Context<'_>) -> bool {
        let Some(due) = times.due else { return false };
        if times.last.is_some_and(|last| last >= due) {
            return true;
        }
        let is_set = self.set.replace(due) == Some(due);
        if is_set && visited {
            return false;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if !is_set {
            timer.as_mut().reset(due);
        }
        matches!(timer.as_mut().poll(cx), Poll::Ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{task::Waker, time::Duration};
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_it_is_due_whoever_set_it() {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut alarm, due) = (Alarm::default(), Instant::now() + Duration::from_secs(10));
        let times = Times { due: Some(due), last: None };
        assert!(!alarm.is_over(Times { due: None, ..times }, false, &mut cx));
        assert!(!alarm.is_over(times, true, &mut cx), "a visitor sets it");
        advance(Duration::from_secs(10)).await;
        assert!(!alarm.is_over(times, true, &mut cx), "and leaves it to the task");
        assert!(alarm.is_over(times, false, &mut cx));
        let last = Some(due);
        assert!(alarm.is_over(Times { last, ..times }, true, &mut cx), "it is known to be over");
        let later = Times { due: Some(due + Duration::from_secs(1)), last: None };
        assert!(!alarm.is_over(later, false, &mut cx), "it is set anew");
        advance(Duration::from_secs(1)).await;
        assert!(alarm.is_over(later, false, &mut cx));
    }
}
