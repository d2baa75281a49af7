//! Dates in forms that a template describes (FHIRPath 3.0, "Date/DateTime String Format Codes").

/// The parts that were read.
#[derive(Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    fraction: String,
    is_afternoon: Option<bool>,
    offset: String,
}

/// A text in ISO form, read by a template: `15-01-2024` by `dd-MM-yyyy` is `2024-01-15`. A character that is no code
/// stands for itself; two digits of a year are those of 1950 to 2049. None when the text does not fit.
pub fn read(text: &str, format: &str) -> Option<String> {
    let mut parts = Parts::default();
    let (mut text, mut format) = (text, format);
    while let Some(code) = format.chars().next() {
        let run = format.chars().take_while(|c| *c == code).count();
        let is_code = "yMdhHmsSaZ".contains(code);
        let length = if is_code { run * code.len_utf8() } else { code.len_utf8() };
        format = &format[length..];
        text = if is_code { parts.take(code, run, text)? } else { text.strip_prefix(code)? };
    }
    if text.is_empty() { parts.written() } else { None }
}

/// Digits at the start of a text, as a number, and the rest: exactly `count`, or for one at most two.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let found = text.bytes().take_while(u8::is_ascii_digit).count();
    let length = if count == 1 { found.min(2) } else { count };
    if length == 0 || found < length {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

impl Parts {
    /// Takes what a code stands for from the start of a text, and gives the rest.
    fn take<'t>(&mut self, code: char, run: usize, text: &'t str) -> Option<&'t str> {
        match code {
            'a' => return self.take_half(text),
            'Z' => return self.take_offset(text),
            'S' => {
                self.fraction = text.get(..run).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.to_owned();
                return Some(&text[run..]);
            }
            'y' if run != 2 && run != 4 => return None,
            'y' => {}
            _ if run > 2 => return None,
            _ => {}
        }
        let (value, rest) = digits(text, run)?;
        match code {
            'y' if run == 2 => self.year = Some(value + if value < 50 { 2000 } else { 1900 }),
            'y' => self.year = Some(value),
            'M' => self.month = Some(value),
            'd' => self.day = Some(value),
            'h' if !(1..=12).contains(&value) => return None,
            'h' | 'H' => self.hour = Some(value),
            'm' => self.minute = Some(value),
            _ => self.second = Some(value),
        }
        Some(rest)
    }

    /// `A`, `AM`, `P` or `PM`, in any case.
    fn take_half<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let first = text.chars().next()?.to_ascii_lowercase();
        self.is_afternoon = Some(match first {
            'a' => false,
            'p' => true,
            _ => return None,
        });
        let rest = &text[1..];
        Some(rest.strip_prefix(['m', 'M']).unwrap_or(rest))
    }

    /// `Z`, `+0200` or `+02:00`.
    fn take_offset<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('Z') {
            self.offset = "Z".to_owned();
            return Some(rest);
        }
        let sign = text.chars().next().filter(|c| matches!(c, '+' | '-'))?;
        let (hours, rest) = digits(&text[1..], 2)?;
        let (minutes, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2)?;
        self.offset = format!("{sign}{hours:02}:{minutes:02}");
        Some(rest)
    }

    /// The parts in ISO form; none when one is missing before another.
    fn written(&self) -> Option<String> {
        let hour = match (self.hour, self.is_afternoon) {
            (Some(hour), Some(is_afternoon)) => Some(hour % 12 + if is_afternoon { 12 } else { 0 }),
            (hour, _) => hour,
        };
        let mut out = format!("{:04}", self.year?);
        let parts = [("-", self.month), ("-", self.day), ("T", hour), (":", self.minute), (":", self.second)];
        let given = parts.iter().take_while(|(_, part)| part.is_some()).count();
        if parts[given..].iter().any(|(_, part)| part.is_some()) {
            return None;
        }
        for (separator, part) in &parts[..given] {
            out.push_str(&format!("{separator}{:02}", part.unwrap_or_default()));
        }
        if !self.fraction.is_empty() {
            out.push_str(&format!(".{}", self.fraction));
        }
        out.push_str(&self.offset);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_followed() {
        let cases = [
            ("150124", "ddMMyy", Some("2024-01-15")),
            ("15-01-2024", "dd-MM-yyyy", Some("2024-01-15")),
            ("12-27", "MM-yy", Some("2027-12")),
            ("1/2/1999", "d/M/yyyy", Some("1999-02-01")),
            ("2024-01-15 03:30:05.250 PM +0200", "yyyy-MM-dd hh:mm:ss.SSS a Z", Some("2024-01-15T15:30:05.250+02:00")),
            ("20240115T12Z", "yyyyMMddTHHZ", Some("2024-01-15T12Z")),
            ("12:30 am 2024-01-15", "hh:mm a yyyy-MM-dd", Some("2024-01-15T00:30")),
            ("15-01-2024x", "dd-MM-yyyy", None),
            ("1-01-2024", "dd-MM-yyyy", None),
            ("15-2024", "dd-yyyy", None),
            ("13:00 2024-01-01", "hh:mm yyyy-MM-dd", None),
            ("2024", "yyy", None),
        ];
        for (text, format, expected) in cases {
            assert_eq!(read(text, format).as_deref(), expected, "{text} by {format}");
        }
    }
}
