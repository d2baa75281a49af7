//! Small files in the layouts of the publishers, and what comes of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::about::About;
use super::gather::Gather;
use super::source::Source;
use super::{cvx, icd10cm, loinc, resource, rxnorm, snomed, ucum};
use crate::base::fault::Result;
use crate::fhir::codes::Concept;

type Loader = fn(&mut Source, Option<&str>, &mut Gather) -> Result<About>;

fn load_path(loader: Loader, path: &Path, version: Option<&str>) -> Result<(About, BTreeMap<String, Concept>)> {
    let mut gather = Gather::default();
    let about = loader(&mut Source::open(path)?, version, &mut gather)?;
    let (mut concepts, mut found) = (gather.finish()?, BTreeMap::new());
    while let Some(concept) = concepts.next()? {
        found.insert(concept.code.to_string(), concept);
    }
    Ok((about, found))
}

/// Loads from a folder of these files and from a zip archive of them, which must come to the same.
fn load(loader: Loader, files: &[(&str, String)]) -> Result<(About, BTreeMap<String, Concept>)> {
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("all.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&zip).unwrap());
    let inner = folder.path().join("inner");
    for (name, text) in files {
        let path = inner.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    let plain = load_path(loader, &inner, None);
    let packed = load_path(loader, &zip, None);
    if let (Ok(plain), Ok(packed)) = (&plain, &packed) {
        assert_eq!((&plain.1, &plain.0.resource), (&packed.1, &packed.0.resource));
    }
    plain
}

/// Rows of words separated by blanks; `_` stands for a blank, `-` alone for nothing.
fn rows(separator: &str, text: &str) -> String {
    let word = |word: &str| if word == "-" { String::new() } else { word.replace('_', " ") };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(separator) + "\r\n";
    text.trim().lines().map(line).collect()
}

fn properties(concept: &Concept) -> Vec<String> {
    concept.properties.iter().map(|property| format!("{}={}", property.code, property.value.text())).collect()
}

fn designations(concept: &Concept) -> Vec<String> {
    let text = |text: Option<&str>| text.unwrap_or("").to_owned();
    concept
        .designations
        .iter()
        .map(|d| {
            let usage = d.usage.as_ref().map(|usage| &*usage.code);
            format!("{} {} {}", text(d.language.as_deref()), text(usage), d.value)
        })
        .collect()
}

fn parents(concept: &Concept) -> Vec<&str> {
    concept.parents.iter().map(|parent| &**parent).collect()
}

fn rf2() -> Vec<(&'static str, String)> {
    let tabs = |text: &str| rows("\t", text);
    vec![
        (
            "Snapshot/Terminology/sct2_Concept_Snapshot_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId definitionStatusId
                 138875005 20020131 1 900000000000207008 900000000000074008
                 64572001 20020131 1 900000000000207008 900000000000074008
                 22298006 20240101 1 900000000000207008 900000000000073002
                 399211009 20030731 0 900000000000207008 900000000000074008",
            ),
        ),
        (
            "Snapshot/Terminology/sct2_Description_Snapshot-en_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId
                 751689013 20170731 1 900000000000207008 22298006 en 900000000000003001 Myocardial_infarction_(disorder) 900000000000448009
                 37436014 20170731 1 900000000000207008 22298006 en 900000000000013009 Myocardial_infarction 900000000000448009
                 37442013 20170731 1 900000000000207008 22298006 en 900000000000013009 Heart_attack 900000000000448009
                 37443015 20170731 0 900000000000207008 22298006 en 900000000000013009 Inactive_words 900000000000448009
                 107012011 20170731 1 900000000000207008 64572001 en 900000000000013009 Disease 900000000000448009
                 107012012 20170731 1 900000000000207008 9999999999 en 900000000000013009 Of_nothing 900000000000448009",
            ),
        ),
        (
            "Snapshot/Terminology/sct2_TextDefinition_Snapshot-en_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId
                 2897000010 20170731 1 900000000000207008 22298006 en 900000000000550004 Necrosis_\"of\"_muscle 900000000000448009",
            ),
        ),
        (
            "Snapshot/Terminology/sct2_Relationship_Snapshot_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId characteristicTypeId modifierId
                 100000028 20020131 1 900000000000207008 64572001 138875005 0 116680003 900000000000011006 900000000000451002
                 100000029 20020131 1 900000000000207008 22298006 64572001 0 116680003 900000000000011006 900000000000451002
                 100000030 20020131 0 900000000000207008 22298006 138875005 0 116680003 900000000000011006 900000000000451002
                 100000031 20020131 1 900000000000207008 22298006 138875005 0 116680003 900000000000010007 900000000000451002
                 100000032 20020131 1 900000000000207008 22298006 74281007 1 363698007 900000000000011006 900000000000451002",
            ),
        ),
        (
            "Snapshot/Terminology/sct2_RelationshipConcreteValues_Snapshot_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId sourceId value relationshipGroup typeId characteristicTypeId modifierId
                 100000033 20210731 1 900000000000207008 22298006 #1.5 1 1142135004 900000000000011006 900000000000451002",
            ),
        ),
        (
            "Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId
                 a 20170731 1 900000000000207008 900000000000508004 37442013 900000000000548007
                 b 20170731 1 900000000000207008 900000000000509007 37436014 900000000000548007
                 c 20170731 1 900000000000207008 900000000000509007 37442013 900000000000549004",
            ),
        ),
        (
            "Snapshot/Refset/Content/der2_Refset_SimpleSnapshot_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId refsetId referencedComponentId
                 d 20170731 1 900000000000207008 723264001 22298006
                 e 20170731 0 900000000000207008 723264001 64572001",
            ),
        ),
        (
            "Snapshot/Refset/Content/der2_cRefset_AssociationSnapshot_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId refsetId referencedComponentId targetComponentId
                 g 20170731 1 900000000000207008 900000000000527005 399211009 22298006
                 h 20170731 0 900000000000207008 900000000000527005 399211009 64572001
                 i 20170731 1 900000000000207008 900000000000531004 37443015 22298006",
            ),
        ),
        (
            "Snapshot/Refset/Map/der2_sRefset_SimpleMapSnapshot_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId refsetId referencedComponentId mapTarget
                 j 20170731 1 900000000000207008 900000000000497000 64572001 X0003",
            ),
        ),
        (
            "Snapshot/Refset/Metadata/der2_ssRefset_ModuleDependencySnapshot_INT_20240101.txt",
            tabs(
                "id effectiveTime active moduleId refsetId referencedComponentId sourceEffectiveTime targetEffectiveTime
                 f 20240101 1 900000000000207008 900000000000534007 900000000000012004 20240101 20240101",
            ),
        ),
        ("Full/Terminology/sct2_Concept_Full_INT_20240101.txt", "not read\n".into()),
    ]
}

#[test]
fn snomed_ct_is_read_from_rf2() {
    let (about, concepts) = load(snomed::read, &rf2()).unwrap();
    assert_eq!(about.version, "http://snomed.info/sct/900000000000207008/version/20240101");
    assert_eq!(concepts.keys().collect::<Vec<_>>(), ["138875005", "22298006", "399211009", "64572001"]);
    let infarction = &concepts["22298006"];
    assert_eq!(infarction.display.as_deref(), Some("Myocardial infarction"));
    assert_eq!(infarction.definition.as_deref(), Some("Necrosis \"of\" muscle"));
    assert_eq!(parents(infarction), ["64572001"]);
    assert_eq!(
        properties(infarction),
        [
            "moduleId=900000000000207008",
            "sufficientlyDefined=true",
            "363698007=74281007",
            "609096000=1 363698007 74281007",
            "1142135004=1.5",
            "609096000=1 1142135004 1.5",
            "memberOf=723264001"
        ]
    );
    let mut texts = designations(infarction);
    texts.sort();
    assert_eq!(
        texts,
        [
            "en 900000000000003001 Myocardial infarction (disorder)",
            "en 900000000000013009 Heart attack",
            "en 900000000000013009 Myocardial infarction",
        ]
    );
    assert!(concepts["399211009"].inactive && !infarction.inactive);
    assert!(properties(&concepts["399211009"]).contains(&"map:900000000000527005=22298006".into()));
    assert!(properties(&concepts["64572001"]).contains(&"map:900000000000497000=X0003".into()));
    assert_eq!(concepts["64572001"].display.as_deref(), Some("Disease"));
}

#[test]
fn a_broken_release_of_snomed_ct_names_file_and_line() {
    let fault = |file: usize, change: &dyn Fn(&str) -> String| {
        let mut files = rf2();
        files[file].1 = change(&files[file].1);
        load(snomed::read, &files).unwrap_err().message().to_owned()
    };
    let found = fault(0, &|text| text.replace("22298006", "2229800x"));
    assert!(
        found.ends_with("Snapshot_INT_20240101.txt, line 4: id \"2229800x\" is no SNOMED CT identifier"),
        "{found}"
    );
    let found = fault(0, &|text| text.replace("20240101\t1", "20240101"));
    assert!(found.ends_with("20240101.txt, line 4: the row has 4 columns, the first has 5"), "{found}");
    let found = fault(1, &|text| text.replace("\tterm\t", "\twords\t"));
    assert!(found.ends_with("line 1: there is no column \"term\""), "{found}");
    let mut files = rf2();
    files.remove(3);
    let found = load(snomed::read, &files).unwrap_err();
    assert!(found.message().contains("there is no file sct2_Relationship_"), "{found}");
}

#[test]
fn loinc_is_read_from_its_tables() {
    let header = r#""LOINC_NUM","COMPONENT","PROPERTY","TIME_ASPCT","SYSTEM","SCALE_TYP","METHOD_TYP","CLASS","VersionLastChanged","DefinitionDescription","STATUS","CONSUMER_NAME","SHORTNAME","EXTERNAL_COPYRIGHT_NOTICE","LONG_COMMON_NAME""#;
    let term = r#""2345-7","Glucose","MCnc","Pt","Ser/Plas","Qn","","CHEM","2.73","Measures ""glucose"", in plasma","ACTIVE","Glucose, Blood","Glucose SerPl-mCnc","","Glucose [Mass/volume] in Serum or Plasma""#;
    let old = r#""1000-9","DBG Ab","Pr","Pt","Ser/Plas^BPU","Ord","","BLDBK","2.9","","DEPRECATED","","DBG Ab SerPl Ql","(c) others","DBG Ab [Presence]""#;
    let files = [
        ("Loinc_2.76/LoincTable/Loinc.csv", format!("{header}\r\n{term}\r\n{old}\r\n")),
        (
            "Loinc_2.76/AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv",
            "PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT\n,1,,LP432695-7,{component}\nLP432695-7,1,LP432695-7,LP14635-4,Glucose\nLP432695-7.LP14635-4,1,LP14635-4,2345-7,Glucose SerPl\n".into(),
        ),
        (
            "Loinc_2.76/AccessoryFiles/PartFile/Part.csv",
            "\"PartNumber\",\"PartTypeName\",\"PartName\",\"PartDisplayName\",\"Status\"\n\"LP14635-4\",\"COMPONENT\",\"Glucose\",\"Glucose part\",\"ACTIVE\"\n".into(),
        ),
        (
            "Loinc_2.76/AccessoryFiles/PartFile/LoincPartLink_Primary.csv",
            "\"LoincNumber\",\"LongCommonName\",\"PartNumber\",\"PartName\",\"PartCodeSystem\",\"PartTypeName\",\"LinkTypeName\",\"Property\"\n\"2345-7\",\"x\",\"LP14635-4\",\"Glucose\",\"http://loinc.org\",\"COMPONENT\",\"Primary\",\"http://loinc.org/property/COMPONENT\"\n".into(),
        ),
        (
            "Loinc_2.76/AccessoryFiles/AnswerFile/AnswerList.csv",
            "\"AnswerListId\",\"AnswerListName\",\"AnswerListOID\",\"AnswerStringId\",\"DisplayText\"\n\"LL715-4\",\"Platelet morph\",\"1.3\",\"LA11165-0\",\"Platelet anisocytosis\"\n\"LL715-4\",\"Platelet morph\",\"1.3\",\"LA11168-4\",\"Platelet clump\"\n".into(),
        ),
        (
            "Loinc_2.76/AccessoryFiles/AnswerFile/LoincAnswerListLink.csv",
            "\"LoincNumber\",\"LongCommonName\",\"AnswerListId\"\n\"2345-7\",\"x\",\"LL715-4\"\n".into(),
        ),
        (
            "Loinc_2.76/AccessoryFiles/LinguisticVariants/deDE15LinguisticVariant.csv",
            "\"LOINC_NUM\",\"COMPONENT\",\"LONG_COMMON_NAME\",\"SHORTNAME\"\n\"2345-7\",\"Glucose\",\"Glukose im Serum\",\"\"\n".into(),
        ),
    ];
    let (about, concepts) = load(loinc::read, &files).unwrap();
    assert_eq!((about.url.as_str(), about.version.as_str()), ("http://loinc.org", "2.76"));
    assert_eq!(about.resource["caseSensitive"], false);
    assert_eq!(concepts.len(), 7, "{:?}", concepts.keys());
    let glucose = &concepts["2345-7"];
    assert_eq!(glucose.display.as_deref(), Some("Glucose [Mass/volume] in Serum or Plasma"));
    assert_eq!(glucose.definition.as_deref(), Some("Measures \"glucose\", in plasma"));
    assert_eq!(parents(glucose), ["LP14635-4"]);
    let found = properties(glucose);
    for property in
        ["COMPONENT=Glucose", "COMPONENT=LP14635-4", "SCALE_TYP=Qn", "copyright=LOINC", "answer-list=LL715-4"]
    {
        assert!(found.contains(&property.to_owned()), "{property} in {found:?}");
    }
    let texts = designations(glucose);
    for text in ["en CONSUMER_NAME Glucose, Blood", "de-DE LONG_COMMON_NAME Glukose im Serum"] {
        assert!(texts.contains(&text.to_owned()), "{text} in {texts:?}");
    }
    assert!(concepts["1000-9"].inactive && properties(&concepts["1000-9"]).contains(&"copyright=3rdParty".to_owned()));
    assert_eq!(properties(&concepts["LA11165-0"]), ["LIST=LL715-4"]);
    assert_eq!(concepts["LP14635-4"].display.as_deref(), Some("Glucose part"));
    let broken = [("LoincTable/Loinc.csv", format!("{header}\r\n{term}\r\n{}\r\n", old.replace("1000-9", "abc")))];
    let fault = load(loinc::read, &broken).unwrap_err();
    assert!(fault.message().ends_with("Loinc.csv, line 3: LOINC_NUM \"abc\" is no LOINC code"), "{fault}");
}

#[test]
fn rxnorm_is_read_from_rrf() {
    let pipes = |text: &str| rows("|", text);
    let files = [
        (
            "rrf/RXNCONSO.RRF",
            pipes(
                "161 ENG - - - - - 1 - - - RXNORM IN 161 acetaminophen - N 4096 -
                 161 ENG - - - - - 2 - - - RXNORM SY 161 APAP - N - -
                 161 ENG - - - - - 3 - - - MTHSPL SU 362O9ITL9D ACETAMINOPHEN - N - -
                 198440 ENG - - - - - 4 - - - RXNORM SCD 198440 acetaminophen_500_MG_Oral_Tablet - O - -
                 999 ENG - - - - - 5 - - - NDDF CDA 1 Only_elsewhere - N - -",
            ),
        ),
        (
            "rrf/RXNREL.RRF",
            pipes(
                "161 - CUI RO 198440 - CUI isa - - RXNORM - - - - - -\n161 - CUI RB 999 - CUI - - - NDDF - - - - - -",
            ),
        ),
        ("rrf/RXNSAT.RRF", pipes("198440 - - - CUI 198440 - - STRENGTH RXNORM 500_MG N - -")),
        ("rrf/RXNSTY.RRF", pipes("161 T109 A1.4.1.2.1 Organic_Chemical - 256 -")),
        (
            "rrf/RXNSAB.RRF",
            pipes("- - RXNORM_20AA RXNORM RxNorm RXNORM 20AA240102F - - - - - - - - - - - - - - - - - - -"),
        ),
        ("prescribe/rrf/RXNCONSO.RRF", "not read\n".into()),
    ];
    let (about, concepts) = load(rxnorm::read, &files).unwrap();
    assert_eq!(about.version, "20AA240102F");
    assert_eq!(concepts.keys().collect::<Vec<_>>(), ["161", "198440"]);
    let drug = &concepts["161"];
    assert_eq!((drug.display.as_deref(), drug.inactive), (Some("acetaminophen"), false));
    assert_eq!(designations(drug), ["en IN acetaminophen", "en SY APAP"]);
    assert_eq!(
        properties(drug),
        ["TTY=IN", "SAB=RXNORM", "TTY=SY", "SAB=MTHSPL", "RO=198440", "isa=198440", "STY=T109", "STY=Organic Chemical"]
    );
    let tablet = &concepts["198440"];
    assert!(tablet.inactive && properties(tablet).contains(&"SUPPRESS=O".to_owned()));
    assert!(properties(tablet).contains(&"STRENGTH=500 MG".to_owned()));
    let broken = [("RXNCONSO.RRF", files[0].1.replacen("198440|ENG", "x|ENG", 1))];
    let fault = load(rxnorm::read, &broken).unwrap_err();
    assert!(fault.message().ends_with("RXNCONSO.RRF, line 4: RXCUI \"x\" is no number"), "{fault}");
}

const TABULAR: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.tabular>
  <version>2026</version>
  <introduction><introSection type="title"><title>LIST</title></introSection></introduction>
  <chapter>
    <name>19</name>
    <desc>Injury &amp; poisoning (S00-T88)</desc>
    <sectionIndex><sectionRef first="S00" last="S09" id="S00-S09">Injuries to the head</sectionRef></sectionIndex>
    <section id="S00-S09">
      <desc>Injuries to the head (S00-S09)</desc>
      <diag>
        <name>S06</name>
        <desc>Intracranial injury</desc>
        <includes><note>traumatic brain injury</note></includes>
        <sevenChrDef>
          <extension char="A">initial encounter</extension>
          <extension char="D">subsequent encounter</extension>
        </sevenChrDef>
        <diag><name>S06.0</name><desc>Concussion</desc><inclusionTerm><note>Commotio cerebri</note></inclusionTerm></diag>
        <diag><name>S06.1X7</name><desc>Edema with death</desc></diag>
      </diag>
    </section>
    <section id="T07"><desc>Unspecified multiple injuries (T07)</desc>
      <diag><name>T07</name><desc>Unspecified multiple injuries</desc></diag>
    </section>
  </chapter>
</ICD10CM.tabular>"#;

#[test]
fn icd_10_cm_is_read_from_the_tabular_list() {
    let (about, concepts) = load(icd10cm::read, &[("icd10cm-tabular-2026.xml", TABULAR.into())]).unwrap();
    assert_eq!(about.version, "2026");
    let codes: Vec<&str> = concepts.keys().map(String::as_str).collect();
    let all =
        ["19", "S00-S09", "S06", "S06.0", "S06.0XXA", "S06.0XXD", "S06.1X7", "S06.1X7A", "S06.1X7D", "T07", "T07-T07"];
    assert_eq!(codes, all);
    let concussion = &concepts["S06.0XXA"];
    assert_eq!(concussion.display.as_deref(), Some("Concussion, initial encounter"));
    assert_eq!(parents(concussion), ["S06.0"]);
    assert_eq!(designations(&concepts["S06.0"]), ["en inclusionTerm Commotio cerebri"]);
    assert_eq!(properties(&concepts["S06"]), ["includes=traumatic brain injury", "kind=category", "billable=false"]);
    assert_eq!(concepts["19"].display.as_deref(), Some("Injury & poisoning (S00-T88)"));
    assert!(concepts["T07-T07"].is_abstract && !concepts["T07"].is_abstract);
    assert_eq!(parents(&concepts["T07"]), ["T07-T07"]);
    // the list of codes says which seventh characters there are
    let list = "19\nS00-S09\nS06\nS060\nS060XXA\nS060XXD\nS061X7\nS061X7A\nT07\n";
    let files = [("tabular.xml", TABULAR.to_owned()), ("icd10cm-codes.txt", list.to_owned())];
    let (_, concepts) = load(icd10cm::read, &files).unwrap();
    assert_eq!(concepts.len(), all.len() - 1);
    assert!(!concepts.contains_key("S06.1X7D"));
    let fault = load(icd10cm::read, &[("t.xml", TABULAR.replace("<name>S06.0</name>", ""))]).unwrap_err();
    assert!(fault.to_string().contains("t.xml: invalid XML: a <diag> has no name or no text (line 19"), "{fault}");
}

#[test]
fn icd_10_cm_is_read_from_the_order_file() {
    let line = |number: u32, code: &str, flag: u8, text: &str| {
        format!("{number:05} {code:<7} {flag} {text:<60} {text}, long\r\n")
    };
    let text =
        line(1, "A00", 0, "Cholera") + &line(2, "A000", 1, "Cholera due to") + &line(3, "S060X0A", 1, "Concussion");
    let (about, concepts) = load(icd10cm::read, &[("icd10cm-order-2026.txt", text.clone())]).unwrap();
    assert_eq!(about.version, "2026");
    assert_eq!(concepts.keys().collect::<Vec<_>>(), ["A00", "A00.0", "S06.0X0A"]);
    assert_eq!(parents(&concepts["A00.0"]), ["A00"]);
    assert_eq!(concepts["A00.0"].display.as_deref(), Some("Cholera due to, long"));
    assert_eq!(properties(&concepts["A00"]), ["billable=false"]);
    let fault = load(icd10cm::read, &[("icd10cm-order-2026.txt", text + "A01\n")]).unwrap_err();
    assert!(
        fault
            .message()
            .ends_with("order-2026.txt, line 4: it is no line of an order file: number, code, 0 or 1, texts")
    );
}

#[test]
fn cvx_is_read_from_the_list() {
    let text = "3|MMR|measles, mumps and rubella virus vaccine|M-M-R II|Active|False|2010/05/28\r\n998|no vaccine administered|no vaccine administered|Code 998|Inactive|137|True|09/30/2012\r\n";
    let (about, concepts) = load(cvx::read, &[("cvx.txt", text.into())]).unwrap();
    assert_eq!(about.version, "2012-09-30");
    assert_eq!(concepts.keys().collect::<Vec<_>>(), ["03", "998"]);
    let vaccine = &concepts["03"];
    assert_eq!(vaccine.display.as_deref(), Some("MMR"));
    assert_eq!(designations(vaccine), ["en full-name measles, mumps and rubella virus vaccine"]);
    let all = ["vaccine-status=Active", "notes=M-M-R II", "nonvaccine=false", "lastUpdated=2010-05-28"];
    assert_eq!(properties(vaccine), all);
    assert!(concepts["998"].inactive && properties(&concepts["998"]).contains(&"nonvaccine=true".to_owned()));
    for (row, what) in [
        ("x|a|b||Active|False|2010/05/28", "\"x\" is no CVX code"),
        ("4|a|b||Active|maybe|2010/05/28", "nonvaccine is True or False, not \"maybe\""),
        ("4|a|b||Active|False|soon", "\"soon\" is no date"),
        ("4|a|b", "3 columns, there are at least 7"),
    ] {
        let fault = load(cvx::read, &[("cvx.txt", format!("{text}{row}\n"))]).unwrap_err();
        assert!(fault.message().ends_with(&format!("cvx.txt, line 3: {what}")), "{fault}");
    }
}

#[test]
fn ucum_is_read_from_its_essence() {
    let text = r#"<?xml version="1.0"?>
<root xmlns="http://unitsofmeasure.org/ucum-essence" version="2.1" revision="x">
   <prefix Code="k" CODE="K"><name>kilo</name><printSymbol>k</printSymbol><value value="1e3">1 &#215; 10<sup>3</sup></value></prefix>
   <base-unit Code="m" CODE="M" dim="L"><name>meter</name><printSymbol>m</printSymbol><property>length</property></base-unit>
   <unit Code="[in_i]" CODE="[IN_I]" isMetric="no" class="intcust">
      <name>inch</name><name>international inch</name><printSymbol>in</printSymbol><property>length</property>
      <value Unit="cm" UNIT="CM" value="2.54">2.54</value>
   </unit>
</root>"#;
    let (about, concepts) = load(ucum::read, &[("ucum-essence.xml", text.into())]).unwrap();
    assert_eq!((about.version.as_str(), about.resource["content"].as_str()), ("2.1", Some("fragment")));
    assert_eq!(concepts.keys().collect::<Vec<_>>(), ["[in_i]", "m"]);
    let inch = &concepts["[in_i]"];
    assert_eq!(
        (inch.display.as_deref(), designations(inch)),
        (Some("inch"), vec!["en synonym international inch".to_owned()])
    );
    let all = [
        "caseInsensitive=[IN_I]",
        "class=intcust",
        "isMetric=false",
        "printSymbol=in",
        "property=length",
        "definition=2.54 cm",
    ];
    assert_eq!(properties(inch), all);
    let fault = load(ucum::read, &[("u.xml", text.replace("Code=\"m\" ", ""))]).unwrap_err();
    assert!(fault.to_string().contains("a unit has no Code (line 4, column 4)"), "{fault}");
}

#[test]
fn a_code_system_is_read_from_its_resource() {
    let text = r#"{"resourceType":"CodeSystem","concept":[
  {"code":"a","display":"A","concept":[{"concept":[{"code":"c"}],"code":"b","property":[{"code":"inactive","valueBoolean":true}]}]},
  {"code":"d","definition":"D","property":[{"code":"parent","valueCode":"b"},{"code":"n","valueInteger":7},{"code":"child","valueCode":"a"},
    {"code":"w","valueDecimal":1.50},{"code":"notSelectable","valueBoolean":true}],
   "designation":[{"language":"de","use":{"system":"s","code":"u"},"value":"De"}]}],
  "url":"http://x/cs","version":"1","content":"complete","text":{"status":"empty"}}"#;
    let (about, concepts) = load(resource::read, &[("cs.json", text.into())]).unwrap();
    assert_eq!((about.url.as_str(), about.version.as_str()), ("http://x/cs", "1"));
    assert_eq!(about.resource["hierarchyMeaning"], "is-a");
    assert!(!about.resource.contains_key("text") && !about.resource.contains_key("concept"));
    let above: Vec<_> = concepts.values().map(|concept| (&*concept.code, parents(concept))).collect();
    assert_eq!(above, [("a", vec!["d"]), ("b", vec!["a"]), ("c", vec!["b"]), ("d", vec!["b"])]);
    assert!(concepts["b"].inactive && concepts["d"].is_abstract);
    assert_eq!(properties(&concepts["d"]), ["parent=b", "n=7", "child=a", "w=1.50", "notSelectable=true"]);
    assert_eq!(designations(&concepts["d"]), ["de u De"]);
    for (from, to, what) in [
        ("\"code\":\"d\",", "", "a concept has no code at line"),
        ("\"http://x/cs\"", "\"\"", "the CodeSystem has no url"),
        ("\"complete\"", "\"supplement\"", "only code systems with concepts of their own are loaded"),
        ("\"CodeSystem\"", "\"ValueSet\"", "it is no CodeSystem"),
        ("\"valueInteger\":7", "\"x\":7", "property \"n\" has no value at line 4"),
        ("}]}]},", "}]}]", "at line "),
    ] {
        let fault = load(resource::read, &[("cs.json", text.replacen(from, to, 1))]).unwrap_err();
        assert!(fault.message().contains("cs.json: ") && fault.message().contains(what), "{fault} for {what}");
    }
}

#[test]
fn properties_mean_what_their_uris_say() {
    let defined = |code: &str, name: &str| {
        format!(r#"{{"code":"{code}","uri":"http://hl7.org/fhir/concept-properties#{name}","type":"code"}}"#)
    };
    let defined = [
        defined("up", "parent"),
        defined("down", "child"),
        defined("gone", "inactive"),
        defined("state", "status"),
        defined("group", "notSelectable"),
    ];
    let property = format!(r#""property":[{}],"#, defined.join(","));
    let concepts = r#""concept":[
        {"code":"a","property":[{"code":"down","valueCode":"c"},{"code":"group","valueBoolean":true},{"code":"inactive","valueBoolean":true}]},
        {"code":"b","property":[{"code":"up","valueCode":"a"},{"code":"gone","valueBoolean":true},{"code":"parent","valueCode":"c"}]},
        {"code":"c","property":[{"code":"state","valueCode":"withdrawn"}]},
        {"code":"d","property":[{"code":"state","valueCode":"retired"},{"code":"gone","valueBoolean":false},{"code":"subsumedBy","valueCode":"b"}]}],"#;
    for (first, second) in [(&*property, concepts), (concepts, &*property)] {
        let text = format!(
            r#"{{"resourceType":"CodeSystem",{first}{second}"url":"http://x/cs","version":"1","content":"complete"}}"#
        );
        let (about, concepts) = load(resource::read, &[("cs.json", text)]).unwrap();
        assert_eq!(about.resource["hierarchyMeaning"], "is-a");
        let above: Vec<_> = concepts.values().map(|concept| (&*concept.code, parents(concept))).collect();
        assert_eq!(above, [("a", vec![]), ("b", vec!["a"]), ("c", vec!["a"]), ("d", vec!["b"])]);
        let is_inactive: Vec<bool> = concepts.values().map(|concept| concept.inactive).collect();
        assert_eq!(is_inactive, [false, true, true, false]);
        let is_abstract: Vec<bool> = concepts.values().map(|concept| concept.is_abstract).collect();
        assert_eq!(is_abstract, [true, false, false, false]);
    }
}

#[test]
fn what_is_not_there_is_said() {
    let empty = tempfile::tempdir().unwrap();
    let loaders: [Loader; 7] =
        [snomed::read, loinc::read, rxnorm::read, icd10cm::read, cvx::read, ucum::read, resource::read];
    for loader in loaders {
        let fault = load_path(loader, empty.path(), None).unwrap_err();
        assert!(fault.message().contains("there is n"), "{fault}");
        assert!(
            load_path(loader, Path::new("/nowhere/at all"), None).unwrap_err().message().starts_with("/nowhere/at all")
        );
    }
}
