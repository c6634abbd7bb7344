//! The organisations, doctors and patients of the demo.
//!
//! All people are invented. Their identity numbers begin with region 990101, which does not exist.

use tierlink_schemas::OrganisationCode;
use tierlink_simulator::{Doctor, Party, Person};

/// An organisation of the example county.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Org {
    /// 龙溪县人民医院: the lead hospital and reading centre. HL7 v2.4 in GB18030.
    Lead,
    /// 青石镇中心卫生院. HL7 v2.4 in GBK, with codes of its own.
    Qingshi,
    /// 白马乡卫生院. Uses FHIR.
    Baima,
    /// 枫桥镇卫生院. Native JSON, and a receipt for every hop.
    Fengqiao,
    /// 柳湾村卫生室. Native JSON.
    Liuwan,
    /// 临江市第一人民医院, outside the county. FHIR.
    City,
}

/// An invented patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patient {
    /// Name. Some contain `·` or characters beyond the Unicode BMP, as real ones do.
    pub name: &'static str,
    /// Whether the patient is female.
    pub female: bool,
    /// Date of birth, as `YYYYMMDD`.
    pub born: &'static str,
    /// Resident identity number (公民身份号码) of the invented region 990101.
    pub identity_number: &'static str,
    /// Telephone number of the patient.
    pub phone: &'static str,
    /// Present address (现住址).
    pub address: &'static str,
    /// ICD-10 code and text of the main diagnosis.
    pub diagnosis: (&'static str, &'static str),
    /// Chief complaint (主诉).
    pub complaint: &'static str,
}

impl Patient {
    /// The patient, as the simulator's hospitals state one.
    #[must_use]
    pub fn person(&self) -> Person {
        let born = self.born;
        Person {
            name: self.name.to_owned(),
            number: self.identity_number.to_owned(),
            born: format!("{}-{}-{}", &born[..4], &born[4..6], &born[6..]),
            sex: if self.female { "female" } else { "male" },
            phone: self.phone.to_owned(),
            address: self.address.to_owned(),
            diagnosis: (self.diagnosis.0.to_owned(), self.diagnosis.1.to_owned()),
            complaint: self.complaint.to_owned(),
        }
    }
}

impl Org {
    /// Every organisation that takes part.
    pub const ALL: [Self; 6] =
        [Self::Lead, Self::Qingshi, Self::Baima, Self::Fengqiao, Self::Liuwan, Self::City];

    /// Its code, as in the profiles of `ops/examples`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Lead => "330199001",
            Self::Qingshi => "330199101",
            Self::Baima => "330199102",
            Self::Fengqiao => "330199103",
            Self::Liuwan => "330199201",
            Self::City => "330100001",
        }
    }

    /// Its code, as the type of the broker's libraries.
    #[must_use]
    pub fn organisation(self) -> OrganisationCode {
        OrganisationCode::new(self.code())
            .unwrap_or_else(|_| unreachable!("nine digits are an organisation code"))
    }

    /// Its Chinese name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lead => "龙溪县人民医院",
            Self::Qingshi => "龙溪县青石镇中心卫生院",
            Self::Baima => "龙溪县白马乡卫生院",
            Self::Fengqiao => "龙溪县枫桥镇卫生院",
            Self::Liuwan => "龙溪县青石镇柳湾村卫生室",
            Self::City => "临江市第一人民医院",
        }
    }

    /// A short name for progress and tables.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Lead => "县医院",
            Self::Qingshi => "青石镇",
            Self::Baima => "白马乡",
            Self::Fengqiao => "枫桥镇",
            Self::Liuwan => "柳湾村",
            Self::City => "市医院",
        }
    }

    /// The doctor who signs its messages.
    #[must_use]
    pub const fn doctor(self) -> Doctor {
        match self {
            Self::Lead => Doctor { code: "XY1021", name: "顾明远", title: "主任医师" },
            Self::Qingshi => Doctor { code: "QS0012", name: "沈立新", title: "主治医师" },
            Self::Baima => Doctor { code: "BM0003", name: "裘国平", title: "主治医师" },
            Self::Fengqiao => Doctor { code: "FQ0005", name: "骆小燕", title: "医师" },
            Self::Liuwan => Doctor { code: "LW0001", name: "汪水根", title: "乡村医生" },
            Self::City => Doctor { code: "SY3310", name: "周慕云", title: "主任医师" },
        }
    }

    /// Telephone number of its referral office.
    #[must_use]
    pub const fn phone(self) -> &'static str {
        match self {
            Self::Lead => "0571-99010001",
            Self::Qingshi => "0571-99010101",
            Self::Baima => "0571-99010102",
            Self::Fengqiao => "0571-99010103",
            Self::Liuwan => "13900000090",
            Self::City => "0571-99000001",
        }
    }

    /// The organisation, as messages name it.
    #[must_use]
    pub fn party(self) -> Party {
        Party {
            code: self.code().to_owned(),
            name: self.name().to_owned(),
            phone: self.phone().to_owned(),
            doctor: Some(self.doctor()),
        }
    }
}

/// 不稳定型心绞痛: goes up, comes back.
pub const WANG: Patient = Patient {
    name: "汪德福",
    female: false,
    born: "19500101",
    identity_number: "990101195001010010",
    phone: "13900000001",
    address: "龙溪县青石镇柳湾村3组18号",
    diagnosis: ("I20.000", "不稳定型心绞痛"),
    complaint: "反复活动后胸闷3月，加重1周",
};

/// 甲状腺结节: leaves the county.
pub const AYGULI: Patient = Patient {
    name: "阿依古丽·买买提",
    female: true,
    born: "19620815",
    identity_number: "990101196208150023",
    phone: "13900000003",
    address: "龙溪县白马乡梅园村7号",
    diagnosis: ("E04.100", "甲状腺结节"),
    complaint: "发现颈部肿物2月",
};

/// 糖尿病: a consultation with two experts.
pub const HE: Patient = Patient {
    name: "何秀英",
    female: true,
    born: "19680427",
    identity_number: "990101196804270064",
    phone: "13900000006",
    address: "龙溪县枫桥镇老街12号",
    diagnosis: ("E11.900", "2型糖尿病"),
    complaint: "血糖控制不佳半年",
};

/// 胸痛: an ECG from the village. His name has two characters that most old systems cannot write.
pub const LI: Patient = Patient {
    name: "李𬭎𠮷",
    female: false,
    born: "19781102",
    identity_number: "990101197811020033",
    phone: "13900000005",
    address: "龙溪县青石镇柳湾村1组6号",
    diagnosis: ("R07.400", "胸痛"),
    complaint: "突发胸闷、出汗1小时",
};

/// 脑梗死: goes down to a township whose system is off.
pub const ZHU: Patient = Patient {
    name: "朱长贵",
    female: false,
    born: "19550312",
    identity_number: "99010119550312005X",
    phone: "13900000007",
    address: "龙溪县白马乡梅园村21号",
    diagnosis: ("I63.900", "脑梗死"),
    complaint: "右侧肢体无力",
};

/// 胆囊结石: her township's system refuses one message.
pub const FANG: Patient = Patient {
    name: "方彩凤",
    female: true,
    born: "19710630",
    identity_number: "990101197106300080",
    phone: "13900000008",
    address: "龙溪县青石镇上街5号",
    diagnosis: ("K80.200", "胆囊结石"),
    complaint: "反复右上腹痛2年",
};

/// 肾结石: goes up from the village, past the township's review.
pub const SHI: Patient = Patient {
    name: "施建军",
    female: false,
    born: "19910520",
    identity_number: "990101199105200095",
    phone: "13900000009",
    address: "龙溪县青石镇柳湾村2组3号",
    diagnosis: ("N20.000", "肾结石"),
    complaint: "左侧腰痛3天",
};

#[cfg(test)]
mod tests {
    use super::*;
    use tierlink_schemas::identity::IdentityNumber;

    #[test]
    fn nobody_in_the_play_exists_and_every_number_is_possible() {
        for patient in [WANG, AYGULI, HE, LI, ZHU, FANG, SHI] {
            let (number, tolerances) = IdentityNumber::read(patient.identity_number).unwrap();

            assert!(number.as_str().starts_with("990101"), "{}", patient.name);
            assert_eq!(&number.as_str()[6..14], patient.born);
            assert_eq!(tolerances, []);
        }
    }
}
