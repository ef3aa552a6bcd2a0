//! Generates the control protocol from its description (needs `protoc`, Debian's protobuf-compiler).

fn main() -> std::io::Result<()> {
    tonic_prost_build::configure().build_transport(true).compile_protos(&["proto/control.proto"], &["proto"])
}
