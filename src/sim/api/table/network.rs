//! The tables of services, endpoints, ingresses, network policies and addresses.
//! Nothing else lives here.

use super::{Cell, NONE, shortened};
use crate::sim::api::resource::Resource;
use serde_json::{Value, json};

/// The cells of a networking kind; none for other kinds.
pub(super) fn cells(resource: Resource, cell: &Cell<'_>) -> Option<Vec<Value>> {
    Some(match resource.kind {
        "Service" => vec![
            cell.name(),
            json!(cell.text("/spec/type")),
            cell.text_or("/spec/clusterIPs/0", NONE),
            json!(external_address(cell)),
            json!(ports(cell)),
            cell.age(),
            cell.labels("/spec/selector"),
        ],
        "Endpoints" => vec![cell.name(), json!(endpoints(cell)), cell.age()],
        "EndpointSlice" => {
            vec![cell.name(), json!(cell.text("/addressType")), json!(slice_ports(cell)), json!(addresses(cell)), cell.age()]
        }
        "Ingress" => vec![
            cell.name(),
            cell.text_or("/spec/ingressClassName", NONE),
            json!(hosts(cell)),
            json!(balanced(cell)),
            json!(if cell.list("/spec/tls").is_empty() { "80" } else { "80, 443" }),
            cell.age(),
        ],
        "IngressClass" => {
            vec![json!(class_name(cell)), json!(cell.text("/spec/controller")), json!(parameters(cell)), cell.age()]
        }
        "NetworkPolicy" => vec![cell.name(), cell.selector("/spec/podSelector"), cell.age()],
        // The real table has an age in its cells that no column names.
        "IPAddress" => vec![cell.name(), json!(parent(cell)), cell.age()],
        "ServiceCIDR" => vec![cell.name(), json!(texts(cell.list("/spec/cidrs")).join(",")), cell.age()],
        _ => return None,
    })
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// The addresses of a load balancer's status, in order.
fn balanced(cell: &Cell<'_>) -> String {
    let of = |entry: &Value| entry["ip"].as_str().or(entry["hostname"].as_str()).map(ToOwned::to_owned);
    let mut all: Vec<String> = cell.list("/status/loadBalancer/ingress").iter().filter_map(of).collect();
    all.sort_unstable();
    all.dedup();
    all.join(",")
}

fn external_address(cell: &Cell<'_>) -> String {
    let external = texts(cell.list("/spec/externalIPs"));
    match cell.text("/spec/type") {
        "ExternalName" => cell.text("/spec/externalName").to_owned(),
        "LoadBalancer" => {
            let balanced = Some(balanced(cell)).filter(|addresses| !addresses.is_empty());
            let all: Vec<String> = balanced.into_iter().chain(external).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ClusterIP" | "NodePort" if external.is_empty() => NONE.to_owned(),
        "ClusterIP" | "NodePort" => external.join(","),
        _ => "<unknown>".to_owned(),
    }
}

fn ports(cell: &Cell<'_>) -> String {
    let port = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_i64().unwrap_or(0) {
            0 => format!("{}/{protocol}", port["port"]),
            node => format!("{}:{node}/{protocol}", port["port"]),
        }
    };
    let all: Vec<String> = cell.list("/spec/ports").iter().map(port).collect();
    if all.is_empty() { NONE.to_owned() } else { all.join(",") }
}

fn endpoints(cell: &Cell<'_>) -> String {
    let mut all = Vec::new();
    let list = |value: &Value, field: &str| value[field].as_array().cloned().unwrap_or_default();
    for subset in cell.list("/subsets") {
        let addresses: Vec<String> =
            list(subset, "addresses").iter().filter_map(|one| Some(one["ip"].as_str()?.to_owned())).collect();
        let ports = list(subset, "ports");
        if ports.is_empty() {
            all.extend(addresses.iter().cloned());
        }
        for port in &ports {
            all.extend(addresses.iter().map(|address| format!("{address}:{}", port["port"])));
        }
    }
    if cell.list("/subsets").is_empty() { NONE.to_owned() } else { shortened(&all, 3) }
}

fn or_unset(all: &[String]) -> String {
    if all.is_empty() { "<unset>".to_owned() } else { shortened(all, 3) }
}

fn slice_ports(cell: &Cell<'_>) -> String {
    let port = |port: &Value| {
        let number = port["port"].as_i64().map(|number| number.to_string());
        number.or_else(|| port["name"].as_str().map(ToOwned::to_owned)).unwrap_or_else(|| "*".to_owned())
    };
    or_unset(&cell.list("/ports").iter().map(port).collect::<Vec<_>>())
}

fn addresses(cell: &Cell<'_>) -> String {
    let of = |endpoint: &Value| texts(endpoint["addresses"].as_array().map(Vec::as_slice).unwrap_or_default());
    or_unset(&cell.list("/endpoints").iter().flat_map(of).collect::<Vec<_>>())
}

fn hosts(cell: &Cell<'_>) -> String {
    const MOST: usize = 3;
    let rules = cell.list("/spec/rules");
    let mut list: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= list.len() == MOST;
        let host = rule["host"].as_str().unwrap_or_default();
        if !more && !host.is_empty() {
            list.push(host);
        }
    }
    match (list.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, true) => format!("{} + {} more...", list.join(","), rules.len() - MOST),
        (false, false) => list.join(","),
    }
}

fn class_name(cell: &Cell<'_>) -> String {
    let annotations = cell.object.pointer("/metadata/annotations");
    let default = annotations.and_then(|all| all.get("ingressclass.kubernetes.io/is-default-class"));
    let name = cell.text("/metadata/name");
    if default.is_some_and(|value| value == "true") { format!("{name} (default)") } else { name.to_owned() }
}

fn parameters(cell: &Cell<'_>) -> String {
    if cell.object.pointer("/spec/parameters").is_none_or(Value::is_null) {
        return NONE.to_owned();
    }
    let group = cell.text("/spec/parameters/apiGroup");
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    format!("{}{group}/{}", cell.text("/spec/parameters/kind"), cell.text("/spec/parameters/name"))
}

fn parent(cell: &Cell<'_>) -> String {
    if cell.object.pointer("/spec/parentRef").is_none_or(Value::is_null) {
        return NONE.to_owned();
    }
    let part = |pointer: &str, before: &str| {
        let text = cell.text(pointer);
        if text.is_empty() { String::new() } else { format!("{before}{text}") }
    };
    let kind = format!("{}{}", cell.text("/spec/parentRef/resource"), part("/spec/parentRef/group", ".")).to_lowercase();
    format!("{kind}{}{}", part("/spec/parentRef/namespace", "/"), part("/spec/parentRef/name", "/"))
}
