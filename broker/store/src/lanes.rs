//! Lanes, their settings, and counts for metrics.
//!
//! Each count reads an index that holds only what is counted, so its cost does not grow with the
//! number of settled deliveries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tierlink_schemas::LaneName;

use crate::acts::{ActName, Acted};
use crate::fields::Reader;
use crate::records::{Figures, LaneCondition, LaneRow, LeftBehind};
use crate::session::{Failed, Session, values};

/// Lists every lane that holds deliveries or has a setting.
pub(crate) async fn lanes<S: Session>(session: &mut S) -> Result<Vec<LaneRow>, Failed> {
    let mut lanes: BTreeMap<LaneName, LaneRow> = BTreeMap::new();
    let sql = "-- lanes
        SELECT organisation, '' AS system, paused, trouble_at, trouble, last_settled_at
        FROM lanes
        UNION ALL
        SELECT organisation, system, paused, trouble_at, trouble, last_settled_at
        FROM system_lanes";
    for row in session.rows(sql, vec![]).await? {
        let row = Reader::new(&row, "lanes");
        let lane = lane(&mut lanes, row.lane("organisation", "system")?);
        lane.paused = row.flag("paused")?;
        lane.last_settled_at = row.at_if_any("last_settled_at")?;
        lane.trouble = row.at_if_any("trouble_at")?.zip(row.json_if_any("trouble")?);
    }
    let sql = "-- lane_counts
        SELECT destination, system, false AS parked, count(*) AS deliveries, min(created_at) AS oldest_at
        FROM deliveries WHERE state IN ('queued', 'waiting') GROUP BY destination, system
        UNION ALL
        SELECT destination, system, false AS parked, count(*) AS deliveries, min(created_at) AS oldest_at
        FROM deliveries WHERE state = 'published' GROUP BY destination, system
        UNION ALL
        SELECT destination, system, true AS parked, count(*) AS deliveries, min(created_at) AS oldest_at
        FROM deliveries WHERE state = 'parked' GROUP BY destination, system";
    for row in session.rows(sql, vec![]).await? {
        let row = Reader::new(&row, "deliveries");
        let lane = lane(&mut lanes, row.lane("destination", "system")?);
        let deliveries = row.u64("deliveries")?;
        if row.flag("parked")? {
            lane.parked += deliveries;
        } else {
            lane.waiting += deliveries;
            let oldest = row.at("oldest_at")?;
            lane.oldest_at = Some(lane.oldest_at.map_or(oldest, |known| known.min(oldest)));
        }
    }
    Ok(lanes.into_values().collect())
}

fn lane(lanes: &mut BTreeMap<LaneName, LaneRow>, name: LaneName) -> &mut LaneRow {
    lanes.entry(name.clone()).or_insert_with(|| LaneRow::empty(name))
}

/// Whether each lane is paused or unanswered. Counts nothing.
pub(crate) async fn conditions<S: Session>(session: &mut S) -> Result<Vec<LaneCondition>, Failed> {
    let sql = "-- lane_conditions
        SELECT organisation, '' AS system, paused, trouble_at FROM lanes
        UNION ALL
        SELECT organisation, system, paused, trouble_at FROM system_lanes";
    let found = session.rows(sql, vec![]).await?;
    let conditions = found.iter().map(|row| {
        let row = Reader::new(row, "lanes");
        Ok(LaneCondition {
            lane: row.lane("organisation", "system")?,
            paused: row.flag("paused")?,
            unanswered_at: row.at_if_any("trouble_at")?,
        })
    });
    conditions.collect()
}

/// Pauses a lane. `AsBefore` if it is paused already.
pub(crate) async fn pause<S: Session>(session: &mut S, lane: &LaneName) -> Result<Acted, Failed> {
    let changed = match lane.system() {
        None => {
            let sql = "-- pause_lane
                INSERT INTO lanes (organisation, paused) VALUES ($1, true)
                ON CONFLICT (organisation) DO UPDATE SET paused = true WHERE NOT lanes.paused";
            session.run(sql, values![lane.organisation()]).await?
        }
        Some(system) => {
            let sql = "-- pause_system_lane
                INSERT INTO system_lanes (organisation, system, paused) VALUES ($1, $2, true)
                ON CONFLICT (organisation, system) DO UPDATE SET paused = true
                WHERE NOT system_lanes.paused";
            session.run(sql, values![lane.organisation(), system.as_str()]).await?
        }
    };
    Ok(if_changed(changed))
}

/// Resumes a lane. `AsBefore` if it is not paused.
pub(crate) async fn resume<S: Session>(session: &mut S, lane: &LaneName) -> Result<Acted, Failed> {
    let changed = match lane.system() {
        None => {
            let sql = "-- resume_lane
                UPDATE lanes SET paused = false WHERE organisation = $1 AND paused";
            session.run(sql, values![lane.organisation()]).await?
        }
        Some(system) => {
            let sql = "-- resume_system_lane
                UPDATE system_lanes SET paused = false
                WHERE organisation = $1 AND system = $2 AND paused";
            session.run(sql, values![lane.organisation(), system.as_str()]).await?
        }
    };
    Ok(if_changed(changed))
}

fn if_changed(rows: u64) -> Acted {
    if rows == 0 { Acted::AsBefore } else { Acted::Done }
}

/// Counts for metrics.
pub(crate) async fn figures<S: Session>(
    session: &mut S,
    now: Timestamp,
) -> Result<Figures, Failed> {
    let sql = "-- figures
        SELECT
            (SELECT count(*) FROM cases
                WHERE open AND due_at IS NOT NULL AND due_at <= $1) AS overdue,
            (SELECT count(*) FROM cases WHERE open) AS open,
            (SELECT count(*) FROM deliveries WHERE state IN ('queued', 'waiting')
                AND (due_at IS NULL OR due_at <= $1)) AS unpublished";
    let found = session.rows(sql, values![now]).await?;
    let Some(row) = found.first() else { return Ok(Figures::default()) };
    let row = Reader::new(row, "cases");
    Ok(Figures {
        overdue: row.u64("overdue")?,
        open: row.u64("open")?,
        unpublished: row.u64("unpublished")?,
    })
}

/// What systems hold that are to leave the configuration.
pub(crate) async fn left_behind<S: Session>(
    session: &mut S,
    lanes: Vec<LaneName>,
    agreed_since: Timestamp,
) -> Result<Vec<LeftBehind>, Failed> {
    let mut left = Vec::with_capacity(lanes.len());
    for lane in lanes {
        let (organisation, system) = (lane.organisation(), lane.system_text());
        // The default system stands for the whole organisation.
        let whole = lane.system().is_none();
        let sql = "-- left_behind
            SELECT
                (SELECT count(*) FROM case_parties WHERE organisation = $1 AND open) AS cases,
                (SELECT count(*) FROM deliveries WHERE destination = $1 AND ($2 OR system = $3)
                    AND state IN ('queued', 'waiting', 'published', 'parked')) AS deliveries,
                (SELECT count(*) FROM acts WHERE act = $4 AND destination = $1
                    AND (system IS NULL OR system = $3) AND acted_at >= $5) AS agreed";
        let name = ActName::AgreeToRemoval.as_str();
        let values = values![organisation, whole, system, name, agreed_since];
        let found = session.rows(sql, values).await?;
        let row = found.first().ok_or(Failed::Unreadable("lanes"))?;
        let row = Reader::new(row, "lanes");
        let (cases, deliveries) = (row.u64("cases")?, row.u64("deliveries")?);
        let agreed = row.u64("agreed")? > 0;
        let open_cases = if whole { cases } else { 0 };
        left.push(LeftBehind { lane, open_cases, deliveries, agreed });
    }
    Ok(left)
}
