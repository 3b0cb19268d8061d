//! Supervision of the tasks of a sink by the supervisor of the process, which also injects the faults of tests.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use movie_bag_core::supervisor::Supervisor;
use movie_bag_smtp_sink::supervision::{NextFailure, StartTask, TaskFailed, TaskSupervisor};

/// Runs the tasks of a sink under a [`Supervisor`]. The process ends when the supervisor gives up, so that no task failure
/// reaches the sink.
pub(in crate::cli) struct SinkTasks(Supervisor);

impl SinkTasks {
    pub(in crate::cli) fn new(supervisor: &Supervisor) -> Arc<Self> {
        Arc::new(Self(supervisor.clone()))
    }
}

impl TaskSupervisor for SinkTasks {
    fn run(
        &self,
        task: &'static str,
        stop: watch::Receiver<bool>,
        start: StartTask,
    ) -> BoxFuture<'_, Result<(), TaskFailed>> {
        Box::pin(async move {
            self.0.run(task, stop, start).await;
            Ok(())
        })
    }

    fn watch(
        &self,
        task: &'static str,
        stop: watch::Receiver<bool>,
        mut next_failure: NextFailure,
    ) -> BoxFuture<'_, ()> {
        let next_cause = move || {
            let failure = next_failure();
            async {
                failure
                    .await
                    .unwrap_or_else(|| "its thread has ended".to_owned())
            }
        };
        Box::pin(self.0.watch(task, stop, next_cause))
    }

    fn down(&self) -> Option<&'static str> {
        self.0.down()
    }
}
