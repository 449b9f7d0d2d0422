use autokestra_sdk::http::{self, Request};
use autokestra_sdk::prelude::*;

#[derive(TaskError)]
enum Fault {
    /// The code is `no_invoice`; nothing tries again.
    #[fails("there is no invoice {id}")]
    NoInvoice { id: u32 },
    #[fails("the books are closed until {0}", code = "closed", retry_after = "1h")]
    Closed(String),
    /// By `?`: whether to try again is what the error itself says.
    #[fails(transparent)]
    Http(http::Error),
}

/// Which invoice.
#[derive(Input)]
struct Invoice {
    id: u32,
}

/// Fetches an invoice.
#[action(idempotent, timeout = "30s")]
fn invoice(input: Invoice) -> Result<Value, Fault> {
    let id = input.id;
    let response = Request::get(format!("https://api.example.com/invoices/{id}"))
        .header("accept", "application/json")
        .send()?;
    match response.status() {
        404 => Err(Fault::NoInvoice { id }),
        423 => Err(Fault::Closed("Monday".to_owned())),
        _ => Ok(response.error_for_status()?.json()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autokestra_sdk::testing::{Expected, FakeHost, Reply};

    fn fails(reply: Reply) -> TaskError {
        let _host = FakeHost::new().expect(Expected::get("https://api.example.com/invoices/7"), reply);
        invoice(Invoice { id: 7 }).unwrap_err().into()
    }

    #[test]
    fn each_way_to_fail_has_its_code() {
        for (status, code, retryable) in [
            (404, "no_invoice", false),
            (423, "closed", true),
            (503, "http_status", true),
        ] {
            let error = fails(Reply::status(status));
            assert_eq!((error.code(), error.is_retryable()), (code, retryable));
        }
    }
}
