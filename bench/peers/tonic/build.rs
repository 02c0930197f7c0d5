//! Generates code from the contract.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "../../../test/proto";
    println!("cargo:rerun-if-changed={folder}");
    let descriptors = protox::compile(["calls/v1/calls.proto", "streams/v1/streams.proto"], [folder])?;
    tonic_prost_build::configure()
        .build_client(false)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
