//! REF^I12 messages of about 1.5 KB, built once; only the number changes from one to the next.

use std::sync::Arc;

use crate::ledger::{DIGITS, MARK};

/// Where the number goes before it is known.
const PLACE: &str = "BQ##########";

/// A message from one organisation to another, framed for MLLP.
#[derive(Clone, Debug)]
pub struct Letter {
    bytes: Arc<[u8]>,
    places: [usize; 2],
    /// Which lane it ends in.
    pub lane: usize,
}

impl Letter {
    /// Builds the message.
    pub fn new(from: &str, to: &str, lane: usize) -> Self {
        let bytes = [b"\x0b".as_slice(), text(from, to).as_bytes(), b"\x1c\r"].concat();
        let found: Vec<usize> = bytes
            .windows(PLACE.len())
            .enumerate()
            .filter(|(_, window)| *window == PLACE.as_bytes())
            .map(|(at, _)| at + MARK.len())
            .collect();
        let places = [found[0], found[1]];
        Self { bytes: bytes.into(), places, lane }
    }

    /// Writes the message with this number into `buffer`.
    pub fn write(&self, number: u64, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(&self.bytes);
        for place in self.places {
            let mut rest = number;
            for digit in buffer[place..place + DIGITS].iter_mut().rev() {
                // The remainder of ten is one digit.
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
        }
    }

    /// The message without its frame.
    pub fn message(&self, number: u64) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.write(number, &mut buffer);
        buffer[1..buffer.len() - 2].to_vec()
    }
}

fn text(from: &str, to: &str) -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap_or(jiff::tz::TimeZone::UTC);
    let at = jiff::Timestamp::now().to_zoned(zone).strftime("%Y%m%d%H%M%S");
    [
        format!("MSH|^~\\&|HIS|{from}|TIERLINK|{to}|{at}||REF^I12|{PLACE}|P|2.4||||||UNICODE UTF-8"),
        format!("RF1|P|A^ASAP^HL70280|||I|{PLACE}^{from}|{at}|||UP04^因技术条件限制不能处置"),
        format!("PRD|RP^Referring Provider^HL70286|沈立新^^^^主治医师||03&内科^^^{from}|0571-99010101||QS0012"),
        format!("PRD|RT^Referred to Provider^HL70286|||03.04&心血管内科^^^{to}"),
        "PID|1||MZ20260001^^^HIS^OPN~990101195001010010^^^^NI||汪德福||19500101|M|||柳湾村3组^18号^临江市^浙江省^330190||13900000001".to_owned(),
        "NK1|1|汪小满|CHD^子女||13900000002".to_owned(),
        "DG1|1||I20.000^不稳定型心绞痛^I10||20260310|W|||||||||1".to_owned(),
        "DG1|2||I10.x00^原发性高血压^I10||20260310|W|||||||||2".to_owned(),
        "AL1|1|DA|^青霉素^L|SV^重度|皮疹伴呼吸困难".to_owned(),
        "OBX|1|TX|DE04.01.119.00^主诉||反复活动后胸闷、气促3月，加重伴夜间阵发性呼吸困难2天||||||F".to_owned(),
        "OBX|2|TX|DE02.10.071.00^现病史||患者3月前始于活动后出现胸骨后压榨样闷痛，每次持续3至5分钟，休息后缓解，未予重视。2天前受凉后加重，夜间憋醒，端坐后稍缓解。在我院予硝酸甘油、阿司匹林治疗，症状缓解不明显。||||||F".to_owned(),
        "OBX|3|TX|DE02.10.099.00^既往史||高血压病史12年，最高180/110 mmHg，服用氨氯地平；否认糖尿病史||||||F".to_owned(),
        "OBX|4|NM|8480-6^收缩压^LN||168|mm[Hg]|90-140|H|||F".to_owned(),
        "OBX|5|NM|8462-4^舒张压^LN||98|mm[Hg]|60-90|H|||F".to_owned(),
    ]
    .map(|line| line + "\r")
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_carries_its_number_twice_and_is_of_the_usual_size() {
        let letter = Letter::new("330199301", "330199302", 1);

        let message = String::from_utf8(letter.message(42)).unwrap();

        assert_eq!(message.matches("BQ0000000042").count(), 2);
        assert!((1_300..1_900).contains(&message.len()), "{}", message.len());
    }
}
