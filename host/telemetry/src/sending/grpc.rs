//! Over gRPC.

use super::{
    AGENT, ASK_IT, Answer, LESS, NOT_LET_IN, NOT_THERE, Request, Trouble, line::Line, retry_info,
    taken,
};
use crate::{TelemetryError, exporter::Pem, plan::Collector};
use std::error::Error as _;
use tonic::{Code, Status, metadata::MetadataMap, transport::Channel};

pub(crate) struct Grpc {
    line: Line,
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
        Ok(Self { line: Line::new(endpoint), headers, gzip: collector.gzip })
    }

    pub(super) async fn send<R: Request>(&self, request: R) -> Answer {
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = self.headers.clone();
        let listening = self.line.listen();
        match R::over_grpc(self.line.channel(), self.gzip, request).await {
            Ok(response) => {
                listening.hear();
                taken(R::rejected(response.into_inner()))
            }
            Err(status) => {
                // What has a source was made up here, of what went wrong on the way.
                if status.source().is_none() {
                    listening.hear();
                }
                of_status(&status, R::NO_PIPELINE)
            }
        }
    }
}

/// Whether a request was refused for its size, which gRPC has no code of its own for: Go, C and Java say that there is no room
/// for it, Rust that it is out of range, and a proxy between that its content is too large.
fn is_too_large(status: &Status) -> bool {
    const WORDS: [&str; 3] = ["larger than max", "length too large", "exceeds maximum size"];
    let has = |word: &&str| status.message().contains(*word);
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange => WORDS.iter().any(has),
        Code::Unknown => has(&"HTTP status code 413"),
        _ => false,
    }
}

/// As OTLP has it: which codes ask for another try. Who has no room is asked again only if it says when.
fn of_status(status: &Status, no_pipeline: &'static str) -> Answer {
    let why = match status.message() {
        "" => format!("{:?}", status.code()),
        message => format!("{:?}: {message}", status.code()),
    };
    if is_too_large(status) {
        return Answer::TooLarge(Trouble { why, remedy: LESS });
    }
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
    fn a_request_that_is_too_large_is_known_by_what_servers_say_of_it() {
        for (code, message) in [
            (Code::ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"),
            (Code::OutOfRange, "Error, decoded message length too large: found 5 bytes"),
            (Code::ResourceExhausted, "gRPC message exceeds maximum size 4: 5"),
            (Code::Unknown, "grpc-status header missing, mapped from HTTP status code 413"),
        ] {
            let answer = of_status(&Status::new(code, message), "");
            assert!(matches!(answer, Answer::TooLarge(_)), "{message}: {answer:?}");
        }
        let other = of_status(&Status::new(Code::ResourceExhausted, "over quota"), "");
        assert!(matches!(other, Answer::Refused(_)), "{other:?}");
    }
}
