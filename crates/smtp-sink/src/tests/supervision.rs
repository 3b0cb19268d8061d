//! Failures of the tasks of a sink, without a supervisor and with one.

use futures_util::future::BoxFuture;

use tokio::sync::watch;

use super::*;
use crate::supervision::{NextFailure, RunOnce, StartTask, TaskSupervisor};

/// Runs each task once, except that the task with this name panics at once, or is reported to be down.
enum Host {
    Panics(&'static str),
    IsDown(&'static str),
}

impl TaskSupervisor for Host {
    fn run(
        &self,
        task: &'static str,
        stop: watch::Receiver<bool>,
        start: StartTask,
    ) -> BoxFuture<'_, Result<(), TaskFailed>> {
        let start = match self {
            Self::Panics(name) if *name == task => {
                Box::new(|| -> BoxFuture<'static, _> { Box::pin(async { panic!("injected") }) })
            }
            _ => start,
        };
        RunOnce.run(task, stop, start)
    }

    fn watch(
        &self,
        task: &'static str,
        stop: watch::Receiver<bool>,
        next_failure: NextFailure,
    ) -> BoxFuture<'_, ()> {
        RunOnce.watch(task, stop, next_failure)
    }

    fn down(&self) -> Option<&'static str> {
        match self {
            Self::Panics(_) => None,
            Self::IsDown(name) => Some(name),
        }
    }
}

async fn bound() -> BoundSink {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Sink::builder().listen(any).web(any).bind().await.unwrap()
}

#[tokio::test]
async fn a_task_that_fails_ends_the_sink_with_an_error() {
    for task in ["sink-smtp", "sink-inbox"] {
        let sink = bound().await.supervised_by(Arc::new(Host::Panics(task)));
        let (smtp, web) = (sink.smtp_addr(), sink.web_addr().unwrap());
        let failed = sink.run(None, std::future::pending()).await.unwrap_err();
        assert_eq!(
            failed.to_string(),
            format!("task {task} failed: it panicked: injected")
        );
        for port in [smtp, web] {
            assert!(TcpStream::connect(port).is_err(), "{port} is still open");
        }
    }
}

#[tokio::test]
async fn a_panic_of_the_callback_loses_no_later_message() {
    let sink = bound().await;
    let smtp = sink.smtp_addr();
    let (shown, messages) = channel();
    let mut count = 0;
    let on_message = move |message: Option<&Arc<ReceivedMessage>>| {
        count += 1;
        assert!(count > 1, "the first message");
        shown.send(message.unwrap().source.clone()).unwrap();
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(sink.run(Some(Box::new(on_message)), async {
        let _ = stopped.await;
    }));
    let sent = spawn_blocking(move || {
        for source in ["1\r\n", "2\r\n"] {
            let mut stream = TcpStream::connect(smtp).unwrap();
            stream.write_all(mail("a@b", source).as_bytes()).unwrap();
            stream.read_to_string(&mut String::new()).unwrap();
        }
        messages.recv().unwrap()
    });
    assert_eq!(sent.await.unwrap(), "2\r\n");
    drop(stop);
    assert_eq!(running.await.unwrap().unwrap().received, 2);
}

#[tokio::test]
async fn readiness_names_a_task_that_is_down() {
    let sink = bound()
        .await
        .supervised_by(Arc::new(Host::IsDown("sink-smtp")));
    let web = sink.web_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(sink.run(None, async {
        let _ = stopped.await;
    }));
    let status = spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let answer = agent.get(format!("http://{web}/readyz")).call().unwrap();
        let (head, mut body) = answer.into_parts();
        (head.status.as_u16(), body.read_to_string().unwrap())
    });
    let (status, text) = status.await.unwrap();
    assert_eq!(status, 503);
    assert!(text.contains("sink-smtp"), "{text}");
    drop(stop);
    running.await.unwrap().unwrap();
}
