//! What kubectl does for a command line, as requests to the simulated API server.
//! Which commands there are in a recording is `action`'s.

mod command;
mod drain;
mod names;
mod rollout;
mod set;

use super::Error;
use super::recording::Recording;
use http::{Method, Request};
use names::{Target, resource_of};
use serde_json::{Value, json};

pub(super) use command::run;

/// A kubectl that talks to one cluster.
#[derive(Clone)]
pub struct Kubectl {
    client: kube::Client,
}

impl std::fmt::Debug for Kubectl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kubectl")
    }
}

const STRATEGIC: &str = "application/strategic-merge-patch+json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

impl Kubectl {
    /// On a client of the cluster.
    #[must_use]
    pub const fn new(client: kube::Client) -> Self {
        Self { client }
    }

    async fn request(&self, method: Method, path: &str, media_type: &str, body: Option<&Value>) -> Result<Value, kube::Error> {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media_type)
            .header("user-agent", "kubectl/v1.36.2")
            .body(bytes)
            .map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    async fn get(&self, path: &str) -> Result<Value, kube::Error> {
        self.request(Method::GET, path, "application/json", None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, kube::Error> {
        self.request(Method::POST, path, "application/json", Some(body)).await
    }

    async fn patch(&self, path: &str, media_type: &str, body: &Value) -> Result<Value, kube::Error> {
        self.request(Method::PATCH, path, media_type, Some(body)).await
    }

    async fn delete(&self, path: &str, options: &Value) -> Result<Value, kube::Error> {
        self.request(Method::DELETE, path, "application/json", Some(options)).await
    }

    /// `kubectl apply -f`: creates every object, and patches those that are there.
    ///
    /// # Errors
    /// The server's refusal, or a kind that the simulation does not have.
    pub async fn apply(&self, objects: &[Value]) -> Result<(), Error> {
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default();
            let api_version = object["apiVersion"].as_str().unwrap_or_default();
            let resource = crate::sim::api::resource::by_kind(api_version, kind)
                .ok_or_else(|| Error::new(format!("the embedded cluster has no kind {kind} of {api_version}")))?;
            let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let target = Target { resource, namespace: namespace.to_owned(), name: name.to_owned() };
            let mut applied = object.clone();
            let noted = json!(format!("{object}\n"));
            applied["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = noted;
            let refused = |error: kube::Error| Error::new(format!("applying {kind} {name} was refused: {error}"));
            match self.get(&target.path()).await {
                Ok(_) => drop(self.patch(&target.path(), STRATEGIC, &applied).await.map_err(refused)?),
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    self.post(&target.collection(), &applied).await.map_err(refused)?;
                }
                Err(error) => return Err(refused(error)),
            }
            if kind == "Namespace" {
                self.await_service_account(name).await?;
            }
        }
        Ok(())
    }

    /// Waits for what the service account controller puts into a new namespace: pods are refused before.
    async fn await_service_account(&self, namespace: &str) -> Result<(), Error> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        for _ in 0..100 {
            if self.get(&path).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        Err(Error::new(format!("namespace {namespace} got no default service account within a second")))
    }

    /// The name of the first pod of a namespace by name.
    async fn first_pod(&self, namespace: &str) -> Result<String, Error> {
        let list = self.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.map_err(refusal("listing pods"))?;
        let names = list["items"].as_array().into_iter().flatten().filter_map(|pod| pod.pointer("/metadata/name")?.as_str());
        names.min().map(ToOwned::to_owned).ok_or_else(|| Error::new(format!("namespace {namespace} has no pod")))
    }
}

/// An error of the server, with what was asked for.
fn refusal(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let what = what.into();
    move |error| Error::new(format!("{what} was refused: {error}"))
}

/// The objects of a file that a recording applied.
fn manifest<'a>(recording: &'a Recording, file: &str) -> Result<&'a [Value], Error> {
    let stem = file.trim_end_matches(".yaml");
    let own = recording.name.rsplit('/').next() == Some(stem);
    let found = recording.manifests.get(if own { "manifest" } else { stem });
    found.map(Vec::as_slice).ok_or_else(|| Error::new(format!("{} does not contain {file}, which was applied", recording.name)))
}
