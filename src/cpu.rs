//! What the processor can do, asked once at start.

use ringgate_proto::scan::Cpu;

/// The widest vectors that this machine has for the scanner.
pub fn detect() -> Cpu {
    #[cfg(target_arch = "x86_64")]
    return if std::is_x86_feature_detected!("avx2") { Cpu::Avx2 } else { Cpu::Sse2 };
    #[cfg(not(target_arch = "x86_64"))]
    Cpu::Scalar
}
