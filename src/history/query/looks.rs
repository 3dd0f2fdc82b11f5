//! On how many days somebody looked at a namespace, and on how many of them something was wrong there or at one of its workloads.

use crate::history::{History, HistoryError, time};
use sqlx::{AnyConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};

/// Days of something that was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// `cluster/namespace`, or `cluster/namespace deployment/pool`.
    pub name: String,
    /// Days on which somebody looked.
    pub days: usize,
    /// Of these, days on which something was wrong.
    pub troubled: usize,
}

/// One stretch in which something was wrong.
struct Trouble {
    namespace: (String, String),
    workload: String,
    first: i64,
    last: i64,
}

impl History {
    /// Namespaces since then, or their workloads that ever had something.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn watched(&mut self, since: i64, workloads: bool) -> Result<Vec<Watched>, HistoryError> {
        let (looks, troubles) = self.read(async |connection: &mut AnyConnection| {
            let mut looks: BTreeMap<(String, String), BTreeSet<i64>> = BTreeMap::new();
            let rows = sqlx::query("SELECT cluster, namespace, day FROM looks WHERE day >= $1")
                .bind(time::day(since))
                .fetch_all(&mut *connection)
                .await?;
            for row in &rows {
                looks.entry((row.try_get(0)?, row.try_get(1)?)).or_default().insert(row.try_get(2)?);
            }
            let rows =
                sqlx::query("SELECT cluster, namespace, workload, first_seen, last_seen FROM observations WHERE last_seen >= $1")
                    .bind(since)
                    .fetch_all(&mut *connection)
                    .await?;
            let troubles = rows
                .iter()
                .map(|row| {
                    let namespace = (row.try_get(0)?, row.try_get(1)?);
                    let first = time::day(row.try_get::<i64, _>(3)?.max(since));
                    Ok(Trouble { namespace, workload: row.try_get(2)?, first, last: time::day(row.try_get(4)?) })
                })
                .collect::<Result<Vec<_>, sqlx::Error>>()?;
            Ok((looks, troubles))
        })?;
        Ok(count(&looks, &troubles, workloads))
    }
}

fn count(looks: &BTreeMap<(String, String), BTreeSet<i64>>, troubles: &[Trouble], workloads: bool) -> Vec<Watched> {
    let name = |namespace: &(String, String), workload: Option<&str>| {
        let of = format!("{}/{}", namespace.0, namespace.1);
        workload.map_or_else(|| of.clone(), |workload| format!("{of} {workload}"))
    };
    let mut days: BTreeMap<String, (BTreeSet<i64>, BTreeSet<i64>)> = BTreeMap::new();
    if !workloads {
        for (namespace, looked) in looks {
            days.entry(name(namespace, None)).or_default().0.extend(looked);
        }
    }
    for trouble in troubles {
        let key = name(&trouble.namespace, workloads.then_some(trouble.workload.as_str()));
        let (looked, troubled) = days.entry(key).or_default();
        looked.extend(looks.get(&trouble.namespace).into_iter().flatten());
        // Who saw something looked.
        looked.extend(trouble.first..=trouble.last);
        troubled.extend(trouble.first..=trouble.last);
    }
    days.into_iter().map(|(name, (looked, troubled))| Watched { name, days: looked.len(), troubled: troubled.len() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_once() {
        let shop = ("prod".to_owned(), "shop".to_owned());
        let looks = BTreeMap::from([(shop.clone(), (10..20).collect())]);
        let trouble = |workload: &str, first, last| Trouble { namespace: shop.clone(), workload: workload.into(), first, last };
        let troubles = [trouble("deployment/api", 12, 13), trouble("deployment/api", 13, 13), trouble("deployment/db", 19, 20)];
        assert_eq!(count(&looks, &troubles, false), [Watched { name: "prod/shop".into(), days: 11, troubled: 4 }]);
        let api = &count(&looks, &troubles, true)[0];
        assert_eq!((api.name.as_str(), api.days, api.troubled), ("prod/shop deployment/api", 10, 2));
    }
}
