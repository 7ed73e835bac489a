// Which variant of the kernels runs on this machine.

internal import CKernels

/// An instruction set that kernels are written for, in rising order of preference.
public enum InstructionSet: String, Sendable, CaseIterable {
    /// C without special instructions: runs everywhere, and is the reference of the others.
    case portable
    /// AVX2 with FMA and F16C.
    case avx2
    /// AVX2 and the 256-bit form of VNNI.
    case avxvnni
    /// AVX-512 with its F, BW, DQ, VL and VNNI parts.
    case avx512
    /// NEON and its dot product, of Armv8.2.
    case neonDot = "neon-dot"

    /// The best one that this CPU can run.
    public static var best: InstructionSet { available.last ?? .portable }

    /// Those that this CPU can run.
    public static var available: [InstructionSet] { allCases.filter(\.isAvailable) }

    public var isAvailable: Bool { pg_cpu_has_isa(code) != 0 }

    /// The name of this set in `pg_cpu.h`.
    var code: Int32 {
        let isa =
            switch self {
            case .portable: PG_ISA_PORTABLE
            case .avx2: PG_ISA_AVX2
            case .avxvnni: PG_ISA_AVXVNNI
            case .avx512: PG_ISA_AVX512
            case .neonDot: PG_ISA_NEON_DOT
            }
        return Int32(isa.rawValue)
    }
}

/// The kernels of one instruction set: a table of functions, chosen once at start. All variants give the same bits.
public struct KernelSet: Sendable {
    public let instructionSet: InstructionSet
    let functions: pg_kernels

    /// The portable kernels where this CPU can't run those asked for.
    public init(_ instructionSet: InstructionSet = .best) {
        self.instructionSet = instructionSet.isAvailable ? instructionSet : .portable
        functions = pg_kernels_of(self.instructionSet.code)
    }
}
