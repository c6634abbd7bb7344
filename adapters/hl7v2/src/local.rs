//! Canonical fields without a field in HL7 v2, each sent as an OBX.
//!
//! ```text
//!   OBX|4|TX|DE04.01.119.00^主诉^WS363^clinical.chief_complaint^主诉^99TL||胸痛 2 小时||||||F
//!   OBX|5|NM|plan.medications.0.days^疗程（天）^99TL||14||||||F
//! ```
//!
//! A receiver that does not know this reads a label and a text. One that does gets the field back.
//! If the national data elements (WS/T 363) have an id for the field, that comes first, so that
//! receivers which know only those understand it too.
//!
//! Such an OBX can be more exact than the standard field. It must never contradict a safety field:
//! then the message is refused.

use serde_json::{Number, Value};
use tierlink_codec::Reading;
use tierlink_codec::code_maps::{CodeMaps, Meaning, Table};
use tierlink_schemas::codes::TableId;
use tierlink_schemas::safety;

use crate::canon::Canon;
use crate::fault::Fault;
use crate::read::Seg;
use crate::write::Line;

pub(crate) use crate::names::LOCAL_SYSTEM as SYSTEM;

/// The path of the message's kind, where the HL7 event alone does not say it.
pub(crate) const KIND: &str = "message.kind";

/// How we name WS/T 363 as a coding system.
const ELEMENTS: &str = "WS363";

/// A field that a national data element names: the end of its path, the element and a label.
struct Element {
    path: &'static str,
    id: &'static str,
    label: &'static str,
}

const fn element(path: &'static str, id: &'static str, label: &'static str) -> Element {
    Element { path, id, label }
}

/// Fields that have a label. An empty id means that the standard names no element for it.
const ELEMENTS_KNOWN: [Element; 42] = [
    element("clinical.chief_complaint", "DE04.01.119.00", "主诉"),
    element("clinical.present_illness", "DE02.10.071.00", "现病史"),
    element("clinical.past_history", "DE02.10.099.00", "既往史"),
    element("clinical.infectious_history", "DE02.10.008.00", "传染病史"),
    element("clinical.examination", "DE04.10.258.00", "体格检查"),
    element("clinical.investigations", "DE04.30.009.00", "辅助检查结果"),
    element("clinical.treatment", "DE06.00.296.00", "诊疗过程描述"),
    element("clinical.precautions", "DE09.00.119.00", "注意事项"),
    element("reason_text", "DE06.00.177.00", "转诊原因"),
    element("stay.on_admission", "DE05.10.148.00", "入院情况"),
    element("stay.on_discharge", "DE06.00.193.00", "出院情况"),
    element("stay.orders", "DE06.00.287.00", "出院医嘱"),
    element("stay.outcome.text", "DE05.10.113.00", "治疗结果"),
    element("reason", "DE06.00.039.00", "会诊原因"),
    element("summary", "DE06.00.182.00", "病历摘要"),
    element("text", "DE06.00.018.00", "会诊意见"),
    element("findings", "DE04.50.131.00", "客观所见"),
    element("patient.age_text", "DE02.01.026.00", "年龄"),
    element("patient.occupation.text", "DE02.01.052.00", "职业"),
    element("parent_referral", "", "原转诊单号"),
    element("plan.treatment", "", "下一步治疗方案"),
    element("plan.rehabilitation", "", "康复建议"),
    element("plan.targets", "", "监测目标"),
    element("plan.red_flags", "", "再次上转指征"),
    element("plan.follow_ups", "", "随访计划"),
    element("plan.medications", "", "延续用药"),
    element("clinical.medications", "", "用药"),
    element("tracking", "", "原经治医生跟踪"),
    element("consent", "", "知情同意"),
    element("transport", "", "转运"),
    element("policy", "", "县域政策"),
    element("wanted", "", "期望预约"),
    element("reading", "", "诊断申请"),
    element("experts", "", "邀请专家"),
    element("appointment", "", "预约"),
    element("patient.family_doctor", "", "家庭医生"),
    element("patient.flags", "", "标识"),
    element("conclusion", "", "诊断提示"),
    element("opinion", "", "接诊意见"),
    element("by", "", "经办人"),
    element("plan", "", "下一步方案"),
    element("message.kind", "", "消息类型"),
];

/// Writes one value as an OBX. `path` is below `body`, or [`KIND`].
pub(crate) fn write(path: &str, value: &Value) -> Option<Line> {
    let (value_type, text) = match value {
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) if text.contains('\n') || text.len() > 200 => ("TX", text.clone()),
        Value::String(text) => ("ST", text.clone()),
        Value::Number(number) => ("NM", number.to_string()),
        Value::Bool(yes) => ("ID", if *yes { "Y" } else { "N" }.to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let known = ELEMENTS_KNOWN.iter().find(|element| {
        path.strip_prefix(element.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let mut obx = Line::new("OBX");
    obx.put(2, 1, value_type).put(5, 1, text).put(11, 1, "F");
    match known {
        Some(element) if !element.id.is_empty() && element.path == path => obx
            .put(3, 1, element.id)
            .put(3, 2, element.label)
            .put(3, 3, ELEMENTS)
            .put(3, 4, path)
            .put(3, 6, SYSTEM),
        Some(element) => obx.put(3, 1, path).put(3, 2, element.label).put(3, 3, SYSTEM),
        None => obx.put(3, 1, path).put(3, 3, SYSTEM),
    };
    Some(obx)
}

/// The path that an OBX names, if it is one of these.
pub(crate) fn path(obx: Seg<'_>) -> Option<&str> {
    let question = obx.first(3);
    let is_document = matches!(obx.first(2).peek(1), Some("ED" | "RP"));
    if is_document {
        return None;
    }
    if question.peek(3) == Some(SYSTEM) {
        return question.peek(1);
    }
    (question.peek(6) == Some(SYSTEM)).then(|| question.peek(4)).flatten()
}

/// The clinical field that an OBX names by a national data element or by its Chinese label.
pub(crate) fn clinical_path(obx: Seg<'_>) -> Option<&'static str> {
    let question = obx.first(3);
    let named = [question.peek(1), question.peek(2)];
    ELEMENTS_KNOWN
        .iter()
        .filter(|element| element.path.starts_with("clinical.") || element.path == "reason_text")
        .find(|element| {
            named.contains(&Some(element.label))
                || (!element.id.is_empty() && named.contains(&Some(element.id)))
        })
        .map(|element| element.path)
}

/// Puts the value of such an OBX into `canon`, with the sender's own codes turned into ours.
pub(crate) fn read(
    obx: Seg<'_>,
    path: &str,
    with: &Reading<'_>,
    canon: &mut Canon,
) -> Result<(), Fault> {
    let invalid = |why| Fault::Invalid { field: obx.path(5), why };
    let value = match obx.text(2, 1) {
        Some("NM") => {
            let number = obx.text(5, 1).and_then(|text| text.parse::<Number>().ok());
            Value::Number(number.ok_or(invalid("it is not a number"))?)
        }
        Some("ID") => match obx.text(5, 1) {
            Some("Y") => Value::Bool(true),
            Some("N") => Value::Bool(false),
            _ => return Err(invalid("it is neither Y nor N")),
        },
        _ => match obx.whole_field(5) {
            Some(text) => Value::String(text),
            None => return Ok(()),
        },
    };
    let value = ours(path, value, with, canon);
    if safety::is_within(path) && path != "patient.identity" {
        let stated = canon.get(path);
        if stated.is_some_and(|stated| *stated != value) {
            let field = obx.path(5);
            return Err(if path == "direction" {
                Fault::Direction { field }
            } else {
                Fault::Contradiction { field }
            });
        }
    }
    canon.set(path, value).map_err(|_| Fault::Invalid {
        field: obx.path(3),
        why: "its path fits no canonical field",
    })?;
    obx.take();
    Ok(())
}

/// Our code for a value that may be one of the sender's. What nobody knows stays as it is; the
/// checks behind all formats look at it.
fn ours(path: &str, value: Value, with: &Reading<'_>, canon: &mut Canon) -> Value {
    let (Some(table), Value::String(theirs)) = (Table::of_field(&format!("body.{path}")), &value)
    else {
        return value;
    };
    let maps = CodeMaps::of(with.profile);
    if table == Table::Organisation {
        let found = if safety::is_within(path) {
            maps.recipient(theirs, with.directory)
        } else {
            maps.mentioned(theirs, with.directory)
        };
        return found.map_or(value, |code| code.as_str().into());
    }
    match maps.read(table, theirs) {
        Meaning::Code(ours) => {
            if let (Table::Department, Some(department)) = (table, path.strip_suffix(".code")) {
                canon.put(&format!("{department}.system"), TableId::Department.key());
            }
            ours.into()
        }
        Meaning::NoMap | Meaning::Unlisted => value,
    }
}
