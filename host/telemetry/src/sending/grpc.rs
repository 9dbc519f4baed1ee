//! Over gRPC.

use super::{
    AGENT, ASK_IT, Answer, NOT_LET_IN, NOT_THERE, Request, Trouble, kept, retry_info, taken,
};
use crate::{TelemetryError, exporter::Pem, plan::Collector};
use tonic::{Code, Status, metadata::MetadataMap, transport::Channel};

pub(crate) struct Grpc {
    channel: Channel,
    headers: MetadataMap,
    gzip: bool,
}

impl Grpc {
    pub(super) fn open(collector: &Collector, pem: &Pem) -> Result<Self, TelemetryError> {
        let wrong = |error: tonic::transport::Error| TelemetryError::Exporter(Box::new(error));
        let mut endpoint = Channel::from_shared(collector.endpoint.full())
            .map_err(|error| TelemetryError::Exporter(Box::new(error)))?
            .user_agent(AGENT)
            .map_err(wrong)?;
        if collector.endpoint.is_secure() {
            endpoint = endpoint.tls_config(pem.for_grpc()).map_err(wrong)?;
        }
        let headers = MetadataMap::from_headers(collector.headers.clone());
        Ok(Self { channel: endpoint.connect_lazy(), headers, gzip: collector.gzip })
    }

    pub(super) async fn send<R: Request>(&self, request: R) -> Answer {
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = self.headers.clone();
        match R::over_grpc(self.channel.clone(), self.gzip, request).await {
            Ok(response) => taken(R::rejected(response.into_inner())),
            Err(status) => of_status(&status, R::NO_PIPELINE),
        }
    }
}

/// As OTLP has it: which codes ask for another try. Who has no room is asked again only if it says when.
fn of_status(status: &Status, no_pipeline: &'static str) -> Answer {
    let why = match status.message() {
        "" => format!("{:?}", status.code()),
        message => format!("{:?}: {}", status.code(), kept(message)),
    };
    let remedy = match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => NOT_THERE,
        Code::Unimplemented | Code::NotFound => no_pipeline,
        Code::Unauthenticated | Code::PermissionDenied => NOT_LET_IN,
        _ => ASK_IT,
    };
    let (trouble, after) = (Trouble { why, remedy }, retry_info::after(status.details()));
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => Answer::Later { after, trouble },
        Code::ResourceExhausted if after.is_some() => Answer::Later { after, trouble },
        _ => Answer::Refused(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sending::SAID_LIMIT;

    #[test]
    fn what_may_pass_is_tried_again_and_what_stays_is_not() {
        for (code, later) in [
            (Code::Unavailable, true),
            (Code::DeadlineExceeded, true),
            (Code::DataLoss, true),
            (Code::ResourceExhausted, false),
            (Code::Unimplemented, false),
            (Code::InvalidArgument, false),
            (Code::Unauthenticated, false),
        ] {
            let answer = of_status(&Status::new(code, "x"), "");
            assert_eq!(matches!(answer, Answer::Later { .. }), later, "{code:?}");
        }
    }

    #[test]
    fn who_has_no_room_and_says_when_to_come_back_is_asked_then() {
        let seconds = std::time::Duration::from_secs;
        for (code, expected) in [
            (Code::ResourceExhausted, Some(seconds(3))),
            (Code::Unavailable, Some(seconds(3))),
            (Code::InvalidArgument, None),
        ] {
            let status = Status::with_details(code, "x", retry_info::saying(3, 0).into());
            let after = match of_status(&status, "") {
                Answer::Later { after, .. } => after,
                _ => None,
            };
            assert_eq!(after, expected, "{code:?}");
        }
    }

    #[test]
    fn a_collector_without_a_pipeline_is_told_from_one_that_lets_nobody_in() {
        let remedy = |status| match of_status(&status, "no pipeline") {
            Answer::Refused(Trouble { remedy, .. }) => remedy,
            other => panic!("{other:?}"),
        };
        assert_eq!(remedy(Status::unimplemented("")), "no pipeline");
        assert_eq!(remedy(Status::unauthenticated("no")), NOT_LET_IN);
    }

    #[test]
    fn what_a_collector_says_of_a_failure_is_kept_within_bounds() {
        let long = Status::internal("x".repeat(100_000));
        let Answer::Refused(Trouble { why, .. }) = of_status(&long, "") else {
            panic!("an internal error is none that passes");
        };
        assert!((SAID_LIMIT / 2..2 * SAID_LIMIT).contains(&why.len()), "{}", why.len());
    }
}
