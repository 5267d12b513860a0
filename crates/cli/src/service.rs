//! A running service, and how to talk to it.

use std::io::Read;
use std::time::Duration;

use clap::Args as ClapArgs;
use ureq::{Agent, Body, RequestBuilder};

use crate::failure::Failure;

#[derive(ClapArgs)]
pub(crate) struct Service {
    /// Where the service is
    #[arg(long, short, default_value = "http://127.0.0.1:8080", env = "FLIGHTRING_URL")]
    url: String,

    /// The service's token, if it asks for one
    #[arg(long, env = "FLIGHTRING_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Service {
    /// Asks for `/api/{path}`; the body may be long, or endless.
    pub(crate) fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<impl Read + use<>, Failure> {
        let url = self.url_of(&format!("api/{path}"));
        let request = self.signed(agent().get(&url)).query_pairs(parameters.iter().copied());
        Ok(checked(&url, request.call())?.into_reader())
    }

    /// Sends `body` to `/{path}`.
    pub(crate) fn post(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<impl Read + use<>, Failure> {
        let url = self.url_of(path);
        let request = self.signed(agent().post(&url)).header("content-type", content_type);
        Ok(checked(&url, request.send(body))?.into_reader())
    }

    fn url_of(&self, path: &str) -> String {
        let scheme = if self.url.contains("://") { "" } else { "http://" };
        format!("{scheme}{}/{path}", self.url.trim_end_matches('/'))
    }

    fn signed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }
}

fn agent() -> Agent {
    Agent::new_with_config(
        Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(10)))
            // Until the answer begins; one that follows may then go on for ever.
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build(),
    )
}

fn checked(
    url: &str,
    answer: Result<ureq::http::Response<Body>, ureq::Error>,
) -> Result<Body, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Message(format!("cannot ask {url}: {error}"));
    let response = answer.map_err(|error| failed(&error))?;
    let status = response.status();
    let body = response.into_body();
    if status.is_success() {
        return Ok(body);
    }
    let mut text = String::new();
    // What cannot be read of the explanation is left out.
    let _ = body.into_reader().take(4096).read_to_string(&mut text);
    Err(failed(&format_args!("{status}: {}", text.trim())))
}
