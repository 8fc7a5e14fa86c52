//! Compiles the wire contract in proto/ when the crate is built as firmware.
//! The pure core needs neither the contract nor the tools that read it.

#[cfg(feature = "firmware")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rustc-env=CALLBOX_BUILT={}", built()?);
    let contract = protox::compile(["wgtwo/webterminal/v0/webterminal.proto"], ["proto"])?;
    tonic_prost_build::configure().include_file("proto.rs").compile_fds(contract)?;
    Ok(())
}

/// Seconds since 1970 that every true clock is past. Not the time of the
/// build, for the same sources must give the same program: what
/// SOURCE_DATE_EPOCH says (reproducible-builds.org), else the date of the
/// list of dependencies.
#[cfg(feature = "firmware")]
fn built() -> Result<u64, Box<dyn std::error::Error>> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given
            .trim()
            .parse()
            .map_err(|error| format!("SOURCE_DATE_EPOCH is {given:?}: {error}").into());
    }
    let modified = std::fs::metadata("Cargo.lock")?.modified()?;
    Ok(modified.duration_since(std::time::UNIX_EPOCH)?.as_secs())
}

#[cfg(not(feature = "firmware"))]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
