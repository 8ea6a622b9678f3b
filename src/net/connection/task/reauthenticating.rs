//! Driving [`Reauthentication`] on a connection that serves.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tracing::debug;

use super::{ConnectionEnd, Serving};
use crate::error::{Error, ErrorKind};
use crate::net::handshake::AuthenticationStep;
use crate::net::reauthentication::{GrantedSession, Reauthentication, ReauthenticationWork};
use crate::runtime;

impl Serving<'_> {
    /// Re-authenticates when that is due; ready when something has changed.
    pub(super) fn poll_reauthentication(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionEnd>> {
        let now = runtime::now();
        match &mut self.reauthentication {
            Reauthentication::Waiting { at, session } if *at <= now => {
                let session = *session;
                self.prepare(session);
            }
            Reauthentication::Preparing { session, .. } if session.ends <= now => {
                return Poll::Ready(Err(ConnectionEnd::new(
                    ErrorKind::Authentication,
                    "the session has ended before there was a new token",
                )));
            }
            Reauthentication::Preparing { start, session } => {
                match (ready!(start.as_mut().poll(cx)), *session) {
                    (Ok(authentication), _) => {
                        self.reauthentication = Reauthentication::Draining(authentication)
                    }
                    (Err(error), session) => match Reauthentication::retry(session, now) {
                        Some(retry) => {
                            debug!(
                                address = %self.shared.address,
                                %error,
                                "cannot authenticate anew yet",
                            );
                            self.reauthentication = retry;
                        }
                        None => return Poll::Ready(Err(ConnectionEnd(error))),
                    },
                }
            }
            Reauthentication::Draining(_)
                if self.inflight.is_empty() && self.outgoing.is_empty() =>
            {
                self.exchange(now)?;
            }
            Reauthentication::Exchanging { deadline, .. } if *deadline <= now => {
                return Poll::Ready(Err(ConnectionEnd::new(
                    ErrorKind::Timeout,
                    "the broker did not finish the new authentication in time",
                )));
            }
            Reauthentication::Exchanging { authentication, work: work @ Some(_), .. } => {
                let Some(ReauthenticationWork { done, reply }) = work else { return Poll::Pending };
                ready!(done.as_mut().poll(cx));
                let step = authentication.handle_reply(reply).map_err(ConnectionEnd)?;
                *work = None;
                self.take_authentication_step(step);
            }
            Reauthentication::Never
            | Reauthentication::Waiting { .. }
            | Reauthentication::Draining(_)
            | Reauthentication::Exchanging { .. } => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }

    /// Asks for what it takes to authenticate, such as a new token.
    fn prepare(&mut self, session: GrantedSession) {
        let (setup, address) = (self.setup.clone(), self.shared.address.clone());
        let start = Box::pin(async move {
            let authentication = setup.security.authentication(&address, &setup.client_id).await?;
            authentication.ok_or_else(no_mechanism)
        });
        self.reauthentication = Reauthentication::Preparing { start, session };
    }

    /// Says the first word of the new authentication: all that was asked before is answered.
    fn exchange(&mut self, now: Instant) -> Result<(), ConnectionEnd> {
        let Reauthentication::Draining(mut authentication) =
            std::mem::replace(&mut self.reauthentication, Reauthentication::Never)
        else {
            return Ok(());
        };
        let step = authentication.start(&self.versions).map_err(ConnectionEnd)?;
        self.reauthentication = Reauthentication::Exchanging {
            authentication,
            deadline: now + self.setup.setup_timeout,
            used: self.used,
            work: None,
        };
        self.take_authentication_step(step);
        Ok(())
    }

    pub(super) fn handle_reauthentication_reply(
        &mut self,
        frame: &Bytes,
    ) -> Result<(), ConnectionEnd> {
        let Reauthentication::Exchanging { authentication, work, .. } = &mut self.reauthentication
        else {
            return Ok(());
        };
        if work.is_some() {
            return Err(ConnectionEnd::new(
                ErrorKind::Protocol,
                "a reply came that nobody asked for",
            ));
        }
        if let Some(slow) = authentication.work(frame) {
            let runtime = self.runtime.clone();
            let done = Box::pin(async move { runtime.offload(usize::MAX, slow).await });
            *work = Some(ReauthenticationWork { done, reply: frame.clone() });
            return Ok(());
        }
        let step = authentication.handle_reply(frame).map_err(ConnectionEnd)?;
        self.take_authentication_step(step);
        Ok(())
    }

    fn take_authentication_step(&mut self, step: AuthenticationStep) {
        match step {
            AuthenticationStep::Send(frame) => {
                self.outgoing_bytes += frame.len();
                self.outgoing.push_back(frame);
            }
            AuthenticationStep::Done(lifetime) => {
                debug!(address = %self.shared.address, ?lifetime, "authenticated anew");
                if let Reauthentication::Exchanging { used, .. } = self.reauthentication {
                    self.used = used;
                }
                self.reauthentication = Reauthentication::after(lifetime, runtime::now());
            }
        }
    }
}

fn no_mechanism() -> Error {
    Error::new(
        ErrorKind::Authentication,
        "the broker wants re-authentication, but there is no mechanism",
    )
}
