//! The version of the loaded library.

/// The version of the loaded library; see `base.h`.
#[unsafe(no_mangle)]
pub extern "C" fn flr_version_number() -> u32 {
    const NUMBER: u32 = number(env!("CARGO_PKG_VERSION"));
    NUMBER
}

/// `"1.2.3"` as 1002003. Evaluated by the compiler, where a panic is a build error.
const fn number(version: &str) -> u32 {
    let bytes = version.as_bytes();
    let (mut total, mut part, mut i) = (0, 0, 0);
    while i < bytes.len() {
        match bytes[i] {
            digit @ b'0'..=b'9' => part = part * 10 + (digit - b'0') as u32,
            b'.' => {
                total = (total + part) * 1000;
                part = 0;
            }
            _ => panic!("the version must be three numbers"),
        }
        i += 1;
    }
    total + part
}

#[cfg(test)]
mod tests {
    #[test]
    fn base_h_declares_this_version() {
        assert_eq!(super::number("1.20.3"), 1_020_003);
        let header = include_str!("../../../include/flightring/base.h");
        let part = |name: &str| {
            let line = header.lines().find(|line| line.contains(name)).unwrap();
            line.rsplit(' ').next().unwrap().to_owned()
        };
        let declared =
            ["MAJOR", "MINOR", "PATCH"].map(|part_name| part(&format!("FLR_VERSION_{part_name} ")));
        assert_eq!(declared.join("."), env!("CARGO_PKG_VERSION"));
    }
}
