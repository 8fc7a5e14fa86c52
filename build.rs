//! Compiles the wire contract in proto/ when the crate is built as firmware.
//! The pure core needs neither the contract nor the tools that read it.

#[cfg(feature = "firmware")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");
    let contract = protox::compile(["wgtwo/webterminal/v0/webterminal.proto"], ["proto"])?;
    tonic_prost_build::configure().include_file("proto.rs").compile_fds(contract)?;
    Ok(())
}

#[cfg(not(feature = "firmware"))]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
